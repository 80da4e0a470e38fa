// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The commands of liveupdate_ext.h on a real kernel: good and bad arguments,
 * and programs that are killed while they hold something.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "luotest.h"

#define KEEP LIVEUPDATE_SESSION_KEEP_ON_CLOSE
#define MANY 20000

static int dev;

static uint64_t sysfs(const char *name)
{
	unsigned long long value = UINT64_MAX;
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/liveupdate/%s", name);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%llu", &value) != 1)
		die("%s", path);
	fclose(f);
	return value;
}

static int set_flags(int session, uint32_t flags)
{
	struct liveupdate_session_set_flags a = { .size = sizeof(a), .flags = flags };

	return call(session, LIVEUPDATE_SESSION_SET_FLAGS, &a);
}

static int unpreserve(int session, uint64_t token)
{
	struct liveupdate_session_unpreserve_fd a = { .size = sizeof(a), .token = token };

	return call(session, LIVEUPDATE_SESSION_UNPRESERVE_FD, &a);
}

static int recycle(int session, uint32_t flags)
{
	struct liveupdate_session_recycle a = { .size = sizeof(a), .flags = flags };

	return call(session, LIVEUPDATE_SESSION_RECYCLE, &a);
}

/* An fd, or -errno. */
static int reopen(const char *name)
{
	struct liveupdate_ioctl_reopen_session a = { .size = sizeof(a) };
	int err;

	strncpy((char *)a.name, name, sizeof(a.name) - 1);
	err = call(dev, LIVEUPDATE_IOCTL_REOPEN_SESSION, &a);
	return err ? -err : a.fd;
}

static int retrieve(const char *name, uint64_t generation, uint32_t flags)
{
	struct liveupdate_ioctl_retrieve_generation a = {
		.size = sizeof(a), .generation = generation, .flags = flags,
	};
	int err;

	strncpy((char *)a.name, name, sizeof(a.name) - 1);
	err = call(dev, LIVEUPDATE_IOCTL_RETRIEVE_GENERATION, &a);
	return err ? -err : a.fd;
}

static int drop(const char *name, uint64_t generation)
{
	struct liveupdate_ioctl_drop_session a = {
		.size = sizeof(a), .generation = generation,
	};

	strncpy((char *)a.name, name, sizeof(a.name) - 1);
	return call(dev, LIVEUPDATE_IOCTL_DROP_SESSION, &a);
}

static struct liveupdate_session_get_state state_of(int session)
{
	struct liveupdate_session_get_state a = { .size = sizeof(a) };
	int err = call(session, LIVEUPDATE_SESSION_GET_STATE, &a);

	errno = err;
	if (err)
		die("state of a session");
	return a;
}

/* How many records came; *@total is how many there are. */
static uint32_t list(int session, uint64_t first, struct liveupdate_file_info *info,
		     uint32_t room, uint64_t *total)
{
	struct liveupdate_session_list_files a = {
		.size = sizeof(a), .nr = room, .first = first, .files = (uintptr_t)info,
	};
	int err = call(session, LIVEUPDATE_SESSION_LIST_FILES, &a);

	errno = err;
	if (err)
		die("list");
	*total = a.total;
	return a.nr;
}

static void same_as_sysfs(const char *text, uint32_t want_state)
{
	struct liveupdate_ioctl_get_state a = { .size = sizeof(a) };

	expect(text, call(dev, LIVEUPDATE_IOCTL_GET_STATE, &a), 0);
	expect_true("... the state", a.state == want_state);
	expect_true("... the same as in sysfs",
		    a.generation == sysfs("generation") &&
		    a.sessions_out == sysfs("sessions_out") &&
		    a.files_out == sysfs("files_out") && a.bytes_out == sysfs("bytes_out") &&
		    a.sessions_in == sysfs("sessions_in") &&
		    a.files_in == sysfs("files_in") && a.bytes_in == sysfs("bytes_in"));
}

