// SPDX-License-Identifier: GPL-2.0-only
/*
 * File handler for memfds, and whatever else is an unlinked file of shmem.
 */
#define pr_fmt(fmt) "liveupdate: " fmt

#include <linux/cred.h>
#include <linux/delay.h>
#include <linux/dcache.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/lockdep.h>
#include <linux/memfd.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/user_namespace.h>
#include <linux/vmstat.h>
#include <linux/xarray.h>
#include <uapi/linux/fcntl.h>

#include "handlers.h"
#include "memfd.h"

/**
 * DOC: Memfds
 *
 * PRESERVE_FD brings every page of the file into memory (swap), takes a
 * reference to each folio, which keeps it from being reclaimed, migrated and
 * split, and writes the runs of folios into page blocks. The file stays in use:
 * pages come and go. At the freeze the file is locked (inode lock, as write(2)
 * and truncation take) and its page cache is compared with the blocks, without
 * any lock or atomic operation on a page that is where it was; only blocks
 * that differ are written again. LIVEUPDATE_SESSION_FREEZE does the same ahead of
 * time, and unlocked, so that it finds few.
 *
 * Contents are what is in the pages when the CPUs stop: a mapping that is
 * written to after the freeze still changes them, but a page that is first
 * touched then is lost. Whoever holds a mapping is to be stopped first.
 *
 * Holes stay holes. Pages that were allocated but never written (fallocate())
 * are not uptodate: the next kernel zeroes them.
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
 *
 * Locks: the core holds the session's mutex. Inode locks are taken by freeze
 * and held until unfreeze; since no two files share an inode, order does not
 * matter, but lockdep cannot count that far and is told to look away.
 */

static const struct { unsigned int ser, file; } memfd_flags[] = {
	{ MEMFD_APPEND, O_APPEND },
	{ MEMFD_NONBLOCK, O_NONBLOCK },
	{ MEMFD_NOATIME, O_NOATIME },
};

static bool memfd_can_preserve(struct liveupdate_file_handler *fh, struct file *file)
{
	struct inode *inode = file_inode(file);

	return shmem_mapping(file->f_mapping) && S_ISREG(inode->i_mode) && !inode->i_nlink;
}

unsigned long luo_memfd_get_id(struct file *file)
{
	return (unsigned long)file_inode(file);
}

/* ------------------------------------------------------------- outgoing */

static void unpin(u64 pfn, unsigned int order, u32 count)
{
	while (count--) {
		folio_put(page_folio(pfn_to_page(pfn)));
		pfn += 1UL << order;
	}
}

static void drop_extent(const struct luo_extent *ext)
{
	luo_frames_untrack(ext->pfn, luo_extent_pages(ext));
	unpin(ext->pfn, ext->order, ext->count);
}

static void describe(struct folio *folio, struct luo_extent *ret)
{
	ret->index = folio->index;
	ret->pfn = folio_pfn(folio);
	ret->count = 1;
	ret->order = folio_order(folio);
	ret->flags = folio_test_uptodate(folio) ? LUO_EXTENT_UPTODATE : 0;
}

static bool continues(const struct luo_extent *run, const struct luo_extent *next)
{
	u64 pages = luo_extent_pages(run);

	return run->count && run->count < LUO_EXTENT_MAX_COUNT &&
	       run->index + pages == next->index && run->pfn + pages == next->pfn &&
	       run->order == next->order && run->flags == next->flags;
}

/*
 * Next folio at or after *@index and not beyond @last, with a reference; NULL
 * at the end. Brings it in from swap. Reads ahead in the tree, so that the cost
 * of a walk is one step a page.
 */
struct walk {
	struct address_space *mapping;
	pgoff_t index, last;
	struct folio *batch[64];
	unsigned int nr, next;
};

