// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Eventfds and files of a tmpfs: what comes back by LIVEUPDATE_SESSION_RETRIEVE_INTO,
 * and what is refused. kinds-check prints a line for each point, as abi.c does.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/liveupdate_ext.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libluo.h"
#include "luotest.h"

/* ---- the same objects before and after ---- */

static const struct event {
	uint64_t token;
	uint64_t count;
	int flags;
} events[] = {
	{ 1, 0, 0 },
	{ 2, 1, 0 },
	{ 3, 5, EFD_SEMAPHORE },
	{ 4, 0, EFD_SEMAPHORE | EFD_NONBLOCK },
	{ 5, 0xffffffff, EFD_NONBLOCK },
	{ 6, 0x100000000, 0 },
	{ 7, 0xfffffffffffffffe, EFD_SEMAPHORE },
	{ 8, 0xfffffffffffffffe, EFD_NONBLOCK },
	{ 9, UINT64_MAX, EFD_NONBLOCK }, /* overflow */
	{ 10, 0, 0 },
};

#define EVENTS (sizeof(events) / sizeof(*events))

/* Where they lie does not matter to the next kernel. */
#define DIR "/tmp/kinds"

static const char *const files[] = {
	"20:dense:1M:seed=2:path=" DIR "/dense",
	"21:scatter:24M:seed=3:path=" DIR "/scatter",
	"22:scatter:24M:seed=4:path=" DIR "/left",
	"23:dense:0:path=" DIR "/empty",
	"24:sparse:4M:path=" DIR "/sparse",
	"25:dense:1M:seed=6:path=" DIR "/quota",
};

static int other_memfd(void)
{
	int fd = memfd_create("kinds", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, PAGE))
		die("memfd");
	return fd;
}

static int make_event(uint64_t count, int flags)
{
	uint64_t most = count < UINT64_MAX ? count : UINT64_MAX - 1;
	int fd = eventfd(0, flags | EFD_CLOEXEC);

	if (fd < 0 || (most && write(fd, &most, 8) != 8))
		die("eventfd");
	return fd;
}

/* One more than a program can write is what only a kernel counts to. */
static void overflow(int fd)
{
	struct iocb cb = { .aio_lio_opcode = IOCB_CMD_PREAD, .aio_flags = IOCB_FLAG_RESFD,
			   .aio_resfd = fd, .aio_nbytes = 1 };
	struct iocb *list = &cb;
	aio_context_t context = 0;
	char byte;

	cb.aio_buf = (uintptr_t)&byte;
	cb.aio_fildes = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	if (syscall(SYS_io_setup, 1, &context) || syscall(SYS_io_submit, context, 1, &list) != 1 ||
	    syscall(SYS_io_destroy, context))
		die("asynchronous read");
	close(cb.aio_fildes);
}

static uint64_t count_of(int fd)
{
	char path[64], line[128];
	unsigned long long count = 0;
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		found |= sscanf(line, "eventfd-count: %llx", &count) == 1;
	if (!f || !found)
		die("%s", path);
	fclose(f);
	return count;
}

static bool is_semaphore(int fd)
{
	uint64_t n;

	if (fcntl(fd, F_SETFL, O_NONBLOCK) || read(fd, &n, 8) != 8)
		die("read from an eventfd");
	return n == 1;
}

int luo_retrieve_path(int session, uint64_t token, const char *path)
{
	struct luo_session *s;
	int fd, r;

	r = luo_session_new_from_fd(session, &s);
	if (r < 0)
		return r;
	r = luo_session_retrieve_tmpfs(s, token, AT_FDCWD, path, &fd);
	luo_session_release_fd(s);
	return r < 0 ? r : fd;
}

static int retrieve_event(int session, uint64_t token)
{
	struct luo_session *s;
	int fd, r;

	r = luo_session_new_from_fd(session, &s);
	if (r < 0)
		return r;
	r = luo_session_retrieve_eventfd(s, token, &fd);
	luo_session_release_fd(s);
	return r < 0 ? r : fd;
}

