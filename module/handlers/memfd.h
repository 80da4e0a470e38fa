/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the handlers for files of shmem share: memfd.c for those without a name,
 * tmpfs.c for those that have one.
 */
#ifndef LUO_MEMFD_H
#define LUO_MEMFD_H

#include "handlers.h"

/**
 * struct memfd_incoming - a file that is being put together
 * @file:   so far
 * @fill:   how far that is
 * @left:   pages that are not yet in @file
 * @charge: @file was brought (tmpfs.c), and this one has its share of
 *          Committed_AS; else NULL
 * @made_unevictable: by luo_memfd_make_unevictable()
 */
struct memfd_incoming {
	struct file *file;
	struct luo_fill fill;
	u64 left;
	struct file *charge;
	bool made_unevictable;
};

/* memfd.c */
int luo_memfd_preserve(struct liveupdate_file_op_args *args);
int luo_memfd_freeze(struct liveupdate_file_op_args *args);
int luo_memfd_retrieve(struct liveupdate_file_op_args *args);
void luo_memfd_finish(struct liveupdate_file_op_args *args);

int luo_memfd_fill(struct memfd_incoming *in);
void luo_memfd_make_unevictable(struct memfd_incoming *in);
void luo_memfd_make_evictable(struct memfd_incoming *in);

/* tmpfs.c */
struct file *luo_tmpfs_end(struct memfd_incoming *in, struct file *file,
			   const struct luo_state_ser *ser);
void luo_tmpfs_drop(struct memfd_incoming *in);

#endif /* LUO_MEMFD_H */
