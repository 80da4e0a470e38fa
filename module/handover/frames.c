// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page frames: which are kept for the next kernel, and how those that came
 * from the previous one get back into use.
 */
#define pr_fmt(fmt) "liveupdate: " fmt

#include <linux/bitmap.h>
#include <linux/io.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>

#include "luo_handover.h"

/**
 * DOC: Frames
 *
 * Outgoing: one bit for each frame of RAM says whether the next kernel must
 * keep its hands off it: pages of preserved files, blocks of the image, the
 * chain. 32 KiB of bits for each GiB. The bitmap is what luo_cover() reads.
 *
 * Incoming: covered frames are PageReserved, have a refcount of one and were
 * never in the allocator. They leave that state exactly once: freed
 * (luo_frames_free()), as a folio (luo_frames_take()), or as single pages. What belongs to
 * somebody is counted as managed memory from arrival (incoming.c): the kernel
 * measures requests for memory by it, such as that of a file which is larger
 * than all else.
 *
 * Both: frames that came, have left that state not yet, and are to go on to the
 * next kernel (luo_carry.c) have their bits in the bitmap, too.
 *
 * Locks: kept_lock protects the bitmap and its counter; innermost.
 */
static unsigned long *kept;
static u64 kept_pages;
static u64 kept_limit;
static DEFINE_SPINLOCK(kept_lock);

static unsigned int pin_limit = 85;
module_param(pin_limit, uint, 0444);
MODULE_PARM_DESC(pin_limit, "Largest part of RAM that may be preserved, in percent [85]");

int luo_frames_init(void)
{
	const struct luo_bootinfo *bi = &luo_bootinfo;
	u64 memmap = bi->ram_pages * sizeof(struct page) / PAGE_SIZE;
	u64 floor = (128ULL << 20 >> PAGE_SHIFT) + memmap;

	kept = vzalloc(BITS_TO_LONGS(bi->max_pfn) * sizeof(long));
	if (!kept)
		return -ENOMEM;
	kept_limit = bi->ram_pages * min(pin_limit, 100U) / 100;
	kept_limit = min(kept_limit, bi->ram_pages > floor ? bi->ram_pages - floor : 0);
	return 0;
}

void luo_frames_exit(void)
{
	WARN_ON_ONCE(kept_pages);
	vfree(kept);
	kept = NULL;
}

int luo_frames_track(u64 pfn, u64 nr)
{
	int err = 0;

	if (!luo_is_boot_ram(pfn, nr)) {
		luo_error("some of this memory cannot be preserved: it was plugged in after the boot, and the next kernel will not have it");
		return -EOPNOTSUPP;
	}
	if (luo_last_frame() - pfn < nr)
		return -EADDRINUSE;

	spin_lock(&kept_lock);
	if (kept_pages + nr > kept_limit)
		err = -ENOMEM;
	else if (find_next_bit(kept, pfn + nr, pfn) < pfn + nr)
		err = -EBUSY;
	if (!err) {
		bitmap_set(kept, pfn, nr);
		kept_pages += nr;
	}
	spin_unlock(&kept_lock);

	if (err == -ENOMEM)
		luo_error("no more than %llu MiB can be preserved: the next kernel needs the rest to start",
			  kept_limit >> (20 - PAGE_SHIFT));
	return err;
}

/* For users: luo_own_last_page() has not helped, or there was no use in trying. */
int luo_frames_refused(int err)
{
	if (err != -EADDRINUSE)
		return err;
	luo_error("the last page of RAM cannot be preserved, and whoever has it holds it fast: make the file anew, or free its memory");
	return -EOPNOTSUPP;
}

/* Memory of handlers does not move. */
static int track_memory(u64 pfn, u64 nr)
{
	return luo_frames_refused(luo_frames_track(pfn, nr));
}

void luo_frames_untrack(u64 pfn, u64 nr)
{
	spin_lock(&kept_lock);
	WARN_ON_ONCE(find_next_zero_bit(kept, pfn + nr, pfn) < pfn + nr);
	bitmap_clear(kept, pfn, nr);
	kept_pages -= nr;
	spin_unlock(&kept_lock);
}

/* They came, so there is no saying no. */
static void frames_carry(u64 pfn, u64 nr)
{
	spin_lock(&kept_lock);
	WARN_ON_ONCE(find_next_bit(kept, pfn + nr, pfn) < pfn + nr);
	bitmap_set(kept, pfn, nr);
	kept_pages += nr;
	spin_unlock(&kept_lock);
}

bool luo_frame_is_kept(u64 pfn)
{
	return test_bit(pfn, kept);
}

u64 luo_frames_kept(void)
{
	return READ_ONCE(kept_pages);
}

u64 luo_frames_limit(void)
{
	return kept_limit;
}

const unsigned long *luo_frames_bits(u64 *ret_nbits)
{
	*ret_nbits = luo_bootinfo.max_pfn;
	return kept;
}