/* kinds-hold: sessions "events" and "kinds". */
int cmd_kinds_hold(int argc, char **argv)
{
	int dev, events_session, kinds, middle, fd, rc = 0;
	struct spec s;
	uint64_t n;

	errno = 0;
	dev = luo_open();
	events_session = luo_create(dev, "events");
	kinds = luo_create(dev, "kinds");
	middle = luo_create(dev, "middle");
	if (dev < 0 || events_session < 0 || kinds < 0 || middle < 0)
		die("sessions");
	for (size_t i = 0; i < EVENTS; i++) {
		/* What it is at the freeze counts, and that changes here. */
		fd = make_event(0, events[i].flags);
		rc |= luo_preserve_fd(i < 3 ? kinds : events_session, fd, events[i].token);
		n = events[i].count < UINT64_MAX ? events[i].count : UINT64_MAX - 1;
		if (n && write(fd, &n, 8) != 8)
			die("write");
		if (n != events[i].count)
			overflow(fd);
		if (count_of(fd) != events[i].count)
			die("eventfd %zu has another count", i);
		/* The session alone has it. */
		close(fd);
	}
	mkdir(DIR, 0755);
	if (mount("tmpfs", DIR, "tmpfs", 0, "size=128M"))
		die("mount");
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		spec_parse(&s, files[i]);
		fd = spec_make(&s);
		rc |= luo_preserve_fd(kinds, fd, s.token);
		close(fd);
	}
	spec_parse(&s, "40:scatter:24M:seed=7:path=" DIR "/middle");
	rc |= luo_preserve_fd(middle, spec_make(&s), s.token);
	fd = open(DIR "/unreadable", O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
	rc |= write(fd, "unreadable", 10) != 10;
	rc |= luo_preserve_fd(kinds, fd, 30);
	/* Renamed, and unlinked: what was preserved is the file. */
	rc |= rename(DIR "/unreadable", DIR "/other");
	rc |= unlink(DIR "/sparse");
	rc |= luo_preserve_fd(kinds, other_memfd(), 31);
	fd = open(DIR "/late", O_RDWR | O_CREAT | O_CLOEXEC, 04755);
	rc |= fchown(fd, 12, 13) || fchmod(fd, 04755) || write(fd, "some", 4) != 4;
	rc |= luo_preserve_fd(kinds, fd, 32);
	rc |= write(fd, "thing", 5) != 5;
	if (rc)
		die("preserve");
	close(dev);
	stay_behind("kinds");
	return 0;
}

/* ---- after ---- */

static struct liveupdate_session_retrieve_into arg;

/* 0 or an errno */
static int into(int session, uint64_t token, int fd)
{
	arg = (struct liveupdate_session_retrieve_into){
		.size = sizeof(arg), .fd = fd, .token = token
	};
	return call(session, LIVEUPDATE_SESSION_RETRIEVE_INTO, &arg);
}

/* The same, and then @fd is closed. */
static int into_once(int session, uint64_t token, int fd)
{
	int rc = into(session, token, fd);

	close(fd);
	return rc;
}

static int error_of(int fd)
{
	return fd < 0 ? -fd : 0;
}

/* Every eventfd, by the library. */
static void check_events(int session)
{
	char text[96];
	int fd;

	for (size_t i = 3; i < EVENTS; i++) {
		const struct event *e = &events[i];

		fd = retrieve_event(session, e->token);
		snprintf(text, sizeof(text), "an eventfd with %#llx arrives",
			 (unsigned long long)e->count);
		expect(text, error_of(fd), 0);
		snprintf(text, sizeof(text), "... with just that, and flags %#x", e->flags);
		expect_true(text, fd >= 0 && count_of(fd) == e->count &&
				  !(fcntl(fd, F_GETFL) & O_NONBLOCK) ==
					  !(e->flags & EFD_NONBLOCK) &&
				  (!e->count || is_semaphore(fd) == !!(e->flags & EFD_SEMAPHORE)));
	}
}

