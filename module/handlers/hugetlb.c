// SPDX-License-Identifier: GPL-2.0-only
/*
 * File handler for hugetlb memfds, and for what they come back as.
 */
#define pr_fmt(fmt) "liveupdate: " fmt

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "handlers.h"

/**
 * DOC: Hugetlb memfds
 *
 * Going out, a file of hugetlbfs is a page cache like any other (see cache.c).
 * Its pages belong to the pool of this kernel, and to none afterwards: the next
 * kernel makes a file of its own kind of them (see hugefile.c), which goes out
 * again in the same way at the update after that.
 *
 * Pages of 1 GiB come back in place, as 512 folios of 2 MiB each.
 *
 * The memory map of a hugetlb page may have been optimised away but for its
 * head (hugetlb_free_vmemmap=): nothing but the head is written here, and the
 * next kernel has a memory map of its own.
 */

static bool is_hugetlb_memfd(const struct file *file)
{
	const struct inode *inode = file_inode(file);

	return luo_is_hugetlbfs(inode) && S_ISREG(inode->i_mode) && !inode->i_nlink &&
	       inode->i_blkbits >= HPAGE_PMD_SHIFT;
}

static bool hugetlb_can_preserve(struct liveupdate_file_handler *fh, struct file *file)
{
	return is_hugetlb_memfd(file) || luo_is_hugefile(file);
}

static u32 seals_of(struct file *file)
{
	/* A kernel without hugetlbfs may get such files from another. */
#ifdef CONFIG_HUGETLBFS
	if (!luo_is_hugefile(file))
		return HUGETLBFS_I(file_inode(file))->seals;
#endif
	return luo_hugefile_seals(file);
}

static int hugetlb_preserve(struct liveupdate_file_op_args *args)
{
	return luo_cache_preserve(args, seals_of(args->file));
}

static int hugetlb_freeze(struct liveupdate_file_op_args *args)
{
	int err = luo_cache_freeze(args);

	if (!err)
		luo_state_save(args, seals_of(args->file));
	return err;
}

/* ------------------------------------------------------------- incoming */

/**
 * struct hugetlb_incoming - a file that is being put together
 * @file: so far
 * @fill: how far that is
 */
struct hugetlb_incoming {
	struct file *file;
	struct luo_fill fill;
};

/* Nothing smaller than a huge page may get into the file. */
static bool extents_are_huge(struct luo_pages *pages)
{
	struct luo_extent ext;
	unsigned int i;
	void *block;

	for (block = luo_pages_first(pages); block; block = luo_pages_next(block)) {
		for (i = 0; i < luo_block_nr_extents(block); i++) {
			luo_block_extent(block, i, &ext);
			if (ext.order < HPAGE_PMD_ORDER)
				return false;
		}
	}
	return true;
}

static struct hugetlb_incoming *incoming_start(struct luo_pages *pages)
{
	const struct luo_state_ser *ser = luo_pages_blob(pages);
	struct hugetlb_incoming *in;
	int err;

	if (!luo_state_is_sound(ser) || !extents_are_huge(pages))
		return ERR_PTR(-EIO);
	in = kzalloc(sizeof(*in), GFP_KERNEL);
	if (!in)
		return ERR_PTR(-ENOMEM);
	in->file = luo_hugefile_create(ser->name, le64_to_cpu(ser->size));
	if (IS_ERR(in->file)) {
		err = PTR_ERR(in->file);
		kfree(in);
		return ERR_PTR(err);
	}
	luo_fill_begin(&in->fill, pages);
	return in;
}

static int incoming_fill(struct hugetlb_incoming *in)
{
	struct folio *folio;
	pgoff_t index;
	int err;

	while ((folio = luo_fill_next(&in->fill, &index))) {
		if (IS_ERR(folio))
			return PTR_ERR(folio);
		err = luo_hugefile_add(in->file, folio, index);
		if (err)
			return err;
		luo_incoming_returned(folio_nr_pages(folio));
		luo_fill_done(&in->fill);
	}
	return 0;
}

static int hugetlb_retrieve(struct liveupdate_file_op_args *args)
{
	const struct luo_state_ser *ser = luo_pages_blob(args->pages);
	struct hugetlb_incoming *in = args->private_data;
	struct file *file;
	int err;

	if (!ser)
		return -EIO;
	if (!in) {
		in = incoming_start(args->pages);
		if (IS_ERR(in))
			return PTR_ERR(in);
		args->private_data = in;
	}
	err = incoming_fill(in);
	if (err)
		return err;
	file = luo_state_open(&in->file->f_path, ser);
	if (IS_ERR(file))
		return PTR_ERR(file);
	luo_hugefile_seal(file, le32_to_cpu(ser->seals));

	fput(in->file);
	kfree(in);
	args->private_data = NULL;
	args->file = file;
	luo_when_note(LUO_WHEN_RETRIEVED);
	return 0;
}

/* The session ends, and nobody has got the file: its memory is free again. */
static void hugetlb_finish(struct liveupdate_file_op_args *args)
{
	struct hugetlb_incoming *in = args->private_data;

	if (args->retrieve_status > 0 || !args->pages->head)
		return;
	if (!in) {
		luo_cache_release(args->pages);
		return;
	}
	luo_fill_drop(&in->fill);
	fput(in->file);
	kfree(in);
	args->private_data = NULL;
}

static const struct liveupdate_file_ops hugetlb_ops = {
	.can_preserve	= hugetlb_can_preserve,
	.preserve	= hugetlb_preserve,
	.unpreserve	= luo_cache_unpreserve,
	.prefreeze	= luo_cache_prefreeze,
	.freeze		= hugetlb_freeze,
	.unfreeze	= luo_cache_unfreeze,
	.retrieve	= hugetlb_retrieve,
	.finish		= hugetlb_finish,
	.get_id		= luo_cache_get_id,
	.owner		= THIS_MODULE,
};

static struct liveupdate_file_handler hugetlb_handler = {
	.ops		= &hugetlb_ops,
	.compatible	= "liveupdate,hugetlb-v1",
};

/* A kernel in which no folio can be made huge (6.6 to 6.9) can only refuse. */
static bool have_huge_folios(void)
{
	return luo_folio_order_ok(HPAGE_PMD_ORDER);
}

int luo_hugetlb_init(void)
{
	BUILD_BUG_ON(sizeof(struct luo_state_ser) > LUO_BLOB_SIZE);
	return have_huge_folios() ? liveupdate_register_file_handler(&hugetlb_handler) : 0;
}

void luo_hugetlb_exit(void)
{
	if (have_huge_folios())
		liveupdate_unregister_file_handler(&hugetlb_handler);
}
