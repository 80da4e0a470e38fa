// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the previous kernel left: found, made private, validated, and the
 * rest of the memory given back.
 */
#define pr_fmt(fmt) "liveupdate: " fmt

#include <linux/io.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/clock.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <asm/setup.h>
#include <asm/tsc.h>

#include "luo_handover.h"

/**
 * DOC: Arrival
 *
 * The list of setup_data that this kernel was started with leads to our nodes,
 * and they cannot be from another boot: the kernel itself followed them when
 * it reserved the ranges. Everything behind them is hostile input.
 *
 *  1. The lengths in our nodes have become 0 (luo_hide_chain()). The nodes stay
 *     linked: the kernel walks the list again when users read it, and when PCI
 *     devices are plugged.
 *  2. The core reads the image and claims each frame that belongs to somebody,
 *     in one bitmap over the ranges; chain and holes are claimed by nobody.
 *  3. What is not claimed by then goes to the allocator. Up to RELEASE_NOW
 *     bytes at once, before PID 1 computes sizes from the RAM that it sees;
 *     the rest from a worker. If parts of the image are damaged, nobody knows
 *     what they claimed: then nothing is freed, and everything unclaimed stays
 *     reserved until the machine is restarted.
 *
 * What nobody has finished goes on to the next kernel (core/luo_carry.c): its
 * frames lie in ranges of this boot, so neither scratch nor the last page of RAM
 * is among them.
 */
static struct luo_claims claims;
static u64 covered_pages;
static atomic64_t returned_pages;
static bool have_claims;

static unsigned int release_now = 4096;
module_param(release_now, uint, 0444);
MODULE_PARM_DESC(release_now, "MiB of gaps to free while the module loads, the rest follows [4096]");

/* ---------------------------------------------------------------- times */

static u64 when_tsc[LUO_NR_WHEN];

static void set_when(enum luo_when when, u64 tsc)
{
	if (!when_tsc[when])
		when_tsc[when] = tsc;
}

void luo_when_note(enum luo_when when)
{
	set_when(when, rdtsc_ordered());
}

void luo_when_stamp(struct luo_root_ser *root, enum luo_stamp stamp)
{
	root->stamp[stamp] = cpu_to_le64(rdtsc_ordered());
}

/*
 * kexec does not reset the TSC. The start of this kernel is taken from
 * sched_clock(), which counts from the moment that the TSC was first used.
 */
void luo_when_import(const struct luo_root_ser *root)
{
	u64 khz = le64_to_cpu(root->tsc_khz), now = rdtsc_ordered();
	u64 freeze = le64_to_cpu(root->stamp[LUO_STAMP_FREEZE]);

	/* Another calibration of the same clock differs by some ppm only. */
	if (!khz || !tsc_khz || (khz > tsc_khz ? khz - tsc_khz : tsc_khz - khz) > tsc_khz / 100 || freeze > now)
		return;
	set_when(LUO_WHEN_FREEZE, freeze);
	set_when(LUO_WHEN_FROZEN, le64_to_cpu(root->stamp[LUO_STAMP_FROZEN]));
	set_when(LUO_WHEN_JUMP, le64_to_cpu(root->stamp[LUO_STAMP_JUMP]));
	set_when(LUO_WHEN_KERNEL, now - mul_u64_u32_div(local_clock(), tsc_khz, 1000000));
}

s64 luo_when(enum luo_when when)
{
	u64 t0 = when_tsc[LUO_WHEN_FREEZE], t = when_tsc[when];

	if (!t0 || !t || t < t0 || !tsc_khz)
		return -1;
	return mul_u64_u64_div_u64(t - t0, 1000000, tsc_khz);
}

/* ---------------------------------------------------------------- claims */

/* One batch for each zone; a few at most. */
static struct luo_managed arrived[8];

static void count_managed(u64 pfn, u64 nr)
{
	struct page *first = pfn_to_page(pfn), *last = first + nr - 1;
	unsigned int i;

	/* Across a border of zones: in halves. */
	if (page_zone(first) != page_zone(last)) {
		count_managed(pfn, nr / 2);
		count_managed(pfn + nr / 2, nr - nr / 2);
		return;
	}
	for (i = 0; i < ARRAY_SIZE(arrived) - 1; i++) {
		if (!arrived[i].nr || page_zone(arrived[i].page) == page_zone(first))
			break;
	}
	luo_managed_add(&arrived[i], first, nr);
}

