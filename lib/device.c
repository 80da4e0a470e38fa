// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * /dev/liveupdate.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/liveupdate_ext.h>

#include "luo-object.h"

int luo_device_open(struct luo_system *system, struct luo_device **ret_device)
{
	struct luo_device *device;
	char path[PATH_MAX];
	int r;

	r = luo_system_path(system, path, "/dev/liveupdate");
	if (r < 0)
		return r;
	device = malloc(sizeof(*device));
	if (!device)
		return -ENOMEM;
	device->ext = LUO_EXT_UNKNOWN;
	device->fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (device->fd < 0) {
		r = -errno;
		free(device);
		/* A node without a driver behind it is no device either. */
		return r == -ENXIO || r == -ENODEV ? -ENOENT : r;
	}
	*ret_device = device;
	return 0;
}

int luo_device_get_fd(struct luo_device *device)
{
	return device->fd;
}

void luo_device_close(struct luo_device *device)
{
	if (!device)
		return;
	close(device->fd);
	free(device);
}

static int state_of(uint32_t state)
{
	switch (state) {
	case LIVEUPDATE_STATE_NORMAL:
		return LUO_STATE_NORMAL;
	case LIVEUPDATE_STATE_UPDATED:
		return LUO_STATE_UPDATED;
	case LIVEUPDATE_STATE_FROZEN:
		return LUO_STATE_FROZEN;
	default:
		return LUO_STATE_UNKNOWN;
	}
}

int luo_device_get_state(struct luo_device *device, struct luo_device_state *state)
{
	struct liveupdate_ioctl_get_state arg = { .size = sizeof(arg) };
	struct luo_device_state known = { .size = sizeof(known) };
	int r;

	if (state->size < sizeof(state->size))
		return -EINVAL;
	r = luo_device_ext(device, LIVEUPDATE_IOCTL_GET_STATE, &arg);
	if (r < 0)
		return r;
	known.state = state_of(arg.state);
	known.generation = arg.generation;
	known.sessions_out = arg.sessions_out;
	known.files_out = arg.files_out;
	known.bytes_out = arg.bytes_out;
	known.sessions_in = arg.sessions_in;
	known.files_in = arg.files_in;
	known.bytes_in = arg.bytes_in;
	luo_copy_sized(state, &known, sizeof(known));
	return 0;
}

int luo_device_rehearse(struct luo_device *device, struct luo_rehearsal *rehearsal)
{
	struct liveupdate_ioctl_rehearse arg = { .size = sizeof(arg) };
	struct luo_rehearsal known = { .size = sizeof(known) };
	int r;

	if (rehearsal->size < sizeof(rehearsal->size))
		return -EINVAL;
	r = luo_device_ext(device, LIVEUPDATE_IOCTL_REHEARSE, &arg);
	if (r < 0)
		return r;
	known.error = -(int)arg.error;
	known.session_error = -(int)arg.session_error;
	known.sessions = arg.sessions;
	known.files = arg.files;
	known.bytes = arg.bytes;
	known.dropped = arg.dropped;
	memcpy(known.session, arg.session, sizeof(known.session));
	known.session[sizeof(known.session) - 1] = '\0';
	luo_copy_sized(rehearsal, &known, sizeof(known));
	return 0;
}
