/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A live update device for tests: a server in the place of the kernel, and
 * wrappers of system calls in the place of the way there. A session is a
 * connection, so it ends like a descriptor does, when the last one closes.
 */
#ifndef FAKE_H
#define FAKE_H

#include <stdint.h>

#define FAKE_ARG_SIZE 128
#define FAKE_DATA_SIZE (64 * 72) /* an array besides */
#define FAKE_DEVICE   "/dev/liveupdate" /* below the root of the test */
#define FAKE_CONTROL  "/control"

struct fake_request {
	uint32_t command; /* LIVEUPDATE_CMD_... */
	uint8_t arg[FAKE_ARG_SIZE];
};

/* The answer to an open and to each request. */
struct fake_reply {
	int32_t error; /* negative errno or 0 */
	uint8_t arg[FAKE_ARG_SIZE];
	uint8_t data[FAKE_DATA_SIZE];
};

/*
 * The control socket takes one line and answers one: "ok ...", "error N".
 *
 *   fail COMMAND N ERRNO   the Nth such command from now fails (N = 1: next)
 *   kill COMMAND N after   the caller of the Nth such command is killed: before
 *                          (after = 0) or after (1) it has happened
 *   in-tree                commands of liveupdate_ext.h do not exist
 *   rehearse ERRNO SERRNO DROPPED NAME   what the rehearsal says from now on
 *   veto ERRNO             the next jump is refused
 *   jump                   outgoing sessions become incoming ones, and whoever
 *                          holds a session is killed
 *   list                   "ok out NAME:FILES ... in NAME:FILES ..."
 *   busy SECONDS           the device is busy for so long
 */
int fake_connect(const char *path);

#endif /* FAKE_H */
