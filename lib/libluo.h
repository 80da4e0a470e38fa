/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libluo: live update from userspace.
 *
 * Works with the liveupdate module and with the orchestrator that Linux 6.19
 * and later may have built in.
 *
 * Common to all functions unless they say otherwise:
 *
 *  - 0 (or a descriptor, a number) is success, a negative errno is failure;
 *  - what a ret_ parameter points to is written on success only;
 *  - descriptors are close-on-exec and belong to the caller;
 *  - sizes are bytes, times are nanoseconds;
 *  - nothing is printed, nothing global is kept: handles may be used in
 *    several threads, but one handle in one thread at a time;
 *  - closing functions accept NULL.
 *
 * Structs that begin with a size member are set to zero by the caller, who
 * then stores sizeof(struct ...) in it; later versions only append members.
 */
#ifndef LIBLUO_H
#define LIBLUO_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Longest name of a session, including the terminating NUL. */
#define LUO_SESSION_NAME_SIZE 64

/* A buffer of this size holds every error text whole. */
#define LUO_ERROR_SIZE 1024

struct luo_system;
struct luo_device;
struct luo_session;

/* ------------------------------------------------------------ the machine */

/**
 * struct luo_system_options - where to look
 * @size: sizeof(struct luo_system_options)
 * @root: Directory that takes the place of "/" for everything that is read
 *        below /sys, /proc, /dev, /boot and /lib/modules; NULL for "/".
 *        Meant for tests and for looking into another tree.
 */
struct luo_system_options {
	size_t size;
	const char *root;
};

/**
 * luo_system_new() - make a handle for a machine
 * @options:    May be NULL.
 * @ret_system: The handle; luo_system_free() it.
 *
 * Return: 0, -EINVAL (options->size is too small, root is not an absolute
 * path), -ENOMEM.
 */
int luo_system_new(const struct luo_system_options *options, struct luo_system **ret_system);

/**
 * luo_system_free() - free a handle
 * @system: May be NULL.
 */
void luo_system_free(struct luo_system *system);

/**
 * enum luo_provider - who does live update on this machine
 * @LUO_PROVIDER_NONE:   Nobody: the module is not loaded.
 * @LUO_PROVIDER_MODULE: The liveupdate module.
 * @LUO_PROVIDER_KERNEL: The kernel's own orchestrator. Sessions work; images
 *                       are loaded with kexec -s and nothing here can tell
 *                       its status.
 */
enum luo_provider {
	LUO_PROVIDER_NONE = 0,
	LUO_PROVIDER_MODULE = 1,
	LUO_PROVIDER_KERNEL = 2,
};

/**
 * luo_system_get_provider() - who does live update here
 * @system: Handle.
 *
 * Return: a value of enum luo_provider.
 */
int luo_system_get_provider(struct luo_system *system);

/**
 * luo_is_available() - can sessions be made here, and if not, why
 * @system:     Handle.
 * @ret_reason: On failure, and only then, what is wrong and what to do about
 *              it, in words. May be NULL.
 * @reason_size: Size of @ret_reason.
 *
 * Does not open the device.
 *
 * Return: 0; -ENODEV (no module, no kernel support), -EACCES (the device is
 * there, but not for this user).
 */
int luo_is_available(struct luo_system *system, char *ret_reason, size_t reason_size);

/**
 * enum luo_state - what the module is doing
 * @LUO_STATE_UNKNOWN: Cannot be told.
 * @LUO_STATE_NORMAL:  Nothing is frozen, nothing came from another kernel.
 * @LUO_STATE_FROZEN:  A kexec is under way.
 * @LUO_STATE_UPDATED: This kernel was reached by a live update and holds
 *                     something that nobody has finished yet.
 */
enum luo_state {
	LUO_STATE_UNKNOWN = 0,
	LUO_STATE_NORMAL = 1,
	LUO_STATE_FROZEN = 2,
	LUO_STATE_UPDATED = 3,
};

/**
 * enum luo_image - what the next kexec would start
 * @LUO_IMAGE_UNKNOWN: Cannot be told.
 * @LUO_IMAGE_NONE:    Nothing is loaded.
 * @LUO_IMAGE_ARMED:   An image that carries the preserved memory over.
 * @LUO_IMAGE_FOREIGN: An image that was loaded without the module's knowledge
 *                     or with kexec_load(2): it would lose everything.
 */
enum luo_image {
	LUO_IMAGE_UNKNOWN = 0,
	LUO_IMAGE_NONE = 1,
	LUO_IMAGE_ARMED = 2,
	LUO_IMAGE_FOREIGN = 3,
};

/**
 * enum luo_blackout - moments of the last live update
 * @LUO_BLACKOUT_FREEZE:    Freezing began.
 * @LUO_BLACKOUT_FROZEN:    Everything was frozen.
 * @LUO_BLACKOUT_JUMP:      The old kernel let go.
 * @LUO_BLACKOUT_KERNEL:    The new kernel's clock began to run.
 * @LUO_BLACKOUT_MODULE:    The module began in the new kernel.
 * @LUO_BLACKOUT_READY:     Sessions could be retrieved.
 * @LUO_BLACKOUT_RETRIEVED: The first file was retrieved.
 * @LUO_BLACKOUT_COUNT:     Number of moments.
 */
