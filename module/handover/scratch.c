// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scratch: memory that the next kernel starts in.
 */
#define pr_fmt(fmt) "liveupdate: " fmt

#include <linux/gfp.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/module.h>
#include <linux/workqueue.h>

#include "luo_handover.h"

/**
 * DOC: Scratch
 *
 * Preserved pages may lie anywhere, so there must be memory of which we know
 * that nothing preserved ever lies in it: the next kernel's image, initrd and
 * boot parameters are copied there when everything else has stopped. The
 * module takes it from the allocator and keeps it until it is unloaded. It is
 * not given to anybody in between; its contents do not matter.
 *
 * One part lies below 4 GiB, for the image and for what needs DMA32 memory.
 * On big machines a second one holds the next kernel's struct pages (1.6 % of
 * RAM) in case everything else is covered.
 *
 * A worker takes it, so that a machine in its blackout does not wait; whoever
 * needs it waits for the worker. Failure is reported when somebody loads an
 * image, and tried again then, and only then: it may take seconds, which nobody
 * has who has frozen the sessions.
 */
static char *scratch = "";
module_param(scratch, charp, 0444);
MODULE_PARM_DESC(scratch, "Memory to start the next kernel in, e.g. 256M, 0 for none [computed]");

static DEFINE_MUTEX(scratch_lock);
static struct luo_range parts[LUO_MAX_SCRATCH];
static unsigned int nr_parts;
static u64 want_low, want_high;		/* page frames */
static struct page *last_page;		/* owned */

#define PFN_16M		(SZ_16M >> PAGE_SHIFT)
#define PFN_4G		(1ULL << (32 - PAGE_SHIFT))
#define STEP		(SZ_8M >> PAGE_SHIFT)
#define AT_ONCE		(SZ_8M >> PAGE_SHIFT)

/*
 * Cheap look: can this become ours at all? An attempt that fails is dear, since
 * what it has isolated up to there is zeroed. Pages that came from the previous
 * kernel and wait, and those that are preserved, do not move.
 */
static bool looks_free(u64 start, u64 end)
{
	const unsigned long *kept;
	u64 nbits, pfn;

	kept = luo_frames_bits(&nbits);
	if (find_next_bit(kept, end, start) < end)
		return false;
	for (pfn = start; pfn < end; pfn++) {
		struct page *page;

		if (pfn % pageblock_nr_pages == 0 || pfn == start) {
			page = pfn_to_online_page(pfn);
			if (!page || page_zone(page) != page_zone(pfn_to_page(start)))
				return false;
		}
		if (PageReserved(pfn_to_page(pfn)))
			return false;
	}
	return true;
}

/*
 * alloc_contig_range() does not let others run while it zeroes what it has
 * isolated (init_on_alloc=1), which for a part of tens of GiB takes seconds.
 */
static bool take_at(u64 start, u64 end)
{
	u64 at, nr;

	for (at = start; at < end; at += nr) {
		nr = min_t(u64, AT_ONCE, end - at);
		cond_resched();
		if (luo_alloc_contig_range(at, at + nr))
			break;
	}
	if (at == end)
		return true;
	/* It looks at the first page even if there is none. */
	if (at > start)
		free_contig_range(start, at - start);
	return false;
}

/* Highest place in [@low, @high) that the allocator can be talked out of. */
static bool take(u64 low, u64 high, u64 nr, struct luo_range *ret)
{
	u64 start;

	if (high > luo_last_frame())
		high = luo_last_frame();
	if (high < nr)
		return false;
	for (start = ALIGN_DOWN(high - nr, STEP); start >= low && start; start -= STEP) {
		u64 end = start + nr;

		cond_resched();
		if (!luo_is_boot_ram(start, nr) || !looks_free(start, end))
			continue;
		if (!take_at(start, end))
			continue;
		ret->start = start;
		ret->end = end;
		return true;
	}
	return false;
}

static void take_all(void)
{
	u64 nr = want_low;

	/* Half of it may still do, and says so at load if it does not. */
	while (nr && nr >= want_low / 2 && !nr_parts) {
		if (take(2 * PFN_16M, PFN_4G, nr, &parts[0]))
			nr_parts = 1;
		else
			nr = ALIGN_DOWN(nr * 3 / 4, pageblock_nr_pages);
	}
	if (nr_parts == 1 && want_high &&
	    take(PFN_4G, luo_bootinfo.max_pfn, want_high, &parts[1]))
		nr_parts = 2;

	if (want_low && !nr_parts)
		pr_warn("no %llu MiB in one piece below 4 GiB: cannot load kernels for a live update; free some memory and load again\n",
			want_low >> (20 - PAGE_SHIFT));
	else if (want_low)
		pr_info("scratch: %llu MiB at %#llx%s\n",
			(parts[0].end - parts[0].start) >> (20 - PAGE_SHIFT),
			parts[0].start << PAGE_SHIFT, nr_parts > 1 ? " and a part above 4 GiB" : "");
}