static int walk_fill(struct walk *w)
{
	XA_STATE(xas, &w->mapping->i_pages, w->index);
	pgoff_t swapped = 0;
	bool is_swapped = false;
	struct folio *folio;
	struct page *page;

	w->nr = 0;
	w->next = 0;

	rcu_read_lock();
	xas_for_each(&xas, folio, w->last) {
		if (xas_retry(&xas, folio))
			continue;
		if (xa_is_value(folio)) {
			swapped = max(xas.xa_index, w->index);
			is_swapped = true;
			break;
		}
		if (!folio_try_get(folio)) {
			xas_reset(&xas);
			continue;
		}
		if (unlikely(folio != xas_reload(&xas))) {
			folio_put(folio);
			xas_reset(&xas);
			continue;
		}
		w->batch[w->nr++] = folio;
		if (w->nr == ARRAY_SIZE(w->batch))
			break;
	}
	rcu_read_unlock();

	if (w->nr || !is_swapped)
		return 0;

	page = shmem_read_mapping_page_gfp(w->mapping, swapped, mapping_gfp_mask(w->mapping));
	if (!IS_ERR(page)) {
		w->batch[w->nr++] = page_folio(page);
		return 0;
	}
	/*
	 * Beyond the end of the file nobody can bring a page in again, and
	 * nobody can see what is in it. It becomes a hole.
	 */
	if (PTR_ERR(page) == -EINVAL &&
	    swapped >= DIV_ROUND_UP(i_size_read(w->mapping->host), PAGE_SIZE)) {
		w->index = swapped + 1;
		return -EAGAIN;
	}
	return PTR_ERR(page);
}

static int walk_next(struct walk *w, struct folio **ret)
{
	struct folio *folio;
	int err;

	*ret = NULL;
	for (;;) {
		if (w->next == w->nr) {
			if (w->index > w->last || !(w->index + 1))
				return 0;
			cond_resched();
			err = walk_fill(w);
			if (err == -EAGAIN)
				continue;
			if (err)
				return err;
			if (!w->nr)
				return 0;
		}
		folio = w->batch[w->next++];
		if (folio_test_hwpoison(folio) ||
		    (folio_test_large(folio) && folio_test_has_hwpoisoned(folio))) {
			folio_put(folio);
			luo_error("a page of the file is damaged (memory failure): punch it out of the file first");
			return -EHWPOISON;
		}
		/* One that reaches in from before belongs to what has been. */
		if (folio->index >= w->index)
			break;
		folio_put(folio);
		if (w->next == w->nr)
			w->index = max(w->index, folio->index + folio_nr_pages(folio));
	}
	w->index = folio->index + folio_nr_pages(folio);
	*ret = folio;
	return 0;
}

static void walk_end(struct walk *w)
{
	while (w->next < w->nr)
		folio_put(w->batch[w->next++]);
}

static int pin_run(struct luo_pages *pages, const struct luo_extent *run)
{
	int err;

	if (!run->count)
		return 0;
	err = luo_frames_track(run->pfn, luo_extent_pages(run));
	if (err)
		goto err_unpin;
	err = luo_pages_append(pages, run);
	if (err)
		goto err_untrack;
	return 0;

err_untrack:
	luo_frames_untrack(run->pfn, luo_extent_pages(run));
err_unpin:
	unpin(run->pfn, run->order, run->count);
	return err;
}

static void release_outgoing(struct luo_pages *pages)
{
	struct luo_extent ext;
	unsigned int i;
	void *block;

	for (block = luo_pages_first(pages); block; block = luo_pages_next(block)) {
		for (i = 0; i < luo_block_nr_extents(block); i++) {
			luo_block_extent(block, i, &ext);
			drop_extent(&ext);
		}
		cond_resched();
	}
	luo_pages_destroy(pages);
}

int luo_memfd_preserve(struct liveupdate_file_op_args *args)
{
	struct inode *inode = file_inode(args->file);
	struct walk w = { .mapping = inode->i_mapping, .last = ULONG_MAX };
	struct luo_extent run = { }, ext;
	struct folio *folio;
	int err;

	if (SHMEM_I(inode)->seals & ~MEMFD_SEALS)
		return -EOPNOTSUPP;
	luo_own_last_page();
	err = luo_pages_init(args->pages);
	if (err)
		return err;

	for (;;) {
		err = fatal_signal_pending(current) ? -EINTR : walk_next(&w, &folio);
		if (err)
			goto err_unpin_run;
		if (!folio)
			break;
		describe(folio, &ext);
		if (continues(&run, &ext)) {
			run.count++;
			continue;
		}
		err = pin_run(args->pages, &run);
		run = ext;
		if (err)
			goto err_unpin_run;
	}
	err = pin_run(args->pages, &run);
	run.count = 0;
	if (err)
		goto err_unpin_run;
	luo_pages_seal(args->pages);
	return 0;

err_unpin_run:
	walk_end(&w);
	unpin(run.pfn, run.order, run.count);
	release_outgoing(args->pages);
	return err;
}