static int memfd_of(uint64_t size, uint64_t seed)
{
	static uint8_t page[PAGE];
	int fd = memfd_create("ext", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, size))
		die("memfd");
	for (uint64_t i = 0; i < size / PAGE; i++) {
		fill_page(page, seed, i);
		if (pwrite(fd, page, PAGE, i * PAGE) != (ssize_t)PAGE)
			die("write");
	}
	return fd;
}

/* Runs @child and kills it with SIGKILL as soon as it has returned. */
static void killed(void (*child)(void))
{
	int ready[2], status;
	pid_t pid;
	char c;

	fflush(stdout);
	if (pipe(ready))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		child();
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		die("the child has not done its part");
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(ready[0]);
}

/* ------------------------------------------------------------- before the update */

static int scratch_fd;

static void preserve_again(void *arg, int *fd)
{
	(void)arg;
	if (luo_preserve_fd(*fd, scratch_fd, 5))
		die("preserve again");
}

static void nothing(void *arg, int *fd)
{
	(void)arg;
	(void)fd;
}

static void keep_and_close(void *arg, int *fd)
{
	struct liveupdate_ioctl_reopen_session a;

	(void)fd;
	memcpy(&a, arg, sizeof(a));
	if (set_flags(a.fd, KEEP))
		die("keep");
	close(a.fd);
}

static void holder(void)
{
	int session = luo_create(dev, "ext-kept");

	if (session < 0 || set_flags(session, KEEP) ||
	    luo_preserve_fd(session, memfd_of(64 * PAGE, 11), 1))
		_exit(1);
}

/* So many that a list takes several commands. */
static void many(void)
{
	int session = luo_create(dev, "ext-many");

	if (session < 0 || set_flags(session, KEEP))
		_exit(1);
	for (uint64_t i = 0; i < MANY; i++) {
		int fd = memfd_create("many", MFD_CLOEXEC);

		if (fd < 0 || luo_preserve_fd(session, fd, i * 3))
			_exit(1);
		close(fd);
	}
}

static void check_many(const char *name, int session, uint32_t state)
{
	struct liveupdate_file_info *info = calloc(MANY + 1, sizeof(*info));
	uint32_t got, more;
	uint64_t total, i;
	char text[80];

	if (!info)
		die("no memory");
	got = list(session, 0, info, MANY + 1, &total);
	snprintf(text, sizeof(text), "%s: the first of %d files", name, MANY);
	expect_true(text, got == LIVEUPDATE_LIST_FILES_MAX && total == MANY);
	more = list(session, got, info + got, MANY + 1 - got, &total);
	snprintf(text, sizeof(text), "%s: the rest", name);
	expect_true(text, got + more == MANY && total == MANY);
	for (i = 0; i < MANY; i++)
		if (info[i].token != i * 3 || info[i].state != state || info[i].error ||
		    info[i].bytes || strcmp((char *)info[i].compatible, "liveupdate,memfd-v1"))
			break;
	snprintf(text, sizeof(text), "%s: each is right", name);
	expect_true(text, i == MANY);
	snprintf(text, sizeof(text), "%s: nothing follows", name);
	expect_true(text, !list(session, MANY, info, 1, &total) &&
				  !list(session, UINT64_MAX, info, 1, &total));
	free(info);
}

