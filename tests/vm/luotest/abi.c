// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every command with every kind of argument, against docs and practice of
 * in-tree LUO. Prints one line per point: "ok TEXT" or "not ok TEXT"; the case
 * counts them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "luotest.h"

#define DEV_CREATE LIVEUPDATE_IOCTL_CREATE_SESSION
#define DEV_RETRIEVE LIVEUPDATE_IOCTL_RETRIEVE_SESSION
#define S_PRESERVE LIVEUPDATE_SESSION_PRESERVE_FD
#define S_RETRIEVE LIVEUPDATE_SESSION_RETRIEVE_FD
#define S_FINISH LIVEUPDATE_SESSION_FINISH
#define S_NAME LIVEUPDATE_SESSION_GET_NAME

static const char *error_name(int err)
{
	return err ? strerrorname_np(err) ? strerrorname_np(err) : "?" : "success";
}

/* @got and @want: 0 or an errno. */
void expect(const char *text, int got, int want)
{
	if (got == want)
		printf("ok %s: %s\n", text, error_name(want));
	else
		printf("not ok %s: %s, not %s\n", text, error_name(got),
		       error_name(want));
}

void expect_true(const char *text, bool is)
{
	printf("%s %s\n", is ? "ok" : "not ok", text);
}

int call(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) ? errno : 0;
}

/* Two pages, the second of which cannot be read. */
uint8_t *edge;

void edge_make(void)
{
	edge = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (edge == MAP_FAILED || mprotect(edge + PAGE, PAGE, PROT_NONE))
		die("mmap");
}

static int open_fds(void)
{
	int n = 0;

	for (int i = 0; i < 256; i++)
		n += fcntl(i, F_GETFD) >= 0;
	return n;
}

/*
 * The sizes that every command must tell apart. @arg is a valid argument of
 * @size bytes, @prepare makes it valid again after each success.
 */
void sizes(const char *what, int fd, unsigned long cmd, const void *arg,
		  uint32_t size, void (*again)(void *arg, int *fd))
{
	static const int lengths[] = { 0, 3, 4, 7, -1 };
	uint8_t big[3 * PAGE];
	char text[128];
	uint32_t n;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		n = lengths[i] < 0 ? size - 1 : (uint32_t)lengths[i];
		memset(big, 0, sizeof(big));
		memcpy(big, arg, size);
		memcpy(big, &n, 4);
		snprintf(text, sizeof(text), "%s with size %u", what, n);
		expect(text, call(fd, cmd, big), EINVAL);
	}

	memset(big, 0, sizeof(big));
	memcpy(big, arg, size);
	n = 2 * PAGE;
	memcpy(big, &n, 4);
	big[size] = 1;
	snprintf(text, sizeof(text), "%s, longer, next byte not zero", what);
	expect(text, call(fd, cmd, big), E2BIG);
	big[size] = 0;
	big[2 * PAGE - 1] = 1;
	snprintf(text, sizeof(text), "%s, longer, last byte not zero", what);
	expect(text, call(fd, cmd, big), E2BIG);
	big[2 * PAGE - 1] = 0;
	snprintf(text, sizeof(text), "%s, longer, all zero", what);
	expect(text, call(fd, cmd, big), 0);
	memcpy(&n, big, 4);
	snprintf(text, sizeof(text), "%s gives the size back as it was sent", what);
	expect_true(text, n == 2 * PAGE);
	again(big, &fd);

	memset(edge, 0, PAGE);
	memcpy(edge + PAGE - size, arg, size);
	n = size + 8;
	memcpy(edge + PAGE - size, &n, 4);
	snprintf(text, sizeof(text), "%s, longer, and its end unreadable", what);
	expect(text, call(fd, cmd, edge + PAGE - size), EFAULT);
	n = size;
	memcpy(edge + PAGE - size, &n, 4);
	snprintf(text, sizeof(text), "%s, up to the last byte of a page", what);
	expect(text, call(fd, cmd, edge + PAGE - size), 0);
	again(edge + PAGE - size, &fd);
	memcpy(edge + PAGE - 4, arg, 4);
	snprintf(text, sizeof(text), "%s, only its size readable", what);
	expect(text, call(fd, cmd, edge + PAGE - 4), EFAULT);
}