void luo_memfd_unpreserve(struct liveupdate_file_op_args *args)
{
	release_outgoing(args->pages);
}

static int lock_file(struct inode *inode)
{
	int i, ok = 0;

	for (i = 0; i < 2000 && !ok; i++) {
		if (i)
			usleep_range(500, 1000);
		lockdep_off();
		ok = down_write_trylock(&inode->i_rwsem);
		lockdep_on();
	}
	if (ok)
		return 0;
	luo_error("a preserved file is being written or truncated, and does not come to rest: stop its users first");
	return -EBUSY;
}

static void unlock_file(struct inode *inode)
{
	lockdep_off();
	up_write(&inode->i_rwsem);
	lockdep_on();
}

static void save_state(struct file *file, struct memfd_ser *ser)
{
	struct inode *inode = file_inode(file);
	struct name_snapshot name;
	u32 flags = 0;
	unsigned int i;

	if (file->f_mode & FMODE_READ)
		flags |= MEMFD_READ;
	if (file->f_mode & FMODE_WRITE)
		flags |= MEMFD_WRITE;
	for (i = 0; i < ARRAY_SIZE(memfd_flags); i++) {
		if (file->f_flags & memfd_flags[i].file)
			flags |= memfd_flags[i].ser;
	}
	memset(ser, 0, sizeof(*ser));
	ser->version = cpu_to_le32(MEMFD_VERSION);
	ser->flags = cpu_to_le32(flags);
	ser->size = cpu_to_le64(i_size_read(inode));
	ser->pos = cpu_to_le64(file->f_pos);
	ser->seals = cpu_to_le32(SHMEM_I(inode)->seals);
	ser->mode = cpu_to_le32(inode->i_mode & 07777);
	ser->uid = cpu_to_le32(from_kuid(&init_user_ns, inode->i_uid));
	ser->gid = cpu_to_le32(from_kgid(&init_user_ns, inode->i_gid));
	take_dentry_name_snapshot(&name, file->f_path.dentry);
	strscpy(ser->name, name.name.name, sizeof(ser->name));
	release_dentry_name_snapshot(&name);
}

/* First index that a later block speaks of. */
static pgoff_t block_end(const void *block)
{
	const void *next = block;
	struct luo_extent ext;

	while ((next = luo_pages_next(next))) {
		if (luo_block_nr_extents(next)) {
			luo_block_extent(next, 0, &ext);
			return ext.index - 1;
		}
	}
	return ULONG_MAX;
}

/*
 * Is the page cache between @first and @last what @block says? Looks at nothing
 * but the tree and one flag of each folio.
 */
static bool block_is_current(struct address_space *mapping, const void *block,
			     pgoff_t first, pgoff_t last)
{
	XA_STATE(xas, &mapping->i_pages, first);
	unsigned int i = 0, nr = luo_block_nr_extents(block), steps = 0;
	struct luo_extent ext = { };
	bool same = true;
	struct folio *folio;
	u32 left = 0;

	rcu_read_lock();
	xas_for_each(&xas, folio, last) {
		if (xas_retry(&xas, folio))
			continue;
		if (!left) {
			same = i < nr;
			if (!same)
				break;
			luo_block_extent(block, i++, &ext);
			left = ext.count;
		}
		/*
		 * Pinned folios neither move nor split: address and place say it
		 * all. They become uptodate, but never cease to be, so only
		 * those that were not have to be looked at.
		 */
		same = folio == (struct folio *)pfn_to_page(ext.pfn) &&
		       xas.xa_index == ext.index &&
		       (ext.flags & LUO_EXTENT_UPTODATE || !folio_test_uptodate(folio));
		if (!same)
			break;
		ext.index += 1UL << ext.order;
		ext.pfn += 1UL << ext.order;
		left--;
		if (++steps % 4096 == 0) {
			xas_pause(&xas);
			rcu_read_unlock();
			cond_resched();
			rcu_read_lock();
		}
	}
	rcu_read_unlock();
	return same && !left && i == nr;
}