enum luo_blackout {
	LUO_BLACKOUT_FREEZE = 0,
	LUO_BLACKOUT_FROZEN = 1,
	LUO_BLACKOUT_JUMP = 2,
	LUO_BLACKOUT_KERNEL = 3,
	LUO_BLACKOUT_MODULE = 4,
	LUO_BLACKOUT_READY = 5,
	LUO_BLACKOUT_RETRIEVED = 6,
	LUO_BLACKOUT_COUNT = 7,
};

/**
 * struct luo_status - what the module tells about itself
 * @size:         sizeof(struct luo_status), set by the caller.
 * @provider:     enum luo_provider; all below is zero unless it is
 *                LUO_PROVIDER_MODULE.
 * @state:        enum luo_state
 * @image:        enum luo_image
 * @abi:          Version of the ioctl interface.
 * @format_min:   Oldest handover format that the module reads.
 * @format_max:   Newest one.
 * @generation:   Live updates since the machine was last started cold.
 * @scratch:      Bytes set aside for the next kernel's image.
 * @reserved:     Bytes kept out of use because what came from the previous
 *                kernel was not understood.
 * @sessions_out: Outgoing sessions.
 * @files_out:    Files preserved by them.
 * @bytes_out:    Memory of these files.
 * @sessions_in:  Sessions that came from the previous kernel and are not
 *                finished.
 * @files_in:     Files in them.
 * @bytes_in:     Memory of these files.
 * @blackout:     Indexed by enum luo_blackout: nanoseconds since reboot(2)
 *                was called in the previous kernel; 0 is unknown.
 * @last_error:   Why the last load, freeze or arrival failed; empty if none.
 * @limit:        Bytes that may be preserved at most.
 * @kept:         Bytes that the next kernel would be told to keep: @bytes_out,
 *                and what describes them.
 * @sessions_damaged: Incoming sessions that cannot be retrieved.
 * @files_failed: Incoming files that cannot be retrieved.
 * @files_unknown: Incoming files of a kind that nobody here can restore (yet).
 */
struct luo_status {
	size_t size;
	int provider;
	int state;
	int image;
	uint32_t abi;
	uint32_t format_min;
	uint32_t format_max;
	uint64_t generation;
	uint64_t scratch;
	uint64_t reserved;
	uint64_t sessions_out;
	uint64_t files_out;
	uint64_t bytes_out;
	uint64_t sessions_in;
	uint64_t files_in;
	uint64_t bytes_in;
	uint64_t blackout[LUO_BLACKOUT_COUNT];
	char last_error[LUO_ERROR_SIZE];
	uint64_t limit;
	uint64_t kept;
	uint64_t sessions_damaged;
	uint64_t files_failed;
	uint64_t files_unknown;
};

/**
 * luo_system_get_status() - read the module's status
 * @system: Handle.
 * @status: The caller sets @size in it; the rest is filled in on success and
 *          left alone on failure.
 *
 * Never needs the device, which somebody else may have open. A value that the
 * running module does not offer is 0, unknown or empty.
 *
 * Return: 0, also when no module is loaded (then provider says so); -EINVAL
 * (size is too small); -EACCES, -EIO, -ENOMEM from reading.
 */
int luo_system_get_status(struct luo_system *system, struct luo_status *status);

/**
 * struct luo_watch - waits for changes of the module's state
 *
 * Opaque. A program that also waits for other things does so in another thread.
 */
struct luo_watch;

/**
 * luo_watch_new() - wait for changes of the module's state
 * @system:    Handle; not needed any more afterwards.
 * @ret_watch: The watch; luo_watch_free() it.
 *
 * Changes that come after this call are not missed.
 *
 * Return: 0; -ENOENT (no module), -EACCES, -EMFILE, -ENFILE, -ENOMEM.
 */
int luo_watch_new(struct luo_system *system, struct luo_watch **ret_watch);

/**
 * luo_watch_wait() - until the state or the image may have changed
 * @watch:      Watch.
 * @timeout_ms: How long; -1 for ever.
 *
 * Compare what luo_system_get_status() says: it may also wake for nothing, and
 * several changes may be seen as one.
 *
 * Return: 1; 0 (timeout); -EINTR (a signal), -ENODEV (the module was unloaded).
 */
int luo_watch_wait(struct luo_watch *watch, int timeout_ms);

/**
 * luo_watch_free() - wait no more
 * @watch: May be NULL.
 */
void luo_watch_free(struct luo_watch *watch);

/* --------------------------------------------------- device and sessions */

/**
 * luo_device_open() - open /dev/liveupdate
 * @system:     Handle; NULL for "/".
 * @ret_device: The device; luo_device_close() it.
 *
 * The device has one opener at a time: keep it only as long as sessions are
 * being made. Sessions outlive it.
 *
 * Return: 0; -ENOENT (no module and no kernel support: luo_is_available()
 * says more), -EACCES, -EBUSY (somebody has it open), -EIO (in-tree only: what
 * the previous kernel left could not be read), -EMFILE, -ENFILE, -ENOMEM.
 */
int luo_device_open(struct luo_system *system, struct luo_device **ret_device);

/**
 * luo_device_get_fd() - descriptor of an open device
 * @device: Device.
 *
 * Return: the descriptor; it stays the device's.
 */
int luo_device_get_fd(struct luo_device *device);

/**
 * luo_device_close() - close the device
 * @device: May be NULL. Its sessions live on.
 */
