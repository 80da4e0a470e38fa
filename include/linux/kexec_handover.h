/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that file handlers and FLBs take to the next kernel.
 *
 * Names and signatures are those of Linux 6.19 and later (Kexec Handover), so
 * that a handler written for that builds here. The calls that its core and its
 * early users need (sub-trees, scratch, finalising) are not here.
 *
 * What one call has preserved is one piece: it is given back, and restored in
 * the next kernel, as a whole. An address that is not that of a piece restores
 * to NULL, and so does one for the second time.
 */
#ifndef LINUX_KEXEC_HANDOVER_H
#define LINUX_KEXEC_HANDOVER_H

#include <linux/err.h>
#include <linux/errno.h>
#include <linux/types.h>

/* Light, as in-tree: headers of the architecture include this one in 7.x. */
struct kho_vmalloc;	/* <linux/kho/abi/kexec_handover.h> */
struct folio;
struct page;

#ifdef CONFIG_KEXEC_HANDOVER
/*
 * Such a kernel exports functions of these names, for a handover of its own
 * that does not take place here.
 */
#define kho_is_enabled		luo_kho_is_enabled
#define is_kho_boot		luo_is_kho_boot
#define kho_preserve_folio	luo_kho_preserve_folio
#define kho_unpreserve_folio	luo_kho_unpreserve_folio
#define kho_preserve_pages	luo_kho_preserve_pages
#define kho_unpreserve_pages	luo_kho_unpreserve_pages
#define kho_preserve_vmalloc	luo_kho_preserve_vmalloc
#define kho_unpreserve_vmalloc	luo_kho_unpreserve_vmalloc
#define kho_alloc_preserve	luo_kho_alloc_preserve
#define kho_unpreserve_free	luo_kho_unpreserve_free
#define kho_restore_free	luo_kho_restore_free
#define kho_restore_folio	luo_kho_restore_folio
#define kho_restore_pages	luo_kho_restore_pages
#define kho_restore_vmalloc	luo_kho_restore_vmalloc
#endif

/**
 * kho_is_enabled() - can memory be preserved?
 *
 * Return: true; whether the next kernel can be reached shows when it is loaded.
 */
bool kho_is_enabled(void);

/**
 * is_kho_boot() - was this kernel reached by a live update?
 *
 * Return: true if the previous kernel has left something here.
 */
bool is_kho_boot(void);

/**
 * kho_preserve_folio() - a folio goes to the next kernel
 * @folio: with a reference that stays until kho_unpreserve_folio()
 *
 * Its contents are what they are when the machine jumps. May be called in
 * preserve() and freeze() of a handler, and elsewhere.
 *
 * Context: May sleep.
 * Return: 0; -EBUSY when one of its pages is preserved already, by anybody, and
 * when the image for the next kernel is just being handed over; -EOPNOTSUPP for
 * memory that the next kernel will not have (plugged in after the boot, devices),
 * and for folios that are larger than the page allocator's; -ENOMEM, also when
 * the next kernel would have too little to start (module parameter pin_limit).
 */
int kho_preserve_folio(struct folio *folio);

/**
 * kho_unpreserve_folio() - undo kho_preserve_folio()
 * @folio: the same one
 *
 * Context: May sleep.
 */
void kho_unpreserve_folio(struct folio *folio);

/**
 * kho_preserve_pages() - contiguous pages go to the next kernel
 * @page:     the first
 * @nr_pages: number of them, at least 1
 *
 * They come back as single pages.
 *
 * Context: May sleep.
 * Return: as kho_preserve_folio(); -EINVAL for no pages; -E2BIG for more than
 * 2^24 - 1.
 */
int kho_preserve_pages(struct page *page, unsigned long nr_pages);

/**
 * kho_unpreserve_pages() - undo kho_preserve_pages()
 * @page:     the same
 * @nr_pages: the same
 *
 * Context: May sleep.
 */
void kho_unpreserve_pages(struct page *page, unsigned long nr_pages);

/**
 * kho_preserve_vmalloc() - memory from vmalloc() goes to the next kernel
 * @ptr:          what vmalloc() has returned
 * @preservation: what kho_restore_vmalloc() wants to see in the next kernel;
 *                to be kept in memory that is preserved too
 *
 * Costs 24 bytes in the image, and 64 besides, for each page. Flags of the area
 * do not travel: it comes back as vmalloc() would make it.
 *
 * Context: May sleep.
 * Return: as kho_preserve_folio(); -EINVAL when @ptr is not of vmalloc().
 */
int kho_preserve_vmalloc(void *ptr, struct kho_vmalloc *preservation);

/**
 * kho_unpreserve_vmalloc() - undo kho_preserve_vmalloc()
 * @preservation: as that has left it
 *
 * Context: May sleep.
 */
void kho_unpreserve_vmalloc(struct kho_vmalloc *preservation);

/**
 * kho_alloc_preserve() - allocate memory that goes to the next kernel
 * @size: in bytes
 *
 * Context: May sleep.
 * Return: zeroed, physically contiguous memory of a power of two of pages, or
 * an ERR_PTR() as kho_preserve_folio(); -EINVAL for no size; -E2BIG for more
 * than the page allocator's largest.
 */
void *kho_alloc_preserve(size_t size);

/**
 * kho_unpreserve_free() - undo kho_alloc_preserve()
 * @mem: what it has returned, or NULL
 *
 * Context: May sleep.
 */
void kho_unpreserve_free(void *mem);

/**
 * kho_restore_free() - memory of kho_alloc_preserve() is not needed any more
 * @mem: phys_to_virt() of its address in the previous kernel, or NULL
 *
 * In the next kernel. Until then it can be read and written there.
 */
void kho_restore_free(void *mem);

/**
 * kho_restore_folio() - take over a folio from the previous kernel
 * @phys: its physical address
 *
 * It is what folio_alloc() would have returned: refcount 1, no flags. Contents
 * can be read before that, with phys_to_virt().
 *
 * Return: the folio; NULL when none was preserved there, or it has been restored.
 */
struct folio *kho_restore_folio(phys_addr_t phys);

/**
 * kho_restore_pages() - take over pages from the previous kernel
 * @phys:     physical address of the first
 * @nr_pages: as many as were preserved by one call
 *
 * Return: the first page; NULL when no such pages were preserved there, or they
 * have been restored.
 */
struct page *kho_restore_pages(phys_addr_t phys, unsigned long nr_pages);

/**
 * kho_restore_vmalloc() - take over memory of vmalloc() from the previous kernel
 * @preservation: as kho_preserve_vmalloc() has left it
 *
 * Context: May sleep.
 * Return: the area, for vfree(). NULL when something of it was not preserved, or
 * memory for the mapping is short; nothing has happened then, and it may be tried
 * again.
 */
void *kho_restore_vmalloc(const struct kho_vmalloc *preservation);

#endif /* LINUX_KEXEC_HANDOVER_H */
