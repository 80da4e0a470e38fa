/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Live Update Orchestrator: what this implementation has beyond the one in
 * Linux.
 */
#ifndef _UAPI_LINUX_LIVEUPDATE_EXT_H
#define _UAPI_LINUX_LIVEUPDATE_EXT_H

#include "liveupdate.h"

/**
 * DOC: Extensions
 *
 * Format, checks and common errors are those of liveupdate.h. The numbers lie
 * where the orchestrator in Linux has none: there these commands answer
 * EINVAL, and so does an older module of this kind. All are EINTR when the
 * task is killed while a live update is under way.
 *
 * Fields called reserved must be zero, else EINVAL.
 */
enum {
	/* on /dev/liveupdate */
	LIVEUPDATE_CMD_EXT_BASE = 0x80,
	LIVEUPDATE_CMD_GET_STATE = LIVEUPDATE_CMD_EXT_BASE,
	LIVEUPDATE_CMD_REOPEN_SESSION = 0x81,
	LIVEUPDATE_CMD_RETRIEVE_GENERATION = 0x82,
	LIVEUPDATE_CMD_DROP_SESSION = 0x83,
	LIVEUPDATE_CMD_REHEARSE = 0x84,

	/* on a session */
	LIVEUPDATE_CMD_SESSION_EXT_BASE = 0xc0,
	LIVEUPDATE_CMD_SESSION_UNPRESERVE_FD = LIVEUPDATE_CMD_SESSION_EXT_BASE,
	LIVEUPDATE_CMD_SESSION_SET_FLAGS = 0xc1,
	LIVEUPDATE_CMD_SESSION_GET_STATE = 0xc2,
	LIVEUPDATE_CMD_SESSION_LIST_FILES = 0xc3,
	LIVEUPDATE_CMD_SESSION_RECYCLE = 0xc4,
	LIVEUPDATE_CMD_SESSION_RETRIEVE_INTO = 0xc5,
	LIVEUPDATE_CMD_SESSION_FREEZE = 0xc6,
	LIVEUPDATE_CMD_SESSION_THAW = 0xc7,
};

/* Where the machine is. */
enum {
	LIVEUPDATE_STATE_NORMAL = 0,	/* no incoming sessions */
	LIVEUPDATE_STATE_UPDATED = 1,	/* some are not finished */
	LIVEUPDATE_STATE_FROZEN = 2,	/* a live update is under way */
};

/**
 * struct liveupdate_ioctl_get_state - LIVEUPDATE_IOCTL_GET_STATE
 * @size:         sizeof(struct liveupdate_ioctl_get_state)
 * @state:        Output: LIVEUPDATE_STATE_*
 * @generation:   Output: live updates since the machine was started
 * @sessions_out: Output: outgoing sessions
 * @files_out:    Output: their files
 * @bytes_out:    Output: memory of these
 * @sessions_in:  Output: incoming sessions that are not finished
 * @files_in:     Output: their files
 * @bytes_in:     Output: memory of these
 *
 * Never waits, not even for a live update. The numbers need not be of one
 * moment.
 */
struct liveupdate_ioctl_get_state {
	__u32 size;
	__u32 state;
	__aligned_u64 generation;
	__aligned_u64 sessions_out;
	__aligned_u64 files_out;
	__aligned_u64 bytes_out;
	__aligned_u64 sessions_in;
	__aligned_u64 files_in;
	__aligned_u64 bytes_in;
};

#define LIVEUPDATE_IOCTL_GET_STATE \
	_IO(LIVEUPDATE_IOCTL_TYPE, LIVEUPDATE_CMD_GET_STATE)

/**
 * struct liveupdate_ioctl_reopen_session - LIVEUPDATE_IOCTL_REOPEN_SESSION
 * @size: sizeof(struct liveupdate_ioctl_reopen_session)
 * @fd:   Output: the session, close-on-exec.
 * @name: Name of an outgoing session.
 *
 * A file descriptor for an outgoing session that was closed with
 * LIVEUPDATE_SESSION_KEEP_ON_CLOSE.
 *
 * Errors: ENOENT when there is no outgoing session of this name; EBUSY when
 * somebody has it open; EMFILE, ENFILE, ENOMEM.
 */
struct liveupdate_ioctl_reopen_session {
	__u32 size;
	__s32 fd;
	__u8 name[LIVEUPDATE_SESSION_NAME_LENGTH];
};