void luo_device_close(struct luo_device *device);

/**
 * luo_session_create() - create an outgoing session
 * @device:      Device.
 * @name:        1 to 63 bytes.
 * @ret_session: The session; luo_session_close() it. What it preserves goes
 *               to the next kernel as long as the session, or a duplicate of
 *               its descriptor, is open.
 *
 * Return: 0; -EINVAL (name empty or too long), -EEXIST (there is an outgoing
 * session of this name), -EMFILE, -ENFILE, -ENOMEM.
 */
int luo_session_create(struct luo_device *device, const char *name,
		       struct luo_session **ret_session);

/**
 * luo_session_retrieve() - claim a session that the previous kernel had
 * @device:      Device.
 * @name:        Its name.
 * @ret_session: The session. Closing it is finishing it: what was not
 *               retrieved is then lost.
 *
 * Return: 0; -ENOENT (none of this name came, or it is finished), -EINVAL
 * (somebody has claimed it; or name is empty or too long), -EMFILE, -ENFILE,
 * -ENOMEM.
 */
int luo_session_retrieve(struct luo_device *device, const char *name,
			 struct luo_session **ret_session);

/**
 * luo_session_new_from_fd() - make a session of a descriptor
 * @fd:          Session descriptor, received from an agent for example. On
 *               success it belongs to the session.
 * @ret_session: The session; luo_session_close() it.
 *
 * Return: 0; -EBADF, -EINVAL or -ENOTTY (not a session), -ENOMEM.
 */
int luo_session_new_from_fd(int fd, struct luo_session **ret_session);

/**
 * luo_session_get_fd() - descriptor of a session
 * @session: Session.
 *
 * Return: the descriptor; it stays the session's.
 */
int luo_session_get_fd(struct luo_session *session);

/**
 * luo_session_release_fd() - take the descriptor out of a session
 * @session: Session; freed by this call.
 *
 * Return: the descriptor, which now belongs to the caller.
 */
int luo_session_release_fd(struct luo_session *session);

/**
 * luo_session_close() - close a session
 * @session: May be NULL. If this was the last reference: an outgoing session
 *           preserves nothing any more; an incoming one is finished.
 */
void luo_session_close(struct luo_session *session);

/**
 * luo_session_preserve_fd() - let a file survive
 * @session: Outgoing session.
 * @token:   Number, unused in this session, under which the next kernel gives
 *           the file back.
 * @fd:      The file; stays the caller's, and stays usable.
 *
 * Return: 0; -EEXIST (token in use), -EBADF, -ENOENT (files of this kind
 * cannot be preserved), -EBUSY (a session has this file already; or it was
 * just retrieved and its session is not finished), -EOPNOTSUPP (the file has
 * properties that cannot be carried over), -EINVAL (not an outgoing session),
 * -ENOMEM (also when too little would be left to start the next kernel).
 */
int luo_session_preserve_fd(struct luo_session *session, uint64_t token, int fd);

/**
 * luo_session_retrieve_fd() - get a file back
 * @session: Incoming session.
 * @token:   The number under which it was preserved.
 * @ret_fd:  The file, close-on-exec; the caller's.
 *
 * May be called again for the same token: the descriptors share one open file.
 *
 * Return: 0; -ENOENT (unknown token), -EIO (what arrived is damaged),
 * -EINVAL (not an incoming session), -EMFILE, -ENFILE, -ENOMEM, -EINTR,
 * -ENOSPC (may be tried again).
 */
int luo_session_retrieve_fd(struct luo_session *session, uint64_t token, int *ret_fd);

/**
 * luo_session_retrieve_eventfd() - take an eventfd from an incoming session
 * @session: Session.
 * @token:   Under which it was preserved.
 * @ret_fd:  The eventfd: counter, EFD_SEMAPHORE and EFD_NONBLOCK are as they were.
 *
 * What waits for it or signals it has to be told of the new one. Retrieving it
 * again gives another descriptor of the same eventfd.
 *
 * Return: 0; -ENOENT (unknown token), -EOPNOTSUPP (not an eventfd, but a kind for
 * luo_session_retrieve_fd()), -EINVAL (an outgoing session, something else that
 * has to be made by user space, or the kernel's own orchestrator, which knows
 * no eventfds), -EIO (what arrived is damaged), -EMFILE, -ENFILE, -ENOMEM, -EINTR.
 */
int luo_session_retrieve_eventfd(struct luo_session *session, uint64_t token, int *ret_fd);

/**
 * luo_session_retrieve_tmpfs() - take a file of a tmpfs from an incoming session
 * @session: Session.
 * @token:   Under which it was preserved.
 * @dirfd:   What @path begins at, as in openat(2); AT_FDCWD is possible.
 * @path:    The file's name from now on, on a tmpfs that has room for it.
 * @ret_fd:  The file, open for reading and writing.
 *
 * Contents, size, position, mode and owner are as they were; times, extended
 * attributes and access control lists are not. The name appears when all is in
 * place; /proc/self/fd shows @ret_fd without one, as all that was made by
 * O_TMPFILE. The memory is not copied. Without a name, and wherever there is no
 * such tmpfs, luo_session_retrieve_fd() gives the file too.
 *
 * After any error but those of @path itself it can be tried again. A file that
 * was being filled, or could not get its name, stays on its tmpfs; then @path
 * must be on the same. Needs /proc.
 *
 * Return: 0; -EEXIST (there is such a file, or this one has a name already),
 * -ENOENT (unknown token, no such directory, no /proc), -ENOSPC, -EDQUOT (the
 * tmpfs is too full), -EPERM (the caller may not make a file of that owner),
 * -EXDEV (see above, or it has been retrieved without a name), -EINVAL (not on a
 * tmpfs, not a file of a tmpfs; an outgoing session, or the kernel's own
 * orchestrator), -EOPNOTSUPP (no such file can be made there, or this is a kind
 * for luo_session_retrieve_fd()), -EACCES (no access to the directory, or what
 * was preserved was not open for reading), -ENAMETOOLONG, -EIO (what arrived is
 * damaged), -EMFILE, -ENFILE, -ENOMEM, -EINTR.
 */
