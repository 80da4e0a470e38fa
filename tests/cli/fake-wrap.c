// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Linked into the luoctl of the tests with ld's --wrap: opening the device,
 * ioctl(2) on it, kexec_file_load(2), reboot(2) and sync(2) go to fake-server
 * or into files, poll(2) for urgent things waits for files to be written, as
 * sysfs has it; everything else goes to the system.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/liveupdate_ext.h>

#include "fake.h"

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __real_ioctl(int fd, unsigned long command, ...);
int __wrap_ioctl(int fd, unsigned long command, ...);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
int __wrap_reboot(int command);
void __wrap_sync(void);
int __real_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);

static const char *root(void)
{
	const char *value = getenv("FAKE_ROOT");

	if (!value) {
		fputs("fake-wrap: FAKE_ROOT is not set\n", stderr);
		abort();
	}
	return value;
}

int fake_connect(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int receive_reply(int conn, struct fake_reply *reply)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { reply, sizeof(*reply) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;
	int fd = -1;

	if (recvmsg(conn, &msg, MSG_CMSG_CLOEXEC) != sizeof(*reply)) {
		reply->error = -EIO;
		return -1;
	}
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg && cmsg->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(int));
	return fd;
}

int __wrap_open64(const char *path, int flags, ...)
{
	size_t len = strlen(path), suffix = strlen(FAKE_DEVICE);
	struct fake_reply reply;
	struct stat st;
	va_list args;
	mode_t mode;
	int fd;

	va_start(args, flags);
	mode = va_arg(args, mode_t);
	va_end(args);
	if (len < suffix || strcmp(path + len - suffix, FAKE_DEVICE) || stat(path, &st) < 0 ||
	    !S_ISSOCK(st.st_mode))
		return __real_open64(path, flags, mode);
	if (!(flags & O_CLOEXEC)) {
		fputs("fake-wrap: the device is opened without O_CLOEXEC\n", stderr);
		abort();
	}
	fd = fake_connect(path);
	if (fd < 0)
		return -1;
	receive_reply(fd, &reply);
	if (reply.error) {
		close(fd);
		errno = -reply.error;
		return -1;
	}
	return fd;
}

int __wrap_ioctl(int fd, unsigned long command, ...)
{
	struct fake_request request = { .command = _IOC_NR(command) };
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &request, sizeof(request) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct fake_reply reply;
	uint32_t size;
	va_list args;
	void *arg;
	int got;

	va_start(args, command);
	arg = va_arg(args, void *);
	va_end(args);
	if (_IOC_TYPE(command) != LIVEUPDATE_IOCTL_TYPE)
		return __real_ioctl(fd, command, arg);

	memcpy(&size, arg, sizeof(size));
	if (size > sizeof(request.arg))
		abort();
	memcpy(request.arg, arg, size);
	if (request.command == LIVEUPDATE_CMD_SESSION_PRESERVE_FD) {
		struct liveupdate_session_preserve_fd *preserve = arg;
		struct cmsghdr *cmsg;

		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &preserve->fd, sizeof(int));
	}
	if (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0)
		return -1;
	got = receive_reply(fd, &reply);
	if (reply.error) {
		errno = -reply.error;
		return -1;
	}
	if (request.command == LIVEUPDATE_CMD_SESSION_GET_NAME ||
	    request.command >= LIVEUPDATE_CMD_EXT_BASE)
		memcpy((char *)arg + 4, reply.arg + 4, size - 4);
	if (request.command == LIVEUPDATE_CMD_SESSION_LIST_FILES) {
		struct liveupdate_session_list_files *list = arg;

		if (list->nr)
			memcpy((void *)(uintptr_t)list->files, reply.data,
			       list->nr * sizeof(struct liveupdate_file_info));
	}
	if (got >= 0)
		/* All that give a descriptor have it behind the size. */
		memcpy((char *)arg + 4, &got, sizeof(got));
	return 0;
}

/* Keeps what was asked for in ROOT/loaded; fails with what ROOT/load-error says. */
long __wrap_syscall(long number, ...)
{
	long a[6];
	va_list args;
	char path[4096];
	FILE *file;
	int error = 0;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number != SYS_kexec_file_load)
		return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);

	snprintf(path, sizeof(path), "%s/load-error", root());
	file = fopen(path, "re");
	if (file) {
		if (fscanf(file, "%d", &error) != 1)
			error = EIO;
		fclose(file);
		errno = error;
		return -1;
	}
	snprintf(path, sizeof(path), "%s/loaded", root());
	file = fopen(path, "we");
	if (!file)
		return -1;
	fprintf(file, "kernel %s\ninitrd %s\nflags %#lx\nlength %s\ncmdline %s\n",
		(int)a[0] >= 0 ? "yes" : "no", (int)a[1] >= 0 ? "yes" : "no",
		(unsigned long)a[4],
		a[2] == (long)strlen((const char *)a[3]) + 1 ? "right" : "wrong",
		(const char *)a[3]);
	fclose(file);
	return 0;
}

int __wrap_reboot(int command)
{
	char path[4096], answer[256] = "";
	int fd, error;

	if (command != RB_KEXEC)
		abort();
	snprintf(path, sizeof(path), "%s" FAKE_CONTROL, root());
	fd = fake_connect(path);
	if (fd < 0 || send(fd, "jump", 4, MSG_NOSIGNAL) != 4 ||
	    recv(fd, answer, sizeof(answer) - 1, 0) <= 0)
		return -1;
	close(fd);
	if (sscanf(answer, "error %d", &error) == 1) {
		errno = error;
		return -1;
	}
	/* Nobody survives this. */
	fputs("fake-wrap: jumped\n", stderr);
	raise(SIGKILL);
	return 0;
}

void __wrap_sync(void)
{
}

/* Wakes for nothing the first time, which it may. */
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	static struct timespec seen[8];
	struct stat st;
	int changed = 0;

	if (!count || fds[0].events != POLLPRI)
		return __real_poll(fds, count, timeout_ms);
	for (;; timeout_ms -= 10) {
		for (nfds_t i = 0; i < count && i < 8; i++) {
			if (fstat(fds[i].fd, &st) < 0)
				abort();
			fds[i].revents = 0;
			if (st.st_nlink && !memcmp(&seen[i], &st.st_mtim, sizeof(seen[i])))
				continue;
			seen[i] = st.st_mtim;
			fds[i].revents = POLLPRI | POLLERR;
			changed++;
		}
		if (changed || timeout_ms <= 0)
			return changed;
		usleep(10000);
	}
}
