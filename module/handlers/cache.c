// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preserving files whose contents are their page cache.
 */
#define pr_fmt(fmt) "liveupdate: " fmt

#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "handlers.h"

/**
 * DOC: Page caches
 *
 * luo_cache_preserve() brings every page of the file into memory (swap), takes
 * a reference to each folio, which keeps it from being reclaimed, migrated and
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
 * Locks: the core holds the session's mutex. Inode locks are taken by freeze
 * and held until unfreeze; since no two files share an inode, order does not
 * matter, but lockdep cannot count that far and is told to look away.
 */

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

/* Everywhere here an index is one of 4 KiB pages, except in the tree itself. */
static unsigned int tree_shift(const struct address_space *mapping)
{
	return luo_is_hugetlbfs(mapping->host) ? luo_hugetlb_index_shift(mapping->host) : 0;
}

static u64 folio_place(const struct address_space *mapping, const struct folio *folio)
{
	return (u64)folio->index << tree_shift(mapping);
}

static void describe(const struct address_space *mapping, struct folio *folio,
		     struct luo_extent *ret)
{
	ret->index = folio_place(mapping, folio);
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
	unsigned int shift = tree_shift(w->mapping);
	XA_STATE(xas, &w->mapping->i_pages, w->index >> shift);
	pgoff_t swapped = 0;
	bool is_swapped = false;
	struct folio *folio;
	struct page *page;

	w->nr = 0;
	w->next = 0;

	rcu_read_lock();
	xas_for_each(&xas, folio, w->last >> shift) {
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
	pgoff_t index;
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
		index = folio_place(w->mapping, folio);
		if (index >= w->index)
			break;
		folio_put(folio);
		if (w->next == w->nr)
			w->index = max(w->index, index + folio_nr_pages(folio));
	}
	w->index = index + folio_nr_pages(folio);
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

static int preserve(struct liveupdate_file_op_args *args)
{
	struct address_space *mapping = args->file->f_mapping;
	struct walk w = { .mapping = mapping, .last = ULONG_MAX };
	struct luo_pages *pages = args->pages;
	struct luo_extent run = { }, ext;
	struct folio *folio;
	int err;

	err = luo_pages_init(pages);
	if (err)
		return err;

	for (;;) {
		err = fatal_signal_pending(current) ? -EINTR : walk_next(&w, &folio);
		if (err)
			goto err_unpin_run;
		if (!folio)
			break;
		describe(mapping, folio, &ext);
		if (continues(&run, &ext)) {
			run.count++;
			continue;
		}
		err = pin_run(pages, &run);
		run = ext;
		if (err)
			goto err_unpin_run;
	}
	err = pin_run(pages, &run);
	run.count = 0;
	if (err)
		goto err_unpin_run;
	luo_pages_seal(pages);
	return 0;

err_unpin_run:
	walk_end(&w);
	unpin(run.pfn, run.order, run.count);
	release_outgoing(pages);
	return err;
}

int luo_cache_preserve(struct liveupdate_file_op_args *args, u32 seals)
{
	int err;

	if (seals & ~LUO_STATE_SEALS)
		return -EOPNOTSUPP;
	err = preserve(args);
	if (err == -EADDRINUSE) {
		luo_own_last_page();
		err = preserve(args);
	}
	return luo_frames_refused(err);
}

void luo_cache_unpreserve(struct liveupdate_file_op_args *args)
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
	unsigned int shift = tree_shift(mapping);
	XA_STATE(xas, &mapping->i_pages, first >> shift);
	unsigned int i = 0, nr = luo_block_nr_extents(block), steps = 0;
	struct luo_extent ext = { };
	bool same = true;
	struct folio *folio;
	u32 left = 0;

