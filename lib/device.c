// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * /dev/liveupdate.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

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
