// SPDX-License-Identifier: GPL-2.0-only
/*
 * File handler for memfds, and whatever else is an unlinked file of shmem.
 */
#define pr_fmt(fmt) "liveupdate: " fmt

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/memfd.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/vmstat.h>

#include "memfd.h"

/**
 * DOC: Memfds
 *
 * How pages are pinned and written down, and the locks: see cache.c.
 *
 * Files of a tmpfs that have a name are the same here, see tmpfs.c, and so may
 * the file be that is filled below.
 *
 * In the new kernel RETRIEVE_FD makes a file of the frames, one pass over
 * them. When memory is short or the caller is killed, what has been done stays
 * in &struct memfd_incoming, and the next RETRIEVE_FD goes on from there.
 *
 * Accounting: shmem_file_setup() is asked for as many bytes as there are
 * pages, which charges Committed_AS, and the file is then switched to charge
 * page by page, as memfd_create() does: each page gives back its own charge
 * when it goes. The caller's memory cgroup pays for the pages.
 */

static bool memfd_can_preserve(struct liveupdate_file_handler *fh, struct file *file)
{
	struct inode *inode = file_inode(file);

	return shmem_mapping(file->f_mapping) && S_ISREG(inode->i_mode) && !inode->i_nlink;
}

/* ------------------------------------------------------------- outgoing */

int luo_memfd_preserve(struct liveupdate_file_op_args *args)
{
	return luo_cache_preserve(args, SHMEM_I(file_inode(args->file))->seals);
}

int luo_memfd_freeze(struct liveupdate_file_op_args *args)
{
	int err = luo_cache_freeze(args);

	if (!err)
		luo_state_save(args, SHMEM_I(file_inode(args->file))->seals);
	return err;
}

/* ------------------------------------------------------------- incoming */

static struct memfd_incoming *incoming_start(struct luo_pages *pages)
{
	const struct luo_state_ser *ser = luo_pages_blob(pages);
	struct memfd_incoming *in;
	struct inode *inode;

	if (!luo_state_is_sound(ser) || pages->nr_pages > MAX_LFS_FILESIZE >> PAGE_SHIFT)
		return ERR_PTR(-EIO);
	in = kzalloc(sizeof(*in), GFP_KERNEL);
	if (!in)
		return ERR_PTR(-ENOMEM);
	in->file = luo_shmem_file_setup(ser->name, pages->nr_pages << PAGE_SHIFT);
	if (IS_ERR(in->file)) {
		int err = PTR_ERR(in->file);

		kfree(in);
		return ERR_PTR(err);
	}
	luo_fill_begin(&in->fill, pages);
	in->left = pages->nr_pages;

	inode = file_inode(in->file);
	SHMEM_I(inode)->flags |= LUO_SHMEM_NORESERVE;
	i_size_write(inode, le64_to_cpu(ser->size));
	luo_memfd_make_unevictable(in);
	return in;
}

static void count_pages(struct memfd_incoming *in, u64 nr)
{
	struct inode *inode = file_inode(in->file);
	struct shmem_inode_info *info = SHMEM_I(inode);

	spin_lock_irq(&info->lock);
	info->alloced += nr;
	spin_unlock_irq(&info->lock);
	/* Of a file that was brought all blocks are taken at the start. */
	if (!in->charge)
		inode_add_bytes(inode, nr << PAGE_SHIFT);
}

/*
 * Statistics of shmem, batched as long as node and memory cgroup stay the
 * same.
 */
struct shmem_stats {
	struct folio *folio;	/* one of those that are counted */
	long pages;
};

static void stats_flush(struct shmem_stats *stats)
{
	if (!stats->pages)
		return;
	lruvec_stat_mod_folio(stats->folio, NR_SHMEM, stats->pages);
	folio_put(stats->folio);
	stats->pages = 0;
}

static void stats_add(struct shmem_stats *stats, struct folio *folio)
{
	if (stats->pages && (folio_pgdat(stats->folio) != folio_pgdat(folio) ||
			     folio_memcg(stats->folio) != folio_memcg(folio)))
		stats_flush(stats);
	if (!stats->pages) {
		folio_get(folio);
		stats->folio = folio;
	}
	stats->pages += folio_nr_pages(folio);
}

/*
 * Folios of shmem are swapbacked, which filemap_add_folio() does not expect
 * and only debug kernels mind. Those get the flag afterwards; until then the
 * folio is kept on the list of the unevictable, the only one on which the
 * flag makes no difference (see luo_memfd_make_evictable()).
 */
static int add_folio(struct address_space *mapping, struct folio *folio, pgoff_t index,
		     struct shmem_stats *stats)
{
	long nr;
	int err;

	if (!IS_ENABLED(CONFIG_DEBUG_VM))
		__folio_set_swapbacked(folio);
	err = filemap_add_folio(mapping, folio, index, GFP_KERNEL);
	if (err)
		return err;
	if (IS_ENABLED(CONFIG_DEBUG_VM))
		folio_set_swapbacked(folio);

