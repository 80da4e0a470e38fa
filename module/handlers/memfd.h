/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the handlers for files of shmem share: memfd.c for those without a name,
 * tmpfs.c for those that have one.
 */
#ifndef LUO_MEMFD_H
#define LUO_MEMFD_H

#include <linux/fs.h>
#include <linux/limits.h>
#include <linux/liveupdate.h>
#include <uapi/linux/fcntl.h>

#include "luo_handover.h"

#define MEMFD_VERSION		1

#define MEMFD_READ		0x01
#define MEMFD_WRITE		0x02
#define MEMFD_APPEND		0x04
#define MEMFD_NONBLOCK		0x08
#define MEMFD_NOATIME		0x10
#define MEMFD_FLAGS		0x1f

/* F_SEAL_EXEC is newer than 6.1, which has to carry it all the same. */
#define MEMFD_SEALS	(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | \
			 F_SEAL_FUTURE_WRITE | 0x20)

/* struct memfd_ser - what a memfd is besides its pages, in the blob of its page blocks */
struct memfd_ser {
	__le32 version;
	__le32 flags;		/* MEMFD_* */
	__le64 size;		/* bytes */
	__le64 pos;
	__le32 seals;
	__le32 mode;		/* permission bits */
	__le32 uid;
	__le32 gid;
	char name[NAME_MAX + 1];
} __packed;

/**
 * struct memfd_incoming - a file that is being put together
 * @file:   so far
 * @block:  page block that is being worked on
 * @ext:    extent in it
 * @done:   folios of the extent that are in @file, in 4 KiB pages
 * @ready:  folio that is made, but not yet in @file
 * @left:   pages that are not yet in @file
 * @charge: @file was brought (tmpfs.c), and this one has its share of
 *          Committed_AS; else NULL
 * @made_unevictable: by luo_memfd_make_unevictable()
 */
struct memfd_incoming {
	struct file *file;
	void *block;
	unsigned int ext;
	u64 done;
	struct folio *ready;
	u64 left;
	struct file *charge;
	bool made_unevictable;
};

/* memfd.c */
int luo_memfd_preserve(struct liveupdate_file_op_args *args);
void luo_memfd_unpreserve(struct liveupdate_file_op_args *args);
int luo_memfd_prefreeze(struct liveupdate_file_op_args *args);
int luo_memfd_freeze(struct liveupdate_file_op_args *args);
void luo_memfd_unfreeze(struct liveupdate_file_op_args *args);
int luo_memfd_retrieve(struct liveupdate_file_op_args *args);
void luo_memfd_finish(struct liveupdate_file_op_args *args);
unsigned long luo_memfd_get_id(struct file *file);

bool luo_memfd_ser_sound(const struct memfd_ser *ser);
int luo_memfd_fill(struct memfd_incoming *in);
void luo_memfd_make_unevictable(struct memfd_incoming *in);
void luo_memfd_make_evictable(struct memfd_incoming *in);

/* tmpfs.c */
struct file *luo_tmpfs_end(struct memfd_incoming *in, struct file *file,
			   const struct memfd_ser *ser);
void luo_tmpfs_drop(struct memfd_incoming *in);

#endif /* LUO_MEMFD_H */
