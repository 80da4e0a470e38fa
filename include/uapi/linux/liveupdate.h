/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Live Update Orchestrator: userspace interface.
 *
 * Numbers and layouts are those of the orchestrator in Linux 6.19 and later,
 * so that one binary runs on either. What this implementation adds is in
 * liveupdate_ext.h.
 */
#ifndef _UAPI_LINUX_LIVEUPDATE_H
#define _UAPI_LINUX_LIVEUPDATE_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * DOC: General ioctl format
 *
 * Every command takes a pointer to a struct whose first member is its size in
 * bytes as the caller knows it. A kernel that knows a shorter struct accepts
 * a longer one as long as the rest is zero (else E2BIG); a struct that is
 * shorter than the kernel's first version of it is EINVAL. Answers are
 * copied back up to the smaller of both sizes; @size itself stays as it was.
 *
 * Commands are numbered with _IO(): the number says nothing about the size.
 *
 * Errors common to all commands, in the order in which they are found:
 *
 *  - EINVAL: the number is not one of this kind of file descriptor
 *  - EFAULT: the size cannot be read
 *  - ENOTTY: the number is right, the rest of the command word is not
 *  - EINVAL: the command does not fit the direction of the session
 *  - EINVAL: the struct is too short
 *  - E2BIG:  the struct is longer than known here, and its tail is not zero
 *  - EFAULT: the struct cannot be read, or the answer not be written; then
 *    nothing has happened
 */
#define LIVEUPDATE_IOCTL_TYPE		0xBA

/* Including the terminating NUL. */
#define LIVEUPDATE_SESSION_NAME_LENGTH	64

enum {
	/* on /dev/liveupdate */
	LIVEUPDATE_CMD_BASE = 0x00,
	LIVEUPDATE_CMD_CREATE_SESSION = LIVEUPDATE_CMD_BASE,
	LIVEUPDATE_CMD_RETRIEVE_SESSION = 0x01,

	/* on a session */
	LIVEUPDATE_CMD_SESSION_BASE = 0x40,
	LIVEUPDATE_CMD_SESSION_PRESERVE_FD = LIVEUPDATE_CMD_SESSION_BASE,
	LIVEUPDATE_CMD_SESSION_RETRIEVE_FD = 0x41,
	LIVEUPDATE_CMD_SESSION_FINISH = 0x42,
	LIVEUPDATE_CMD_SESSION_GET_NAME = 0x43,
};

/**
 * struct liveupdate_ioctl_create_session - LIVEUPDATE_IOCTL_CREATE_SESSION
 * @size: sizeof(struct liveupdate_ioctl_create_session)
 * @fd:   Output: the session, close-on-exec.
 * @name: Name of the session, at most 63 bytes and a NUL.
 *
 * Creates an outgoing session: what it preserves goes to the next kernel.
 * It lives as long as its file descriptor and whatever duplicates that.
 *
 * Errors: EINVAL for an empty or unterminated name; EEXIST for the name of
 * another outgoing session; EMFILE, ENFILE, ENOMEM.
 */
struct liveupdate_ioctl_create_session {
	__u32 size;
	__s32 fd;
	__u8 name[LIVEUPDATE_SESSION_NAME_LENGTH];
};

#define LIVEUPDATE_IOCTL_CREATE_SESSION \
	_IO(LIVEUPDATE_IOCTL_TYPE, LIVEUPDATE_CMD_CREATE_SESSION)

/**
 * struct liveupdate_ioctl_retrieve_session - LIVEUPDATE_IOCTL_RETRIEVE_SESSION
 * @size: sizeof(struct liveupdate_ioctl_retrieve_session)
 * @fd:   Output: the session, close-on-exec.
 * @name: Name under which the previous kernel knew the session.
 *
 * Claims a session that came from the previous kernel.
 *
 * Errors: ENOENT when there is none of this name; EINVAL when it is already
 * claimed; EMFILE, ENFILE, ENOMEM.
 */
