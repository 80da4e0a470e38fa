// SPDX-License-Identifier: LGPL-2.1-or-later
/* Files that the library makes, and brings to the kernel. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/liveupdate_ext.h>

#include "libluo.h"
#include "mock.h"

/* The kernel's counter of open descriptors of this process is what leaks show in. */
static int next_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

static struct luo_session *session;
static int before;

static int begin(void **state)
{
	struct luo_device *d;

	(void)state;
	memset(&mock, 0, sizeof(mock));
	assert_int_equal(luo_device_open(NULL, &d), 0);
	mock.ioctl_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(luo_session_create(d, "x", &session), 0);
	luo_device_close(d);
	mock.brought = -1;
	before = next_fd();
	return 0;
}

static int end(void **state)
{
	(void)state;
	assert_int_equal(next_fd(), before);
	luo_session_close(session);
	return 0;
}

static uint64_t get(int fd)
{
	uint64_t n = 0;

	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	return n;
}

static void test_eventfd(void **state)
{
	static const uint64_t counts[] = { 1, 2, 0xffffffff, 0x100000000, 0xfffffffffffffffe };
	int fd = -77;
	uint64_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		mock.was.value = counts[i];
		mock.was.flags = i & 1 ? EFD_NONBLOCK : 0;
		assert_int_equal(luo_session_retrieve_eventfd(session, 1ULL << 40, &fd), 0);
		assert_int_equal(mock.command, LIVEUPDATE_SESSION_RETRIEVE_INTO);
		assert_int_equal(((struct liveupdate_session_retrieve_into *)mock.arg)->token,
				 1ULL << 40);
		assert_int_equal(get(mock.brought), counts[i]);
		assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
		assert_int_equal(!!(fcntl(fd, F_GETFL) & O_NONBLOCK), i & 1);
		close(fd);
		close(mock.brought);
	}
	mock.was.value = 0;
	mock.was.flags = EFD_NONBLOCK | EFD_SEMAPHORE;
	assert_int_equal(luo_session_retrieve_eventfd(session, 1, &fd), 0);
	assert_int_equal(read(fd, &n, sizeof(n)), -1);
	assert_int_equal(errno, EAGAIN);
	n = 2;
	assert_int_equal(write(fd, &n, sizeof(n)), sizeof(n));
	assert_int_equal(get(fd), 1);
	close(fd);
	close(mock.brought);
}

static void test_eventfd_fails(void **state)
{
	int fd = -77;

	(void)state;
	for (int e = 1; e < 40; e++) {
		if (e == EBUSY)
			continue;
		mock.ask_error = e;
		assert_int_equal(luo_session_retrieve_eventfd(session, 1, &fd), -e);
		mock.ask_error = 0;
		mock.into_error = e;
		assert_int_equal(luo_session_retrieve_eventfd(session, 1, &fd), -e);
		mock.into_error = 0;
		assert_int_equal(fd, -77);
		assert_int_equal(next_fd(), before);
	}
	/* What no eventfd can be. */
	mock.was.flags = 0x40000000;
	assert_int_equal(luo_session_retrieve_eventfd(session, 1, &fd), -EINVAL);
	mock.was.flags = EFD_NONBLOCK;
	mock.was.value = UINT64_MAX;
	assert_int_equal(luo_session_retrieve_eventfd(session, 1, &fd), -EINVAL);

	/* It is there already: another descriptor. */
	mock.ask_error = EBUSY;
	mock.ioctl_fd = 1234;
	assert_int_equal(luo_session_retrieve_eventfd(session, 1, &fd), 0);
	assert_int_equal(mock.command, LIVEUPDATE_SESSION_RETRIEVE_FD);
	assert_int_equal(fd, 1234);
}

static char dir[] = "/dev/shm/luo-test-XXXXXX";

