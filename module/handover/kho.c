// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of handlers: Kexec Handover's calls, on our own tracking.
 */
#define pr_fmt(fmt) "liveupdate: " fmt

#include <linux/export.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include <linux/kexec_handover.h>
#include <linux/kho/abi/kexec_handover.h>
#include "luo_handover.h"

/**
 * DOC: Memory of handlers in this kernel and the next
 *
 * The core keeps the book of pieces (core/luo_memory.c); here folios, pages and
 * areas of vmalloc() become pieces, and pieces that came become folios and pages.
 *
 * In the new kernel a piece is claimed and reserved, as pages of files are, and
 * can be read. Restoring takes it out of the core's book first, so that of two
 * who ask one gets it, and puts it back when its frames cannot be had.
 *
 * No kernel exports find_vm_area(). What vmalloc() has mapped ends with a page
 * that is not, so the page tables say how large an area is; they do not say how
 * it was made. It comes back through vmap(), with the same pages, which
 * then belong to it.
 *
 * Unhappy ways: kho_restore_vmalloc() takes all pieces before it changes any
 * frame, so it can put back all of them. A list of addresses that
 * leads somewhere else, or in a circle, meets a piece that is not there.
 */

/* What an area of vmalloc() was, as in-tree. */
#define KHO_VMALLOC_ALLOC	0x0001

bool kho_is_enabled(void)
{
	return true;
}
EXPORT_SYMBOL_GPL(kho_is_enabled);

bool is_kho_boot(void)
{
	return luo_incoming_any();
}
EXPORT_SYMBOL_GPL(is_kho_boot);

/* ---------------------------------------------------------------- outgoing */

int kho_preserve_folio(struct folio *folio)
{
	/* Gigantic pages, which no kernel's allocator can take back. */
	if (folio_order(folio) > MAX_PAGE_ORDER)
		return -EOPNOTSUPP;
	return luo_memory_preserve(folio_pfn(folio), folio_order(folio), 1);
}
EXPORT_SYMBOL_GPL(kho_preserve_folio);

void kho_unpreserve_folio(struct folio *folio)
{
	WARN_ON_ONCE(!luo_memory_unpreserve(folio_pfn(folio), folio_order(folio), 1));
}
EXPORT_SYMBOL_GPL(kho_unpreserve_folio);

int kho_preserve_pages(struct page *page, unsigned long nr_pages)
{
	return luo_memory_preserve(page_to_pfn(page), 0, nr_pages);
}
EXPORT_SYMBOL_GPL(kho_preserve_pages);

void kho_unpreserve_pages(struct page *page, unsigned long nr_pages)
{
	WARN_ON_ONCE(!luo_memory_unpreserve(page_to_pfn(page), 0, nr_pages));
}
EXPORT_SYMBOL_GPL(kho_unpreserve_pages);

/* Memory that was plugged in later is above all other. */
static struct page *alloc_boot_ram(unsigned int order)
{
	gfp_t gfp = GFP_KERNEL | __GFP_ZERO | __GFP_COMP | __GFP_NOWARN;
	struct page *page = alloc_pages(gfp, order);

	if (page && !luo_is_boot_ram(page_to_pfn(page), 1UL << order)) {
		__free_pages(page, order);
		page = alloc_pages(gfp | __GFP_DMA32, order);
	}
	return page;
}

void *kho_alloc_preserve(size_t size)
{
	unsigned int order;
	struct page *page;
	int err;

	if (!size)
		return ERR_PTR(-EINVAL);
	order = get_order(size);
	if (order > MAX_PAGE_ORDER)
		return ERR_PTR(-E2BIG);

	page = alloc_boot_ram(order);
	if (!page)
		return ERR_PTR(-ENOMEM);
	err = kho_preserve_folio(page_folio(page));
	if (err) {
		__free_pages(page, order);
		return ERR_PTR(err);
	}
	return page_address(page);
}
EXPORT_SYMBOL_GPL(kho_alloc_preserve);

void kho_unpreserve_free(void *mem)
{
	struct folio *folio;

	if (!mem)
		return;
	folio = virt_to_folio(mem);
	kho_unpreserve_folio(folio);
	folio_put(folio);
}
EXPORT_SYMBOL_GPL(kho_unpreserve_free);

static unsigned long vmalloc_pages(const void *ptr)
{
	unsigned long n = 0;

	if (!PAGE_ALIGNED(ptr))
		return 0;
	while (is_vmalloc_addr(ptr) && vmalloc_to_page(ptr)) {
		ptr += PAGE_SIZE;
		n++;
	}
	return n;
}

int kho_preserve_vmalloc(void *ptr, struct kho_vmalloc *preservation)
{
	unsigned long nr = vmalloc_pages(ptr), i;
	struct kho_vmalloc_chunk *chunk = NULL, *new;
	struct page *page;
	int err;

	if (!nr)
		return -EINVAL;
	if (nr > UINT_MAX)
		return -E2BIG;

	*preservation = (struct kho_vmalloc){
		.total_pages = nr,
		.flags = KHO_VMALLOC_ALLOC,
	};
	for (i = 0; i < nr; i++) {
		if (!(i % KHO_VMALLOC_SIZE)) {
			new = kho_alloc_preserve(sizeof(*new));
			if (IS_ERR(new)) {
				err = PTR_ERR(new);
				goto err_unpreserve;
			}
			if (chunk)
				KHOSER_STORE_PTR(chunk->hdr.next, new);
			else
				KHOSER_STORE_PTR(preservation->first, new);
			chunk = new;
			cond_resched();
		}
		page = vmalloc_to_page(ptr + i * PAGE_SIZE);
		err = kho_preserve_pages(page, 1);
		if (err)
			goto err_unpreserve;
		chunk->phys[i % KHO_VMALLOC_SIZE] = page_to_phys(page);
	}
	return 0;

err_unpreserve:
	kho_unpreserve_vmalloc(preservation);
	return err;
}
EXPORT_SYMBOL_GPL(kho_preserve_vmalloc);