struct liveupdate_ioctl_retrieve_session {
	__u32 size;
	__s32 fd;
	__u8 name[LIVEUPDATE_SESSION_NAME_LENGTH];
};

#define LIVEUPDATE_IOCTL_RETRIEVE_SESSION \
	_IO(LIVEUPDATE_IOCTL_TYPE, LIVEUPDATE_CMD_RETRIEVE_SESSION)

/**
 * struct liveupdate_session_preserve_fd - LIVEUPDATE_SESSION_PRESERVE_FD
 * @size:  sizeof(struct liveupdate_session_preserve_fd)
 * @fd:    File to preserve.
 * @token: Any number that is not yet used in this session; the next kernel
 *         gives the file back under it.
 *
 * The session takes a reference to the file, and pins its memory. The file
 * stays usable; what it contains when the machine jumps is what arrives.
 *
 * Errors: EEXIST for a token in use; EBADF; ENOENT when files of this kind
 * cannot be preserved; EBUSY when a session preserves this file already;
 * EOPNOTSUPP for a file with properties that cannot be carried over; ENOMEM,
 * also when too little memory would be left to boot the next kernel.
 */
struct liveupdate_session_preserve_fd {
	__u32 size;
	__s32 fd;
	__aligned_u64 token;
};

#define LIVEUPDATE_SESSION_PRESERVE_FD \
	_IO(LIVEUPDATE_IOCTL_TYPE, LIVEUPDATE_CMD_SESSION_PRESERVE_FD)

/**
 * struct liveupdate_session_retrieve_fd - LIVEUPDATE_SESSION_RETRIEVE_FD
 * @size:  sizeof(struct liveupdate_session_retrieve_fd)
 * @fd:    Output: the file, close-on-exec.
 * @token: Token under which it was preserved.
 *
 * Files may be retrieved in any order, and more than once: all descriptors
 * share one open file.
 *
 * Errors: ENOENT for an unknown token, or one whose kind of file nobody here
 * can restore; EIO when what arrived is damaged (every later try gives the
 * same); ENOMEM, EINTR, EMFILE, ENFILE, ENOSPC (may be tried again).
 */
struct liveupdate_session_retrieve_fd {
	__u32 size;
	__s32 fd;
	__aligned_u64 token;
};

#define LIVEUPDATE_SESSION_RETRIEVE_FD \
	_IO(LIVEUPDATE_IOCTL_TYPE, LIVEUPDATE_CMD_SESSION_RETRIEVE_FD)

/**
 * struct liveupdate_session_finish - LIVEUPDATE_SESSION_FINISH
 * @size:     sizeof(struct liveupdate_session_finish)
 * @reserved: Must be zero.
 *
 * Ends an incoming session: retrieved files become ordinary ones, the memory
 * of all others is freed. Finishing twice is not an error.
 *
 * Errors: EINVAL when @reserved is not zero; EBUSY when a file cannot be
 * finished yet, and then nothing has happened.
 */
struct liveupdate_session_finish {
	__u32 size;
	__u32 reserved;
};

#define LIVEUPDATE_SESSION_FINISH \
	_IO(LIVEUPDATE_IOCTL_TYPE, LIVEUPDATE_CMD_SESSION_FINISH)

/**
 * struct liveupdate_session_get_name - LIVEUPDATE_SESSION_GET_NAME
 * @size:     sizeof(struct liveupdate_session_get_name)
 * @reserved: Must be zero.
 * @name:     Output: the session's name, NUL-padded.
 *
 * Errors: EINVAL when @reserved is not zero.
 */
struct liveupdate_session_get_name {
	__u32 size;
	__u32 reserved;
	__u8 name[LIVEUPDATE_SESSION_NAME_LENGTH];
};

#define LIVEUPDATE_SESSION_GET_NAME \
	_IO(LIVEUPDATE_IOCTL_TYPE, LIVEUPDATE_CMD_SESSION_GET_NAME)

#endif /* _UAPI_LINUX_LIVEUPDATE_H */