static void test_tmpfs(void **state)
{
	int fd = -77, dirfd;
	struct stat st, other;
	char path[64];

	(void)state;
	dirfd = open(dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	mock.was.mode = 04751;
	mock.was.uid = getuid();
	mock.was.gid = getgid();
	snprintf(path, sizeof(path), "%s/a", dir);
	assert_int_equal(luo_session_retrieve_tmpfs(session, 5, AT_FDCWD, path, &fd), 0);
	assert_int_equal(mock.command, LIVEUPDATE_SESSION_RETRIEVE_INTO);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 04751);
	assert_int_equal(st.st_uid, getuid());
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(stat(path, &other), 0);
	assert_int_equal(other.st_ino, st.st_ino);
	assert_int_equal(fstat(mock.brought, &other), 0);
	assert_int_equal(other.st_ino, st.st_ino);
	close(fd);
	close(mock.brought);

	mock.was.mode = 0;
	assert_int_equal(luo_session_retrieve_tmpfs(session, 5, dirfd, "b", &fd), 0);
	assert_int_equal(fstatat(dirfd, "b", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG);
	close(fd);
	close(mock.brought);
	close(dirfd);
}

static void test_tmpfs_fails(void **state)
{
	char path[64], long_path[5000];
	int fd = -77;

	(void)state;
	snprintf(path, sizeof(path), "%s/a", dir);
	assert_int_equal(luo_session_retrieve_tmpfs(session, 5, AT_FDCWD, path, &fd), -EEXIST);
	assert_int_equal(luo_session_retrieve_tmpfs(session, 5, AT_FDCWD, "/", &fd), -EEXIST);
	snprintf(path, sizeof(path), "%s/dangling", dir);
	assert_int_equal(symlink("nothing", path), 0);
	assert_int_equal(luo_session_retrieve_tmpfs(session, 5, AT_FDCWD, path, &fd), -EEXIST);
	snprintf(path, sizeof(path), "%s/no/c", dir);
	assert_int_equal(luo_session_retrieve_tmpfs(session, 5, AT_FDCWD, path, &fd), -ENOENT);
	memset(long_path, 'x', sizeof(long_path));
	long_path[sizeof(long_path) - 2] = '/';
	long_path[sizeof(long_path) - 1] = '\0';
	assert_int_equal(luo_session_retrieve_tmpfs(session, 5, AT_FDCWD, long_path, &fd),
			 -ENAMETOOLONG);

	snprintf(path, sizeof(path), "%s/c", dir);
	for (int e = 1; e < 40; e++) {
		if (e == EBUSY)
			continue;
		mock.ask_error = e;
		assert_int_equal(luo_session_retrieve_tmpfs(session, 5, AT_FDCWD, path, &fd), -e);
		mock.ask_error = 0;
		mock.into_error = e;
		assert_int_equal(luo_session_retrieve_tmpfs(session, 5, AT_FDCWD, path, &fd), -e);
		mock.into_error = 0;
		/* Not a trace of it. */
		assert_int_equal(access(path, F_OK), -1);
		assert_int_equal(next_fd(), before);
	}
	assert_int_equal(fd, -77);
}

/* Killed before: the kernel has the file, and it has no name yet. */
static void test_tmpfs_goes_on(void **state)
{
	struct stat st, other;
	char path[64];
	int fd = -77, *error;

	(void)state;
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/on%d", dir, i);
		error = i ? &mock.into_error : &mock.ask_error;
		mock.ioctl_fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		assert_true(mock.ioctl_fd >= 0);
		fstat(mock.ioctl_fd, &st);
		*error = EBUSY;
		assert_int_equal(luo_session_retrieve_tmpfs(session, 5, AT_FDCWD, path, &fd), 0);
		*error = 0;
		assert_int_equal(mock.command, LIVEUPDATE_SESSION_RETRIEVE_FD);
		assert_int_equal(fd, mock.ioctl_fd);
		assert_int_equal(stat(path, &other), 0);
		assert_int_equal(st.st_ino, other.st_ino);
		close(fd);
	}

	/* It has one: this is no way to a second. */
	mock.ask_error = EBUSY;
	mock.ioctl_fd = open(path, O_RDWR | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/second", dir);
	fd = -77;
	assert_int_equal(luo_session_retrieve_tmpfs(session, 5, AT_FDCWD, path, &fd), -EEXIST);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(fd, -77);
	/* It was retrieved as a file that cannot have one here. */
	mock.ioctl_fd = memfd_create("x", MFD_CLOEXEC);
	assert_true(luo_session_retrieve_tmpfs(session, 5, AT_FDCWD, path, &fd) < 0);
	assert_int_equal(fd, -77);
}

static int make_dir(void **state)
{
	(void)state;
	return !mkdtemp(dir);
}

static int remove_dir(void **state)
{
	static const char *const names[] = { "a", "b", "dangling", "on0", "on1" };
	char path[64];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	/* Nothing else is in it. */
	return rmdir(dir);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_eventfd), T(test_eventfd_fails), T(test_tmpfs), T(test_tmpfs_fails),
		T(test_tmpfs_goes_on),
	};

	return cmocka_run_group_tests_name("retrieve", tests, make_dir, remove_dir);
}
