/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Handlers of files, and what they share.
 */
#ifndef LUO_HANDLERS_H
#define LUO_HANDLERS_H

#include <linux/fs.h>
#include <linux/limits.h>
#include <linux/liveupdate.h>
#include <uapi/linux/fcntl.h>
#include <uapi/linux/magic.h>

#include "luo_handover.h"

int luo_memfd_init(void);
void luo_memfd_exit(void);
int luo_tmpfs_init(void);
void luo_tmpfs_exit(void);
int luo_eventfd_init(void);
void luo_eventfd_exit(void);
int luo_hugetlb_init(void);
void luo_hugetlb_exit(void);

static inline bool luo_is_hugetlbfs(const struct inode *inode)
{
	return inode->i_sb->s_magic == HUGETLBFS_MAGIC;
}

/*
 * ------------------------------------------------------ cache.c
 * Files whose contents are their page cache.
 */

/**
 * luo_cache_preserve() - pin all pages of a file and write them down
 * @args:  of preserve()
 * @seals: that the file has
 *
 * Return: 0, or an error; then nothing is pinned.
 */
int luo_cache_preserve(struct liveupdate_file_op_args *args, u32 seals);

/**
 * luo_cache_freeze() - lock the file and bring what is written down up to date
 * @args: of freeze()
 *
 * Return: 0, and the inode is locked until luo_cache_unfreeze(); or an error.
 */
int luo_cache_freeze(struct liveupdate_file_op_args *args);

/* Whole callbacks. */
void luo_cache_unpreserve(struct liveupdate_file_op_args *args);
int luo_cache_prefreeze(struct liveupdate_file_op_args *args);
void luo_cache_unfreeze(struct liveupdate_file_op_args *args);
unsigned long luo_cache_get_id(struct file *file);

/**
 * struct luo_fill - how far a file is that is being put together
 * @block: page block that is being worked on
 * @ext:   extent in it
 * @done:  how much of the extent is in the file, in 4 KiB pages
 * @ready: folio that is made, but not yet in the file
 */
struct luo_fill {
	void *block;
	unsigned int ext;
	u64 done;
	struct folio *ready;
};

void luo_fill_begin(struct luo_fill *fill, struct luo_pages *pages);

/**
 * luo_fill_next() - the next folio that belongs into the file
 * @fill:      of luo_fill_begin()
 * @ret_index: its place
 *
 * Return: a folio that is uptodate and dirty, with one reference, the same
 * again until luo_fill_done(); NULL when all is in the file; ERR_PTR(-EIO)
 * when a frame is not as it should be, ERR_PTR(-EINTR) when the caller is being
 * killed.
 */
struct folio *luo_fill_next(struct luo_fill *fill, pgoff_t *ret_index);
void luo_fill_done(struct luo_fill *fill);	/* the file has it now */
void luo_fill_drop(struct luo_fill *fill);	/* the rest goes to the allocator */

/* Nobody has begun to fill a file: all of it goes to the allocator. */
void luo_cache_release(struct luo_pages *pages);

/*
 * ------------------------------------------------------ state.c
 * What a file is besides its pages.
 */
#define LUO_STATE_VERSION	1

#define LUO_STATE_READ		0x01
#define LUO_STATE_WRITE		0x02
#define LUO_STATE_APPEND	0x04
#define LUO_STATE_NONBLOCK	0x08
#define LUO_STATE_NOATIME	0x10
#define LUO_STATE_FLAGS		0x1f

/* F_SEAL_EXEC is newer than 6.1, which has to carry it all the same. */
#define LUO_SEAL_EXEC	0x20
#define LUO_STATE_SEALS	(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | \
			 F_SEAL_FUTURE_WRITE | LUO_SEAL_EXEC)

/**
 * struct luo_state_ser - a file, in the blob of its page blocks
 * @version: LUO_STATE_VERSION
 * @flags:   LUO_STATE_*
 * @size:    bytes
 * @pos:     of the open file
 * @seals:   F_SEAL_*
 * @mode:    permission bits
 * @uid:     owner
 * @gid:     group
 * @name:    as /proc/PID/fd shows it
 */
struct luo_state_ser {
	__le32 version;
	__le32 flags;
	__le64 size;
	__le64 pos;
	__le32 seals;
	__le32 mode;
	__le32 uid;
	__le32 gid;
	char name[NAME_MAX + 1];
} __packed;

/* The file is locked: see luo_cache_freeze(). @seals: that it has. */
void luo_state_save(struct liveupdate_file_op_args *args, u32 seals);
bool luo_state_is_sound(const struct luo_state_ser *ser);

/**
 * luo_state_open() - open a file as it was opened before
 * @path: of the new file, complete but for owner and mode
 * @ser:  sound
 *
 * Return: the open file, or ERR_PTR().
 */
struct file *luo_state_open(const struct path *path, const struct luo_state_ser *ser);

/*
 * ------------------------------------------------------ hugefile.c
 * Files of huge pages.
 */

/**
 * luo_hugefile_create() - an empty file of huge pages
 * @name: as /proc/PID/fd shows it
 * @size: bytes
 *
 * Return: the file, open for everything, without seals; or ERR_PTR().
 */
struct file *luo_hugefile_create(const char *name, loff_t size);

/**
 * luo_hugefile_add() - give it a page
 * @file:  of luo_hugefile_create()
 * @folio: of HPAGE_PMD_ORDER, uptodate; the caller's reference goes to the file
 * @index: its place, in 4 KiB pages
 *
 * Return: 0, or an error; then the folio is still the caller's.
 */
int luo_hugefile_add(struct file *file, struct folio *folio, pgoff_t index);

bool luo_is_hugefile(const struct file *file);
u32 luo_hugefile_seals(const struct file *file);
void luo_hugefile_seal(struct file *file, u32 seals);	/* replaces those it has */

#endif /* LUO_HANDLERS_H */