int luo_session_retrieve_tmpfs(struct luo_session *session, uint64_t token, int dirfd,
			       const char *path, int *ret_fd);

/**
 * luo_session_finish() - everything has been retrieved
 * @session: Incoming session.
 *
 * The files become ordinary ones; what nobody retrieved is freed. Finishing
 * twice is no error.
 *
 * Return: 0; -EBUSY (a file cannot be finished yet; nothing has happened),
 * -EINVAL (not an incoming session).
 */
int luo_session_finish(struct luo_session *session);

/**
 * luo_session_get_name() - name of a session
 * @session:  Session of either direction.
 * @ret_name: The name, with NUL.
 *
 * Return: 0; -EINVAL or -ENOTTY (not a session, or a kernel before 7.3 that
 * lacks this command).
 */
int luo_session_get_name(struct luo_session *session, char ret_name[LUO_SESSION_NAME_SIZE]);

/* ---------------------------------------- beyond what Linux itself offers */

/*
 * The functions of this part need the liveupdate module. With the orchestrator
 * that is built into Linux they return -ENOSYS, which none of them returns for
 * another reason, and nothing has happened: programs go on without.
 *
 * All are -EINTR when the process is killed while a live update is under way.
 */

/**
 * struct luo_device_state - where the machine is
 * @size:         sizeof(struct luo_device_state), set by the caller.
 * @state:        enum luo_state
 * @generation:   Live updates since the machine was last started cold.
 * @sessions_out: Outgoing sessions.
 * @files_out:    Files preserved by them.
 * @bytes_out:    Memory of these files.
 * @sessions_in:  Sessions that came from the previous kernel and are not
 *                finished.
 * @files_in:     Files in them.
 * @bytes_in:     Memory of these files.
 */
struct luo_device_state {
	size_t size;
	int state;
	uint64_t generation;
	uint64_t sessions_out;
	uint64_t files_out;
	uint64_t bytes_out;
	uint64_t sessions_in;
	uint64_t files_in;
	uint64_t bytes_in;
};

/**
 * luo_device_get_state() - where the machine is
 * @device: Device. (luo_system_get_status() says more, and does not need it.)
 * @state:  The caller sets @size in it; the rest is filled in on success.
 *
 * Never waits. The numbers need not be of one moment.
 *
 * Return: 0; -EINVAL (size is too small), -ENOSYS.
 */
int luo_device_get_state(struct luo_device *device, struct luo_device_state *state);

/**
 * struct luo_rehearsal - how a live update would go
 * @size:          sizeof(struct luo_rehearsal), set by the caller.
 * @error:         0 if it would go through now, else a negative errno.
 * @session_error: What @session gave as error.
 * @sessions:      If @error is 0: sessions that would be handed over.
 * @files:         Files in them.
 * @bytes:         Memory of these files.
 * @dropped:       Sessions that would be left behind and lost, since their
 *                 users have set LUO_SESSION_DROP_ON_FAILURE.
 * @session:       The first session that could not be frozen. Empty if all
 *                 could; then @error is the machine's and not a session's.
 */
struct luo_rehearsal {
	size_t size;
	int error;
	int session_error;
	uint64_t sessions;
	uint64_t files;
	uint64_t bytes;
	uint64_t dropped;
	char session[LUO_SESSION_NAME_SIZE];
};

/**
 * luo_device_rehearse() - do everything but the jump, and undo it
 * @device:    Device.
 * @rehearsal: The caller sets @size in it; the rest is filled in on success.
 *
 * Whether the next kernel has enough memory is looked at only when it is
 * loaded.
 *
 * Return: 0, and @rehearsal says whether a live update would go through;
 * -EBUSY (one is under way), -ENODEV and others (none is possible on this
 * machine), -EINVAL (size is too small), -ENOSYS.
 */
int luo_device_rehearse(struct luo_device *device, struct luo_rehearsal *rehearsal);

/**
 * enum luo_session_flags - what becomes of a session
 * @LUO_SESSION_KEEP_ON_CLOSE:   It outlives its last descriptor. An incoming
 *                               one waits for the next who retrieves it, an
 *                               outgoing one goes to the next kernel or is
 *                               opened again by luo_session_reopen(). Who gets
 *                               it next has the flag cleared.
 * @LUO_SESSION_DROP_ON_FAILURE: If a file cannot be frozen the session is left
 *                               behind and lost, instead of stopping the live
 *                               update.
 * @LUO_SESSION_FROZEN:          Told, never set: the session is between
 *                               luo_session_freeze() and luo_session_thaw().
 *                               -EINVAL where flags are taken.
 */