/* Does one of @ext, which are in order, have this folio at this place? */
static bool extents_have(const struct luo_extent *ext, unsigned long nr, u64 index, u64 pfn)
{
	unsigned long low = 0, high = nr;

	while (low < high) {
		unsigned long mid = low + (high - low) / 2;

		if (index < ext[mid].index)
			high = mid;
		else if (index >= ext[mid].index + luo_extent_pages(&ext[mid]))
			low = mid + 1;
		else
			return ext[mid].pfn + (index - ext[mid].index) == pfn;
	}
	return false;
}

/* Drops the folios of @ext that @keep does not have at the same place. */
static void drop_others(const struct luo_extent *ext, unsigned long nr,
			const struct luo_extent *keep, unsigned long nr_keep)
{
	unsigned long i;

	for (i = 0; i < nr; i++) {
		struct luo_extent one = ext[i];

		for (one.count = 1; one.index < ext[i].index + luo_extent_pages(&ext[i]);
		     one.index += 1UL << one.order, one.pfn += 1UL << one.order) {
			if (!extents_have(keep, nr_keep, one.index, one.pfn))
				drop_extent(&one);
		}
	}
}

struct extents {
	struct luo_extent *ext;
	unsigned long nr, max;
};

static int extents_add(struct extents *e, const struct luo_extent *ext)
{
	if (e->nr && continues(&e->ext[e->nr - 1], ext)) {
		e->ext[e->nr - 1].count++;
		return 0;
	}
	if (e->nr == e->max) {
		unsigned long max = max(512UL, e->max * 2);
		struct luo_extent *new = kvmalloc_array(max, sizeof(*new), GFP_KERNEL);

		if (!new)
			return -ENOMEM;
		if (e->nr)
			memcpy(new, e->ext, e->nr * sizeof(*new));
		kvfree(e->ext);
		e->ext = new;
		e->max = max;
	}
	e->ext[e->nr++] = *ext;
	return 0;
}

/*
 * Write @block again from the page cache: pin what is new, let go what is no
 * longer there. Sets *@ret_last to the last block written.
 */
static int rewrite_block(struct address_space *mapping, struct luo_pages *pages,
			 void *block, pgoff_t first, pgoff_t last, void **ret_last)
{
	struct walk w = { .mapping = mapping, .index = first, .last = last };
	struct extents old = { }, new = { };
	struct luo_extent ext;
	struct folio *folio;
	unsigned int i;
	void *end;
	int err = 0;

	old.nr = luo_block_nr_extents(block);
	old.ext = kvmalloc_array(max(old.nr, 1UL), sizeof(*old.ext), GFP_KERNEL);
	if (!old.ext)
		return -ENOMEM;
	for (i = 0; i < old.nr; i++)
		luo_block_extent(block, i, &old.ext[i]);

	for (;;) {
		err = walk_next(&w, &folio);
		if (err)
			goto err_drop;
		if (!folio)
			break;
		describe(folio, &ext);
		if (extents_have(old.ext, old.nr, ext.index, ext.pfn)) {
			folio_put(folio);
		} else {
			err = luo_frames_track(ext.pfn, luo_extent_pages(&ext));
			if (err) {
				folio_put(folio);
				goto err_drop;
			}
		}
		err = extents_add(&new, &ext);
		if (err) {
			if (!extents_have(old.ext, old.nr, ext.index, ext.pfn))
				drop_extent(&ext);
			goto err_drop;
		}
	}

	end = luo_pages_replace(pages, block, new.ext, new.nr);
	if (IS_ERR(end)) {
		err = PTR_ERR(end);
		goto err_drop;
	}
	*ret_last = end;
	drop_others(old.ext, old.nr, new.ext, new.nr);
	goto out;

err_drop:
	walk_end(&w);
	drop_others(new.ext, new.nr, old.ext, old.nr);
out:
	kvfree(old.ext);
	kvfree(new.ext);
	return err;
}

/* Has the blocks say what is in the page cache. */
static int update_blocks(struct address_space *mapping, struct luo_pages *pages)
{
	pgoff_t first = 0, last;
	void *block;
	int err;

	for (block = luo_pages_first(pages); block; block = luo_pages_next(block)) {
		last = block_end(block);
		if (!block_is_current(mapping, block, first, last)) {
			err = rewrite_block(mapping, pages, block, first, last, &block);
			if (err)
				return err;
		}
		if (last == ULONG_MAX)
			break;
		first = last + 1;
	}
	return 0;
}

