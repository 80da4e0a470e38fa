// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Files that user space has to make, before the kernel makes them what they
 * were.
 *
 * Whoever is killed in between loses nothing: what has been made has no name
 * yet, and what has been retrieved is retrieved again.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/liveupdate_ext.h>

#include "luo-object.h"

_Static_assert(EFD_NONBLOCK == O_NONBLOCK && EFD_SEMAPHORE == 1, "the kernel says flags so");

/* @fd -1 only asks what it was. */
static int retrieve_into(struct luo_session *session, uint64_t token, int fd,
			 struct liveupdate_session_retrieve_into *ret)
{
	*ret = (struct liveupdate_session_retrieve_into){
		.size = sizeof(*ret),
		.fd = fd,
		.token = token,
	};
	return ioctl(session->fd, LIVEUPDATE_SESSION_RETRIEVE_INTO, ret) < 0 ? -errno : 0;
}

int luo_session_retrieve_eventfd(struct luo_session *session, uint64_t token, int *ret_fd)
{
	struct liveupdate_session_retrieve_into was;
	int fd, r;

	r = retrieve_into(session, token, -1, &was);
	if (r == -EBUSY)
		return luo_session_retrieve_fd(session, token, ret_fd);
	if (r < 0)
		return r;

	fd = eventfd(0, EFD_CLOEXEC | (int)was.flags);
	if (fd < 0)
		return -errno;
	/* The initial value of eventfd(2) has 32 bits only. */
	if (was.value && write(fd, &was.value, sizeof(was.value)) < 0)
		r = -errno;
	else
		r = retrieve_into(session, token, fd, &was);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* A file without a name, where @path shall be. */
static int make_nameless(int dirfd, const char *path,
			 const struct liveupdate_session_retrieve_into *was)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX] = ".";
	int fd, r;

	if (slash) {
		size_t len = slash == path ? 1 : slash - path;

		if (len >= sizeof(dir))
			return -ENAMETOOLONG;
		memcpy(dir, path, len);
		dir[len] = '\0';
	}
	fd = openat(dirfd, dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	/* Another owner takes away set-id bits, so mode comes second. */
	if (fchown(fd, was->uid, was->gid) < 0 || fchmod(fd, was->mode) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

static int give_name(int fd, int dirfd, const char *path)
{
	char self[sizeof("/proc/self/fd/") + 3 * sizeof(fd)];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_nlink)
		return -EEXIST;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, self, dirfd, path, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

int luo_session_retrieve_tmpfs(struct luo_session *session, uint64_t token, int dirfd,
			       const char *path, int *ret_fd)
{
	struct liveupdate_session_retrieve_into was;
	int fd, r;

	/* Before anything happens. If it comes into being meanwhile, linkat(2) says so. */
	if (!faccessat(dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW))
		return -EEXIST;

	r = retrieve_into(session, token, -1, &was);
	if (!r) {
		fd = make_nameless(dirfd, path, &was);
		if (fd < 0)
			return fd;
		r = retrieve_into(session, token, fd, &was);
		if (r < 0)
			close(fd);
	}
	/* Somebody has come so far before us. */
	if (r == -EBUSY)
		r = luo_session_retrieve_fd(session, token, &fd);
	if (r < 0)
		return r;

	r = give_name(fd, dirfd, path);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}