/* Command words that nobody handles. */
static void numbers(const char *what, int fd, unsigned long known,
		    const int *foreign, int n)
{
	uint32_t arg[32] = { sizeof(arg) };
	char text[128];

	for (int i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "%s, number %#x", what, foreign[i]);
		expect(text, call(fd, _IO(LIVEUPDATE_IOCTL_TYPE, foreign[i]), arg),
		       EINVAL);
	}
	snprintf(text, sizeof(text), "%s, no argument", what);
	expect(text, call(fd, known, NULL), EFAULT);
	snprintf(text, sizeof(text), "%s, another type", what);
	expect(text, call(fd, _IO('X', _IOC_NR(known)), arg), ENOTTY);
	snprintf(text, sizeof(text), "%s, another type and no argument", what);
	expect(text, call(fd, _IO('X', _IOC_NR(known)), NULL), EFAULT);
	snprintf(text, sizeof(text), "%s, with direction and size bits", what);
	expect(text, call(fd, _IOWR(LIVEUPDATE_IOCTL_TYPE, _IOC_NR(known), arg), arg),
	       ENOTTY);
}

static void close_created(void *arg, int *fd)
{
	struct liveupdate_ioctl_create_session a;

	(void)fd;
	memcpy(&a, arg, sizeof(a));
	close(a.fd);
}

static int scratch_session, scratch_dev;

/* A session of its own after each success, so that the token is free again. */
static void other_session(void *arg, int *fd)
{
	static int n;
	char name[32];

	(void)arg;
	close(*fd);
	snprintf(name, sizeof(name), "scratch-%d", ++n);
	*fd = luo_create(scratch_dev, name);
	if (*fd < 0)
		die("session %s", name);
	/* sizes() has a copy of the fd only. */
	scratch_session = *fd;
}

static void nothing(void *arg, int *fd)
{
	(void)arg;
	(void)fd;
}

static int memfd(void)
{
	int fd = memfd_create("abi", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, 3 * PAGE) || pwrite(fd, "abcd", 4, 5000) != 4)
		die("memfd");
	return fd;
}

/* What a 32-bit task would call: the same structs through the compat entry. */
static int call32(int fd, unsigned int cmd, void *arg)
{
	long rc = 54; /* __NR_ioctl of i386 */

	asm volatile("int $0x80"
		     : "+a"(rc)
		     : "b"((long)fd), "c"((long)cmd), "d"((long)arg)
		     : "memory", "r8", "r9", "r10", "r11");
	return (int)rc < 0 ? -(int)rc : 0;
}

