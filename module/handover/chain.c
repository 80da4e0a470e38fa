// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reservation chain: how the next kernel learns, before its allocator
 * exists, what it must not touch.
 */
#define pr_fmt(fmt) "liveupdate: " fmt

#include <linux/io.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "luo_handover.h"

/**
 * DOC: Reservation chain
 *
 * One page of nodes for the setup_data list of the x86 boot protocol. The
 * first node is ours alone and names the handover image; the others are of
 * type SETUP_INDIRECT, for which the kernel calls memblock_reserve() before
 * it looks for memory of its own, and which its decompressor avoids when it
 * chooses where to put the kernel. The image that is loaded refers to the
 * page by address, so the nodes can be written at the last moment.
 *
 * memblock has room for 128 regions at that time; one too many is ignored by
 * 6.1 and a panic later. So what is kept is covered by at most LUO_MAX_RANGES
 * ranges, and the gaps in them are given back by the module in the new kernel.
 *
 * Kernels to 6.12 also mark each range and each node in their memory map, which
 * takes up to three entries a range. The map has 128, and three more for each possible NUMA node:
 * plenty in any distribution kernel, but one built without NUMA drops what does
 * not fit, and with it memory. That is what max_ranges= is for.
 *
 * No range contains
 *  - scratch, where the next kernel lies;
 *  - the last frame of RAM (see scratch.c);
 * and what this kernel itself never managed (holes) is avoided where there is
 * a choice, and is otherwise listed in the image as not to be freed.
 */
static unsigned int max_ranges = LUO_MAX_RANGES;
module_param(max_ranges, uint, 0444);
MODULE_PARM_DESC(max_ranges, "Ranges in the reservation chain, 4 to 90; 35 for next kernels without CONFIG_NUMA [90]");

static struct luo_setup_node *nodes;
static u64 chain_nonce;

#define NR_NODES	(1 + LUO_MAX_RANGES)

/* Runs of frames that are no RAM, or that this kernel took before its allocator. */
static struct luo_range *holes;
static unsigned int nr_holes;

/* Room to work in: luo_chain_write() must not allocate. */
static struct luo_range ranges[LUO_MAX_RANGES];
static struct luo_range *live_holes;
static unsigned int nr_live;
#define HOLES_SLACK	256

static u64 node_phys(unsigned int i)
{
	return virt_to_phys(&nodes[i]);
}

int luo_chain_init(u64 nonce)
{
	BUILD_BUG_ON(sizeof(struct luo_setup_node) != 40);
	BUILD_BUG_ON(sizeof(struct setup_data) + sizeof(struct setup_indirect) !=
		     sizeof(struct luo_setup_node));
	BUILD_BUG_ON(NR_NODES * sizeof(struct luo_setup_node) > PAGE_SIZE);
	BUILD_BUG_ON((LUO_SETUP_ROOT | LUO_SETUP_RANGE) & SETUP_INDIRECT);

	nodes = luo_block_alloc();
	if (!nodes)
		return -ENOMEM;
	chain_nonce = nonce;
	luo_chain_clear();
	return 0;
}

void luo_chain_exit(void)
{
	luo_block_free(nodes);
	kvfree(holes);
	kvfree(live_holes);
	holes = NULL;
	live_holes = NULL;
	nr_holes = 0;
}

u64 luo_chain_head(void)
{
	return node_phys(0);
}

/* A chain that keeps nothing is still one that can be walked. */
void luo_chain_clear(void)
{
	memset(nodes, 0, PAGE_SIZE);
	nodes[0].type = LUO_SETUP_ROOT;
	nodes[0].len = sizeof(nodes[0].root);
}

struct hole_list {
	struct luo_range *range;
	unsigned int nr, max;
};