enum luo_session_flags {
	LUO_SESSION_KEEP_ON_CLOSE = 1 << 0,
	LUO_SESSION_DROP_ON_FAILURE = 1 << 1,
	LUO_SESSION_FROZEN = 1 << 30,
};

/**
 * luo_session_retrieve_generation() - claim a session that the previous kernel had
 * @device:      Device.
 * @name:        Its name.
 * @generation:  Of the live update that first carried it; 0: the newest of
 *               this name.
 * @flags:       enum luo_session_flags; it has them from the first moment. With
 *               LUO_SESSION_KEEP_ON_CLOSE nothing is lost whenever the caller
 *               is killed.
 * @ret_session: The session.
 *
 * Return: 0; -ENOENT (there is none), -EINVAL (somebody has claimed it; name is
 * empty or too long; unknown flags), -EIO (it is damaged), -EMFILE, -ENFILE,
 * -ENOMEM, -ENOSYS.
 */
int luo_session_retrieve_generation(struct luo_device *device, const char *name,
				    uint64_t generation, unsigned int flags,
				    struct luo_session **ret_session);

/**
 * luo_session_reopen() - an outgoing session that was left alone
 * @device:      Device.
 * @name:        Its name.
 * @ret_session: The session, no more kept on close.
 *
 * Return: 0; -ENOENT (there is none), -EBUSY (somebody has it open), -EINVAL
 * (name is empty or too long), -EMFILE, -ENFILE, -ENOMEM, -ENOSYS.
 */
int luo_session_reopen(struct luo_device *device, const char *name,
		       struct luo_session **ret_session);

/**
 * luo_session_drop() - give up an incoming session that nobody has claimed
 * @device:     Device.
 * @name:       Its name.
 * @generation: As for luo_session_retrieve_generation().
 *
 * Its memory is freed; that of a damaged session stays reserved.
 *
 * Return: 0; -ENOENT (there is none), -EBUSY (somebody has claimed it, or a file
 * cannot be finished yet; nothing has happened), -EINVAL (name is empty or too
 * long), -ENOSYS.
 */
int luo_session_drop(struct luo_device *device, const char *name, uint64_t generation);

/**
 * luo_session_unpreserve_fd() - a file need not survive any more
 * @session: Outgoing session.
 * @token:   Its token, which is free again.
 *
 * Return: 0; -ENOENT (unknown token), -EINVAL (not an outgoing session),
 * -ENOSYS.
 */
int luo_session_unpreserve_fd(struct luo_session *session, uint64_t token);

/**
 * luo_session_freeze() - do ahead of a live update what can be done ahead
 * @session: Outgoing session.
 *
 * Less is left for the blackout then. Until luo_session_thaw() no file can be
 * added or taken away. The files stay in use; what is written to them arrives,
 * and only costs time in the blackout. Called again, it catches up with that.
 *
 * The session stays frozen when a live update fails, and when it is closed with
 * LUO_SESSION_KEEP_ON_CLOSE.
 *
 * Return: 0; -EINVAL (not an outgoing session), -ENOMEM, and what else a live
 * update would fail with because of this session; -ENOSYS.
 */
int luo_session_freeze(struct luo_session *session);

/**
 * luo_session_thaw() - end luo_session_freeze()
 * @session: Outgoing session, frozen or not.
 *
 * Return: 0; -EINVAL (not an outgoing session), -ENOSYS.
 */
int luo_session_thaw(struct luo_session *session);

/**
 * luo_session_set_flags() - say what shall become of a session
 * @session: Session of either direction.
 * @flags:   enum luo_session_flags: all that shall be set from now on.
 *
 * Return: 0; -EINVAL (unknown flags), -ENOSYS.
 */
int luo_session_set_flags(struct luo_session *session, unsigned int flags);

/**
 * enum luo_direction - whence and whither
 * @LUO_DIRECTION_OUTGOING: For the next kernel.
 * @LUO_DIRECTION_INCOMING: From the previous one.
 */
enum luo_direction {
	LUO_DIRECTION_OUTGOING = 0,
	LUO_DIRECTION_INCOMING = 1,
};

/**
 * struct luo_session_state - what a session says about itself
 * @size:       sizeof(struct luo_session_state), set by the caller.
 * @direction:  enum luo_direction
 * @flags:      enum luo_session_flags
 * @generation: Of the live update that first carried it; 0 for an outgoing one.
 * @files:      Number of files, retrieved or not.
 * @bytes:      Memory of these.
 */
struct luo_session_state {
	size_t size;
	int direction;
	unsigned int flags;
	uint64_t generation;
	uint64_t files;
	uint64_t bytes;
};

/**
 * luo_session_get_state() - what a session says about itself
 * @session: Session of either direction.
 * @state:   The caller sets @size in it; the rest is filled in on success.
 *
 * Return: 0; -EINVAL (size is too small), -ENOSYS.
 */
int luo_session_get_state(struct luo_session *session, struct luo_session_state *state);

/**
 * enum luo_file_state - what became of a file
 * @LUO_FILE_PRESERVED: Of an outgoing session.
 * @LUO_FILE_WAITING:   Of an incoming one: nobody has retrieved it yet.
 * @LUO_FILE_RETRIEVED: Somebody has.
 * @LUO_FILE_FAILED:    It cannot be retrieved: see its error.
 * @LUO_FILE_UNKNOWN:   Nobody here can restore this kind of file (yet).
 */