#define LIVEUPDATE_IOCTL_REOPEN_SESSION \
	_IO(LIVEUPDATE_IOCTL_TYPE, LIVEUPDATE_CMD_REOPEN_SESSION)

/**
 * struct liveupdate_ioctl_retrieve_generation - LIVEUPDATE_IOCTL_RETRIEVE_GENERATION
 * @size:       sizeof(struct liveupdate_ioctl_retrieve_generation)
 * @fd:         Output: the session, close-on-exec.
 * @generation: Of the live update that first carried the session; 0 for the
 *              newest of this name.
 * @name:       Name under which the previous kernel knew the session.
 * @flags:      As for LIVEUPDATE_SESSION_SET_FLAGS; the session has them before
 *              anybody can close it.
 * @reserved:   Must be zero.
 *
 * LIVEUPDATE_IOCTL_RETRIEVE_SESSION for where more than one session of a name
 * came, and for who may be killed as soon as it has the session: with
 * LIVEUPDATE_SESSION_KEEP_ON_CLOSE in @flags there is no moment at which that
 * would finish it. @flags and @reserved may be left out.
 *
 * Errors: ENOENT when there is none; EINVAL when it is already claimed, for an
 * unknown flag, or when @reserved is not zero; EIO when it is damaged; EMFILE,
 * ENFILE, ENOMEM.
 */
struct liveupdate_ioctl_retrieve_generation {
	__u32 size;
	__s32 fd;
	__aligned_u64 generation;
	__u8 name[LIVEUPDATE_SESSION_NAME_LENGTH];
	__u32 flags;
	__u32 reserved;
};

#define LIVEUPDATE_IOCTL_RETRIEVE_GENERATION \
	_IO(LIVEUPDATE_IOCTL_TYPE, LIVEUPDATE_CMD_RETRIEVE_GENERATION)

/**
 * struct liveupdate_ioctl_drop_session - LIVEUPDATE_IOCTL_DROP_SESSION
 * @size:       sizeof(struct liveupdate_ioctl_drop_session)
 * @reserved:   Must be zero.
 * @generation: As for LIVEUPDATE_IOCTL_RETRIEVE_GENERATION.
 * @name:       The same.
 *
 * Gives up an incoming session that nobody has claimed: its memory is freed,
 * as by LIVEUPDATE_SESSION_FINISH, and it does not go on to the next kernel.
 * Without this it would, and so to each one after that. A damaged session is forgotten, and its
 * memory stays reserved.
 *
 * Errors: EINVAL when @reserved is not zero; ENOENT when there is no such
 * session; EBUSY when it is claimed, or a file of it cannot be finished yet.
 * Then nothing has happened.
 */
struct liveupdate_ioctl_drop_session {
	__u32 size;
	__u32 reserved;
	__aligned_u64 generation;
	__u8 name[LIVEUPDATE_SESSION_NAME_LENGTH];
};

#define LIVEUPDATE_IOCTL_DROP_SESSION \
	_IO(LIVEUPDATE_IOCTL_TYPE, LIVEUPDATE_CMD_DROP_SESSION)

/**
 * struct liveupdate_ioctl_rehearse - LIVEUPDATE_IOCTL_REHEARSE
 * @size:          sizeof(struct liveupdate_ioctl_rehearse)
 * @reserved:      Must be zero.
 * @error:         Output: 0 if a live update would go through now, else why
 *                 not, as a positive errno
 * @session_error: Output: the error that @session gave
 * @sessions:      Output, if @error is 0: sessions that would be handed over,
 *                 incoming ones that are not finished among them
 * @files:         Output, if @error is 0: their files
 * @bytes:         Output, if @error is 0: memory of these
 * @dropped:       Output, if @error is 0: sessions that would be left behind:
 *                 see LIVEUPDATE_SESSION_DROP_ON_FAILURE, and damaged ones
 * @session:       Output: the first session that could not be frozen; empty if
 *                 all could, and then @error is not a session's
 *
 * Does everything that a live update does before the machine jumps, and undoes
 * it: sessions are frozen, the handover image is written, and it is looked
 * whether the next kernel has enough memory to start. For that a kernel has to
 * be loaded; without one the rest is done. Other commands wait meanwhile.
 *
 * Errors: EINVAL when @reserved is not zero; EBUSY while a live update is under
 * way; ENODEV and others when none is possible on this machine.
 */
