// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The device has one opener at a time, and none needs it for long.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "luoctl.h"

#define DEVICE_WAIT_MS 10000
#define DEVICE_STEP_MS 50

int open_device(struct luoctl *ctl, const char *who, struct luo_device **ret)
{
	char reason[LUO_ERROR_SIZE];
	bool said = false;
	int r;

	for (int waited = 0;; waited += DEVICE_STEP_MS) {
		struct timespec step = { .tv_nsec = DEVICE_STEP_MS * 1000000L };

		r = luo_device_open(ctl->system, ret);
		if (r != -EBUSY || waited >= DEVICE_WAIT_MS)
			break;
		if (!said)
			say("%s: /dev/liveupdate is in use, waiting for it", who);
		said = true;
		nanosleep(&step, NULL);
	}
	if (r == -EBUSY)
		say("%s: another program keeps /dev/liveupdate open: find it with 'fuser -v "
		    "/dev/liveupdate'",
		    who);
	else if (r < 0)
		say("%s: /dev/liveupdate: %s", who,
		    luo_is_available(ctl->system, reason, sizeof(reason)) < 0 ? reason :
										strerror(-r));
	return r;
}
