/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keeping physical memory across kexec: interface inside the module.
 */
#ifndef LUO_HANDOVER_H
#define LUO_HANDOVER_H

#include <linux/types.h>
#include <asm/bootparam.h>

#include "luo_core.h"

struct kimage;
struct kexec_buf;

/*
 * ------------------------------------------------------ bootinfo.c
 * What this kernel was told when it was started.
 */

/* Firmware's memory map as the boot loader passed it, up to this many entries. */
#define LUO_MAX_E820	(E820_MAX_ENTRIES_ZEROPAGE + 128)

struct luo_bootinfo {
	u64 setup_data;			/* head of the list, physical */
	unsigned int nr_e820;
	struct boot_e820_entry e820[LUO_MAX_E820];
	unsigned int nr_ram;
	struct luo_range ram[LUO_MAX_E820];	/* page frames, sorted, merged */
	u64 ram_pages;
	u64 max_pfn;			/* one past the last frame of RAM */
};

extern struct luo_bootinfo luo_bootinfo;

/**
 * luo_bootinfo_init() - read the boot parameters of this kernel
 *
 * Context: process, may sleep; needs sysfs mounted on /sys.
 * Return: 0; -ENOENT without /sys/kernel/boot_params; -EIO.
 */
int luo_bootinfo_init(void);

/**
 * luo_hide_chain() - make covered memory unreadable for users
 *
 * Until then /sys/kernel/boot_params/setup_data shows it to anybody. The first
 * thing to do after luo_bootinfo_init(), whatever comes of the rest.
 */
void luo_hide_chain(void);

/* Are all these frames memory that firmware reported at boot? */
bool luo_is_boot_ram(u64 pfn, u64 nr);

/* Does the list of setup_data contain more nodes than this, it is not one. */
#define LUO_MAX_SETUP_NODES	1024

/*
 * ------------------------------------------------------ frames.c
 * Which frames are kept for the next kernel, and how frames that came
 * from the previous one get back into use.
 */
int luo_frames_init(void);
void luo_frames_exit(void);

/*
 * 0; -EADDRINUSE: the last page of RAM, luo_own_last_page() may help; -EBUSY: kept
 * already; -EOPNOTSUPP: the next kernel will not have it; -ENOMEM.
 */
int luo_frames_track(u64 pfn, u64 nr);
int luo_frames_refused(int err);
void luo_frames_untrack(u64 pfn, u64 nr);
bool luo_frame_is_kept(u64 pfn);
u64 luo_frames_kept(void);		/* pages */
u64 luo_frames_limit(void);		/* pages */

/* The bitmap for luo_cover(). Stable while the core is frozen. */
const unsigned long *luo_frames_bits(u64 *ret_nbits);

/* Boot RAM that this kernel uses as such. */
bool luo_is_online_ram(u64 pfn, u64 nr);

void *luo_block_alloc(void);
void luo_block_free(void *block);

/**
 * struct luo_managed - batches adjust_managed_page_count()
 *
 * That is two atomics a call, and in 7.x a walk of all zones.
 */
struct luo_managed {
	struct page *page;
	long nr;
};

void luo_managed_add(struct luo_managed *m, struct page *page, long nr);
void luo_managed_flush(struct luo_managed *m);

/**
 * luo_frames_free() - give frames to the allocator that nobody ever had
 * @pfn: first
 * @nr:  number of them
 * @m:   batch to count them in; NULL if they count as managed memory already
 *
 * In blocks as large as possible. Frames that are not what they must be
 * (boot RAM, online, PageReserved) stay as they are.
 *
 * Return: number of pages freed.
 */
u64 luo_frames_free(u64 pfn, u64 nr, struct luo_managed *m);

/**
 * luo_frames_take() - turn claimed frames into one folio
 * @pfn:   its first frame
 * @order: of the folio
 *
 * Return: the folio, refcount 1, not locked, no flags set; NULL when one of
 * its frames is not as the early kernel left it (then nothing has changed).
 */
struct folio *luo_frames_take(u64 pfn, unsigned int order);

/* The same, as pages of order 0, each with a refcount of 1. */
struct page *luo_frames_take_pages(u64 pfn, u64 nr);

/* Are they as the early kernel left them, and in one zone? Then they can be taken. */
bool luo_frames_are_fresh(u64 pfn, u64 nr);

/*
 * ------------------------------------------------------ scratch.c
 * Memory that the next kernel starts in.
 */
#define LUO_MAX_SCRATCH		2