int cmd_ext(int argc, char **argv)
{
	struct liveupdate_ioctl_get_state g = { .size = sizeof(g) };
	struct liveupdate_ioctl_reopen_session o = { .size = sizeof(o), .name = "ext-kept" };
	struct liveupdate_ioctl_rehearse h = { .size = sizeof(h) };
	struct liveupdate_ioctl_drop_session d = { .size = sizeof(d), .reserved = 1 };
	struct liveupdate_session_get_state t = { .size = sizeof(t) };
	struct liveupdate_session_set_flags f = { .size = sizeof(f) };
	struct liveupdate_session_unpreserve_fd u = { .size = sizeof(u), .token = 5 };
	struct liveupdate_session_list_files l = { .size = sizeof(l) };
	struct liveupdate_session_get_state s;
	uint64_t total, kept;
	struct liveupdate_file_info info[4];
	int session, other, fd;

	(void)argc;
	(void)argv;
	edge_make();
	dev = luo_open();
	if (dev < 0)
		die("/dev/liveupdate: %d", -dev);

	/* The device */
	same_as_sysfs("state of the machine", LIVEUPDATE_STATE_NORMAL);
	sizes("state of the machine", dev, LIVEUPDATE_IOCTL_GET_STATE, &g, sizeof(g), nothing);
	expect("reopen, nothing there", -reopen("none"), ENOENT);
	expect("reopen without a name", -reopen(""), ENOENT);
	expect("drop, nothing there", drop("none", 0), ENOENT);
	expect("drop with a reserved field", call(dev, LIVEUPDATE_IOCTL_DROP_SESSION, &d), EINVAL);
	d.reserved = 0;
	d.size--;
	expect("drop, short", call(dev, LIVEUPDATE_IOCTL_DROP_SESSION, &d), EINVAL);
	expect("retrieve by generation, nothing there", -retrieve("none", 0, 0), ENOENT);
	expect("retrieve by generation, unknown flag", -retrieve("none", 0, 4), EINVAL);
	h.reserved = 1;
	expect("rehearse with a reserved field", call(dev, LIVEUPDATE_IOCTL_REHEARSE, &h), EINVAL);
	h.reserved = 0;
	sizes("rehearse", dev, LIVEUPDATE_IOCTL_REHEARSE, &h, sizeof(h), nothing);

	/* A session */
	session = luo_create(dev, "ext");
	other = luo_create(dev, "ext-other");
	if (session < 0 || other < 0)
		die("sessions");
	expect("reopen one that is held", -reopen("ext"), EBUSY);
	expect("drop one that is outgoing", drop("ext", 0), ENOENT);
	expect("recycle one that is outgoing", recycle(session, 0), EINVAL);
	scratch_fd = memfd_of(16 * PAGE, 1);
	expect("preserve", -luo_preserve_fd(session, scratch_fd, 5), 0);
	sizes("state of a session", session, LIVEUPDATE_SESSION_GET_STATE, &t, sizeof(t), nothing);
	t.reserved = 1;
	expect("state of a session with a reserved field",
	       call(session, LIVEUPDATE_SESSION_GET_STATE, &t), EINVAL);
	sizes("flags", session, LIVEUPDATE_SESSION_SET_FLAGS, &f, sizeof(f), nothing);
	expect("an unknown flag", set_flags(session, 4), EINVAL);
	expect("known flags", set_flags(session, 3), 0);
	s = state_of(session);
	expect_true("... and the state tells them", s.flags == 3 && !s.direction &&
			    !s.generation && s.files == 1 && s.bytes == 16 * PAGE);
	expect("no flags", set_flags(session, 0), 0);
	sizes("list", session, LIVEUPDATE_SESSION_LIST_FILES, &l, sizeof(l), nothing);
	l.nr = 4;
	expect("list to nowhere", call(session, LIVEUPDATE_SESSION_LIST_FILES, &l), EFAULT);
	memset(info, 0xee, sizeof(info));
	expect_true("list", list(session, 0, info, 4, &total) == 1 && total == 1 &&
				    info[0].token == 5 && info[0].bytes == 16 * PAGE &&
				    info[0].state == LIVEUPDATE_FILE_PRESERVED &&
				    info[1].token == 0xeeeeeeeeeeeeeeee);
	sizes("unpreserve", session, LIVEUPDATE_SESSION_UNPRESERVE_FD, &u, sizeof(u),
	      preserve_again);
	expect("unpreserve an unknown token", unpreserve(session, 6), ENOENT);
	u.reserved = 1;
	expect("unpreserve with a reserved field",
	       call(session, LIVEUPDATE_SESSION_UNPRESERVE_FD, &u), EINVAL);
	fd = memfd_of(1024 * PAGE, 2);
	kept = sysfs("kept");
	expect("preserve another", -luo_preserve_fd(session, fd, 6), 0);
	expect_true("... which is kept", sysfs("kept") >= kept + 1024 * PAGE);
	expect("... unpreserve it", unpreserve(session, 6), 0);
	expect_true("... which gives everything back", sysfs("kept") == kept);
	expect("... and another session may have it", -luo_preserve_fd(other, fd, 6), 0);
	expect_true("the first is still there", state_of(session).files == 1);
	close(other);
	close(session);
	close(fd);

	/* Closed, and killed */
	killed(holder);
	expect_true("a session outlives its holder", sysfs("sessions_out") == 1 &&
			    sysfs("files_out") == 1);
	sizes("reopen", dev, LIVEUPDATE_IOCTL_REOPEN_SESSION, &o, sizeof(o), keep_and_close);
	session = reopen("ext-kept");
	expect("reopen", session < 0 ? -session : 0, 0);
	s = state_of(session);
	expect_true("... with its file, and without the flag", s.files == 1 && !s.flags);
	expect("... reopen it twice", -reopen("ext-kept"), EBUSY);
	expect("... the token is taken", -luo_preserve_fd(session, scratch_fd, 1), EEXIST);
	expect("... it can be added to", -luo_preserve_fd(session, scratch_fd, 2), 0);
	expect("... and kept once more", set_flags(session, KEEP), 0);
	close(session);

	killed(many);
	session = reopen("ext-many");
	expect("reopen one with many files", session < 0 ? -session : 0, 0);
	check_many("outgoing", session, LIVEUPDATE_FILE_PRESERVED);
	expect("... keep it", set_flags(session, KEEP), 0);
	close(session);
	expect_true("three things are kept", sysfs("sessions_out") == 2 &&
						     sysfs("files_out") == MANY + 2);
	return 0;
}