enum luo_file_state {
	LUO_FILE_PRESERVED = 0,
	LUO_FILE_WAITING = 1,
	LUO_FILE_RETRIEVED = 2,
	LUO_FILE_FAILED = 3,
	LUO_FILE_UNKNOWN = 4,
};

/**
 * struct luo_file_info - one file of a session; never grows
 * @token:      Its token.
 * @bytes:      Memory that is kept for it.
 * @state:      enum luo_file_state
 * @error:      With LUO_FILE_FAILED: what luo_session_retrieve_fd() returns.
 * @compatible: Kind of the file.
 */
struct luo_file_info {
	uint64_t token;
	uint64_t bytes;
	uint32_t state;
	int32_t error;
	char compatible[48];
};

/**
 * luo_session_list_files() - what is in a session
 * @session:   Session of either direction.
 * @first:     So many files are left out, in order of preservation.
 * @files:     Array for the following ones; may be NULL if @room is 0.
 * @room:      Elements in it.
 * @ret_count: How many were filled in.
 * @ret_total: How many files the session has. May be NULL.
 *
 * Long lists are fetched in several pieces, and need not be of one moment. On
 * failure the array may have been written to.
 *
 * Return: 0; -EFAULT, -ENOMEM, -ENOSYS.
 */
int luo_session_list_files(struct luo_session *session, uint64_t first,
			   struct luo_file_info *files, unsigned int room,
			   unsigned int *ret_count, uint64_t *ret_total);

/**
 * enum luo_recycle_flags - how to recycle
 * @LUO_RECYCLE_KEEP_FILES: With its files, each preserved again under its token
 *                          and in its present state, and with its flags. All
 *                          files must have been retrieved; finishing is part
 *                          of it.
 */
enum luo_recycle_flags {
	LUO_RECYCLE_KEEP_FILES = 1 << 0,
};

/**
 * luo_session_recycle() - an incoming session becomes an outgoing one
 * @session: Incoming session. Its name stays, its files and flags do not.
 * @flags:   enum luo_recycle_flags
 *
 * Return: 0; -EBUSY (it is not finished; with LUO_RECYCLE_KEEP_FILES: a file is
 * not retrieved, or cannot be finished yet), -EEXIST (there is an outgoing
 * session of this name), -EINVAL (not an incoming session, unknown flags),
 * -ENOMEM, what luo_session_preserve_fd() gives for one of the files, -ENODEV
 * and others (nothing can be preserved on this machine), -ENOSYS. Then nothing
 * has happened.
 */
int luo_session_recycle(struct luo_session *session, unsigned int flags);

/* ------------------------------------------------------------------- lists */

/**
 * enum luo_listed_state - who has a session
 * @LUO_LISTED_OPEN:    Somebody.
 * @LUO_LISTED_WAITING: Nobody: an incoming one waits to be retrieved, an
 *                      outgoing one goes to the next kernel all the same.
 * @LUO_LISTED_DAMAGED: It cannot be retrieved.
 */
enum luo_listed_state {
	LUO_LISTED_OPEN = 0,
	LUO_LISTED_WAITING = 1,
	LUO_LISTED_DAMAGED = 2,
};

/**
 * struct luo_listed_session - a session as others see it
 * @size:       sizeof(struct luo_listed_session) as the library knows it.
 * @id:         Number by which its files refer to it. No other session has it
 *              before the module is loaded again.
 * @direction:  enum luo_direction
 * @state:      enum luo_listed_state
 * @flags:      enum luo_session_flags
 * @generation: Of the live update that first carried it; 0: none has yet.
 * @files:      Number of files.
 * @bytes:      Memory of these.
 * @name:       Any bytes; a damaged session may have none.
 * @serial:     Number that it keeps when it is recycled, and @id is another. No
 *              other session has it before the module is loaded again.
 */
struct luo_listed_session {
	size_t size;
	uint64_t id;
	int direction;
	int state;
	unsigned int flags;
	uint64_t generation;
	uint64_t files;
	uint64_t bytes;
	char name[LUO_SESSION_NAME_SIZE];
	uint64_t serial;
};

/**
 * typedef luo_listed_session_cb - told about each session
 * @session:  Valid during the call only.
 * @userdata: As given to luo_system_list_sessions().
 *
 * Return: 0 to go on; anything else ends the list and is returned from it.
 */
typedef int (*luo_listed_session_cb)(const struct luo_listed_session *session, void *userdata);

/**
 * luo_system_list_sessions() - which sessions there are
 * @system:   Handle.
 * @callback: Called once for each session: outgoing ones first, each kind in
 *            order of creation.
 * @userdata: Given to @callback.
 *
 * Needs root, and not the device. What comes or goes meanwhile is in the list
 * or not.
 *
 * Return: 0; what @callback returned; -ENOENT (no module), -EACCES, -EBADMSG
 * (a table that is not understood), -EIO, -ENOMEM.
 */
int luo_system_list_sessions(struct luo_system *system, luo_listed_session_cb callback,
			     void *userdata);

/**
 * typedef luo_listed_file_cb - told about each file
 * @session:  Number of its session.
 * @file:     Valid during the call only.
 * @userdata: As given to luo_system_list_files().
 *
 * Return: 0 to go on; anything else ends the list and is returned from it.
 */