void *luo_block_alloc(void)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN);

	BUILD_BUG_ON(LUO_BLOCK_SIZE != PAGE_SIZE);
	if (page && page_to_pfn(page) == luo_last_frame()) {
		luo_keep_last_page(page);
		page = alloc_page(GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN);
	}
	/* Memory that was plugged in later is above all other. */
	if (page && !luo_is_boot_ram(page_to_pfn(page), 1)) {
		__free_page(page);
		page = alloc_page(GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN | __GFP_DMA32);
	}
	if (!page)
		return NULL;
	if (luo_frames_track(page_to_pfn(page), 1)) {
		__free_page(page);
		return NULL;
	}
	return page_address(page);
}

void luo_block_free(void *block)
{
	luo_frames_untrack(page_to_pfn(virt_to_page(block)), 1);
	free_page((unsigned long)block);
}

static u64 block_phys(const void *block)
{
	return virt_to_phys((void *)block);
}

/*
 * A section with reserved pages cannot go offline, so what was online once
 * stays so, and neighbours need not ask again.
 */
bool luo_is_online_ram(u64 pfn, u64 nr)
{
	static unsigned long hint = ULONG_MAX;
	u64 p;

	if (!luo_is_boot_ram(pfn, nr))
		return false;
	for (p = pfn; p < pfn + nr; p = ALIGN(p + 1, PAGES_PER_SECTION)) {
		if (pfn_to_section_nr(p) == READ_ONCE(hint))
			continue;
		if (!pfn_to_online_page(p))
			return false;
		WRITE_ONCE(hint, pfn_to_section_nr(p));
	}
	return true;
}

static void *block_virt(u64 phys)
{
	return phys_to_virt(phys);
}

const struct luo_mem_ops luo_frames_ops = {
	.block_alloc	= luo_block_alloc,
	.block_free	= luo_block_free,
	.block_phys	= block_phys,
	.block_virt	= block_virt,
	.track		= track_memory,
	.untrack	= luo_frames_untrack,
	.claim		= luo_incoming_claim,
	.withhold	= luo_incoming_withhold,
	.release	= luo_incoming_release,
	.carry		= frames_carry,
	.uncarry	= luo_frames_untrack,
};

void luo_managed_flush(struct luo_managed *m)
{
	if (m->nr)
		adjust_managed_page_count(m->page, m->nr);
	m->nr = 0;
}

void luo_managed_add(struct luo_managed *m, struct page *page, long nr)
{
	if (m->nr && page_zone(m->page) != page_zone(page))
		luo_managed_flush(m);
	m->page = page;
	m->nr += nr;
}

/* As the early kernel leaves a reserved page, and nobody has touched since. */
static bool page_is_fresh(struct page *page)
{
	return PageReserved(page) && page_count(page) == 1 && !page->mapping &&
	       !PageCompound(page) && !PageLRU(page);
}

bool luo_frames_are_fresh(u64 pfn, u64 nr)
{
	struct page *page;
	u64 i;

	if (!luo_is_online_ram(pfn, nr))
		return false;
	page = pfn_to_page(pfn);
	for (i = 0; i < nr; i++) {
		if (!page_is_fresh(page + i))
			return false;
	}
	return nr == 1 || page_zone(page) == page_zone(page + nr - 1);
}

u64 luo_frames_free(u64 pfn, u64 nr, struct luo_managed *m)
{
	u64 end = pfn + nr, freed = 0;

	while (pfn < end) {
		unsigned int order = min_t(unsigned int, MAX_PAGE_ORDER, ilog2(end - pfn));
		struct page *page;
		unsigned long i;

		if (pfn)
			order = min_t(unsigned int, order, __ffs(pfn));
		/* Mixed blocks are taken apart, down to the frame that must stay. */
		while (order && !luo_frames_are_fresh(pfn, 1UL << order))
			order--;
		if (!luo_frames_are_fresh(pfn, 1UL << order)) {
			pfn++;
			continue;
		}

		page = pfn_to_page(pfn);
		for (i = 0; i < 1UL << order; i++) {
			__ClearPageReserved(page + i);
			set_page_count(page + i, 0);
		}
		set_page_count(page, 1);
		if (m)
			luo_managed_add(m, page, 1L << order);
		__free_pages(page, order);

		pfn += 1UL << order;
		freed += 1UL << order;
		cond_resched();
	}
	return freed;
}

struct page *luo_frames_take_pages(u64 pfn, u64 nr)
{
	struct page *page = pfn_to_page(pfn);
	u64 i;

	if (!luo_frames_are_fresh(pfn, nr))
		return NULL;
	for (i = 0; i < nr; i++)
		__ClearPageReserved(page + i);
	return page;
}

struct folio *luo_frames_take(u64 pfn, unsigned int order)
{
	struct page *page = pfn_to_page(pfn);
	unsigned long i, nr = 1UL << order;

	if (!luo_frames_are_fresh(pfn, nr))
		return NULL;

	__ClearPageReserved(page);
	for (i = 1; i < nr; i++) {
		__ClearPageReserved(page + i);
		set_page_count(page + i, 0);
	}
	if (order)
		luo_prep_compound(page, order);
	return (struct folio *)page;
}
