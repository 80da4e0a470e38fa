/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How kho_preserve_vmalloc() describes an area. Handlers put a struct
 * kho_vmalloc into what they preserve; names and layout are those of Linux 7.x.
 */
#ifndef _LINUX_KHO_ABI_KEXEC_HANDOVER_H
#define _LINUX_KHO_ABI_KEXEC_HANDOVER_H

#include <linux/build_bug.h>
#include <linux/typecheck.h>
#include <linux/types.h>
#include <asm/page.h>

/* A pointer that travels as a physical address. */
#define DECLARE_KHOSER_PTR(name, type)	\
	union {				\
		u64 phys;		\
		type ptr;		\
	} name

#define KHOSER_STORE_PTR(dest, val) do {			\
	__auto_type val_ = (val);				\
								\
	typecheck(typeof((dest).ptr), val_);			\
	(dest).phys = virt_to_phys(val_);			\
} while (0)

#define KHOSER_LOAD_PTR(src) \
	((typeof((src).ptr))((src).phys ? phys_to_virt((src).phys) : NULL))

struct kho_vmalloc_chunk;

struct kho_vmalloc_hdr {
	DECLARE_KHOSER_PTR(next, struct kho_vmalloc_chunk *);
};

#define KHO_VMALLOC_SIZE \
	((PAGE_SIZE - sizeof(struct kho_vmalloc_hdr)) / sizeof(u64))

/**
 * struct kho_vmalloc_chunk - one page of addresses
 * @hdr:  leads to the next
 * @phys: of the pages of the area, in order; 0 behind the last
 */
struct kho_vmalloc_chunk {
	struct kho_vmalloc_hdr hdr;
	u64 phys[KHO_VMALLOC_SIZE];
};

static_assert(sizeof(struct kho_vmalloc_chunk) == PAGE_SIZE);

/**
 * struct kho_vmalloc - a preserved area of vmalloc()
 * @first:       leads to the addresses of its pages
 * @total_pages: number of them
 * @flags:       for kho_restore_vmalloc()
 * @order:       0: each address is that of one page
 */
struct kho_vmalloc {
	DECLARE_KHOSER_PTR(first, struct kho_vmalloc_chunk *);
	unsigned int total_pages;
	unsigned short flags;
	unsigned short order;
};

#endif /* _LINUX_KHO_ABI_KEXEC_HANDOVER_H */