/* -------------------------------------------------------------- after the update */

static void claimer(void)
{
	int session = retrieve("ext-in", 1, KEEP);

	if (session < 0 || luo_retrieve_fd(session, 1) < 0)
		_exit(1);
}

static void recycler(void)
{
	int session = retrieve("ext-kept", 0, KEEP);

	if (session < 0 || luo_retrieve_fd(session, 1) < 0 || luo_retrieve_fd(session, 2) < 0 ||
	    recycle(session, LIVEUPDATE_RECYCLE_KEEP_FILES))
		_exit(1);
}

/* After: luotest ext; luotest hold --session ext-in 1:... 2:... --session ext-drop ... */
int cmd_ext_incoming(int argc, char **argv)
{
	struct liveupdate_ioctl_retrieve_generation r = {
		.size = 79, .name = "none", .generation = 1,
	};
	struct { struct liveupdate_ioctl_retrieve_generation known; uint64_t more; } long_r = {
		.known = { .size = sizeof(long_r), .name = "none" },
	};
	struct liveupdate_session_recycle y = { .size = 7 };
	struct liveupdate_session_get_state s;
	struct liveupdate_file_info info[4];
	uint64_t total, in;
	int session, out;

	(void)argc;
	(void)argv;
	edge_make();
	dev = luo_open();
	if (dev < 0)
		die("/dev/liveupdate: %d", -dev);

	same_as_sysfs("state of the machine", LIVEUPDATE_STATE_UPDATED);
	expect("retrieve by generation, short", call(dev, LIVEUPDATE_IOCTL_RETRIEVE_GENERATION, &r),
	       EINVAL);
	r.size = 80;
	expect("... up to the name", call(dev, LIVEUPDATE_IOCTL_RETRIEVE_GENERATION, &r), ENOENT);
	r.size = sizeof(r);
	r.reserved = 1;
	expect("... with a reserved field", call(dev, LIVEUPDATE_IOCTL_RETRIEVE_GENERATION, &r),
	       EINVAL);
	expect("... longer, all zero", call(dev, LIVEUPDATE_IOCTL_RETRIEVE_GENERATION, &long_r),
	       ENOENT);
	long_r.more = 1;
	expect("... longer, not zero", call(dev, LIVEUPDATE_IOCTL_RETRIEVE_GENERATION, &long_r),
	       E2BIG);
	expect("... of another generation", -retrieve("ext-in", 2, 0), ENOENT);

	/* Killed with a session that was retrieved, and half of its files. */
	in = sysfs("sessions_in");
	killed(claimer);
	expect_true("an incoming session outlives who has claimed it", sysfs("sessions_in") == in);
	session = retrieve("ext-in", 0, KEEP);
	expect("... and can be claimed again", session < 0 ? -session : 0, 0);
	expect("... but not twice", -retrieve("ext-in", 1, 0), EINVAL);
	expect("... nor dropped", drop("ext-in", 1), EBUSY);
	s = state_of(session);
	expect_true("... its state", s.direction == LIVEUPDATE_SESSION_INCOMING &&
			    s.flags == KEEP && s.generation == 1 && s.files == 2);
	expect_true("... its files", list(session, 0, info, 4, &total) == 2 && total == 2 &&
			    info[0].token == 1 && info[0].state == LIVEUPDATE_FILE_RETRIEVED &&
			    info[1].token == 2 && info[1].state == LIVEUPDATE_FILE_WAITING);
	expect("unpreserve on an incoming session", unpreserve(session, 1), EINVAL);
	expect("recycle, short", call(session, LIVEUPDATE_SESSION_RECYCLE, &y), EINVAL);
	expect("recycle, unknown flag", recycle(session, 2), EINVAL);
	expect("recycle before finish", recycle(session, 0), EBUSY);
	expect("recycle with a file that was not retrieved",
	       recycle(session, LIVEUPDATE_RECYCLE_KEEP_FILES), EBUSY);
	expect_true("... which changes nothing", state_of(session).files == 2 &&
							 !sysfs("files_out"));
	out = luo_create(dev, "ext-in");
	luo_retrieve_fd(session, 2);
	expect("recycle where the name is taken", recycle(session, LIVEUPDATE_RECYCLE_KEEP_FILES),
	       EEXIST);
	expect_true("... which changes nothing", state_of(session).files == 2 &&
							 !sysfs("files_out"));
	close(out);
	close(session);
	expect_true("closed, it waits again", sysfs("sessions_in") == in);

	/* Killed right after it was recycled. */
	killed(recycler);
	expect_true("a recycled session outlives who has done it",
		    sysfs("sessions_out") == 1 && sysfs("files_out") == 2 &&
			    sysfs("sessions_in") == in - 1);
	session = reopen("ext-kept");
	expect("... it can be reopened", session < 0 ? -session : 0, 0);
	expect_true("... as an outgoing one", state_of(session).direction ==
							      LIVEUPDATE_SESSION_OUTGOING &&
						      state_of(session).files == 2);
	expect("... keep it", set_flags(session, KEEP), 0);
	close(session);

	session = retrieve("ext-many", 0, KEEP);
	expect("retrieve one with many files", session < 0 ? -session : 0, 0);
	check_many("incoming", session, LIVEUPDATE_FILE_WAITING);
	close(session);
	expect("drop it", drop("ext-many", 1), 0);
	expect("... it is gone", -retrieve("ext-many", 0, 0), ENOENT);

	/* Finished, then recycled: without files. */
	session = retrieve("ext-empty", 0, 0);
	expect("retrieve another", session < 0 ? -session : 0, 0);
	expect("finish it", -luo_finish(session), 0);
	expect("recycle it", recycle(session, 0), 0);
	expect("... it is outgoing", recycle(session, 0), EINVAL);
	expect("... and takes files", -luo_preserve_fd(session, memfd_of(PAGE, 1), 1), 0);
	close(session);
	same_as_sysfs("state of the machine", LIVEUPDATE_STATE_UPDATED);
	return 0;
}