int luo_scratch_init(void);
void luo_scratch_exit(void);
/*
 * Waits until the attempt to get it is over; if it has failed, another one can
 * be made. Not while anything is frozen: it takes its time.
 */
void luo_scratch_wait(bool again);
/* Waits. Number of parts, 0 for none. */
unsigned int luo_scratch_get(struct luo_range ret[LUO_MAX_SCRATCH]);
u64 luo_scratch_bytes(void);
bool luo_scratch_wanted(void);		/* false: scratch=0 */

/* Last frame of RAM: owned if possible, so that nothing preserved lies in it. */
u64 luo_last_frame(void);
void luo_own_last_page(void);
void luo_keep_last_page(struct page *page);

/*
 * ------------------------------------------------------ chain.c
 * The reservation chain of the next kernel.
 */

/* At most so many ranges; memblock has room for 128 regions in early boot. */
#define LUO_MAX_RANGES		90

/* Types of our nodes. Any number without SETUP_INDIRECT that nobody uses. */
#define LUO_SETUP_ROOT		0x4c554f52
#define LUO_SETUP_RANGE		0x4c554f47
#define LUO_ROOT_MAGIC		0x3130544f4f524f4cULL	/* "LOROOT01" */
#define LUO_ROOT_USED		0x4445534f4f524f4cULL	/* "LOROOSED": the same, read */

/**
 * struct luo_setup_node - one node of the chain, 40 bytes
 *
 * Nodes lie side by side in one page, so that memblock merges what it
 * reserves for them into a single region.
 */
struct luo_setup_node {
	u64 next;
	u32 type;
	u32 len;
	union {
		struct {
			u32 type;
			u32 reserved;
			u64 len;
			u64 addr;
		} __packed range;
		struct {
			u64 magic;
			u64 image;
			u64 nonce;
		} __packed root;
	};
} __packed;

/* In range.reserved, after luo_hide_chain(): a length that no range can have. */
#define LUO_RANGE_BAD		U32_MAX

int luo_chain_init(u64 nonce);
void luo_chain_exit(void);
u64 luo_chain_head(void);		/* physical */

/**
 * luo_chain_write() - cover what is kept, and say so to the next kernel
 * @root:     the frozen image
 * @need:     bytes of memory that the next kernel wants to have free
 * @need_low: the same below 4 GiB
 *
 * Context: after luo_core_freeze(). Allocates nothing.
 * Return: 0; -ENOSPC when too little memory would be left; -EBUSY when a
 * frame is kept that no range may contain; -E2BIG.
 */
int luo_chain_write(struct luo_root_ser *root, u64 need, u64 need_low);
void luo_chain_clear(void);

/* Can it work with what is kept now? Same errors; for use at load. */
int luo_chain_check(u64 need, u64 need_low);

/* Finds this kernel's own reserved frames, so that chain_write() knows holes. */
int luo_chain_find_holes(void);

/*
 * ------------------------------------------------------ incoming.c
 * What the previous kernel left.
 */
int luo_incoming_init(void);
void luo_incoming_exit(void);
int luo_incoming_claim(u64 pfn, u64 nr);
int luo_incoming_withhold(u64 pfn, u64 nr);
void luo_incoming_release(u64 pfn, u64 nr);
void luo_incoming_settle(void);		/* until all gaps are released */
void luo_incoming_returned(u64 nr);	/* pages that the kernel has back */
u64 luo_incoming_reserved(void);	/* bytes kept out of use */
bool luo_incoming_any(void);		/* did anything arrive? */

/*
 * ------------------------------------------------------ times
 */
enum luo_when {
	LUO_WHEN_FREEZE,	/* reboot(2) in the previous kernel */
	LUO_WHEN_FROZEN,
	LUO_WHEN_JUMP,
	LUO_WHEN_KERNEL,	/* this kernel's clock starts */
	LUO_WHEN_MODULE,	/* module init entered */
	LUO_WHEN_READY,		/* sessions can be retrieved, gaps freed */
	LUO_WHEN_RETRIEVED,	/* first file retrieved */
	LUO_NR_WHEN,
};

/* Nanoseconds since LUO_WHEN_FREEZE, or -1 if unknown. */
s64 luo_when(enum luo_when when);
void luo_when_note(enum luo_when when);
void luo_when_import(const struct luo_root_ser *root);
void luo_when_stamp(struct luo_root_ser *root, enum luo_stamp stamp);

extern const struct luo_mem_ops luo_frames_ops;

#endif /* LUO_HANDOVER_H */