static void settle_managed(bool keep)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(arrived); i++) {
		if (keep)
			luo_managed_flush(&arrived[i]);
		arrived[i].nr = 0;
	}
}

int luo_incoming_claim(u64 pfn, u64 nr)
{
	int err;

	/* No range has the last page (scratch.c), nor could it go on from here. */
	if (!have_claims || !luo_is_online_ram(pfn, nr) || luo_last_frame() - pfn < nr)
		return -ERANGE;
	err = luo_claim(&claims, pfn, nr);
	if (!err)
		count_managed(pfn, nr);
	return err;
}

/* What is outside the ranges is nothing that could be freed. */
int luo_incoming_withhold(u64 pfn, u64 nr)
{
	int err = have_claims ? luo_claim(&claims, pfn, nr) : -ERANGE;

	return err == -ERANGE ? 0 : err;
}

void luo_incoming_release(u64 pfn, u64 nr)
{
	luo_incoming_returned(luo_frames_free(pfn, nr, NULL));
}

void luo_incoming_returned(u64 nr)
{
	atomic64_add(nr, &returned_pages);
}

u64 luo_incoming_reserved(void)
{
	struct luo_counts counts;
	u64 used;

	if (!have_claims)
		return 0;
	luo_core_counts(&counts);
	used = atomic64_read(&returned_pages) + counts.pages_in;
	return covered_pages > used ? (covered_pages - used) << PAGE_SHIFT : 0;
}

static void release_gaps(u64 limit, u64 *from)
{
	struct luo_managed managed = { };
	struct luo_range gap;
	u64 done = 0, freed = 0;

	while (done < limit && luo_claims_next_free(&claims, *from, &gap)) {
		u64 nr = min(gap.end - gap.start, limit - done);

		freed += luo_frames_free(gap.start, nr, &managed);
		done += nr;
		*from = gap.start + nr;
		/* The worker may go on for long; others want to see what there is. */
		if (managed.nr > SZ_64M >> PAGE_SHIFT)
			luo_managed_flush(&managed);
	}
	luo_managed_flush(&managed);
	luo_incoming_returned(freed);
}

static u64 release_from;

static void release_worker(struct work_struct *work)
{
	release_gaps(U64_MAX, &release_from);
}
static DECLARE_WORK(release_work, release_worker);

void luo_incoming_settle(void)
{
	flush_work(&release_work);
}

/* ---------------------------------------------------------------- chain */

struct arrival {
	u64 image;
	u64 nonce;
	u64 root_pa;
	u64 node_pfn;
	struct luo_range ranges[LUO_MAX_RANGES];
	unsigned int nr;
};

/* One node, copied; after luo_hide_chain(). */
static int read_node(u64 pa, struct luo_setup_node *ret)
{
	struct luo_setup_node *node = memremap(pa, sizeof(struct setup_data), MEMREMAP_WB);

	if (!node)
		return -EIO;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret, node, sizeof(struct setup_data));
	memunmap(node);

	if (ret->type != LUO_SETUP_ROOT &&
	    (ret->type != SETUP_INDIRECT || ret->len < sizeof(ret->range)))
		return 0;
	node = memremap(pa, sizeof(*node), MEMREMAP_WB);
	if (!node)
		return -EIO;
	*ret = *node;
	if (ret->type == SETUP_INDIRECT)
		ret->range.len = (u64)ret->range.reserved << PAGE_SHIFT;
	memunmap(node);
	return 0;
}

/* What the chain leads to is in use now: nobody may start from it again. */
static void forget_chain(u64 root_pa)
{
	struct luo_setup_node *node = memremap(root_pa, sizeof(*node), MEMREMAP_WB);

	if (node) {
		WRITE_ONCE(node->root.magic, LUO_ROOT_USED);
		memunmap(node);
	}
}