static void events_refused(int session)
{
	int fd, again;
	uint64_t n;

	expect("an eventfd by RETRIEVE_FD", error_of(luo_retrieve_fd(session, 3)), EOPNOTSUPP);
	expect("... which may be tried again", error_of(luo_retrieve_fd(session, 3)), EOPNOTSUPP);
	expect("the question what it was", into(session, 3, -1), 0);
	expect_true("... has the right answer", arg.value == 5 && arg.flags == EFD_SEMAPHORE &&
						!arg.mode && !arg.uid && !arg.gid && arg.fd == -1);
	expect("an unknown token", into(session, 99, -1), ENOENT);
	expect("a memfd instead", into_once(session, 3, other_memfd()), EINVAL);
	expect("a file that is not open", into(session, 3, 200), EBADF);
	expect("fd -2", into(session, 3, -2), EBADF);
	expect("the session itself", into(session, 3, session), EINVAL);
	expect("a counter that is less",
	       into_once(session, 3, make_event(4, EFD_SEMAPHORE)), EINVAL);
	expect("a counter that is more",
	       into_once(session, 3, make_event(6, EFD_SEMAPHORE)), EINVAL);
	expect("no semaphore", into_once(session, 3, make_event(5, 0)), EINVAL);
	expect("one that does not wait",
	       into_once(session, 3, make_event(5, EFD_SEMAPHORE | EFD_NONBLOCK)), EINVAL);
	fd = make_event(5, EFD_SEMAPHORE);
	expect("the right one", into(session, 3, fd), 0);
	expect("... only once", into(session, 3, fd), EBUSY);
	expect_true("... and its counter is untouched", count_of(fd) == 5);
	again = luo_retrieve_fd(session, 3);
	expect("RETRIEVE_FD gives it", error_of(again), 0);
	expect_true("... the same one", again >= 0 && read(again, &n, 8) == 8 && n == 1 &&
					count_of(fd) == 4);
	close(again);
	again = retrieve_event(session, 3);
	expect_true("... and so does libluo", again >= 0 && count_of(again) == 4);
	fd = make_event(0, 0);
	expect("another one", into(session, 1, fd), 0);
	expect("... and the same for a second token", into(session, 2, fd), EBUSY);
}

static uint64_t blocks_free(void)
{
	struct statfs fs;

	if (statfs(DIR, &fs))
		die("statfs");
	return fs.f_bfree;
}

static void size_is(const char *options)
{
	if (mount("tmpfs", DIR, "tmpfs", MS_REMOUNT, options))
		die("remount %s", options);
}

/* Another file without a name, on the tmpfs. */
static int nameless(int flags)
{
	int fd = open(DIR, O_TMPFILE | O_CLOEXEC | flags, 0600);

	if (fd < 0)
		die("O_TMPFILE");
	return fd;
}

static bool is_empty(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && !st.st_size && !st.st_blocks &&
	       fcntl(fd, F_GET_SEALS) == F_SEAL_SEAL;
}

static void files_refused(int session)
{
	uint64_t free_before = blocks_free();
	int fd, fd2, sealing;
	char path[64];

	expect("the question what a file was", into(session, 32, -1), 0);
	expect_true("... has the right answer", arg.value == 9 && arg.mode == 04755 &&
						arg.uid == 12 && arg.gid == 13 && !arg.flags);
	expect("a memfd cannot be brought", into(session, 31, -1), EOPNOTSUPP);
	expect("an eventfd instead of a file", into_once(session, 20, make_event(0, 0)), EINVAL);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	expect("/dev/null", into_once(session, 20, fd), EINVAL);
	fd = nameless(O_RDWR);
	if (write(fd, "x", 1) != 1)
		die("write");
	expect("a file with contents", into(session, 20, fd), EINVAL);
	if (ftruncate(fd, 0))
		die("ftruncate");
	if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, PAGE))
		die("fallocate");
	expect("one with memory beyond its size", into_once(session, 20, fd), EINVAL);
	fd = nameless(O_RDWR);
	if (ftruncate(fd, PAGE))
		die("ftruncate");
	expect("one that is a hole", into_once(session, 20, fd), EINVAL);
	fd = nameless(O_RDWR);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd2 = open(path, O_RDONLY | O_CLOEXEC);
	expect("one that is open for reading only", into_once(session, 20, fd2), EBADF);
	sealing = memfd_create("sealing", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	expect("one that can be sealed", into_once(session, 20, sealing), EINVAL);
	expect("what could not be read", into(session, 30, fd), EACCES);

	/* All but one page. */
	size_is("size=1020K");
	expect("a tmpfs that is too small by one page", into(session, 20, fd), ENOSPC);
	expect_true("... and nothing has happened", is_empty(fd) && blocks_free() == 255);
	size_is("size=1M");
	expect("the same file when there is just room", into(session, 20, fd), 0);
	expect_true("... which is full now", !blocks_free());
	fd2 = nameless(O_RDWR);
	expect("... so that nothing else fits", fallocate(fd2, 0, 0, PAGE) ? errno : 0, ENOSPC);
	close(fd2);
	size_is("size=128M");
	expect("only once", into_once(session, 20, nameless(O_RDWR)), EBUSY);
	fd2 = nameless(O_RDWR);
	expect("the same file for a second token", into(session, 23, fd), EBUSY);
	expect("an empty file", into(session, 23, fd2), 0);
	expect_true("... is empty", is_empty(fd2));
	close(fd);
	close(fd2);
	expect_true("a file that the session alone has is there", blocks_free() ==
								  free_before - 256);
	{
		struct spec s;

		spec_parse(&s, files[0]);
		fd = luo_retrieve_path(session, 20, s.path);
		expect("it gets its name in the end", error_of(fd), 0);
		expect_true("... and is right", !spec_check(&s, fd));
		expect("... and no second name",
		       error_of(luo_retrieve_path(session, 20, DIR "/second")), EEXIST);
	}
}

