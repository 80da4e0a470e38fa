// SPDX-License-Identifier: GPL-2.0-only
/*
 * File handler for eventfds.
 */
#define pr_fmt(fmt) "liveupdate: " fmt

#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include <linux/liveupdate.h>
#include "luo_handover.h"
#include "handlers.h"

/**
 * DOC: Eventfds
 *
 * An eventfd is a counter, whether it is a semaphore (EFD_SEMAPHORE), and
 * whether calls wait (O_NONBLOCK). Both stand in the blob of a page block
 * without extents, as of the freeze: what is signalled later, by another CPU
 * before the jump, is lost. Who waits for it or is bound to it (epoll, irqfds)
 * is not preserved.
 *
 * The kernel shows the counter in fdinfo, and there it is read, since all other
 * ways consume it.
 *
 * No kernel lets a module make an eventfd. So the caller makes one that is
 * equal, and brings it (RETRIEVE_INTO); here it is only compared. RETRIEVE_FD
 * cannot be had and says EOPNOTSUPP, until it has been brought.
 */

#define EVENTFD_VERSION		1

#define EVENTFD_SEMAPHORE	0x01
#define EVENTFD_NONBLOCK	0x02
#define EVENTFD_FLAGS		0x03

struct eventfd_ser {
	__le32 version;
	__le32 flags;		/* EVENTFD_* */
	__le64 count;
} __packed;

struct eventfd_state {
	u64 count;
	u32 flags;
};

static bool is_eventfd(struct file *file)
{
	struct eventfd_ctx *ctx = eventfd_ctx_fileget(file);

	if (IS_ERR(ctx))
		return false;
	eventfd_ctx_put(ctx);
	return true;
}

static bool eventfd_can_preserve(struct liveupdate_file_handler *fh, struct file *file)
{
	return is_eventfd(file);
}

/* Number behind @key in fdinfo. */
static bool fdinfo_number(const char *fdinfo, const char *key, const char *format, void *ret)
{
	const char *line = strstr(fdinfo, key);

	return line && sscanf(line + strlen(key), format, ret) == 1;
}

static int eventfd_look(struct file *file, struct eventfd_state *ret)
{
	char fdinfo[256];
	struct seq_file seq = { .buf = fdinfo, .size = sizeof(fdinfo) };
	unsigned long long count;
	int semaphore, id;

	if (!file->f_op->show_fdinfo)
		return -EOPNOTSUPP;
	file->f_op->show_fdinfo(&seq, file);
	if (seq_has_overflowed(&seq))
		return -EOPNOTSUPP;
	fdinfo[seq.count] = '\0';

	if (!fdinfo_number(fdinfo, "eventfd-count:", "%llx", &count))
		return -EOPNOTSUPP;
	if (!fdinfo_number(fdinfo, "eventfd-semaphore:", "%d", &semaphore)) {
		if (!fdinfo_number(fdinfo, "eventfd-id:", "%d", &id))
			return -EOPNOTSUPP;
		semaphore = luo_eventfd_semaphore(file, id);
		if (semaphore < 0)
			return semaphore;
	}
	ret->count = count;
	ret->flags = (semaphore ? EVENTFD_SEMAPHORE : 0) |
		     (file->f_flags & O_NONBLOCK ? EVENTFD_NONBLOCK : 0);
	return 0;
}

static int eventfd_preserve(struct liveupdate_file_op_args *args)
{
	struct eventfd_state state;
	int err = eventfd_look(args->file, &state);

	return err ?: luo_pages_init(args->pages);
}

static void eventfd_unpreserve(struct liveupdate_file_op_args *args)
{
	/* The core gives back the block. */
}

static int eventfd_freeze(struct liveupdate_file_op_args *args)
{
	struct eventfd_ser *ser = luo_pages_blob(args->pages);
	struct eventfd_state state;
	int err = eventfd_look(args->file, &state);

	if (err)
		return err;
	ser->version = cpu_to_le32(EVENTFD_VERSION);
	ser->flags = cpu_to_le32(state.flags);
	ser->count = cpu_to_le64(state.count);
	luo_pages_seal_blob(args->pages);
	return 0;
}

/* ------------------------------------------------------------- incoming */

static int eventfd_arrived(struct luo_pages *pages, struct eventfd_state *ret)
{
	const struct eventfd_ser *ser = luo_pages_blob(pages);

	if (!ser || pages->nr_pages || le32_to_cpu(ser->version) != EVENTFD_VERSION ||
	    le32_to_cpu(ser->flags) & ~EVENTFD_FLAGS)
		return -EIO;
	ret->count = le64_to_cpu(ser->count);
	ret->flags = le32_to_cpu(ser->flags);
	return 0;
}

static int eventfd_retrieve(struct liveupdate_file_op_args *args)
{
	struct eventfd_state state;

	return eventfd_arrived(args->pages, &state) ?: -EOPNOTSUPP;
}

/* One more than anybody but a kernel can count to; that says of an overflow. */
static u64 to_bring(const struct eventfd_state *state)
{
	return min(state->count, ULLONG_MAX - 1);
}

static int eventfd_describe(struct liveupdate_file_op_args *args,
			    struct liveupdate_file_model *ret)
{
	struct eventfd_state state;
	int err = eventfd_arrived(args->pages, &state);

	if (err)
		return err;
	ret->value = to_bring(&state);
	ret->flags = (state.flags & EVENTFD_SEMAPHORE ? EFD_SEMAPHORE : 0) |
		     (state.flags & EVENTFD_NONBLOCK ? EFD_NONBLOCK : 0);
	return 0;
}

static int eventfd_retrieve_into(struct liveupdate_file_op_args *args)
{
	struct eventfd_state state, brought;
	struct eventfd_ctx *ctx;
	int err = eventfd_arrived(args->pages, &state);

	if (err)
		return err;
	ctx = eventfd_ctx_fileget(args->file);
	if (IS_ERR(ctx))
		return -EINVAL;
	err = eventfd_look(args->file, &brought);
	if (!err && (brought.flags != state.flags || brought.count != to_bring(&state)))
		err = -EINVAL;
	if (!err && brought.count != state.count)
		luo_eventfd_signal(ctx);
	eventfd_ctx_put(ctx);
	if (!err)
		luo_when_note(LUO_WHEN_RETRIEVED);
	return err;
}

static void eventfd_finish(struct liveupdate_file_op_args *args)
{
	/* The file is the caller's; the core gives back the block. */
}

static const struct liveupdate_file_ops eventfd_ops = {
	.can_preserve	= eventfd_can_preserve,
	.preserve	= eventfd_preserve,
	.unpreserve	= eventfd_unpreserve,
	.freeze		= eventfd_freeze,
	.retrieve	= eventfd_retrieve,
	.finish		= eventfd_finish,
	.owner		= THIS_MODULE,
	.describe	= eventfd_describe,
	.retrieve_into	= eventfd_retrieve_into,
};

static struct liveupdate_file_handler eventfd_handler = {
	.ops		= &eventfd_ops,
	.compatible	= "liveupdate,eventfd-v1",
};

int luo_eventfd_init(void)
{
	BUILD_BUG_ON(sizeof(struct eventfd_ser) > LUO_BLOB_SIZE);
	return liveupdate_register_file_handler(&eventfd_handler);
}

void luo_eventfd_exit(void)
{
	liveupdate_unregister_file_handler(&eventfd_handler);
}