static int hole_add(struct hole_list *l, u64 start, u64 end)
{
	/* Memory and no memory stay apart: see luo_chain_write(). */
	if (l->nr && l->range[l->nr - 1].end == start &&
	    luo_is_boot_ram(start - 1, 1) == luo_is_boot_ram(start, 1)) {
		l->range[l->nr - 1].end = end;
		return 0;
	}
	if (l->nr == l->max) {
		unsigned int max = max(256U, l->max * 2);
		struct luo_range *new = kvmalloc_array(max, sizeof(*new), GFP_KERNEL);

		if (!new)
			return -ENOMEM;
		if (l->nr)
			memcpy(new, l->range, l->nr * sizeof(*new));
		kvfree(l->range);
		l->range = new;
		l->max = max;
	}
	l->range[l->nr].start = start;
	l->range[l->nr].end = end;
	l->nr++;
	return 0;
}

/*
 * Neither ours to give back, nor fit for anybody. What waits here from the previous
 * kernel is reserved, but was memory there.
 */
static bool is_hole(u64 pfn)
{
	struct page *page = pfn_to_online_page(pfn);

	return !page || PageHWPoison(page) ||
	       (PageReserved(page) && !luo_frame_is_kept(pfn));
}

static int scan_holes(struct hole_list *l)
{
	const struct luo_bootinfo *bi = &luo_bootinfo;
	u64 pfn, prev = 0;
	unsigned int i;
	int err;

	for (i = 0; i < bi->nr_ram; i++) {
		u64 run = 0;

		if (bi->ram[i].start > prev) {
			err = hole_add(l, prev, bi->ram[i].start);
			if (err)
				return err;
		}
		for (pfn = bi->ram[i].start; pfn < bi->ram[i].end; pfn++) {
			if (!(pfn & 0xffff))
				cond_resched();
			if (is_hole(pfn)) {
				run++;
				continue;
			}
			if (run) {
				err = hole_add(l, pfn - run, pfn);
				if (err)
					return err;
			}
			run = 0;
		}
		if (run) {
			err = hole_add(l, pfn - run, pfn);
			if (err)
				return err;
		}
		prev = bi->ram[i].end;
	}
	return 0;
}

/* An image that is armed keeps what it has if this fails. */
int luo_chain_find_holes(void)
{
	struct hole_list l = { };
	struct luo_range *live;
	int err;

	/* Gaps that are still to be released would look like holes. */
	luo_incoming_settle();
	err = scan_holes(&l);
	if (err)
		goto err_free;
	live = kvmalloc_array(l.nr + HOLES_SLACK, sizeof(*live), GFP_KERNEL);
	if (!live) {
		err = -ENOMEM;
		goto err_free;
	}
	err = luo_core_reserve_holes(l.nr + HOLES_SLACK);
	if (err)
		goto err_live;

	kvfree(holes);
	kvfree(live_holes);
	holes = l.range;
	nr_holes = l.nr;
	live_holes = live;
	return 0;

err_live:
	kvfree(live);
err_free:
	kvfree(l.range);
	return err;
}

/*
 * A frame that was reserved when the image was loaded may have been given to
 * the allocator since, and be kept now: then it is no hole any more.
 */
static int refresh_holes(const unsigned long *bits, u64 nbits)
{
	unsigned int i;

	nr_live = 0;
	for (i = 0; i < nr_holes; i++) {
		u64 start = holes[i].start;

		while (start < holes[i].end) {
			u64 end = min(find_next_bit(bits, min(holes[i].end, nbits), start),
				      (unsigned long)holes[i].end);

			if (end > start) {
				if (nr_live == nr_holes + HOLES_SLACK) {
					luo_error("memory has changed too much since the image was loaded: load it again");
					return -ENOSPC;
				}
				live_holes[nr_live].start = start;
				live_holes[nr_live].end = end;
				nr_live++;
			}
			start = find_next_zero_bit(bits, holes[i].end, end);
		}
	}
	return 0;
}

/* Scratch and the last frame, sorted. */
static unsigned int find_walls(struct luo_range walls[LUO_MAX_SCRATCH + 1])
{
	unsigned int n = luo_scratch_get(walls);

	if (n == 2 && walls[0].start > walls[1].start)
		swap(walls[0], walls[1]);
	walls[n].start = luo_last_frame();
	walls[n].end = walls[n].start + 1;
	return n + 1;
}