/* 0: nothing for us, or read before the module was unloaded. 1: found. */
static int read_chain(struct arrival *a)
{
	u64 pa = luo_bootinfo.setup_data;
	bool found = false, bad = false;
	unsigned int i;

	for (i = 0; pa && i < LUO_MAX_SETUP_NODES; i++) {
		struct luo_setup_node node;
		int err = read_node(pa, &node);

		if (err)
			return err;
		if (node.type == LUO_SETUP_ROOT && node.root.magic == LUO_ROOT_USED)
			return 0;
		if (node.type == LUO_SETUP_ROOT && node.root.magic == LUO_ROOT_MAGIC) {
			bad |= found;
			found = true;
			a->image = node.root.image;
			a->nonce = node.root.nonce;
			a->node_pfn = pa >> PAGE_SHIFT;
			a->root_pa = pa;
		} else if (node.type == SETUP_INDIRECT && node.range.type == LUO_SETUP_RANGE &&
			   node.range.len) {
			if (a->nr == LUO_MAX_RANGES || !found ||
			    !PAGE_ALIGNED(node.range.addr) || node.range.reserved == LUO_RANGE_BAD ||
			    pa >> PAGE_SHIFT != a->node_pfn) {
				bad = true;
			} else {
				a->ranges[a->nr].start = node.range.addr >> PAGE_SHIFT;
				a->ranges[a->nr].end = (node.range.addr + node.range.len) >> PAGE_SHIFT;
				a->nr++;
			}
		}
		pa = node.next;
	}
	if (bad) {
		pr_err("the reservation chain is damaged: what it covers stays reserved\n");
		return -EUCLEAN;
	}
	return found;
}

/* Did the early kernel reserve what the chain asked for? A sample of each range says. */
static bool ranges_were_honoured(const struct arrival *a)
{
	unsigned int i;

	for (i = 0; i < a->nr; i++) {
		const struct luo_range *r = &a->ranges[i];
		u64 step = max((r->end - r->start) / 64, 1ULL), pfn;

		if (r->start >= r->end || r->end > luo_bootinfo.max_pfn)
			return false;
		for (pfn = r->start; pfn < r->end; pfn += step) {
			if (luo_is_boot_ram(pfn, 1) &&
			    (!pfn_valid(pfn) || !PageReserved(pfn_to_page(pfn))))
				return false;
		}
	}
	return true;
}

bool luo_incoming_any(void)
{
	return have_claims;
}

int luo_incoming_init(void)
{
	struct arrival *a;
	unsigned int i;
	int ret;

	a = kzalloc(sizeof(*a), GFP_KERNEL);
	if (!a)
		return -ENOMEM;
	ret = read_chain(a);
	if (ret <= 0)
		goto out;

	if (!ranges_were_honoured(a)) {
		pr_err("this kernel did not reserve what the previous one asked for: nothing can be retrieved\n");
		ret = -EUCLEAN;
		goto out;
	}
	ret = luo_claims_init(&claims, a->ranges, a->nr);
	if (ret) {
		pr_err("cannot use the reservation chain (%d)\n", ret);
		goto out;
	}
	have_claims = true;
	for (i = 0; i < a->nr; i++)
		covered_pages += a->ranges[i].end - a->ranges[i].start;

	/* The chain belongs to no file, and is needed until the next kexec. */
	ret = luo_claim(&claims, a->node_pfn, 1);
	if (ret && ret != -ERANGE)
		goto out;

	ret = luo_core_receive(a->image, a->nonce);
	settle_managed(ret != -ENOMEM);
	if (!ret || ret == -EUCLEAN) {
		forget_chain(a->root_pa);
		luo_when_import(phys_to_virt(a->image));
	}
	if (ret) {
		pr_err("what the previous kernel left is damaged or unknown here (%d); %llu MiB stay reserved\n",
		       ret, covered_pages >> (20 - PAGE_SHIFT));
	} else {
		release_gaps((u64)release_now << (20 - PAGE_SHIFT), &release_from);
		queue_work(luo_unbound_wq, &release_work);
	}
out:
	if (ret == -ENOMEM)
		luo_incoming_exit();
	kfree(a);
	/* Otherwise the machine goes on with what it has; the error has been told. */
	return ret == -ENOMEM ? ret : 0;
}

void luo_incoming_exit(void)
{
	cancel_work_sync(&release_work);
	if (have_claims)
		luo_claims_destroy(&claims);
	have_claims = false;
}