/* ext-recycle NAME SIZE SEED: what the next kernel gets is what is there then. */
int cmd_ext_recycle(int argc, char **argv)
{
	static uint8_t page[PAGE];
	int session, fd, err;

	if (argc != 4)
		return 2;
	errno = 0;
	dev = luo_open();
	session = retrieve(argv[1], 0, KEEP);
	if (dev < 0 || session < 0)
		die("session %s: %d", argv[1], session);
	fd = luo_retrieve_fd(session, 1);
	if (fd < 0 || luo_retrieve_fd(session, 2) < 0)
		die("its files");
	err = recycle(session, LIVEUPDATE_RECYCLE_KEEP_FILES);
	if (err)
		die("recycle: errno %d", err);
	for (uint64_t i = 0; i < number(argv[2]) / PAGE; i++) {
		fill_page(page, strtoull(argv[3], NULL, 0), i);
		if (pwrite(fd, page, PAGE, i * PAGE) != (ssize_t)PAGE)
			die("write");
	}
	return 0;
}

/* ------------------------------------------------------------------- rehearsal */

/* Also ext-same, which compares. */
int cmd_ext_fill(int argc, char **argv)
{
	bool same = !strcmp(argv[0], "ext-same");
	static uint8_t page[PAGE], got[PAGE];
	int fd;

	if (argc != 4)
		return 2;
	errno = 0;
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die("%s", argv[1]);
	for (uint64_t i = 0; i < number(argv[2]) / PAGE; i++) {
		fill_page(page, strtoull(argv[3], NULL, 0), i);
		if (same && (pread(fd, got, PAGE, i * PAGE) != (ssize_t)PAGE ||
			     memcmp(page, got, PAGE)))
			die("%s: page %llu differs", argv[1], (unsigned long long)i);
		if (!same && pwrite(fd, page, PAGE, i * PAGE) != (ssize_t)PAGE)
			die("write %s", argv[1]);
	}
	return 0;
}

