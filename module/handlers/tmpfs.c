// SPDX-License-Identifier: GPL-2.0-only
/*
 * File handler for files of a tmpfs that have a name.
 */
#define pr_fmt(fmt) "liveupdate: " fmt

#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/percpu_counter.h>
#include <linux/quotaops.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "memfd.h"

/**
 * DOC: Files of a tmpfs
 *
 * They are preserved as memfds are, with the same record, under a name of their
 * own. RETRIEVE_FD makes a file without a name of them.
 *
 * To get a name again, a file must lie on a tmpfs that is mounted somewhere, and
 * only user space knows where. So it makes an empty file there and brings it
 * (RETRIEVE_INTO), and the frames go into that one, uncopied. Its name, mode,
 * owner and flags are what the caller has made them: nobody gets more rights
 * than he had when he made the file.
 *
 * Life: what the file needs is taken first, all of it, and any lack leaves
 * everything as it was. Then the file is filled. If that stops for want of
 * memory or by a signal, the file keeps what it has got, and only the same
 * file, or RETRIEVE_FD, goes on with it. At the end it gets its size. Until then
 * the size is 0, so nobody can read or map what is in it, and seals, which files
 * on a tmpfs cannot have otherwise, keep everybody from writing. If the session
 * ends before, the file is empty as it came.
 *
 * Accounting: what shmem counts when it allocates a page is not exported, so
 * here is the same in public terms. Blocks of the tmpfs (size=, df) and the
 * owner's quota are taken for the whole file at the start, and shmem gives them
 * back page by page when they go. The share of Committed_AS is first that of an
 * empty shmem file of the same size, which on its way out gives back only what
 * has not been handed over (its size is set to that).
 *
 * Locks: the inode lock, inside of the session's mutex, while the file is looked
 * at and sealed, and while it is unsealed.
 */

/* What nobody may do while a file is being filled: write(2), fallocate(2), truncate(2). */
#define FILLING_SEALS	(F_SEAL_WRITE | F_SEAL_GROW)

static bool tmpfs_can_preserve(struct liveupdate_file_handler *fh, struct file *file)
{
	struct inode *inode = file_inode(file);

	return shmem_mapping(file->f_mapping) && S_ISREG(inode->i_mode) && inode->i_nlink;
}

/* ------------------------------------------------------------- accounting */

static struct shmem_sb_info *tmpfs_sb(const struct inode *inode)
{
	return inode->i_sb->s_fs_info;
}

static void give_blocks(struct inode *inode, u64 pages)
{
	dquot_free_block_nodirty(inode, pages);
	if (tmpfs_sb(inode)->max_blocks)
		percpu_counter_sub(&tmpfs_sb(inode)->used_blocks, pages);
}

static int take_blocks(struct inode *inode, u64 pages)
{
	struct shmem_sb_info *sbinfo = tmpfs_sb(inode);
	int err;

	/* Take, then look: of two who do so none gets more than there is. */
	if (sbinfo->max_blocks) {
		percpu_counter_add(&sbinfo->used_blocks, pages);
		if (percpu_counter_sum(&sbinfo->used_blocks) > (s64)sbinfo->max_blocks) {
			percpu_counter_sub(&sbinfo->used_blocks, pages);
			return -ENOSPC;
		}
	}
	/* i_blocks, and the quota if there is one. */
	err = dquot_alloc_block_nodirty(inode, pages);
	if (err && sbinfo->max_blocks)
		percpu_counter_sub(&sbinfo->used_blocks, pages);
	return err;
}

/* Lets go what has not been handed over to the file. */
static void charge_put(struct file *charge, u64 pages)
{
	i_size_write(file_inode(charge), pages << PAGE_SHIFT);
	fput(charge);
}

/* ---------------------------------------------------------------- filling */

static bool is_untouched(struct inode *inode)
{
	struct shmem_inode_info *info = SHMEM_I(inode);

	return !i_size_read(inode) && mapping_empty(inode->i_mapping) &&
	       !info->alloced && !info->swapped && info->seals == F_SEAL_SEAL &&
	       info->flags & LUO_SHMEM_NORESERVE && !IS_IMMUTABLE(inode) && !IS_APPEND(inode);
}

static struct memfd_incoming *tmpfs_start(struct file *file, struct luo_pages *pages)
{
	struct inode *inode = file_inode(file);
	struct memfd_incoming *in;
	int err;

	if (!(file->f_mode & FMODE_WRITE))
		return ERR_PTR(-EBADF);
	if (!shmem_mapping(file->f_mapping) || !S_ISREG(inode->i_mode))
		return ERR_PTR(-EINVAL);

	in = kzalloc(sizeof(*in), GFP_KERNEL);
	if (!in)
		return ERR_PTR(-ENOMEM);
	in->charge = luo_shmem_file_setup("", pages->nr_pages << PAGE_SHIFT);
	if (IS_ERR(in->charge)) {
		err = PTR_ERR(in->charge);
		goto err_free;
	}