/*
 * As preserve(), without a lock: the inode's could not be kept for longer than
 * this call, since whoever writes to the file would wait for it, and not to be
 * killed. So the freeze compares again, and finds little to do.
 */
int luo_memfd_prefreeze(struct liveupdate_file_op_args *args)
{
	luo_own_last_page();
	return update_blocks(args->file->f_mapping, args->pages);
}

int luo_memfd_freeze(struct liveupdate_file_op_args *args)
{
	struct inode *inode = file_inode(args->file);
	struct luo_pages *pages = args->pages;
	int err;

	err = lock_file(inode);
	if (err)
		return err;
	err = update_blocks(inode->i_mapping, pages);
	if (err) {
		unlock_file(inode);
		return err;
	}
	save_state(args->file, luo_pages_blob(pages));
	luo_pages_seal_blob(pages);
	return 0;
}

void luo_memfd_unfreeze(struct liveupdate_file_op_args *args)
{
	unlock_file(file_inode(args->file));
}

/* ------------------------------------------------------------- incoming */

bool luo_memfd_ser_sound(const struct memfd_ser *ser)
{
	u64 size = le64_to_cpu(ser->size), pos = le64_to_cpu(ser->pos);

	return le32_to_cpu(ser->version) == MEMFD_VERSION &&
	       !(le32_to_cpu(ser->flags) & ~MEMFD_FLAGS) &&
	       (le32_to_cpu(ser->flags) & (MEMFD_READ | MEMFD_WRITE)) &&
	       size <= MAX_LFS_FILESIZE && pos <= MAX_LFS_FILESIZE &&
	       !(le32_to_cpu(ser->seals) & ~MEMFD_SEALS) &&
	       !(le32_to_cpu(ser->mode) & ~07777) &&
	       strnlen(ser->name, sizeof(ser->name)) < sizeof(ser->name);
}

static struct memfd_incoming *incoming_start(struct luo_pages *pages)
{
	const struct memfd_ser *ser = luo_pages_blob(pages);
	struct memfd_incoming *in;
	struct inode *inode;

	if (!luo_memfd_ser_sound(ser) || pages->nr_pages > MAX_LFS_FILESIZE >> PAGE_SHIFT)
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
	in->block = luo_pages_first(pages);
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

static struct folio *make_folio(const struct luo_extent *ext, u64 offset)
{
	unsigned int order = luo_folio_order_ok(ext->order) ? ext->order : 0;
	struct folio *folio = luo_frames_take(ext->pfn + offset, order);
	long i;