static void device(void)
{
	static const int foreign[] = { 0x02, 0x3f, 0x40, 0x43, 0x7f, 0xff };
	struct liveupdate_ioctl_create_session a, *low;
	struct rlimit limit, few;
	char link[128], path[64];
	int dev, dev2, s, s2, before, fd, status;
	struct stat st;
	ssize_t n;

	expect_true("the device has mode 0600 and belongs to root",
		    !stat("/dev/liveupdate", &st) && S_ISCHR(st.st_mode) &&
			    (st.st_mode & 07777) == 0600 && !st.st_uid);
	dev = luo_open();
	if (dev < 0)
		die("/dev/liveupdate: %s", error_name(-dev));
	expect("a second open", -luo_open(), EBUSY);
	dev2 = fcntl(dev, F_DUPFD_CLOEXEC, 0);
	close(dev);
	expect("an open while a duplicate lives", -luo_open(), EBUSY);
	close(dev2);
	dev = open("/dev/liveupdate", O_RDONLY | O_CLOEXEC);
	expect("an open after that, read-only", dev < 0 ? errno : 0, 0);

	numbers("device", dev, DEV_CREATE, foreign,
		sizeof(foreign) / sizeof(*foreign));

	a = (struct liveupdate_ioctl_create_session){ .size = sizeof(a),
						      .name = "sizes" };
	sizes("create session", dev, DEV_CREATE, &a, sizeof(a), close_created);

	expect("create session without a name", -luo_create(dev, ""), EINVAL);
	memset(a.name, 'n', sizeof(a.name));
	a.size = sizeof(a);
	expect("create session, name without end", call(dev, DEV_CREATE, &a), EINVAL);
	a.name[63] = 0;
	expect("create session, name of 63", call(dev, DEV_CREATE, &a), 0);
	s = a.fd;
	expect("create session, the same name", call(dev, DEV_CREATE, &a), EEXIST);
	expect_true("a session fd is close-on-exec",
		    fcntl(s, F_GETFD) == FD_CLOEXEC);
	expect_true("a session fd is read-write",
		    (fcntl(s, F_GETFL) & O_ACCMODE) == O_RDWR);
	close(s);
	expect("create session, the same name after close",
	       call(dev, DEV_CREATE, &a), 0);
	close(a.fd);

	s = luo_create(dev, "a name");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", s);
	n = readlink(path, link, sizeof(link) - 1);
	link[n < 0 ? 0 : n] = 0;
	expect_true("its link says [luo_session] and the name",
		    !strcmp(link, "anon_inode:[luo_session] a name"));

	/* Arguments that can be read and not written. */
	before = open_fds();
	a = (struct liveupdate_ioctl_create_session){ .size = sizeof(a),
						      .name = "unwritable" };
	memcpy(edge, &a, sizeof(a));
	mprotect(edge, PAGE, PROT_READ);
	expect("create session, answer unwritable", call(dev, DEV_CREATE, edge),
	       EFAULT);
	mprotect(edge, PAGE, PROT_READ | PROT_WRITE);
	expect_true("... which left no fd behind", open_fds() == before);
	s2 = luo_create(dev, "unwritable");
	expect("... and no session", s2 < 0 ? -s2 : 0, 0);
	close(s2);

	getrlimit(RLIMIT_NOFILE, &limit);
	few = limit;
	few.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &few);
	s2 = luo_create(dev, "no fd left");
	setrlimit(RLIMIT_NOFILE, &limit);
	expect("create session without a free fd", s2 < 0 ? -s2 : 0, EMFILE);
	s2 = luo_create(dev, "no fd left");
	expect("... which left no session behind", s2 < 0 ? -s2 : 0, 0);
	close(s2);

	expect("retrieve session that is not there", -luo_retrieve(dev, "none"), ENOENT);
	expect("retrieve session that is outgoing", -luo_retrieve(dev, "a name"), ENOENT);
	expect("retrieve session without a name", -luo_retrieve(dev, ""), ENOENT);
	memset(a.name, 'x', sizeof(a.name));
	a.size = sizeof(a);
	expect("retrieve session, name without end", call(dev, DEV_RETRIEVE, &a), ENOENT);
	a.size = sizeof(a) - 1;
	expect("retrieve session, short", call(dev, DEV_RETRIEVE, &a), EINVAL);

	/* A session belongs to its fd, not to the device or a process. */
	close(dev);
	fd = memfd();
	if (!fork()) {
		s2 = luo_preserve_fd(s, fd, 77);
		_exit(-s2);
	}
	wait(&status);
	expect("preserve by another process, with the device closed",
	       WEXITSTATUS(status), 0);
	expect("... and the token is taken for everybody",
	       -luo_preserve_fd(s, fd, 77), EEXIST);
	close(s);
	close(fd);

	low = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	*low = (struct liveupdate_ioctl_create_session){ .size = sizeof(*low),
							 .name = "compat" };
	dev = luo_open();
	expect("create session by a 32-bit task", call32(dev, DEV_CREATE, low), 0);
	{
		struct liveupdate_session_get_name *name = (void *)(low + 1);

		*name = (struct liveupdate_session_get_name){ .size = sizeof(*name) };
		expect("get name by a 32-bit task", call32(low->fd, S_NAME, name), 0);
		expect_true("... which is right",
			    !strcmp((char *)name->name, "compat"));
	}
	close(low->fd);
	close(dev);
}

