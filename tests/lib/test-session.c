// SPDX-License-Identifier: LGPL-2.1-or-later
/* Device and sessions: each call is one ioctl, and fails without a trace. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <linux/liveupdate.h>

#include "libluo.h"
#include "mock.h"

static int reset(void **state)
{
	(void)state;
	memset(&mock, 0, sizeof(mock));
	mock.ioctl_name = "name";
	return 0;
}

static struct luo_device *device(void)
{
	struct luo_device *ret;

	assert_int_equal(luo_device_open(NULL, &ret), 0);
	return ret;
}

static struct luo_session *session(void)
{
	struct luo_device *d = device();
	struct luo_session *ret;

	mock.ioctl_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(luo_session_create(d, "x", &ret), 0);
	luo_device_close(d);
	return ret;
}

static void test_device(void **state)
{
	struct luo_device *untouched = (void *)1, *d = untouched;
	static const int errors[][2] = {
		{ EBUSY, -EBUSY }, { EACCES, -EACCES }, { ENOENT, -ENOENT },
		{ ENXIO, -ENOENT }, { ENODEV, -ENOENT }, { EIO, -EIO },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		mock.open_error = errors[i][0];
		assert_int_equal(luo_device_open(NULL, &d), errors[i][1]);
		assert_ptr_equal(d, untouched);
	}
	mock.open_error = 0;
	assert_int_equal(luo_device_open(NULL, &d), 0);
	assert_true(mock.open_flags & O_CLOEXEC);
	assert_true(luo_device_get_fd(d) >= 0);
	luo_device_close(d);
	luo_device_close(NULL);
	luo_session_close(NULL);
	luo_system_free(NULL);
}

static void test_create_retrieve(void **state)
{
	typedef int (*function)(struct luo_device *, const char *, struct luo_session **);
	static const struct {
		function call;
		unsigned long command;
	} both[] = {
		{ luo_session_create, LIVEUPDATE_IOCTL_CREATE_SESSION },
		{ luo_session_retrieve, LIVEUPDATE_IOCTL_RETRIEVE_SESSION },
	};
	struct luo_device *d = device();
	char longest[64], too_long[65];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[63] = '\0';
	memset(too_long, 'a', sizeof(too_long));
	too_long[64] = '\0';
	for (int i = 0; i < 2; i++) {
		struct luo_session *untouched = (void *)1, *s = untouched;
		struct liveupdate_ioctl_create_session arg;
		unsigned int calls = mock.calls;

		assert_int_equal(both[i].call(d, "", &s), -EINVAL);
		assert_int_equal(both[i].call(d, too_long, &s), -EINVAL);
		assert_int_equal(mock.calls, calls);
		for (int e = 1; e < 40; e++) {
			mock.ioctl_error = e;
			assert_int_equal(both[i].call(d, "x", &s), -e);
			assert_ptr_equal(s, untouched);
		}
		/* Nothing must have been claimed when there is no memory for it. */
		mock.ioctl_error = 0;
		calls = mock.calls;
		mock.malloc_fails = 1;
		assert_int_equal(both[i].call(d, "x", &s), -ENOMEM);
		assert_int_equal(mock.calls, calls);

		mock.ioctl_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		assert_int_equal(both[i].call(d, longest, &s), 0);
		assert_int_equal(mock.command, both[i].command);
		memcpy(&arg, mock.arg, sizeof(arg));
		assert_int_equal(arg.size, 72);
		assert_memory_equal(arg.name, longest, 64);
		assert_int_equal(luo_session_get_fd(s), mock.ioctl_fd);
		luo_session_close(s);
		/* It was the session's. */
		assert_int_equal(fcntl(mock.ioctl_fd, F_GETFD), -1);
	}
	luo_device_close(d);
}

static void test_preserve(void **state)
{
	struct luo_session *s = session();
	struct liveupdate_session_preserve_fd arg;

	(void)state;
	assert_int_equal(luo_session_preserve_fd(s, UINT64_MAX, 7), 0);
	assert_int_equal(mock.command, LIVEUPDATE_SESSION_PRESERVE_FD);
	memcpy(&arg, mock.arg, sizeof(arg));
	assert_int_equal(arg.size, 16);
	assert_int_equal(arg.fd, 7);
	assert_int_equal(arg.token, UINT64_MAX);
	for (int e = 1; e < 40; e++) {
		mock.ioctl_error = e;
		assert_int_equal(luo_session_preserve_fd(s, 0, 7), -e);
	}
	luo_session_close(s);
}

static void test_retrieve(void **state)
{
	struct luo_session *s = session();
	struct liveupdate_session_retrieve_fd arg;
	int fd = -77;

	(void)state;
	for (int e = 1; e < 40; e++) {
		mock.ioctl_error = e;
		assert_int_equal(luo_session_retrieve_fd(s, 1, &fd), -e);
		assert_int_equal(fd, -77);
	}
	mock.ioctl_error = 0;
	mock.ioctl_fd = 1234;
	assert_int_equal(luo_session_retrieve_fd(s, 1ULL << 63, &fd), 0);
	assert_int_equal(fd, 1234);
	memcpy(&arg, mock.arg, sizeof(arg));
	assert_int_equal(arg.size, 16);
	assert_int_equal(arg.token, 1ULL << 63);
	luo_session_close(s);
}

static void test_finish(void **state)
{
	struct luo_session *s = session();
	struct liveupdate_session_finish arg;

	(void)state;
	assert_int_equal(luo_session_finish(s), 0);
	assert_int_equal(mock.command, LIVEUPDATE_SESSION_FINISH);
	memcpy(&arg, mock.arg, sizeof(arg));
	assert_int_equal(arg.size, 8);
	assert_int_equal(arg.reserved, 0);
	mock.ioctl_error = EBUSY;
	assert_int_equal(luo_session_finish(s), -EBUSY);
	luo_session_close(s);
}

static void test_name(void **state)
{
	struct luo_session *s = session();
	char name[LUO_SESSION_NAME_SIZE] = "before", unterminated[65];

	(void)state;
	mock.ioctl_error = ENOTTY;
	assert_int_equal(luo_session_get_name(s, name), -ENOTTY);
	assert_string_equal(name, "before");
	mock.ioctl_error = 0;
	assert_int_equal(luo_session_get_name(s, name), 0);
	assert_string_equal(name, "name");
	memset(unterminated, 'b', 64);
	unterminated[64] = '\0';
	mock.ioctl_name = unterminated;
	assert_int_equal(luo_session_get_name(s, name), 0);
	assert_int_equal(strlen(name), 63);
	luo_session_close(s);
}

static void test_fd(void **state)
{
	struct luo_session *untouched = (void *)1, *s = untouched;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	mock.ioctl_error = ENOTTY;
	assert_int_equal(luo_session_new_from_fd(fd, &s), -ENOTTY);
	assert_ptr_equal(s, untouched);
	mock.ioctl_error = 0;
	mock.malloc_fails = 1;
	assert_int_equal(luo_session_new_from_fd(fd, &s), -ENOMEM);
	assert_int_equal(luo_session_new_from_fd(fd, &s), 0);
	assert_int_equal(luo_session_release_fd(s), fd);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_device, reset),
		cmocka_unit_test_setup(test_create_retrieve, reset),
		cmocka_unit_test_setup(test_preserve, reset),
		cmocka_unit_test_setup(test_retrieve, reset),
		cmocka_unit_test_setup(test_finish, reset),
		cmocka_unit_test_setup(test_name, reset),
		cmocka_unit_test_setup(test_fd, reset),
	};

	return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
