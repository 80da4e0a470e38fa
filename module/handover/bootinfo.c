// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this kernel was told when it was started.
 */
#define pr_fmt(fmt) "liveupdate: " fmt

#include <linux/err.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/pfn.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "luo_handover.h"

/**
 * DOC: Boot parameters
 *
 * The kernel does not export boot_params to modules, but shows a copy of them
 * in /sys/kernel/boot_params/data: the head of the setup_data list, where the
 * reservation chain of the previous kernel hangs, and the memory map that
 * firmware reported. The map is the truth about which frames are RAM in this
 * and in the next kernel: the kernel's own tables are cut by mem=, grow with
 * hot-plugged memory, and up to 6.9 carry the marks of earlier reservations.
 */
struct luo_bootinfo luo_bootinfo;

#define BOOT_PARAMS_PATH	"/sys/kernel/boot_params/data"

static int read_boot_params(struct boot_params *bp)
{
	struct file *file;
	loff_t pos = 0;
	ssize_t n;

	file = filp_open(BOOT_PARAMS_PATH, O_RDONLY, 0);
	if (IS_ERR(file)) {
		pr_err("cannot read %s (%ld): mount sysfs on /sys before loading this module\n",
		       BOOT_PARAMS_PATH, PTR_ERR(file));
		return -ENOENT;
	}
	n = kernel_read(file, bp, sizeof(*bp), &pos);
	fput(file);
	if (n != sizeof(*bp) || bp->hdr.header != 0x53726448) {
		pr_err("%s does not hold boot parameters\n", BOOT_PARAMS_PATH);
		return -EIO;
	}
	return 0;
}

/* More entries than fit into boot_params follow in a node of setup_data. */
static void read_e820_ext(struct luo_bootinfo *bi)
{
	u64 pa = bi->setup_data;
	unsigned int i;

	for (i = 0; pa && i < LUO_MAX_SETUP_NODES; i++) {
		struct setup_data *node = memremap(pa, sizeof(*node), MEMREMAP_WB);
		u32 len, type;
		u64 next;

		if (!node)
			return;
		len = node->len;
		type = node->type;
		next = node->next;
		memunmap(node);

		if (type == SETUP_E820_EXT) {
			unsigned int n = len / sizeof(struct boot_e820_entry);

			n = min_t(unsigned int, n, LUO_MAX_E820 - bi->nr_e820);
			node = memremap(pa + sizeof(*node), n * sizeof(bi->e820[0]), MEMREMAP_WB);
			if (!node)
				return;
			memcpy(&bi->e820[bi->nr_e820], node, n * sizeof(bi->e820[0]));
			memunmap(node);
			bi->nr_e820 += n;
		}
		pa = next;
	}
}

static int cmp_range(const void *a, const void *b)
{
	const struct luo_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static void find_ram(struct luo_bootinfo *bi)
{
	unsigned int i, n = 0;

	for (i = 0; i < bi->nr_e820; i++) {
		const struct boot_e820_entry *e = &bi->e820[i];
		struct luo_range r = {
			.start = PFN_UP(e->addr),
			.end = PFN_DOWN(e->addr + e->size),
		};

		/* 128: RAM that an earlier reservation of a kernel to 6.9 marked. */
		if ((e->type == 1 || e->type == 128) && r.start < r.end)
			bi->ram[n++] = r;
	}
	sort(bi->ram, n, sizeof(bi->ram[0]), cmp_range, NULL);

	bi->nr_ram = 0;
	for (i = 0; i < n; i++) {
		struct luo_range *last = bi->nr_ram ? &bi->ram[bi->nr_ram - 1] : NULL;

		if (last && bi->ram[i].start <= last->end)
			last->end = max(last->end, bi->ram[i].end);
		else
			bi->ram[bi->nr_ram++] = bi->ram[i];
	}
	for (i = 0; i < bi->nr_ram; i++) {
		bi->ram_pages += bi->ram[i].end - bi->ram[i].start;
		bi->max_pfn = bi->ram[i].end;
	}
}

int luo_bootinfo_init(void)
{
	struct luo_bootinfo *bi = &luo_bootinfo;
	struct boot_params *bp;
	int err;

	BUILD_BUG_ON(sizeof(*bp) != PAGE_SIZE);
	bp = kzalloc(sizeof(*bp), GFP_KERNEL);
	if (!bp)
		return -ENOMEM;
	err = read_boot_params(bp);
	if (err)
		goto out;

	bi->setup_data = bp->hdr.setup_data;
	bi->nr_e820 = min_t(unsigned int, bp->e820_entries, E820_MAX_ENTRIES_ZEROPAGE);
	memcpy(bi->e820, bp->e820_table, bi->nr_e820 * sizeof(bi->e820[0]));
	read_e820_ext(bi);
	find_ram(bi);
	if (!bi->nr_ram) {
		pr_err("firmware reported no memory at all\n");
		err = -EIO;
	}
out:
	kfree(bp);
	return err;
}

bool luo_is_boot_ram(u64 pfn, u64 nr)
{
	/* Neighbours follow neighbours; a stale hint costs a search only. */
	static unsigned int hint;
	const struct luo_bootinfo *bi = &luo_bootinfo;
	unsigned int i = READ_ONCE(hint);

	if (i < bi->nr_ram && pfn >= bi->ram[i].start && pfn < bi->ram[i].end)
		return nr <= bi->ram[i].end - pfn;

	for (i = 0; i < bi->nr_ram; i++) {
		if (pfn >= bi->ram[i].start && pfn < bi->ram[i].end) {
			WRITE_ONCE(hint, i);
			return nr <= bi->ram[i].end - pfn;
		}
	}
	return false;
}

/*
 * Our nodes say how long the memory is that they stand for, and that is what
 * sysfs shows. The length moves to a field that nobody else looks at, so that
 * a module that could not finish its work can be loaded again. Goes on after
 * whatever looks wrong: all nodes that can be reached are closed.
 */
static void hide_node(u64 pa)
{
	struct luo_setup_node *node = memremap(pa, sizeof(*node), MEMREMAP_WB);

	if (!node)
		return;
	if (node->type == LUO_SETUP_ROOT) {
		WRITE_ONCE(node->len, 0);
	} else if (node->type == SETUP_INDIRECT && node->len >= sizeof(node->range) &&
		   node->range.type == LUO_SETUP_RANGE && node->range.len) {
		u64 pages = node->range.len >> PAGE_SHIFT;

		if (!PAGE_ALIGNED(node->range.len) || pages >= LUO_RANGE_BAD)
			pages = LUO_RANGE_BAD;
		WRITE_ONCE(node->range.reserved, pages);
		WRITE_ONCE(node->range.len, 0);
	}
	memunmap(node);
}

void luo_hide_chain(void)
{
	u64 pa = luo_bootinfo.setup_data;
	unsigned int i;

	for (i = 0; pa && i < LUO_MAX_SETUP_NODES; i++) {
		struct setup_data *node = memremap(pa, sizeof(*node), MEMREMAP_WB);
		u64 next;
		u32 type;

		if (!node)
			return;
		type = node->type;
		next = node->next;
		memunmap(node);
		if (type == LUO_SETUP_ROOT || type == SETUP_INDIRECT)
			hide_node(pa);
		pa = next;
	}
}
