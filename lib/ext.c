// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Commands that the orchestrator in Linux does not have. There they answer
 * EINVAL, as a wrong argument does, so a command of which it is sure that its
 * argument is right tells the one from the other. It is asked only after an
 * EINVAL, and once for each handle.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/liveupdate_ext.h>

#include "luo-object.h"

int luo_ioctl(int fd, unsigned long command, void *arg)
{
	return ioctl(fd, command, arg) < 0 ? -errno : 0;
}

int luo_name_copy(uint8_t ret_name[LUO_SESSION_NAME_SIZE], const char *name)
{
	size_t len = strlen(name);

	if (!len || len >= LUO_SESSION_NAME_SIZE)
		return -EINVAL;
	memset(ret_name, 0, LUO_SESSION_NAME_SIZE);
	memcpy(ret_name, name, len);
	return 0;
}

/* @probe, with its argument @probe_arg: succeeds wherever it exists. */
static int ext_ioctl(int fd, enum luo_ext *ext, unsigned long command, void *arg,
		     unsigned long probe, void *probe_arg)
{
	int r, p;

	if (*ext == LUO_EXT_NO)
		return -ENOSYS;
	r = luo_ioctl(fd, command, arg);
	if (r != -EINVAL && r != -ENOTTY) {
		*ext = LUO_EXT_YES;
		return r;
	}
	if (*ext == LUO_EXT_UNKNOWN) {
		p = luo_ioctl(fd, probe, probe_arg);
		if (p == -EINVAL || p == -ENOTTY)
			*ext = LUO_EXT_NO;
		else
			*ext = LUO_EXT_YES;
	}
	return *ext == LUO_EXT_NO ? -ENOSYS : r;
}

int luo_device_ext(struct luo_device *device, unsigned long command, void *arg)
{
	struct liveupdate_ioctl_get_state state = { .size = sizeof(state) };

	return ext_ioctl(device->fd, &device->ext, command, arg, LIVEUPDATE_IOCTL_GET_STATE,
			 &state);
}

int luo_session_ext(struct luo_session *session, unsigned long command, void *arg)
{
	struct liveupdate_session_get_state state = { .size = sizeof(state) };

	return ext_ioctl(session->fd, &session->ext, command, arg, LIVEUPDATE_SESSION_GET_STATE,
			 &state);
}