static u64 whole_blocks(u64 start, u64 end)
{
	const u64 block = SZ_2M >> PAGE_SHIFT;

	start = ALIGN(start, block);
	end = ALIGN_DOWN(end, block);
	return start < end ? (end - start) << PAGE_SHIFT : 0;
}

/* Memory that the next kernel has before its module frees the gaps. */
static void count_uncovered(unsigned int nr, u64 *ret_all, u64 *ret_low)
{
	const struct luo_bootinfo *bi = &luo_bootinfo;
	const u64 pfn_4g = 1ULL << (32 - PAGE_SHIFT);
	unsigned int i, r = 0;

	*ret_all = 0;
	*ret_low = 0;
	for (i = 0; i < bi->nr_ram; i++) {
		u64 start = bi->ram[i].start;

		while (start < bi->ram[i].end) {
			u64 end = bi->ram[i].end;

			while (r < nr && ranges[r].end <= start)
				r++;
			if (r < nr && ranges[r].start <= start) {
				start = ranges[r].end;
				continue;
			}
			if (r < nr)
				end = min(end, ranges[r].start);
			*ret_all += whole_blocks(start, end);
			if (start < pfn_4g)
				*ret_low += whole_blocks(start, min(end, pfn_4g));
			start = end;
		}
	}
}

static int cover(u64 need, u64 need_low)
{
	struct luo_range walls[LUO_MAX_SCRATCH + 1];
	unsigned int nr_walls = find_walls(walls), i;
	const unsigned long *bits;
	u64 nbits, all, low;
	int nr;

	bits = luo_frames_bits(&nbits);
	for (i = 0; i < nr_walls; i++) {
		if (find_next_bit(bits, walls[i].end, walls[i].start) < walls[i].end) {
			luo_error("a preserved page lies where the next kernel must not be disturbed");
			return -EBUSY;
		}
	}
	nr = refresh_holes(bits, nbits);
	if (nr)
		return nr;
	nr = luo_cover(bits, nbits, walls, nr_walls, live_holes, nr_live, ranges,
		       clamp(max_ranges, 4U, (unsigned int)LUO_MAX_RANGES));
	if (nr < 0)
		return nr;

	count_uncovered(nr, &all, &low);
	if (all < need || low < need_low) {
		luo_error("too much is preserved: the next kernel would start with %llu MiB (%llu MiB below 4 GiB), and needs %llu MiB (%llu MiB)",
			  all >> 20, low >> 20, need >> 20, need_low >> 20);
		return -ENOSPC;
	}
	return nr;
}

int luo_chain_check(u64 need, u64 need_low)
{
	int nr = cover(need, need_low);

	return nr < 0 ? nr : 0;
}

int luo_chain_write(struct luo_root_ser *root, u64 need, u64 need_low)
{
	unsigned int i, h, hit = 0;
	int nr, err;

	nr = cover(need, need_low);
	if (nr < 0)
		return nr;

	for (i = 0, h = 0; i < nr; i++) {
		while (h < nr_live && live_holes[h].end <= ranges[i].start)
			h++;
		/* What is no memory, the next kernel's module knows by itself. */
		for (; h < nr_live && live_holes[h].start < ranges[i].end; h++) {
			if (luo_is_boot_ram(live_holes[h].start, 1))
				live_holes[hit++] = live_holes[h];
		}
	}
	err = luo_core_set_holes(live_holes, hit);
	if (err)
		return err;
	luo_core_seal_root();

	luo_chain_clear();
	nodes[0].root.magic = LUO_ROOT_MAGIC;
	nodes[0].root.image = virt_to_phys(root);
	nodes[0].root.nonce = chain_nonce;
	for (i = 0; i < nr; i++) {
		struct luo_setup_node *n = &nodes[1 + i];

		n->type = SETUP_INDIRECT;
		n->len = sizeof(n->range);
		n->range.type = LUO_SETUP_RANGE;
		n->range.addr = ranges[i].start << PAGE_SHIFT;
		n->range.len = (ranges[i].end - ranges[i].start) << PAGE_SHIFT;
		nodes[i].next = node_phys(1 + i);
	}
	return 0;
}
