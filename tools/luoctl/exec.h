/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of 'luoctl exec'. */
#ifndef EXEC_H
#define EXEC_H

#include <signal.h>
#include <sys/types.h>

#include "holder.h"

#define EXEC_FILES_MAX 256
#define EXEC_TOKEN_MANIFEST 0
#define EXEC_TEMP_SUFFIX ".luo-XXXXXX" /* of a kept file that is being restored */

/* A memfd that the command sees as a file at @path. */
struct exec_memfd {
	char *path;
	uint64_t size; /* as given; the command may have changed it since */
	uint64_t token;
	int fd;
	/* From the manifest. */
	uint32_t mode;
	uint64_t uid, gid;
};

/* A regular file that is carried over while the command does not run. */
struct exec_keep {
	char *path;
	uint64_t token;
	int fd; /* memfd with the contents; -1 */
	bool present; /* it existed when the command had stopped */
	uint64_t size;
	uint32_t mode;
	uint64_t uid, gid;
	uint64_t mtime_ns;
};

/* What a session contains: lies as JSON in the memfd under token 0. */
struct exec_manifest {
	struct exec_memfd *memfds;
	unsigned int memfd_count;
	struct exec_keep *keeps;
	unsigned int keep_count;
	bool stored; /* @keeps have contents: the command had stopped */
	uint64_t stopped_ns;
	uint64_t seq;
};

struct exec {
	struct luoctl *ctl;
	const char *session; /* name */
	char **argv;
	int stop_signal;
	bool own; /* --owner given */
	uid_t uid;
	gid_t gid;

	struct exec_manifest files; /* as the arguments say */
	struct luo_session *incoming, *outgoing;
	int manifest_fd;
	size_t slot_size;
	uint64_t next_token;

	struct holder holder; /* what others see of us */
	int lock_fd;
	int signal_fd;
	sigset_t old_mask;
	pid_t child; /* 0: it does not run */
	pid_t group; /* of the last child */
	int child_status;
	bool arrived; /* something came from the kernel before, and is ours now */
	bool strangers; /* we have children that are not the command's */
	bool ended; /* the command ended without being asked */
	bool linked; /* the paths of memfds are ours */
	bool kept; /* the incoming session outlives us */
};

/* exec-manifest.c */

void manifest_free(struct exec_manifest *manifest);
/* Room for one slot, sure to hold the manifest with these paths. */
size_t manifest_slot_size(const struct exec_manifest *manifest);
/*
 * Writes it into the older of the two slots, so that a kexec at any moment
 * finds one that is whole. 0 or a negative errno.
 */
int manifest_write(int fd, size_t slot_size, struct exec_manifest *manifest);
/* 0; -EBADMSG with the reason said. */
int manifest_read(int fd, const char *session, struct exec_manifest *ret);
/* Does what came fit the arguments? Says each difference. Takes over tokens and attributes. */
bool manifest_match(const struct exec_manifest *came, struct exec_manifest *args,
		    const char *session);

/* exec-files.c */

/* A memfd that the kernel before or after this one can carry too. */
int exec_new_memfd(const char *path);
/* All return 0 or a negative errno and have said what is wrong. */
int exec_make_memfds(struct exec *exec);
int exec_link_memfds(struct exec *exec);
void exec_unlink_memfds(struct exec *exec);
int exec_keep_restore(struct exec *exec, const struct exec_keep *keep);
/* Copies the file into a new memfd; absent files have none. */
int exec_keep_copy(struct exec *exec, const char *path, struct exec_keep *ret);
/* A kept file that cannot belong to the memory that we have. */
int exec_keep_set_aside(struct exec *exec, const struct exec_keep *keep);

/* exec-session.c */

/* Retrieves what came, or begins anew. 0 or a negative errno; said. */
int exec_arrive(struct exec *exec);
/* Makes the outgoing session and preserves memfds and manifest. */
int exec_preserve(struct exec *exec);
/* Stores the kept files into the outgoing session. */
int exec_store(struct exec *exec);
/* Takes the incoming session from a holder that could not use it. */
int exec_take_over(struct exec *exec, const struct holder *holder);
/* Nothing is preserved any more. */
void exec_release(struct exec *exec);

/* exec-run.c */

/* From the lock to the release; the exit code. */
int exec_run(struct exec *exec);

#endif /* EXEC_H */