struct liveupdate_ioctl_rehearse {
	__u32 size;
	__u32 reserved;
	__u32 error;
	__u32 session_error;
	__aligned_u64 sessions;
	__aligned_u64 files;
	__aligned_u64 bytes;
	__aligned_u64 dropped;
	__u8 session[LIVEUPDATE_SESSION_NAME_LENGTH];
};

#define LIVEUPDATE_IOCTL_REHEARSE \
	_IO(LIVEUPDATE_IOCTL_TYPE, LIVEUPDATE_CMD_REHEARSE)

/**
 * struct liveupdate_session_unpreserve_fd - LIVEUPDATE_SESSION_UNPRESERVE_FD
 * @size:     sizeof(struct liveupdate_session_unpreserve_fd)
 * @reserved: Must be zero.
 * @token:    Of a file of this outgoing session.
 *
 * Takes one file out of the session, which gives back its reference and its
 * pins. The others keep their order. The token is free again.
 *
 * Errors: EINVAL when @reserved is not zero; ENOENT for an unknown token.
 */
struct liveupdate_session_unpreserve_fd {
	__u32 size;
	__u32 reserved;
	__aligned_u64 token;
};

#define LIVEUPDATE_SESSION_UNPRESERVE_FD \
	_IO(LIVEUPDATE_IOCTL_TYPE, LIVEUPDATE_CMD_SESSION_UNPRESERVE_FD)

/*
 * When the last descriptor of the session is closed, the session stays.
 * An incoming one waits for the next who retrieves it, instead of being
 * finished; files that were retrieved stay so. An outgoing one keeps its files
 * and goes to the next kernel, or is opened again by
 * LIVEUPDATE_IOCTL_REOPEN_SESSION. An incoming session without files is
 * finished, and goes all the same.
 *
 * The flag is the holder's: whoever gets the session next has it cleared.
 */
#define LIVEUPDATE_SESSION_KEEP_ON_CLOSE	(1U << 0)

/*
 * When a file of the session cannot be frozen, the session is left behind, and
 * lost with this kernel; the update goes on. Without it the update is refused
 * and everything goes on in this kernel. So too for an incoming session that is
 * not finished, and has a file that cannot go on to the next kernel.
 */
#define LIVEUPDATE_SESSION_DROP_ON_FAILURE	(1U << 1)

/*
 * Output only: the outgoing session is between LIVEUPDATE_SESSION_FREEZE and
 * LIVEUPDATE_SESSION_THAW. A command that takes flags answers EINVAL for it.
 */
#define LIVEUPDATE_SESSION_FROZEN		(1U << 30)

/**
 * struct liveupdate_session_set_flags - LIVEUPDATE_SESSION_SET_FLAGS
 * @size:  sizeof(struct liveupdate_session_set_flags)
 * @flags: All that shall be set from now on.
 *
 * Errors: EINVAL for an unknown flag.
 */
struct liveupdate_session_set_flags {
	__u32 size;
	__u32 flags;
};

#define LIVEUPDATE_SESSION_SET_FLAGS \
	_IO(LIVEUPDATE_IOCTL_TYPE, LIVEUPDATE_CMD_SESSION_SET_FLAGS)

enum {
	LIVEUPDATE_SESSION_OUTGOING = 0,
	LIVEUPDATE_SESSION_INCOMING = 1,
};

/**
 * struct liveupdate_session_get_state - LIVEUPDATE_SESSION_GET_STATE
 * @size:       sizeof(struct liveupdate_session_get_state)
 * @reserved:   Must be zero.
 * @direction:  Output: LIVEUPDATE_SESSION_OUTGOING or _INCOMING
 * @flags:      Output: as LIVEUPDATE_SESSION_SET_FLAGS has set them, and
 *              LIVEUPDATE_SESSION_FROZEN
 * @generation: Output: of the live update that first carried it; 0 for an
 *              outgoing one
 * @files:      Output: number of files, retrieved or not
 * @bytes:      Output: memory of these
 *
 * Errors: EINVAL when @reserved is not zero.
 */
struct liveupdate_session_get_state {
	__u32 size;
	__u32 reserved;
	__u32 direction;
	__u32 flags;
	__aligned_u64 generation;
	__aligned_u64 files;
	__aligned_u64 bytes;
};

#define LIVEUPDATE_SESSION_GET_STATE \
	_IO(LIVEUPDATE_IOCTL_TYPE, LIVEUPDATE_CMD_SESSION_GET_STATE)

/* Including the terminating NUL. */
#define LIVEUPDATE_COMPATIBLE_LENGTH	48