	rcu_read_lock();
	xas_for_each(&xas, folio, last >> shift) {
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
		       (u64)xas.xa_index << shift == ext.index &&
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
		describe(mapping, folio, &ext);
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

static int update(struct address_space *mapping, struct luo_pages *pages)
{
	int err = update_blocks(mapping, pages);

	if (err == -EADDRINUSE) {
		luo_own_last_page();
		err = update_blocks(mapping, pages);
	}
	return luo_frames_refused(err);
}

/*
 * As preserve(), without a lock: the inode's could not be kept for longer than
 * this call, since whoever writes to the file would wait for it, and not to be
 * killed. So the freeze compares again, and finds little to do.
 */
int luo_cache_prefreeze(struct liveupdate_file_op_args *args)
{
	return update(args->file->f_mapping, args->pages);
}

int luo_cache_freeze(struct liveupdate_file_op_args *args)
{
	struct address_space *mapping = args->file->f_mapping;
	int err;

	err = lock_file(mapping->host);
	if (err)
		return err;
	err = update(mapping, args->pages);
	if (err)
		unlock_file(mapping->host);
	return err;
}

void luo_cache_unfreeze(struct liveupdate_file_op_args *args)
{
	unlock_file(args->file->f_mapping->host);
}

unsigned long luo_cache_get_id(struct file *file)
{
	return (unsigned long)file_inode(file);
}

/* ------------------------------------------------------------- incoming */

void luo_fill_begin(struct luo_fill *fill, struct luo_pages *pages)
{
	*fill = (struct luo_fill){ .block = luo_pages_first(pages) };
}

/* Smaller than it was where this kernel has no folios of that size. */
static struct folio *make_folio(const struct luo_extent *ext, u64 offset)
{
	unsigned int order = min_t(unsigned int, ext->order, HPAGE_PMD_ORDER);
	struct folio *folio;
	long i;

	folio = luo_frames_take(ext->pfn + offset, luo_folio_order_ok(order) ? order : 0);
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

struct folio *luo_fill_next(struct luo_fill *fill, pgoff_t *ret_index)
{
	struct luo_extent ext;

	while (fill->block && fill->ext == luo_block_nr_extents(fill->block)) {
		fill->block = luo_pages_next(fill->block);
		fill->ext = 0;
	}
	if (!fill->block)
		return NULL;

	luo_block_extent(fill->block, fill->ext, &ext);
	if (!fill->ready) {
		/* Here, since one extent may be all memory there is. */
		cond_resched();
		if (fatal_signal_pending(current))
			return ERR_PTR(-EINTR);
		fill->ready = make_folio(&ext, fill->done);
	}
	if (!fill->ready) {
		pr_err("frame %#llx is not as it should be\n", ext.pfn + fill->done);
		return ERR_PTR(-EIO);
	}
	*ret_index = ext.index + fill->done;
	return fill->ready;
}

void luo_fill_done(struct luo_fill *fill)
{
	struct luo_extent ext;

	luo_block_extent(fill->block, fill->ext, &ext);
	fill->done += folio_nr_pages(fill->ready);
	fill->ready = NULL;
	if (fill->done == luo_extent_pages(&ext)) {
		fill->ext++;
		fill->done = 0;
	}
}

void luo_fill_drop(struct luo_fill *fill)
{
	struct luo_extent ext;

	if (fill->ready) {
		struct folio *folio = fill->ready;

		luo_fill_done(fill);
		luo_incoming_returned(folio_nr_pages(folio));
		folio_put(folio);
	}
	for (; fill->block; fill->block = luo_pages_next(fill->block), fill->ext = 0) {
		for (; fill->ext < luo_block_nr_extents(fill->block); fill->ext++, fill->done = 0) {
			luo_block_extent(fill->block, fill->ext, &ext);
			luo_incoming_release(ext.pfn + fill->done,
					     luo_extent_pages(&ext) - fill->done);
		}
		cond_resched();
	}
}

void luo_cache_release(struct luo_pages *pages)
{
	struct luo_fill fill;

	luo_fill_begin(&fill, pages);
	luo_fill_drop(&fill);
}