int cmd_ext_flags(int argc, char **argv)
{
	int pidfd, fd, err = ENOENT;
	char path[64], link[128];
	ssize_t n;

	if (argc != 3)
		return 2;
	pidfd = pidfd_open(atoi(argv[1]), 0);
	if (pidfd < 0)
		die("process %s", argv[1]);
	for (int i = 0; i < 256; i++) {
		snprintf(path, sizeof(path), "/proc/%s/fd/%d", argv[1], i);
		n = readlink(path, link, sizeof(link) - 1);
		if (n < 0)
			continue;
		link[n] = 0;
		if (strncmp(link, "anon_inode:[luo_session]", 24))
			continue;
		fd = pidfd_getfd(pidfd, i, 0);
		if (fd < 0)
			die("pidfd_getfd");
		err = set_flags(fd, strtoul(argv[2], NULL, 0));
		close(fd);
	}
	errno = err;
	if (err)
		die("flags");
	return 0;
}

/* With TIMES the outcomes are only counted; EBUSY is one of them. */
int cmd_rehearse(int argc, char **argv)
{
	struct liveupdate_ioctl_rehearse a = { .size = sizeof(a) };
	unsigned long times = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
	unsigned long good = 0, bad = 0, busy = 0;

	dev = luo_open();
	errno = -dev;
	if (dev < 0)
		die("/dev/liveupdate");
	for (unsigned long i = 0; i < times; i++) {
		int err;

		a = (struct liveupdate_ioctl_rehearse){ .size = sizeof(a) };
		err = call(dev, LIVEUPDATE_IOCTL_REHEARSE, &a);
		errno = err;
		if (err && err != EBUSY)
			die("rehearse");
		busy += err == EBUSY;
		good += !err && !a.error;
		bad += !err && a.error;
	}
	if (argc > 1)
		printf("good=%lu bad=%lu busy=%lu\n", good, bad, busy);
	else if (busy)
		printf("busy\n");
	else
		printf("%u %u %llu %llu %llu %llu %s\n", a.error, a.session_error,
		       (unsigned long long)a.sessions, (unsigned long long)a.files,
		       (unsigned long long)a.bytes, (unsigned long long)a.dropped, a.session);
	return 0;
}