/* What became of a file. */
enum {
	LIVEUPDATE_FILE_PRESERVED = 0,	/* outgoing */
	LIVEUPDATE_FILE_WAITING = 1,	/* incoming: nobody has retrieved it yet */
	LIVEUPDATE_FILE_RETRIEVED = 2,
	LIVEUPDATE_FILE_FAILED = 3,	/* cannot be retrieved: see its error */
	LIVEUPDATE_FILE_UNKNOWN = 4,	/* nobody here can restore this kind (yet) */
};

/**
 * struct liveupdate_file_info - one file of a session
 * @token:      its token
 * @bytes:      memory that is kept for it
 * @state:      LIVEUPDATE_FILE_*
 * @error:      with LIVEUPDATE_FILE_FAILED: what LIVEUPDATE_SESSION_RETRIEVE_FD
 *              answers, as a positive number; else 0
 * @compatible: kind of the file, NUL-padded
 *
 * This struct never grows.
 */
struct liveupdate_file_info {
	__aligned_u64 token;
	__aligned_u64 bytes;
	__u32 state;
	__u32 error;
	__u8 compatible[LIVEUPDATE_COMPATIBLE_LENGTH];
};

/* Room for more than that is not used; ask again for the rest. */
#define LIVEUPDATE_LIST_FILES_MAX	16384

/**
 * struct liveupdate_session_list_files - LIVEUPDATE_SESSION_LIST_FILES
 * @size:  sizeof(struct liveupdate_session_list_files)
 * @nr:    Room in @files; output: number of records written.
 * @first: How many files to leave out, counted in order of preservation.
 * @total: Output: number of files in the session.
 * @files: Address of an array of struct liveupdate_file_info; not used when
 *         @nr is 0.
 *
 * Errors: EFAULT when the array cannot be written; ENOMEM.
 */
struct liveupdate_session_list_files {
	__u32 size;
	__u32 nr;
	__aligned_u64 first;
	__aligned_u64 total;
	__aligned_u64 files;
};

#define LIVEUPDATE_SESSION_LIST_FILES \
	_IO(LIVEUPDATE_IOCTL_TYPE, LIVEUPDATE_CMD_SESSION_LIST_FILES)

/*
 * The session takes its files along: each is preserved again, under its token
 * and in its present state, and then finished. All must have been retrieved.
 * Its flags stay, too.
 */
#define LIVEUPDATE_RECYCLE_KEEP_FILES		(1U << 0)

/**
 * struct liveupdate_session_recycle - LIVEUPDATE_SESSION_RECYCLE
 * @size:  sizeof(struct liveupdate_session_recycle)
 * @flags: 0 or LIVEUPDATE_RECYCLE_KEEP_FILES
 *
 * Makes an incoming session that is finished an outgoing one of the same name,
 * without files and flags, behind the same descriptor: so its holder is ready
 * for the next live update, and needs no access to the device.
 *
 * With LIVEUPDATE_RECYCLE_KEEP_FILES it need not be finished. Either all of it
 * happens or nothing, so there is no moment at which only the program holds
 * what it has retrieved.
 *
 * Errors: EINVAL for an unknown flag; EBUSY when the session is not finished,
 * or, with LIVEUPDATE_RECYCLE_KEEP_FILES, when a file has not been retrieved or
 * cannot be finished yet; EEXIST when there is an outgoing session of its name;
 * ENOMEM; what LIVEUPDATE_SESSION_PRESERVE_FD gives for one of the files; ENODEV
 * and others when nothing can be preserved on this machine. Then nothing has
 * happened.
 */
struct liveupdate_session_recycle {
	__u32 size;
	__u32 flags;
};

#define LIVEUPDATE_SESSION_RECYCLE \
	_IO(LIVEUPDATE_IOCTL_TYPE, LIVEUPDATE_CMD_SESSION_RECYCLE)