/* Like a program that dies while its file is being filled. */
static void killed_filling(int session, uint64_t token, int fd)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		die("fork");
	if (!pid)
		_exit(into(session, token, fd));
	/* Sealed is begun. */
	while (fcntl(fd, F_GET_SEALS) == F_SEAL_SEAL && waitpid(pid, &status, WNOHANG) == 0)
		;
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	expect_true("a file whose filling was cut off is sealed",
		    fcntl(fd, F_GET_SEALS) == (F_SEAL_SEAL | F_SEAL_WRITE | F_SEAL_GROW));
}

static void cut_off(int session)
{
	int fd = nameless(O_RDWR), dev = luo_open(), out = luo_create(dev, "out"), left;
	uint64_t before = blocks_free();
	int pipe_fds[2];
	struct stat st;
	struct spec s;
	char *p;

	close(dev);
	killed_filling(session, 21, fd);
	expect_true("... has size 0", !fstat(fd, &st) && !st.st_size);
	expect_true("... and all its blocks", blocks_free() == before - 6144);
	expect("... cannot be written", pwrite(fd, "x", 1, 0) == -1 ? errno : 0, EPERM);
	expect("... nor enlarged", ftruncate(fd, 1) ? errno : 0, EPERM);
	expect("... nor punched", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
					    PAGE) ? errno : 0, EPERM);
	expect("... nor preserved", -luo_preserve_fd(out, fd, 1), EBUSY);
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED || pipe2(pipe_fds, O_CLOEXEC))
		die("mmap");
	expect("... nor seen", write(pipe_fds[1], p, 1) == -1 ? errno : 0, EFAULT);
	munmap(p, PAGE);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	expect("another file", into_once(session, 21, nameless(O_RDWR)), EBUSY);
	expect("the file for another token", into(session, 22, fd), EBUSY);
	expect("the same file goes on", into(session, 21, fd), 0);
	close(fd);
	spec_parse(&s, files[1]);
	fd = luo_retrieve_path(session, 21, s.path);
	expect_true("... and is right in the end", fd >= 0 && !spec_check(&s, fd));

	/* Whoever comes next has no descriptor of it. */
	fd = nameless(O_RDWR);
	before = blocks_free();
	killed_filling(session, 22, fd);
	close(fd);
	left = luo_retrieve_fd(session, 22);
	expect("RETRIEVE_FD goes on with it too", error_of(left), 0);
	expect_true("... on the tmpfs", left >= 0 && blocks_free() == before - 6144);
	close(left);
	spec_parse(&s, files[2]);
	fd = luo_retrieve_path(session, 22, s.path);
	expect_true("... and it gets its name", fd >= 0 && !spec_check(&s, fd));
	close(fd);
	close(out);
}

#define QUOTA "/tmp/quota"