static void outgoing(void)
{
	static const int foreign[] = { 0x00, 0x01, 0x3f, 0x44, 0x7f, 0xff };
	struct liveupdate_session_preserve_fd p;
	struct liveupdate_session_get_name g;
	int dev = luo_open(), s, s2, fd, fd2, other[2];
	uint32_t tiny[4] = { 4 };

	if (dev < 0)
		die("/dev/liveupdate: %s", error_name(-dev));
	scratch_dev = dev;
	s = luo_create(dev, "out");
	s2 = luo_create(dev, "out too");
	if (s < 0 || s2 < 0)
		die("sessions");
	numbers("session", s, S_NAME, foreign, sizeof(foreign) / sizeof(*foreign));
	expect("retrieve fd on an outgoing session", -luo_retrieve_fd(s, 1), EINVAL);
	expect("finish on an outgoing session", -luo_finish(s), EINVAL);
	expect("... whatever the size says", call(s, S_FINISH, tiny), EINVAL);
	expect("... but not without a size", call(s, S_FINISH, NULL), EFAULT);

	g = (struct liveupdate_session_get_name){ .size = sizeof(g) };
	expect("get name", call(s, S_NAME, &g), 0);
	expect_true("... which is right", !strcmp((char *)g.name, "out"));
	sizes("get name", s, S_NAME, &g, sizeof(g), nothing);

	fd = memfd();
	scratch_session = luo_create(dev, "scratch-0");
	p = (struct liveupdate_session_preserve_fd){ .size = sizeof(p), .fd = fd,
						     .token = 5 };
	sizes("preserve", scratch_session, S_PRESERVE, &p, sizeof(p), other_session);
	close(scratch_session);

	memcpy(edge, &p, sizeof(p));
	mprotect(edge, PAGE, PROT_READ);
	expect("preserve, answer unwritable", call(s, S_PRESERVE, edge), EFAULT);
	mprotect(edge, PAGE, PROT_READ | PROT_WRITE);
	expect("... which preserved nothing", -luo_preserve_fd(s2, fd, 5), 0);
	expect("the same token again", -luo_preserve_fd(s2, fd, 5), EEXIST);
	expect("the same token, before the fd is looked at",
	       -luo_preserve_fd(s2, -1, 5), EEXIST);
	expect("the same file in the same session", -luo_preserve_fd(s2, fd, 6), EBUSY);
	expect("the same file in another session", -luo_preserve_fd(s, fd, 5), EBUSY);
	fd2 = dup(fd);
	expect("a duplicate of it", -luo_preserve_fd(s, fd2, 5), EBUSY);
	close(fd2);
	expect("a closed fd", -luo_preserve_fd(s, fd2, 5), EBADF);
	expect("fd -1", -luo_preserve_fd(s, -1, 5), EBADF);
	if (pipe(other))
		die("pipe");
	expect("a pipe", -luo_preserve_fd(s, other[0], 5), ENOENT);
	close(other[0]);
	close(other[1]);
	fd2 = open("/dev/null", O_RDWR | O_CLOEXEC);
	expect("/dev/null", -luo_preserve_fd(s, fd2, 5), ENOENT);
	close(fd2);
	expect("the session itself", -luo_preserve_fd(s, s, 5), ENOENT);
	expect("the device", -luo_preserve_fd(s, dev, 5), ENOENT);
	fd2 = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB);
	expect("a hugetlb memfd", fd2 < 0 ? errno : -luo_preserve_fd(s, fd2, 7), 0);
	close(fd2);
	fd2 = memfd();
	expect("token 0", -luo_preserve_fd(s, fd2, 0), 0);
	close(fd2);
	fd2 = memfd();
	expect("the largest token", -luo_preserve_fd(s, fd2, UINT64_MAX), 0);
	close(fd2);
	close(s2);
	expect("a file whose session was closed", -luo_preserve_fd(s, fd, 5), 0);
	close(fd);
	close(s);
	close(dev);
}

int cmd_abi(int argc, char **argv)
{
	edge_make();
	device();
	outgoing();
	return 0;
}

/* After: luotest hold --session abi 1:dense:16K 2:dense:16K 3:dense:16K
 *                     --session abi-left 1:dense:16K
 */
