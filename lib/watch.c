// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Waiting for the module's state to change: sysfs files that can be polled,
 * which have to be read again after each change.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "luo-private.h"

static const char *const watched[] = { "state", "image" };

/* sysfs wakes nobody when a file goes, so now and then one has to look. */
#define LOOK_MS 5000

struct luo_watch {
	struct pollfd fds[LUO_ARRAY_SIZE(watched)];
};

void luo_watch_free(struct luo_watch *watch)
{
	if (!watch)
		return;
	for (unsigned int i = 0; i < LUO_ARRAY_SIZE(watched); i++)
		if (watch->fds[i].fd >= 0)
			close(watch->fds[i].fd);
	free(watch);
}

/* From now on the next change counts. */
static int arm(struct luo_watch *watch)
{
	char buf[64];

	for (unsigned int i = 0; i < LUO_ARRAY_SIZE(watched); i++)
		if (pread(watch->fds[i].fd, buf, sizeof(buf), 0) < 0)
			return -errno;
	return 0;
}

int luo_watch_new(struct luo_system *system, struct luo_watch **ret_watch)
{
	struct luo_watch *watch = calloc(1, sizeof(*watch));
	char path[PATH_MAX];
	int r = 0;

	if (!watch)
		return -ENOMEM;
	for (unsigned int i = 0; i < LUO_ARRAY_SIZE(watched); i++)
		watch->fds[i] = (struct pollfd){ .fd = -1, .events = POLLPRI };
	for (unsigned int i = 0; i < LUO_ARRAY_SIZE(watched) && !r; i++) {
		r = luo_system_path(system, path, "/sys/kernel/liveupdate/%s", watched[i]);
		if (r < 0)
			break;
		watch->fds[i].fd = open(path, O_RDONLY | O_CLOEXEC);
		if (watch->fds[i].fd < 0)
			r = -errno;
	}
	if (!r)
		r = arm(watch);
	if (r < 0) {
		luo_watch_free(watch);
		return r;
	}
	*ret_watch = watch;
	return 0;
}

int luo_watch_wait(struct luo_watch *watch, int timeout_ms)
{
	for (;;) {
		int ms = timeout_ms < 0 ? LOOK_MS : LUO_MIN(timeout_ms, LOOK_MS);
		int changed = poll(watch->fds, LUO_ARRAY_SIZE(watched), ms);
		int r;

		if (changed < 0)
			return -errno;
		r = arm(watch);
		if (r < 0)
			return r;
		if (changed)
			return 1;
		if (timeout_ms >= 0) {
			timeout_ms -= ms;
			if (!timeout_ms)
				return 0;
		}
	}
}
