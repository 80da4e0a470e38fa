// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Sessions: one ioctl each.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/liveupdate.h>

#include "luo-object.h"

static int session_ioctl(int fd, unsigned long command, void *arg)
{
	return ioctl(fd, command, arg) < 0 ? -errno : 0;
}

static int session_open(struct luo_device *device, unsigned long command, const char *name,
			struct luo_session **ret_session)
{
	/* Create and retrieve have the same layout. */
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg), .fd = -1 };
	struct luo_session *session;
	size_t len = strlen(name);
	int r;

	if (!len || len >= sizeof(arg.name))
		return -EINVAL;
	memcpy(arg.name, name, len);

	/* Allocate first: an incoming session that is closed again is lost. */
	session = malloc(sizeof(*session));
	if (!session)
		return -ENOMEM;
	r = session_ioctl(device->fd, command, &arg);
	if (r < 0) {
		free(session);
		return r;
	}
	session->fd = arg.fd;
	*ret_session = session;
	return 0;
}

int luo_session_create(struct luo_device *device, const char *name,
		       struct luo_session **ret_session)
{
	return session_open(device, LIVEUPDATE_IOCTL_CREATE_SESSION, name, ret_session);
}

int luo_session_retrieve(struct luo_device *device, const char *name,
			 struct luo_session **ret_session)
{
	_Static_assert(sizeof(struct liveupdate_ioctl_create_session) ==
			       sizeof(struct liveupdate_ioctl_retrieve_session),
		       "one struct is used for both");

	return session_open(device, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, name, ret_session);
}

int luo_session_new_from_fd(int fd, struct luo_session **ret_session)
{
	struct liveupdate_session_get_name arg = { .size = sizeof(arg) };
	struct luo_session *session;
	int r;

	r = session_ioctl(fd, LIVEUPDATE_SESSION_GET_NAME, &arg);
	if (r < 0)
		return r;
	session = malloc(sizeof(*session));
	if (!session)
		return -ENOMEM;
	session->fd = fd;
	*ret_session = session;
	return 0;
}

int luo_session_get_fd(struct luo_session *session)
{
	return session->fd;
}

int luo_session_release_fd(struct luo_session *session)
{
	int fd = session->fd;

	free(session);
	return fd;
}

void luo_session_close(struct luo_session *session)
{
	if (!session)
		return;
	close(session->fd);
	free(session);
}

int luo_session_preserve_fd(struct luo_session *session, uint64_t token, int fd)
{
	struct liveupdate_session_preserve_fd arg = {
		.size = sizeof(arg),
		.fd = fd,
		.token = token,
	};

	return session_ioctl(session->fd, LIVEUPDATE_SESSION_PRESERVE_FD, &arg);
}

int luo_session_retrieve_fd(struct luo_session *session, uint64_t token, int *ret_fd)
{
	struct liveupdate_session_retrieve_fd arg = {
		.size = sizeof(arg),
		.fd = -1,
		.token = token,
	};
	int r;

	r = session_ioctl(session->fd, LIVEUPDATE_SESSION_RETRIEVE_FD, &arg);
	if (r < 0)
		return r;
	*ret_fd = arg.fd;
	return 0;
}

int luo_session_finish(struct luo_session *session)
{
	struct liveupdate_session_finish arg = { .size = sizeof(arg) };

	return session_ioctl(session->fd, LIVEUPDATE_SESSION_FINISH, &arg);
}

int luo_session_get_name(struct luo_session *session, char ret_name[LUO_SESSION_NAME_SIZE])
{
	struct liveupdate_session_get_name arg = { .size = sizeof(arg) };
	int r;

	_Static_assert(sizeof(arg.name) == LUO_SESSION_NAME_SIZE, "the header says so");

	r = session_ioctl(session->fd, LIVEUPDATE_SESSION_GET_NAME, &arg);
	if (r < 0)
		return r;
	memcpy(ret_name, arg.name, LUO_SESSION_NAME_SIZE);
	ret_name[LUO_SESSION_NAME_SIZE - 1] = '\0';
	return 0;
}
