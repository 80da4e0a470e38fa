/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Live Update Orchestrator: interface for file handlers in the kernel.
 *
 * Names and signatures are those of Linux 6.19 and later, so that a handler
 * written for that builds here.
 */
#ifndef _LINUX_LIVEUPDATE_H
#define _LINUX_LIVEUPDATE_H

#include <linux/list.h>
#include <linux/types.h>
#include "../uapi/linux/liveupdate.h"

struct file;
struct liveupdate_file_handler;
struct liveupdate_flb;
struct luo_pages;
struct module;

/* Including the terminating NUL. */
#define LIVEUPDATE_HNDL_COMPAT_LENGTH	48
#define LIVEUPDATE_FLB_COMPAT_LENGTH	48

/**
 * struct liveupdate_file_op_args - what every callback of a file handler gets
 * @handler:         the handler itself
 * @retrieve_status: in can_finish() and finish(): 0 when nobody has asked for
 *                   the file, 1 when it has been retrieved, a negative errno
 *                   when that failed for good
 * @file:            the file; retrieve() returns the new one here
 * @serialized_data: number that goes to the next kernel; preserve() sets it,
 *                   freeze() may change it
 * @private_data:    the handler's own, in this kernel only
 * @pages:           not in the in-tree interface: extents and blob of this
 *                   file in the handover image. Handlers that use it need not
 *                   describe their pages themselves.
 */
struct liveupdate_file_op_args {
	struct liveupdate_file_handler *handler;
	int retrieve_status;
	struct file *file;
	u64 serialized_data;
	void *private_data;
	struct luo_pages *pages;
};

/**
 * struct liveupdate_file_model - what an object must be, or was like
 * @value: counter of an eventfd; size of a file
 * @flags: flags with which it is made
 * @mode:  permission bits
 * @uid:   owner, as the caller sees it
 * @gid:   group, the same
 *
 * What LIVEUPDATE_SESSION_RETRIEVE_INTO tells. Not in the in-tree interface.
 */
struct liveupdate_file_model {
	u64 value;
	u32 flags;
	u32 mode;
	u32 uid;
	u32 gid;
};

/**
 * struct liveupdate_file_ops - callbacks of a file handler
 * @can_preserve: is this a file for the handler? Required. Must not sleep long;
 *                called without any lock of the handler.
 * @preserve:     start to preserve @args->file. Required. A negative errno goes
 *                to the caller of PRESERVE_FD.
 * @unpreserve:   undo preserve(). Required. Cannot fail.
 * @freeze:       last look before the kexec. Optional. A negative errno is a
 *                veto: everything is unfrozen and reboot(2) returns it.
 * @unfreeze:     undo freeze(). Optional.
 * @retrieve:     make @args->file from what came. Required. -EIO, -EINVAL,
 *                -EBADMSG, -EUCLEAN and -EOPNOTSUPP speak of the data and are
 *                final; after any other error it may be called again. What a
 *                failure leaves in @args->private_data comes back then, and
 *                in finish().
 * @can_finish:   may the session end? Optional.
 * @finish:       the session ends, whether or not the file was retrieved.
 *                Required.
 * @prefreeze:    not in the in-tree interface: do what can be done now for a
 *                freeze() to come, which need not be soon; nothing may be held
 *                afterwards. Optional. For LIVEUPDATE_SESSION_FREEZE.
 * @get_id:       identity of the file, so that nobody preserves it twice.
 *                Optional; default: address of the struct file.
 * @owner:        module that is pinned while the handler holds files
 * @describe:     not in the in-tree interface: for kinds of files that user
 *                space has to make. Says what is to be brought. -EIO and the
 *                like speak of the data and are final. Optional, comes together
 *                with @retrieve_into; then -EOPNOTSUPP of @retrieve is not
 *                final, but says that there is no other way.
 * @retrieve_into: make the preserved file of @args->file, which the caller has
 *                brought. -EIO, -EBADMSG and -EUCLEAN speak of the data and are
 *                final. All else speaks of what was brought or of the moment;
 *                what a failure leaves in @args->private_data comes back with
 *                the next try, also in retrieve(), and in finish().
 *
 * A file that was retrieved, and whose session is not finished when a live update
 * comes, is preserved anew: then preserve() to unpreserve() are called for it with
 * a @pages and a @private_data of their own, before finish().
 *
 * All but can_preserve() and get_id() are called in process context with the
 * session's mutex held and may sleep.
 */
