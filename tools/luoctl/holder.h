/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What 'luoctl exec' tells the other commands about itself. Each running one
 * has two files in /run/liveupdate/exec: NAME.lock, which it holds locked for
 * as long as it lives (so a process id in NAME.json is its own and no other's),
 * and NAME.json, replaced whole at each change.
 *
 * Signals to it: SIGUSR1 stop the command, store its files, keep the session
 * (does nothing if that is done already); SIGUSR2 go on as before.
 * HOLDER_SIGNAL_LEAVE: somebody else has the incoming session now, go (heard in
 * HOLDER_FAILED only).
 */
#ifndef HOLDER_H
#define HOLDER_H

#include <signal.h>

#include "luoctl.h"

#define HOLDER_DIR "/run/liveupdate/exec"
#define HOLDER_SIGNAL_LEAVE SIGRTMIN

enum holder_state {
	HOLDER_STARTING, /* retrieving and restoring */
	HOLDER_RUNNING, /* the command runs */
	HOLDER_STOPPING, /* the command was asked to stop */
	HOLDER_STORED, /* stopped, everything stored: ready for the kexec */
	HOLDER_UNSTORED, /* stopped, but something could not be stored */
	HOLDER_FAILED, /* what arrived cannot be used; held, nothing is lost */
	HOLDER_STATES,
};

struct holder {
	char session[64];
	int pid;
	int state; /* enum holder_state */
	bool preserved; /* is in an outgoing session */
	int incoming_fd; /* its descriptor of the incoming session, or -1 */
	uint64_t memfds, bytes, kept;
	uint64_t started_ns; /* CLOCK_REALTIME; 0: not yet */
	uint64_t stopped_ns;
	uint64_t previous_stopped_ns; /* in the kernel before */
	uint64_t downtime_ns; /* from there to the first start here; 0: unknown */
	char message[512];
};

extern const char *const holder_state_names[HOLDER_STATES];

/* The file of a session: NAME, escaped, and a suffix. False: too long. */
bool holder_path(struct luoctl *ctl, const char *session, const char *suffix, char *ret,
		 size_t size);
/* Makes the directory. 0 or a negative errno. */
int holder_make_dir(struct luoctl *ctl);

/*
 * Reads the state of a session's holder. 0; -ENOENT: there is none alive;
 * -EAGAIN: alive, but it has not written its state yet; -EBADMSG.
 */
int holder_read(struct luoctl *ctl, const char *session, struct holder *ret);

struct holder_list {
	struct holder *items;
	unsigned int count;
};

/* All that live. 0 or a negative errno. */
int holder_list(struct luoctl *ctl, struct holder_list *ret);

/* Is the holder that was read before still alive? */
bool holder_alive(struct luoctl *ctl, const struct holder *holder);

/* Sends a signal to a holder, surely to no other process. 0 or a negative errno. */
int holder_signal(struct luoctl *ctl, const struct holder *holder, int signal);

struct json_object *holder_to_json(const struct holder *holder);
/* Writes the state of a holder that lives: called by it alone. */
int holder_write(struct luoctl *ctl, const struct holder *holder);

#endif /* HOLDER_H */