	inode_lock(inode);
	err = is_untouched(inode) ? take_blocks(inode, pages->nr_pages) : -EINVAL;
	if (!err)
		SHMEM_I(inode)->seals |= FILLING_SEALS;
	inode_unlock(inode);
	if (err)
		goto err_charge;

	in->file = get_file(file);
	luo_fill_begin(&in->fill, pages);
	in->left = pages->nr_pages;
	luo_memfd_make_unevictable(in);
	return in;

err_charge:
	charge_put(in->charge, pages->nr_pages);
err_free:
	kfree(in);
	return ERR_PTR(err);
}

/* Everything is in it. Returns @file, which is one of the same inode. */
struct file *luo_tmpfs_end(struct memfd_incoming *in, struct file *file,
			   const struct luo_state_ser *ser)
{
	struct inode *inode = file_inode(file);

	luo_memfd_make_evictable(in);
	inode_lock(inode);
	i_size_write(inode, le64_to_cpu(ser->size));
	SHMEM_I(inode)->seals &= ~FILLING_SEALS;
	file_update_time(file);
	inode_unlock(inode);

	file->f_pos = le64_to_cpu(ser->pos);
	charge_put(in->charge, 0);
	return file;
}

/* Nobody wants it any more: as if nothing had been put into it. */
void luo_tmpfs_drop(struct memfd_incoming *in)
{
	struct inode *inode = file_inode(in->file);

	inode_lock(inode);
	shmem_truncate_range(inode, 0, (loff_t)-1);
	give_blocks(inode, in->left);
	SHMEM_I(inode)->seals &= ~FILLING_SEALS;
	inode_unlock(inode);
	charge_put(in->charge, in->left);
}

/* ------------------------------------------------------------ the handler */

static const struct luo_state_ser *tmpfs_ser(struct luo_pages *pages)
{
	const struct luo_state_ser *ser = luo_pages_blob(pages);

	return ser && luo_state_is_sound(ser) &&
	       pages->nr_pages <= MAX_LFS_FILESIZE >> PAGE_SHIFT ? ser : NULL;
}

static int tmpfs_describe(struct liveupdate_file_op_args *args,
			  struct liveupdate_file_model *ret)
{
	const struct luo_state_ser *ser = tmpfs_ser(args->pages);
	struct user_namespace *ns = current_user_ns();

	if (!ser)
		return -EIO;
	ret->value = le64_to_cpu(ser->size);
	ret->mode = le32_to_cpu(ser->mode);
	ret->uid = from_kuid_munged(ns, make_kuid(&init_user_ns, le32_to_cpu(ser->uid)));
	ret->gid = from_kgid_munged(ns, make_kgid(&init_user_ns, le32_to_cpu(ser->gid)));
	return 0;
}

static int tmpfs_retrieve_into(struct liveupdate_file_op_args *args)
{
	const struct luo_state_ser *ser = tmpfs_ser(args->pages);
	struct memfd_incoming *in = args->private_data;
	int err;

	if (!ser)
		return -EIO;
	/* The file that comes out of this can be read; what went in could not. */
	if (!(le32_to_cpu(ser->flags) & LUO_STATE_READ))
		return -EACCES;
	if (!in) {
		in = tmpfs_start(args->file, args->pages);
		if (IS_ERR(in))
			return PTR_ERR(in);
		args->private_data = in;
	}
	err = luo_memfd_fill(in);
	if (err)
		return err;
	luo_tmpfs_end(in, args->file, ser);

	fput(in->file);
	kfree(in);
	args->private_data = NULL;
	luo_when_note(LUO_WHEN_RETRIEVED);
	return 0;
}

static const struct liveupdate_file_ops tmpfs_ops = {
	.can_preserve	= tmpfs_can_preserve,
	.preserve	= luo_memfd_preserve,
	.unpreserve	= luo_cache_unpreserve,
	.prefreeze	= luo_cache_prefreeze,
	.freeze		= luo_memfd_freeze,
	.unfreeze	= luo_cache_unfreeze,
	.retrieve	= luo_memfd_retrieve,
	.finish		= luo_memfd_finish,
	.get_id		= luo_cache_get_id,
	.owner		= THIS_MODULE,
	.describe	= tmpfs_describe,
	.retrieve_into	= tmpfs_retrieve_into,
};

static struct liveupdate_file_handler tmpfs_handler = {
	.ops		= &tmpfs_ops,
	.compatible	= "liveupdate,tmpfs-v1",
};

int luo_tmpfs_init(void)
{
	return liveupdate_register_file_handler(&tmpfs_handler);
}

void luo_tmpfs_exit(void)
{
	liveupdate_unregister_file_handler(&tmpfs_handler);
}