struct liveupdate_file_ops {
	bool (*can_preserve)(struct liveupdate_file_handler *handler,
			     struct file *file);
	int (*preserve)(struct liveupdate_file_op_args *args);
	void (*unpreserve)(struct liveupdate_file_op_args *args);
	int (*freeze)(struct liveupdate_file_op_args *args);
	void (*unfreeze)(struct liveupdate_file_op_args *args);
	int (*retrieve)(struct liveupdate_file_op_args *args);
	bool (*can_finish)(struct liveupdate_file_op_args *args);
	void (*finish)(struct liveupdate_file_op_args *args);
	unsigned long (*get_id)(struct file *file);
	int (*prefreeze)(struct liveupdate_file_op_args *args);
	struct module *owner;
	int (*describe)(struct liveupdate_file_op_args *args,
			struct liveupdate_file_model *ret);
	int (*retrieve_into)(struct liveupdate_file_op_args *args);
};

/**
 * struct liveupdate_file_handler - support for one kind of file
 * @ops:        its callbacks
 * @compatible: name and version of its data, the same in both kernels
 */
struct liveupdate_file_handler {
	const struct liveupdate_file_ops *ops;
	const char compatible[LIVEUPDATE_HNDL_COMPAT_LENGTH];

	/* private: */
	struct list_head list;
	u64 flbs;
};

/* As in-tree; code that asks runs on kernels that may have it switched off. */
static inline bool liveupdate_enabled(void)
{
	return true;
}

int liveupdate_register_file_handler(struct liveupdate_file_handler *fh);
void liveupdate_unregister_file_handler(struct liveupdate_file_handler *fh);

/**
 * struct liveupdate_flb_op_args - what every callback of an FLB gets
 * @flb:  the FLB itself
 * @data: number that goes to the next kernel; preserve() sets it
 * @obj:  the live object; preserve() and retrieve() set it
 */
struct liveupdate_flb_op_args {
	struct liveupdate_flb *flb;
	u64 data;
	void *obj;
};

/**
 * struct liveupdate_flb_ops - callbacks of an FLB, all required
 * @preserve:   the first file that depends on it is about to be preserved. A
 *              negative errno goes to the caller of PRESERVE_FD.
 * @unpreserve: undo preserve(): the last such file is preserved no more
 * @retrieve:   somebody in the next kernel wants the object. -EIO, -EINVAL,
 *              -EBADMSG, -EUCLEAN and -EOPNOTSUPP speak of the data and are
 *              final; after any other error it may be called again.
 * @finish:     the last file is finished, and nobody refers to the object. If
 *              nobody ever has, retrieve() is called just before.
 * @owner:      module that is pinned from preserve() to unpreserve(), and from
 *              retrieve() to finish()
 *
 * Called in process context; may sleep. Callbacks must not register anything,
 * nor ask for their own FLB.
 */
struct liveupdate_flb_ops {
	int (*preserve)(struct liveupdate_flb_op_args *argp);
	void (*unpreserve)(struct liveupdate_flb_op_args *argp);
	int (*retrieve)(struct liveupdate_flb_op_args *argp);
	void (*finish)(struct liveupdate_flb_op_args *argp);
	struct module *owner;
};

/**
 * struct liveupdate_flb - global state bound to the life of files
 * @ops:        its callbacks
 * @compatible: name and version of its data, the same in both kernels
 *
 * Preserved with the first file of any handler that it is registered with, and
 * given up with the last.
 */
struct liveupdate_flb {
	const struct liveupdate_flb_ops *ops;
	const char compatible[LIVEUPDATE_FLB_COMPAT_LENGTH];

	/* private: */
	unsigned int place;
};

int liveupdate_register_flb(struct liveupdate_file_handler *fh, struct liveupdate_flb *flb);
void liveupdate_unregister_flb(struct liveupdate_file_handler *fh, struct liveupdate_flb *flb);

int liveupdate_flb_get_incoming(struct liveupdate_flb *flb, void **objp);
void liveupdate_flb_put_incoming(struct liveupdate_flb *flb);
int liveupdate_flb_get_outgoing(struct liveupdate_flb *flb, void **objp);
void liveupdate_flb_put_outgoing(struct liveupdate_flb *flb);

#endif /* _LINUX_LIVEUPDATE_H */