/**
 * struct liveupdate_session_retrieve_into - LIVEUPDATE_SESSION_RETRIEVE_INTO
 * @size:  sizeof(struct liveupdate_session_retrieve_into)
 * @fd:    An object of the caller's, just made, that becomes the retrieved
 *         file; -1 to be told only what it was.
 * @token: Token under which the file was preserved.
 * @value: Output: an eventfd's counter; a tmpfs file's size in bytes
 * @flags: Output: an eventfd's EFD_SEMAPHORE and EFD_NONBLOCK; else 0
 * @mode:  Output: a tmpfs file's permission bits, as in chmod(2); else 0
 * @uid:   Output: its owner, as in chown(2); else 0
 * @gid:   Output: its group; else 0
 *
 * For kinds of files that only user space can make, where it wants them. What
 * it has made becomes the file of this token: LIVEUPDATE_SESSION_RETRIEVE_FD
 * gives further descriptors of it. Rights are those of the object that was
 * brought, and no others.
 *
 *  - An eventfd (there is no other way to retrieve one) must have the counter
 *    @value and exactly @flags. A counter of 2^64-1, which is an overflow that
 *    only a kernel can cause, is brought as 2^64-2.
 *  - A tmpfs file that had a name gets its contents, its size and its position
 *    from the previous kernel; its name, mode, owner and flags are its own. It
 *    must be open for writing, empty, without seals, and so far untouched, best
 *    one of O_TMPFILE that gets its name afterwards. The tmpfs that it lies on
 *    must have room for it. Alternatively LIVEUPDATE_SESSION_RETRIEVE_FD gives
 *    a file without a name.
 *
 * Errors: ENOENT for an unknown token, or one whose kind of file nobody here
 * can restore; EBUSY when the file is already retrieved, or a session holds
 * the object already, or an earlier try with another object has begun to fill
 * that one; EOPNOTSUPP when files of this kind come back by
 * LIVEUPDATE_SESSION_RETRIEVE_FD only; EBADF when @fd is not open, or not for
 * writing; EINVAL when it is of another kind or not as it must be; EACCES when
 * the file was preserved through a descriptor that could not read it; ENOSPC
 * or EDQUOT when the tmpfs is too full; ENOMEM; EINTR. With all of these it
 * may be tried again, and nothing has happened, but for ENOMEM and EINTR while
 * a tmpfs file is being filled: that goes on where it was when the same file is
 * brought again, or by LIVEUPDATE_SESSION_RETRIEVE_FD; meanwhile it is sealed.
 * EIO when what arrived is damaged (every later try gives the same).
 */
struct liveupdate_session_retrieve_into {
	__u32 size;
	__s32 fd;
	__aligned_u64 token;
	__aligned_u64 value;
	__u32 flags;
	__u32 mode;
	__u32 uid;
	__u32 gid;
};

#define LIVEUPDATE_SESSION_RETRIEVE_INTO \
	_IO(LIVEUPDATE_IOCTL_TYPE, LIVEUPDATE_CMD_SESSION_RETRIEVE_INTO)

/**
 * struct liveupdate_session_freeze - LIVEUPDATE_SESSION_FREEZE
 * @size:     sizeof(struct liveupdate_session_freeze)
 * @reserved: Must be zero.
 *
 * Does for an outgoing session, ahead of a live update, what can be done ahead,
 * so that less of it is left for the time in which nothing runs. Until
 * LIVEUPDATE_SESSION_THAW its set of files stays as it is:
 * LIVEUPDATE_SESSION_PRESERVE_FD and _UNPRESERVE_FD answer EBUSY.
 *
 * The files themselves stay in use, and nobody who writes to them waits. The
 * update looks at them once more; what has been written, added or cut off in
 * between arrives like everything else, and only costs time. Given again, the
 * command catches up with that.
 *
 * The session stays frozen when a live update fails, and when it is closed with
 * LIVEUPDATE_SESSION_KEEP_ON_CLOSE. Closed without, it ends as ever.
 *
 * Errors: EINVAL when @reserved is not zero; ENOMEM, and whatever else a live
 * update would fail with because of this session. Then it is as frozen as it
 * was before.
 */
struct liveupdate_session_freeze {
	__u32 size;
	__u32 reserved;
};

#define LIVEUPDATE_SESSION_FREEZE \
	_IO(LIVEUPDATE_IOCTL_TYPE, LIVEUPDATE_CMD_SESSION_FREEZE)

/**
 * struct liveupdate_session_thaw - LIVEUPDATE_SESSION_THAW
 * @size:     sizeof(struct liveupdate_session_thaw)
 * @reserved: Must be zero.
 *
 * Ends LIVEUPDATE_SESSION_FREEZE. Succeeds also when the session is not frozen.
 *
 * Errors: EINVAL when @reserved is not zero.
 */
struct liveupdate_session_thaw {
	__u32 size;
	__u32 reserved;
};

#define LIVEUPDATE_SESSION_THAW \
	_IO(LIVEUPDATE_IOCTL_TYPE, LIVEUPDATE_CMD_SESSION_THAW)

#endif /* _UAPI_LINUX_LIVEUPDATE_EXT_H */