typedef int (*luo_listed_file_cb)(uint64_t session, const struct luo_file_info *file,
				  void *userdata);

/**
 * luo_system_list_files() - which files there are, in all sessions
 * @system:   Handle.
 * @callback: Called once for each file, in order of preservation; sessions are
 *            in the order of luo_system_list_sessions().
 * @userdata: Given to @callback.
 *
 * As luo_system_list_sessions(); may wait for what is being done in a session.
 *
 * Return: as luo_system_list_sessions().
 */
int luo_system_list_files(struct luo_system *system, luo_listed_file_cb callback, void *userdata);

/* ------------------------------------------------------- looking at files */

/**
 * struct luo_kernel_info - what a kernel image says about itself
 * @size:        sizeof(struct luo_kernel_info), set by the caller.
 * @protocol:    Version of the boot protocol, 0x020f for 2.15.
 * @alignment:   Alignment in memory that it wants.
 * @init_size:   Memory that it needs before it has counted its own.
 * @cmdline_max: Longest command line without NUL.
 * @file_size:   Size of the file.
 * @release:     Release as uname -r would say; empty if the image has none.
 */
struct luo_kernel_info {
	size_t size;
	uint32_t protocol;
	uint32_t cmdline_max;
	uint64_t alignment;
	uint64_t init_size;
	uint64_t file_size;
	char release[128];
};

/**
 * luo_kernel_inspect() - look at a kernel image
 * @path:       File, a bzImage for x86-64.
 * @info:       The caller sets @size in it; the rest is filled on success.
 * @ret_error:  On failure, what is wrong and what to do. May be NULL.
 * @error_size: Size of @ret_error.
 *
 * Return: 0; -ENOEXEC (not a bzImage, truncated, too old, or not for 64 bit),
 * -EINVAL (info->size is too small), or what opening and reading gave.
 */
int luo_kernel_inspect(const char *path, struct luo_kernel_info *info, char *ret_error,
		       size_t error_size);

/**
 * struct luo_initrd_info - what an initrd contains
 * @size:          sizeof(struct luo_initrd_info), set by the caller.
 * @file_size:     Size of the file.
 * @unpacked_size: Sum of all files in it.
 * @archives:      Number of archives, the ones with microcode included.
 * @files:         Number of entries.
 * @modules:       Number of liveupdate modules.
 * @format_min:    Of the module that fits best: oldest handover format that it
 *                 reads; 0 when it does not say.
 * @format_max:    Newest one.
 * @release:       Of the same module: the kernel it was built for.
 * @module_path:   Of the same module: where in the initrd it lies.
 * @module_signed: Of the same module: 1 if a signature is appended to it, by
 *                 whatever key.
 */
struct luo_initrd_info {
	size_t size;
	uint64_t file_size;
	uint64_t unpacked_size;
	uint32_t archives;
	uint32_t files;
	uint32_t modules;
	uint32_t format_min;
	uint32_t format_max;
	char release[128];
	char module_path[256];
	uint32_t module_signed;
};

/**
 * luo_initrd_inspect() - look into an initrd
 * @path:       File: one or more cpio archives, each as it is or compressed
 *              by gzip, xz, lzma, zstd or lz4.
 * @release:    Kernel that it is for; if several liveupdate modules are there
 *              the one built for this kernel is described. May be NULL.
 * @info:       The caller sets @size in it; the rest is filled on success.
 * @ret_error:  On failure, what is wrong and what to do. May be NULL.
 * @error_size: Size of @ret_error.
 *
 * Reads the whole file as a stream: memory use does not depend on its size.
 * That no module is there is not an error of this function.
 *
 * Return: 0; -EBADMSG (damaged or not an initrd), -EOPNOTSUPP (compressed in
 * a way that this library was not built for), -EINVAL (info->size is too
 * small), -ENOMEM, or what opening and reading gave.
 */
int luo_initrd_inspect(const char *path, const char *release, struct luo_initrd_info *info,
		       char *ret_error, size_t error_size);

/* ------------------------------------------------------------------ kexec */

/**
 * enum luo_kexec_flags - how to load
 * @LUO_KEXEC_REUSE_CMDLINE: Use the running kernel's command line, without
 *                           what its boot loader added.
 * @LUO_KEXEC_FORCE:         Load although a check of the target failed. What
 *                           the kernel itself refuses is refused still. The
 *                           error text then says on success too which check
 *                           failed first; it is empty if none did.
 */
enum luo_kexec_flags {
	LUO_KEXEC_REUSE_CMDLINE = 1 << 0,
	LUO_KEXEC_FORCE = 1 << 1,
};

/**
 * struct luo_kexec_options - what to load
 * @size:    sizeof(struct luo_kexec_options)
 * @flags:   enum luo_kexec_flags
 * @kernel:  bzImage; NULL: the newest one in /boot, else /vmlinuz.
 * @initrd:  Initrd; NULL: the one that the distribution put next to @kernel.
 * @cmdline: Command line; NULL: as with LUO_KEXEC_REUSE_CMDLINE.
 * @append:  Added to the command line after a blank. May be NULL.
 */
struct luo_kexec_options {
	size_t size;
	unsigned int flags;
	const char *kernel;
	const char *initrd;
	const char *cmdline;
	const char *append;
};