	if (!folio)
		return NULL;
	if (!(ext->flags & LUO_EXTENT_UPTODATE)) {
		for (i = 0; i < folio_nr_pages(folio); i++)
			clear_highpage(folio_page(folio, i));
	}
	/* Nobody else can see it yet: no atomics. */
	__set_bit(PG_dirty, folio_flags(folio, 0));
	__folio_mark_uptodate(folio);
	return folio;
}

/* Goes on until everything is in the file, or there is a reason to stop. */
int luo_memfd_fill(struct memfd_incoming *in)
{
	struct address_space *mapping = in->file->f_mapping;
	struct shmem_stats stats = { };
	struct luo_extent ext;
	u64 added = 0;
	int err = 0;

	for (; in->block; in->block = luo_pages_next(in->block), in->ext = 0) {
		for (; in->ext < luo_block_nr_extents(in->block); in->ext++, in->done = 0) {
			luo_block_extent(in->block, in->ext, &ext);
			while (in->done < luo_extent_pages(&ext)) {
				long nr;

				if (!in->ready)
					in->ready = make_folio(&ext, in->done);
				if (!in->ready) {
					pr_err("frame %#llx is not as it should be\n",
					       ext.pfn + in->done);
					err = -EIO;
					goto out;
				}
				nr = folio_nr_pages(in->ready);
				err = add_folio(mapping, in->ready, ext.index + in->done, &stats);
				if (err)
					goto out;
				in->ready = NULL;
				in->done += nr;
				added += nr;
			}
		}
		if (fatal_signal_pending(current)) {
			in->block = luo_pages_next(in->block);
			in->ext = 0;
			err = in->block ? -EINTR : 0;
			break;
		}
		cond_resched();
	}
out:
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

static struct file *incoming_end(struct memfd_incoming *in, const struct memfd_ser *ser)
{
	struct inode *inode = file_inode(in->file);
	u32 ser_flags = le32_to_cpu(ser->flags), seals = le32_to_cpu(ser->seals);
	int flags = O_LARGEFILE;
	struct file *file;
	kuid_t uid = make_kuid(&init_user_ns, le32_to_cpu(ser->uid));
	kgid_t gid = make_kgid(&init_user_ns, le32_to_cpu(ser->gid));
	unsigned int i;

	if (!uid_valid(uid) || !gid_valid(gid))
		return ERR_PTR(-EIO);
	if ((ser_flags & (MEMFD_READ | MEMFD_WRITE)) == (MEMFD_READ | MEMFD_WRITE))
		flags |= O_RDWR;
	else if (ser_flags & MEMFD_WRITE)
		flags |= O_WRONLY;
	for (i = 0; i < ARRAY_SIZE(memfd_flags); i++) {
		if (ser_flags & memfd_flags[i].ser)
			flags |= memfd_flags[i].file;
	}

	/* A file of its own: the one that shmem gave us is open for everything. */
	file = dentry_open(&in->file->f_path, flags, current_cred());
	if (IS_ERR(file))
		return file;
	file->f_pos = le64_to_cpu(ser->pos);

	luo_memfd_make_evictable(in);
	inode->i_uid = uid;
	inode->i_gid = gid;
	inode->i_mode = S_IFREG | le32_to_cpu(ser->mode);
	SHMEM_I(inode)->seals = seals;
	/* As F_ADD_SEALS does; nobody can have a mapping yet. */
	if (seals & F_SEAL_WRITE)
		WARN_ON_ONCE(mapping_deny_writable(inode->i_mapping));
	return file;
}

int luo_memfd_retrieve(struct liveupdate_file_op_args *args)
{
	const struct memfd_ser *ser = luo_pages_blob(args->pages);
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
static void incoming_drop(struct memfd_incoming *in, struct luo_pages *pages)
{
	void *block = in ? in->block : luo_pages_first(pages);
	unsigned int i = in ? in->ext : 0;
	u64 done = in ? in->done : 0;
	struct luo_extent ext;

	if (in && in->ready) {
		done += folio_nr_pages(in->ready);
		folio_put(in->ready);
	}
	for (; block; block = luo_pages_next(block), i = 0) {
		for (; i < luo_block_nr_extents(block); i++, done = 0) {
			luo_block_extent(block, i, &ext);
			luo_incoming_release(ext.pfn + done, luo_extent_pages(&ext) - done);
		}
		cond_resched();
	}
	if (in) {
		luo_memfd_make_evictable(in);
		/* All of it was charged; what never came in cannot give it back itself. */
		if (in->charge)
			luo_tmpfs_drop(in);
		else
			count_pages(in, in->left);
		fput(in->file);
		kfree(in);
	}
}

void luo_memfd_finish(struct liveupdate_file_op_args *args)
{
	if (args->retrieve_status > 0 || !args->pages->head)
		return;
	incoming_drop(args->private_data, args->pages);
	args->private_data = NULL;
}

static const struct liveupdate_file_ops memfd_ops = {
	.can_preserve	= memfd_can_preserve,
	.preserve	= luo_memfd_preserve,
	.unpreserve	= luo_memfd_unpreserve,
	.freeze		= luo_memfd_freeze,
	.unfreeze	= luo_memfd_unfreeze,
	.retrieve	= luo_memfd_retrieve,
	.finish		= luo_memfd_finish,
	.get_id		= luo_memfd_get_id,
	.prefreeze	= luo_memfd_prefreeze,
	.owner		= THIS_MODULE,
};

static struct liveupdate_file_handler memfd_handler = {
	.ops		= &memfd_ops,
	.compatible	= "liveupdate,memfd-v1",
};

int luo_memfd_init(void)
{
	BUILD_BUG_ON(sizeof(struct memfd_ser) > LUO_BLOB_SIZE);
	return liveupdate_register_file_handler(&memfd_handler);
}

void luo_memfd_exit(void)
{
	liveupdate_unregister_file_handler(&memfd_handler);
}