/* From 6.6 on a tmpfs knows quotas; root is above them. */
static void over_quota(int session)
{
	int fd, status;
	struct stat st;
	struct spec s;
	pid_t pid;

	mkdir(QUOTA, 0755);
	if (mount("tmpfs", QUOTA, "tmpfs", 0, "mode=1777,usrquota,usrquota_block_hardlimit=512K"))
		return;
	pid = fork();
	if (!pid) {
		if (setresuid(1000, 1000, 1000))
			_exit(1);
		fd = open(QUOTA "/file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		status = into(session, 25, fd);
		_exit(is_empty(fd) ? status : 1);
	}
	waitpid(pid, &status, 0);
	expect("a file that is more than its owner may have", WEXITSTATUS(status), EDQUOT);
	fd = open(QUOTA "/file", O_RDWR | O_CLOEXEC);
	expect("... is brought again by root", into(session, 25, fd), 0);
	spec_parse(&s, "25:dense:1M:seed=6:uid=1000:path=" QUOTA "/file");
	expect_true("... and is right", !spec_check(&s, fd));
	expect_true("... and counts", !fstat(fd, &st) && st.st_blocks == 2048);
	if (ftruncate(fd, 0))
		die("ftruncate");
	expect_true("... until it goes", is_empty(fd));
}

/* The session ends in the middle: as if nothing had been brought. */
static void left_in_the_middle(int session, int fd)
{
	killed_filling(session, 40, fd);
	expect("a session ends while a file is being filled", -luo_finish(session), 0);
	expect_true("... which is empty again", is_empty(fd));
	expect("... and in use again", pwrite(fd, "x", 1, 0) == 1 ? 0 : errno, 0);
}

/* kinds-check */
int cmd_kinds_check(int argc, char **argv)
{
	int dev, session, kinds, middle, fd, out;
	uint64_t before;
	struct stat st;
	struct spec s;
	char text[16];

	errno = 0;
	dev = luo_open();
	session = luo_retrieve(dev, "events");
	kinds = luo_retrieve(dev, "kinds");
	middle = luo_retrieve(dev, "middle");
	out = luo_create(dev, "passed on");
	if (dev < 0 || session < 0 || kinds < 0 || middle < 0 || out < 0)
		die("sessions");
	close(dev);
	mkdir(DIR, 0755);
	if (mount("tmpfs", DIR, "tmpfs", 0, "size=128M"))
		die("mount");
	check_events(session);
	events_refused(kinds);
	files_refused(kinds);
	cut_off(kinds);
	over_quota(kinds);
	fd = nameless(O_RDWR);
	before = blocks_free();
	left_in_the_middle(middle, fd);
	expect_true("... and the tmpfs has its blocks again", blocks_free() == before - 1);
	close(fd);

	/* Without a name, by what in-tree has too. */
	fd = luo_retrieve_fd(kinds, 32);
	expect("a file by RETRIEVE_FD", error_of(fd), 0);
	expect_true("... has no name, and is as it was",
		    fd >= 0 && !fstat(fd, &st) && !st.st_nlink && st.st_size == 9 &&
			    (st.st_mode & 07777) == 04755 && st.st_uid == 12 && st.st_gid == 13 &&
			    pread(fd, text, 16, 0) == 9 && !memcmp(text, "something", 9) &&
			    lseek(fd, 0, SEEK_CUR) == 9);
	expect("... and cannot get one", into_once(kinds, 32, nameless(O_RDWR)), EBUSY);
	fd = luo_retrieve_fd(kinds, 30);
	expect_true("what could not be read is open for writing only",
		    fd >= 0 && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY);
	spec_parse(&s, files[4]);
	fd = luo_retrieve_path(kinds, 24, s.path);
	expect_true("a file that was unlinked later gets a name all the same",
		    fd >= 0 && !spec_check(&s, fd));
	expect("what was retrieved is not preserved before the end",
	       -luo_preserve_fd(out, fd, 1), EBUSY);
	expect("the session is finished", -luo_finish(kinds), 0);
	expect("... and then it is", -luo_preserve_fd(out, fd, 1), 0);
	fd = make_event(7, EFD_SEMAPHORE);
	expect("an eventfd is preserved", -luo_preserve_fd(out, fd, 2), 0);
	expect("... and not twice", -luo_preserve_fd(out, fd, 3), EBUSY);
	return 0;
}