/**
 * luo_kexec_find_target() - which kernel would be loaded
 * @system:      Handle.
 * @options:     What the caller wants; may be NULL.
 * @ret_kernel:  Path of the kernel; free() it.
 * @ret_initrd:  Path of its initrd; free() it. NULL when none was found.
 * @ret_cmdline: The command line; free() it. The pointer may be NULL.
 *
 * Return: 0; -ENOENT (no kernel found), -EINVAL (options->size, unknown
 * flags, or both a command line and LUO_KEXEC_REUSE_CMDLINE), -ENOMEM, or
 * what reading gave.
 */
int luo_kexec_find_target(struct luo_system *system, const struct luo_kexec_options *options,
			  char **ret_kernel, char **ret_initrd, char **ret_cmdline);

/**
 * luo_kexec_load() - load the kernel to which the next kexec goes
 * @system:     Handle.
 * @options:    What to load; NULL is all defaults.
 * @ret_error:  On failure, what is wrong and what to do about it. May be NULL.
 * @error_size: Size of @ret_error; LUO_ERROR_SIZE is always enough.
 *
 * Checks the target first (see luo_check_target()), so that what would fail
 * or lose memory later fails here. An image that was loaded before is
 * replaced on success, and kept when a check fails.
 *
 * Return: 0; -ENODEV (module not loaded), -EOPNOTSUPP (the kernel has its own
 * orchestrator; use kexec -s), -EPERM (no CAP_SYS_BOOT, kexec disabled,
 * lockdown), -ENOSYS (kernel built without kexec_file_load), -ENOENT (no such
 * kernel or initrd), -ENOEXEC (not a fitting kernel or initrd), -ENOSPC (does
 * not fit into scratch), -EINVAL (options, command line), -EKEYREJECTED,
 * -ENOKEY, -EBADMSG (signature), -EBUSY (another load, or a live update, is
 * under way), -ENOMEM, or what opening and reading gave.
 */
int luo_kexec_load(struct luo_system *system, const struct luo_kexec_options *options,
		   char *ret_error, size_t error_size);

/**
 * luo_kexec_unload() - forget the loaded kernel
 * @system:     Handle.
 * @ret_error:  On failure, what is wrong and what to do. May be NULL.
 * @error_size: Size of @ret_error.
 *
 * Unloading when nothing is loaded is no error.
 *
 * Return: 0; -EPERM, -ENOSYS, -EBUSY as luo_kexec_load().
 */
int luo_kexec_unload(struct luo_system *system, char *ret_error, size_t error_size);

/**
 * luo_kexec_exec() - jump into the loaded kernel, now
 * @system:     Handle.
 * @ret_error:  What is wrong and what to do. May be NULL.
 * @error_size: Size of @ret_error.
 *
 * Writes file systems back, then calls reboot(2). Stops no process and
 * unmounts nothing: who has something to lose stops it before. If this
 * function returns, the machine goes on as before.
 *
 * Return: does not return on success; -EINVAL (nothing is loaded), -EPERM,
 * -EBUSY, or what made a preserved file or session refuse.
 */
int luo_kexec_exec(struct luo_system *system, char *ret_error, size_t error_size);

/* ----------------------------------------------------------------- checks */

/**
 * enum luo_verdict - result of one check
 * @LUO_VERDICT_OK:      Fine.
 * @LUO_VERDICT_WARN:    Live update works, but something wants attention.
 * @LUO_VERDICT_FAIL:    Live update cannot work.
 * @LUO_VERDICT_UNKNOWN: Cannot be told.
 */
enum luo_verdict {
	LUO_VERDICT_OK = 0,
	LUO_VERDICT_WARN = 1,
	LUO_VERDICT_FAIL = 2,
	LUO_VERDICT_UNKNOWN = 3,
};

/**
 * struct luo_check_result - one check and what came out
 * @size:    sizeof(struct luo_check_result) as the library knows it.
 * @id:      Short name that does not change between versions.
 * @verdict: enum luo_verdict
 * @error:   Negative errno that luo_kexec_load() would give; 0 unless FAIL.
 * @text:    What was found, one line.
 * @hint:    What to do about it; NULL when there is nothing to do.
 */
struct luo_check_result {
	size_t size;
	const char *id;
	int verdict;
	int error;
	const char *text;
	const char *hint;
};

/**
 * typedef luo_check_cb - told about each check
 * @result:   Valid during the call only.
 * @userdata: As given to the checking function.
 */
typedef void (*luo_check_cb)(const struct luo_check_result *result, void *userdata);

/**
 * luo_check_machine() - can the running kernel do a live update
 * @system:   Handle.
 * @callback: Called once for each check.
 * @userdata: Given to @callback.
 *
 * Return: number of checks that failed; -ENOMEM.
 */
int luo_check_machine(struct luo_system *system, luo_check_cb callback, void *userdata);

/**
 * luo_check_target() - can the next kernel take over what is preserved
 * @system:   Handle.
 * @options:  What would be loaded; may be NULL.
 * @callback: Called once for each check.
 * @userdata: Given to @callback.
 *
 * Return: number of checks that failed; -EINVAL (options), -ENOMEM.
 */
int luo_check_target(struct luo_system *system, const struct luo_kexec_options *options,
		     luo_check_cb callback, void *userdata);

/**
 * luo_version() - version of the library
 *
 * Return: a string such as "1.2.3".
 */
const char *luo_version(void);

#ifdef __cplusplus
}
#endif

#endif /* LIBLUO_H */