int cmd_abi_incoming(int argc, char **argv)
{
	struct liveupdate_ioctl_retrieve_session r = { .size = sizeof(r),
						       .name = "abi" };
	struct liveupdate_session_finish f = { .size = sizeof(f), .reserved = 1 };
	struct liveupdate_session_retrieve_fd g = { .size = sizeof(g), .token = 1 };
	uint32_t tiny[4] = { 4 };
	int dev, in, out, fd, again, fd3, before, rc;
	struct rlimit limit, few;
	struct stat a, b;
	char c;

	edge_make();
	dev = luo_open();
	if (dev < 0)
		die("/dev/liveupdate: %s", error_name(-dev));

	before = open_fds();
	memcpy(edge, &r, sizeof(r));
	mprotect(edge, PAGE, PROT_READ);
	expect("retrieve session, answer unwritable", call(dev, DEV_RETRIEVE, edge),
	       EFAULT);
	mprotect(edge, PAGE, PROT_READ | PROT_WRITE);
	expect_true("... which left no fd behind", open_fds() == before);
	getrlimit(RLIMIT_NOFILE, &limit);
	few = limit;
	few.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &few);
	rc = -luo_retrieve(dev, "abi");
	setrlimit(RLIMIT_NOFILE, &limit);
	expect("retrieve session without a free fd", rc, EMFILE);
	in = luo_retrieve(dev, "abi");
	expect("retrieve session after both", in < 0 ? -in : 0, 0);
	expect("retrieve session twice", -luo_retrieve(dev, "abi"), EINVAL);
	out = luo_create(dev, "abi");
	expect("an outgoing session of the same name", out < 0 ? -out : 0, 0);

	fd = memfd();
	expect("preserve on an incoming session", -luo_preserve_fd(in, fd, 9), EINVAL);
	expect("... whatever the size says", call(in, S_PRESERVE, tiny), EINVAL);
	close(fd);
	expect("retrieve an unknown token", -luo_retrieve_fd(in, 99), ENOENT);
	g.size--;
	expect("retrieve, short", call(in, S_RETRIEVE, &g), EINVAL);
	g.size++;
	memcpy(edge, &g, sizeof(g));
	mprotect(edge, PAGE, PROT_READ);
	before = open_fds();
	expect("retrieve, answer unwritable", call(in, S_RETRIEVE, edge), EFAULT);
	mprotect(edge, PAGE, PROT_READ | PROT_WRITE);
	expect_true("... which left no fd behind", open_fds() == before);
	setrlimit(RLIMIT_NOFILE, &few);
	rc = -luo_retrieve_fd(in, 1);
	setrlimit(RLIMIT_NOFILE, &limit);
	expect("retrieve without a free fd", rc, EMFILE);

	/* In another order than they were preserved in. */
	fd3 = luo_retrieve_fd(in, 3);
	fd = luo_retrieve_fd(in, 1);
	expect("retrieve the third", fd3 < 0 ? -fd3 : 0, 0);
	expect("retrieve the first", fd < 0 ? -fd : 0, 0);
	again = luo_retrieve_fd(in, 1);
	expect("retrieve it again", again < 0 ? -again : 0, 0);
	expect_true("... is another fd", again != fd);
	expect_true("... of the same file", !fstat(fd, &a) && !fstat(again, &b) &&
						    a.st_ino == b.st_ino);
	lseek(fd, 17, SEEK_SET);
	expect_true("... the same open one", lseek(again, 0, SEEK_CUR) == 17);
	expect("preserve it before finish", -luo_preserve_fd(out, fd, 1), EBUSY);

	expect("finish with a reserved field", call(in, S_FINISH, &f), EINVAL);
	f.reserved = 0;
	f.size = 7;
	expect("finish, short", call(in, S_FINISH, &f), EINVAL);
	expect("retrieve after a finish that failed",
	       (rc = luo_retrieve_fd(in, 2)) < 0 ? -rc : 0, 0);
	expect("finish", -luo_finish(in), 0);
	expect("finish again", -luo_finish(in), 0);
	expect("retrieve after finish", -luo_retrieve_fd(in, 1), ENOENT);
	expect_true("the file goes on", pread(fd, &c, 1, 4096) == 1 &&
						pwrite(fd, &c, 1, 4096) == 1);
	expect("preserve it after finish", -luo_preserve_fd(out, fd, 1), 0);
	close(in);
	expect("retrieve session after close", -luo_retrieve(dev, "abi"), ENOENT);

	/* Closed without finish: as finish, and gone. */
	in = luo_retrieve(dev, "abi-left");
	expect("retrieve another session", in < 0 ? -in : 0, 0);
	close(in);
	expect("... closed, it is gone", -luo_retrieve(dev, "abi-left"), ENOENT);
	return 0;
}
