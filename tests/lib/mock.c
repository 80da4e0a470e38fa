// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <linux/liveupdate_ext.h>

#include "mock.h"

struct mock mock;

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __real_ioctl(int fd, unsigned long command, ...);
int __wrap_ioctl(int fd, unsigned long command, ...);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
int __wrap_reboot(int command);
void __wrap_sync(void);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
	if (mock.malloc_fails && !--mock.malloc_fails)
		return NULL;
	return __real_malloc(size);
}

int __wrap_open64(const char *path, int flags, ...)
{
	size_t len = strlen(path);
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = va_arg(args, mode_t);
	va_end(args);
	if (len < 15 || strcmp(path + len - 15, "/dev/liveupdate"))
		return __real_open64(path, flags, mode);
	mock.open_flags = flags;
	if (mock.open_error) {
		errno = mock.open_error;
		return -1;
	}
	return __real_open64("/dev/null", O_RDWR | O_CLOEXEC);
}

static int retrieve_into(struct liveupdate_session_retrieve_into *arg)
{
	errno = arg->fd == -1 ? mock.ask_error : mock.into_error;
	if (errno)
		return -1;
	arg->value = mock.was.value;
	arg->flags = mock.was.flags;
	arg->mode = mock.was.mode;
	arg->uid = mock.was.uid;
	arg->gid = mock.was.gid;
	if (arg->fd != -1)
		mock.brought = fcntl(arg->fd, F_DUPFD_CLOEXEC, 0);
	return 0;
}

int __wrap_ioctl(int fd, unsigned long command, ...)
{
	uint32_t size;
	va_list args;
	void *arg;

	va_start(args, command);
	arg = va_arg(args, void *);
	va_end(args);
	if (_IOC_TYPE(command) != LIVEUPDATE_IOCTL_TYPE)
		return __real_ioctl(fd, command, arg);
	mock.calls++;
	if (_IOC_NR(command) == LIVEUPDATE_CMD_GET_STATE ||
	    _IOC_NR(command) == LIVEUPDATE_CMD_SESSION_GET_STATE)
		mock.probes++;
	else
		mock.command = command;
	memcpy(&size, arg, sizeof(size));
	assert_in_range(size, 8, sizeof(mock.arg));
	memset(mock.arg, 0, sizeof(mock.arg));
	memcpy(mock.arg, arg, size);
	if (mock.ioctl_error) {
		errno = mock.ioctl_error;
		return -1;
	}
	if (_IOC_NR(command) >= LIVEUPDATE_CMD_EXT_BASE && mock.in_tree) {
		errno = EINVAL;
		return -1;
	}
	if (_IOC_NR(command) >= LIVEUPDATE_CMD_EXT_BASE && mock.ext_error &&
	    _IOC_NR(command) != LIVEUPDATE_CMD_GET_STATE &&
	    _IOC_NR(command) != LIVEUPDATE_CMD_SESSION_GET_STATE) {
		errno = mock.ext_error;
		return -1;
	}
	if (_IOC_NR(command) >= LIVEUPDATE_CMD_EXT_BASE && mock.answer)
		memcpy((char *)arg + 4, (const char *)mock.answer + 4,
		       (mock.answer_size < size ? mock.answer_size : size) - 4);
	switch (_IOC_NR(command)) {
	case LIVEUPDATE_CMD_SESSION_RETRIEVE_INTO:
		return retrieve_into(arg);
	case LIVEUPDATE_CMD_CREATE_SESSION:
	case LIVEUPDATE_CMD_RETRIEVE_SESSION:
	case LIVEUPDATE_CMD_REOPEN_SESSION:
	case LIVEUPDATE_CMD_RETRIEVE_GENERATION:
	case LIVEUPDATE_CMD_SESSION_RETRIEVE_FD:
		memcpy((char *)arg + 4, &mock.ioctl_fd, 4);
		break;
	case LIVEUPDATE_CMD_SESSION_GET_NAME:
		strncpy((char *)arg + 8, mock.ioctl_name, 64);
		break;
	}
	return 0;
}

long __wrap_syscall(long number, ...)
{
	long a[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number != SYS_kexec_file_load)
		return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	mock.loads++;
	mock.load_initrd = a[1];
	mock.load_flags = a[4];
	assert_in_range(a[2], 1, sizeof(mock.cmdline));
	memcpy(mock.cmdline, (const char *)a[3], a[2]);
	assert_int_equal(mock.cmdline[a[2] - 1], 0);
	if (mock.load_error) {
		errno = mock.load_error;
		return -1;
	}
	return 0;
}

int __wrap_reboot(int command)
{
	(void)command;
	mock.reboots++;
	errno = mock.reboot_error;
	return -1;
}

void __wrap_sync(void)
{
	mock.syncs++;
}