void kho_unpreserve_vmalloc(struct kho_vmalloc *preservation)
{
	struct kho_vmalloc_chunk *chunk = KHOSER_LOAD_PTR(preservation->first), *next;
	unsigned int i;

	for (; chunk; chunk = next) {
		next = KHOSER_LOAD_PTR(chunk->hdr.next);
		for (i = 0; i < KHO_VMALLOC_SIZE && chunk->phys[i]; i++)
			kho_unpreserve_pages(pfn_to_page(PHYS_PFN(chunk->phys[i])), 1);
		kho_unpreserve_free(chunk);
		cond_resched();
	}
}
EXPORT_SYMBOL_GPL(kho_unpreserve_vmalloc);

/* ---------------------------------------------------------------- incoming */

/* @pages as for luo_memory_take(). False: no such piece, or it cannot be used. */
static bool take(phys_addr_t phys, u64 pages, struct luo_extent *ret)
{
	if (!PAGE_ALIGNED(phys) || luo_memory_take(PHYS_PFN(phys), pages, ret))
		return false;
	if (luo_frames_are_fresh(ret->pfn, luo_extent_pages(ret)))
		return true;
	pr_err("memory of a handler at %#llx is not as it should be\n", (u64)phys);
	luo_memory_put_back(ret->pfn);
	return false;
}

static void settle(const struct luo_extent *ext)
{
	luo_memory_settle(ext->pfn);
	luo_incoming_returned(luo_extent_pages(ext));
}

struct folio *kho_restore_folio(phys_addr_t phys)
{
	struct folio *folio = NULL;
	struct luo_extent ext;

	if (!take(phys, 0, &ext))
		return NULL;
	if (ext.order <= MAX_PAGE_ORDER && (!ext.order || luo_can_compound()))
		folio = luo_frames_take(ext.pfn, ext.order);
	if (!folio) {
		pr_err("a folio of order %u cannot be made in this kernel\n", ext.order);
		luo_memory_put_back(ext.pfn);
		return NULL;
	}
	settle(&ext);
	return folio;
}
EXPORT_SYMBOL_GPL(kho_restore_folio);

struct page *kho_restore_pages(phys_addr_t phys, unsigned long nr_pages)
{
	struct luo_extent ext;
	struct page *page;

	if (!nr_pages || !take(phys, nr_pages, &ext))
		return NULL;
	page = luo_frames_take_pages(ext.pfn, nr_pages);
	settle(&ext);
	return page;
}
EXPORT_SYMBOL_GPL(kho_restore_pages);

void kho_restore_free(void *mem)
{
	struct luo_extent ext;

	if (!mem || WARN_ON_ONCE(!take(virt_to_phys(mem), 0, &ext)))
		return;
	luo_incoming_release(ext.pfn, luo_extent_pages(&ext));
	luo_memory_settle(ext.pfn);
}
EXPORT_SYMBOL_GPL(kho_restore_free);

void *kho_restore_vmalloc(const struct kho_vmalloc *preservation)
{
	unsigned long nr = preservation->total_pages, nr_chunks = 0, i;
	struct kho_vmalloc_chunk *chunk = NULL;
	u64 phys = preservation->first.phys;
	struct luo_counts counts;
	struct luo_extent ext;
	struct page **pages;
	void *addr;

	/* Not more than there is, however large the number. */
	luo_core_counts(&counts);
	if (!nr || nr > counts.memory_in || preservation->order ||
	    preservation->flags != KHO_VMALLOC_ALLOC)
		return NULL;
	pages = kvmalloc_array(nr, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return NULL;

	for (i = 0; i < nr; i++) {
		if (!(i % KHO_VMALLOC_SIZE)) {
			if (!take(phys, 1, &ext))
				goto err_put_back;
			nr_chunks++;
			chunk = phys_to_virt(phys);
			phys = chunk->hdr.next.phys;
			cond_resched();
		}
		if (!take(chunk->phys[i % KHO_VMALLOC_SIZE], 1, &ext))
			goto err_put_back;
		pages[i] = pfn_to_page(ext.pfn);
	}
	/* The pages, and the array of them, are the area's from now on. */
	addr = phys ? NULL : vmap(pages, nr, VM_MAP | VM_MAP_PUT_PAGES, PAGE_KERNEL);
	if (!addr)
		goto err_put_back;

	for (i = 0; i < nr; i++) {
		ext = (struct luo_extent){ .pfn = page_to_pfn(pages[i]), .count = 1 };
		luo_frames_take_pages(ext.pfn, 1);
		settle(&ext);
	}
	for (phys = preservation->first.phys; phys; ) {
		chunk = phys_to_virt(phys);
		ext = (struct luo_extent){ .pfn = PHYS_PFN(phys), .count = 1 };
		phys = chunk->hdr.next.phys;
		luo_incoming_release(ext.pfn, 1);
		luo_memory_settle(ext.pfn);
	}
	return addr;

err_put_back:
	while (i--)
		luo_memory_put_back(page_to_pfn(pages[i]));
	for (phys = preservation->first.phys; nr_chunks; nr_chunks--) {
		chunk = phys_to_virt(phys);
		luo_memory_put_back(PHYS_PFN(phys));
		phys = chunk->hdr.next.phys;
	}
	kvfree(pages);
	return NULL;
}
EXPORT_SYMBOL_GPL(kho_restore_vmalloc);