	stats_add(stats, folio);
	if (folio_test_pmd_mappable(folio)) {
		nr = folio_nr_pages(folio);
		lruvec_stat_mod_folio(folio, NR_FILE_THPS, -nr);
		lruvec_stat_mod_folio(folio, NR_SHMEM_THPS, nr);
	}
	folio_unlock(folio);
	folio_put(folio);
	return 0;
}

/* Goes on until everything is in the file, or there is a reason to stop. */
int luo_memfd_fill(struct memfd_incoming *in)
{
	struct address_space *mapping = in->file->f_mapping;
	struct shmem_stats stats = { };
	struct folio *folio;
	pgoff_t index;
	u64 added = 0;
	int err = 0;

	while ((folio = luo_fill_next(&in->fill, &index))) {
		long nr;

		if (IS_ERR(folio)) {
			err = PTR_ERR(folio);
			break;
		}
		nr = folio_nr_pages(folio);
		err = add_folio(mapping, folio, index, &stats);
		if (err)
			break;
		luo_fill_done(&in->fill);
		added += nr;
	}
	stats_flush(&stats);
	luo_incoming_returned(added);
	count_pages(in, added);
	in->left -= added;
	return err;
}

/* Debug kernels only: to the list of the unevictable, and back from it. */
void luo_memfd_make_unevictable(struct memfd_incoming *in)
{
#ifdef CONFIG_DEBUG_VM
	struct address_space *mapping = in->file->f_mapping;

	/* On a tmpfs without swap they are so for good. */
	in->made_unevictable = !mapping_unevictable(mapping);
	mapping_set_unevictable(mapping);
#endif
}

void luo_memfd_make_evictable(struct memfd_incoming *in)
{
#ifdef CONFIG_DEBUG_VM
	struct address_space *mapping = in->file->f_mapping;
	struct folio_batch fbatch;
	pgoff_t index = 0;

	if (!in->made_unevictable)
		return;
	mapping_clear_unevictable(mapping);
	folio_batch_init(&fbatch);
	while (filemap_get_folios(mapping, &index, ULONG_MAX, &fbatch)) {
		check_move_unevictable_folios(&fbatch);
		folio_batch_release(&fbatch);
		cond_resched();
	}
#endif
}

static struct file *incoming_end(struct memfd_incoming *in, const struct luo_state_ser *ser)
{
	struct inode *inode = file_inode(in->file);
	u32 seals = le32_to_cpu(ser->seals);
	struct file *file;

	/* A file of its own: the one that shmem gave us is open for everything. */
	file = luo_state_open(&in->file->f_path, ser);
	if (IS_ERR(file))
		return file;

	luo_memfd_make_evictable(in);
	SHMEM_I(inode)->seals = seals;
	/* As F_ADD_SEALS does; nobody can have a mapping yet. */
	if (seals & F_SEAL_WRITE)
		WARN_ON_ONCE(mapping_deny_writable(inode->i_mapping));
	return file;
}

int luo_memfd_retrieve(struct liveupdate_file_op_args *args)
{
	const struct luo_state_ser *ser = luo_pages_blob(args->pages);
	struct memfd_incoming *in = args->private_data;
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
	err = luo_memfd_fill(in);
	if (err)
		return err;
	file = in->charge ? luo_tmpfs_end(in, get_file(in->file), ser) : incoming_end(in, ser);
	if (IS_ERR(file))
		return PTR_ERR(file);

	fput(in->file);
	kfree(in);
	args->private_data = NULL;
	args->file = file;
	luo_when_note(LUO_WHEN_RETRIEVED);
	return 0;
}

/* The session ends, and nobody has got the file: its memory is free again. */
void luo_memfd_finish(struct liveupdate_file_op_args *args)
{
	struct memfd_incoming *in = args->private_data;

	if (args->retrieve_status > 0 || !args->pages->head)
		return;
	if (!in) {
		luo_cache_release(args->pages);
		return;
	}
	luo_fill_drop(&in->fill);
	luo_memfd_make_evictable(in);
	/* All of it was charged; what never came in cannot give it back itself. */
	if (in->charge)
		luo_tmpfs_drop(in);
	else
		count_pages(in, in->left);
	fput(in->file);
	kfree(in);
	args->private_data = NULL;
}

static const struct liveupdate_file_ops memfd_ops = {
	.can_preserve	= memfd_can_preserve,
	.preserve	= luo_memfd_preserve,
	.unpreserve	= luo_cache_unpreserve,
	.prefreeze	= luo_cache_prefreeze,
	.freeze		= luo_memfd_freeze,
	.unfreeze	= luo_cache_unfreeze,
	.retrieve	= luo_memfd_retrieve,
	.finish		= luo_memfd_finish,
	.get_id		= luo_cache_get_id,
	.owner		= THIS_MODULE,
};

static struct liveupdate_file_handler memfd_handler = {
	.ops		= &memfd_ops,
	.compatible	= "liveupdate,memfd-v1",
};

int luo_memfd_init(void)
{
	BUILD_BUG_ON(sizeof(struct luo_state_ser) > LUO_BLOB_SIZE);
	return liveupdate_register_file_handler(&memfd_handler);
}

void luo_memfd_exit(void)
{
	liveupdate_unregister_file_handler(&memfd_handler);
}