static void scratch_worker(struct work_struct *work)
{
	mutex_lock(&scratch_lock);
	if (!nr_parts)
		take_all();
	mutex_unlock(&scratch_lock);
}
static DECLARE_WORK(scratch_work, scratch_worker);

u64 luo_last_frame(void)
{
	return luo_bootinfo.max_pfn - 1;
}

/**
 * luo_own_last_page() - see to it that the last page of RAM is nobody's
 *
 * To 6.12 a kernel that finds the last page of RAM reserved computes a smaller
 * max_pfn, and dies in free_area_init(). So no range may contain it, and no
 * file that is preserved. Usually the kernel holds that page for itself since
 * it booted; if not, take it. Somebody else may have it just then, so this is
 * tried again when a file turns out to have it: pages of files move away, unless
 * they are pinned, or share a block with what does not move. An attempt that fails
 * is dear, so nobody makes one without need.
 *
 * Who holds the page decides whose it is; there is no other lock.
 *
 * Context: may sleep. Not under the lock of a folio.
 */
void luo_own_last_page(void)
{
	u64 pfn = luo_last_frame();
	struct page *page = pfn_to_online_page(pfn);
	int tries;

	if (!page || PageReserved(page))
		return;
	for (tries = 0; tries < 3 && !READ_ONCE(last_page); tries++) {
		if (!luo_alloc_contig_range(pfn, pfn + 1))
			WRITE_ONCE(last_page, page);
	}
}

/**
 * luo_keep_last_page() - it was allocated by chance
 * @page: the last page of RAM, owned by the caller until now
 */
void luo_keep_last_page(struct page *page)
{
	WRITE_ONCE(last_page, page);
}

int luo_scratch_init(void)
{
	u64 ram = luo_bootinfo.ram_pages << PAGE_SHIFT;
	u64 low = clamp_t(u64, ram / 8, 128ULL << 20, 384ULL << 20);
	u64 high = ram > SZ_8G ? ram / 50 : 0;

	if (*scratch) {
		char *end;

		low = memparse(scratch, &end);
		if (*end || (low && low < SZ_16M) || low > ram / 2) {
			pr_err("scratch=%s: want a size such as 256M, from 16M to half of RAM, or 0\n",
			       scratch);
			return -EINVAL;
		}
		if (!low)
			high = 0;
	}
	want_low = ALIGN(low, SZ_8M) >> PAGE_SHIFT;
	want_high = ALIGN(high, SZ_8M) >> PAGE_SHIFT;

	luo_own_last_page();
	queue_work(luo_unbound_wq, &scratch_work);
	return 0;
}

void luo_scratch_exit(void)
{
	cancel_work_sync(&scratch_work);
	while (nr_parts) {
		nr_parts--;
		free_contig_range(parts[nr_parts].start,
				  parts[nr_parts].end - parts[nr_parts].start);
	}
	if (last_page)
		__free_page(last_page);
	last_page = NULL;
}

void luo_scratch_wait(bool again)
{
	flush_work(&scratch_work);
	if (!again)
		return;
	mutex_lock(&scratch_lock);
	if (!nr_parts && want_low)
		take_all();
	mutex_unlock(&scratch_lock);
}

unsigned int luo_scratch_get(struct luo_range ret[LUO_MAX_SCRATCH])
{
	unsigned int n;

	flush_work(&scratch_work);
	mutex_lock(&scratch_lock);
	n = nr_parts;
	memcpy(ret, parts, sizeof(parts));
	mutex_unlock(&scratch_lock);
	return n;
}

u64 luo_scratch_bytes(void)
{
	u64 bytes = 0;
	unsigned int i;

	flush_work(&scratch_work);
	mutex_lock(&scratch_lock);
	for (i = 0; i < nr_parts; i++)
		bytes += (parts[i].end - parts[i].start) << PAGE_SHIFT;
	mutex_unlock(&scratch_lock);
	return bytes;
}

bool luo_scratch_wanted(void)
{
	return want_low;
}
