/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lifts older kernels to what the sources speak. The only place, with
 * probe.sh, that knows of differences between kernels.
 */
#ifndef LUO_COMPAT_H
#define LUO_COMPAT_H

#ifdef LUO_PROBE_FAILED
#error "the kernel's headers cannot be used; see the message of compat/probe.sh above"
#endif

#include <linux/crc32.h>
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/ftrace.h>
#include <linux/gfp.h>
#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/shmem_fs.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

/* Before 6.15 crc32c() was a module of its own, and the builtin had another name. */
static inline u32 luo_crc32c(u32 crc, const void *p, size_t len)
{
#ifdef LUO_HAVE_CRC32C_IN_CRC32
	return crc32c(crc, p, len);
#else
	return __crc32c_le(crc, p, len);
#endif
}

/* Renamed in 6.2. */
#ifndef ftrace_regs_set_instruction_pointer
#define ftrace_regs_set_instruction_pointer(fregs, ip) \
	ftrace_instruction_pointer_set(fregs, ip)
#endif

/* Up to 6.16 the third argument was a migrate type. */
static inline int luo_alloc_contig_range(unsigned long start, unsigned long end)
{
#ifdef LUO_HAVE_ACR_FLAGS
	return alloc_contig_range(start, end, ACR_FLAGS_NONE, GFP_KERNEL);
#else
	return alloc_contig_range(start, end, MIGRATE_MOVABLE, GFP_KERNEL);
#endif
}

/* 6.17 gave the unbound workqueue another name, and later complains about the old. */
#ifdef LUO_HAVE_SYSTEM_DFL_WQ
#define luo_unbound_wq	system_dfl_wq
#else
#define luo_unbound_wq	system_unbound_wq
#endif

/* Before 6.8 the name was MAX_ORDER; before 6.4 that was one more. */
#ifndef MAX_PAGE_ORDER
#define MAX_PAGE_ORDER	(MAX_ORDER - 1)
#endif

/* 7.0 turned the flags of shmem_file_setup() into a type of their own. */
static inline struct file *luo_shmem_file_setup(const char *name, loff_t size)
{
#ifdef LUO_HAVE_VMA_FLAGS_T
	return shmem_file_setup(name, size, (vma_flags_t){ });
#else
	return shmem_file_setup(name, size, 0);
#endif
}

#ifdef SHMEM_F_NORESERVE
#define LUO_SHMEM_NORESERVE	SHMEM_F_NORESERVE
#else
#define LUO_SHMEM_NORESERVE	VM_NORESERVE
#endif

/* Up to 6.7 it took a number; later kernels count by ones. */
static inline void luo_eventfd_signal(struct eventfd_ctx *ctx)
{
#ifdef LUO_HAVE_EVENTFD_SIGNAL_ONE
	eventfd_signal(ctx);
#else
	eventfd_signal(ctx, 1);
#endif
}

/*
 * Whether an eventfd is a semaphore stands in fdinfo from 6.5 on. On older
 * kernels only the private struct knows: this is its shape from 5.2 to 6.4. @id
 * stands in fdinfo since then, behind the flags in the struct, so it shows
 * whether this is what lies there.
 */
static inline int luo_eventfd_semaphore(struct file *file, int id)
{
	const struct {
		struct kref kref;
		wait_queue_head_t wqh;
		__u64 count;
		unsigned int flags;
		int id;
	} *ctx = file->private_data;

	if (ctx->id != id || ctx->flags & ~(unsigned int)EFD_FLAGS_SET)
		return -EOPNOTSUPP;
	return !!(ctx->flags & EFD_SEMAPHORE);
}

/* Up to 6.6 the page cache of a hugetlbfs file counts in pages of its own size. */
static inline unsigned int luo_hugetlb_index_shift(const struct inode *inode)
{
#ifdef LUO_HAVE_HUGETLB_BASEPAGE_INDEX
	return inode->i_blkbits - PAGE_SHIFT;
#else
	return 0;
#endif
}

/* 6.3 gave mappings of ids a type of their own. */
#ifdef LUO_HAVE_MNT_IDMAP
typedef struct mnt_idmap luo_idmap;
#else
typedef struct user_namespace luo_idmap;
#endif

/* 6.3 took the flags of a mapping behind functions. */
static inline void luo_vm_flags_clear(struct vm_area_struct *vma, unsigned long flags)
{
#ifdef LUO_HAVE_VM_FLAGS_CLEAR
	vm_flags_clear(vma, flags);
#else
	vma->vm_flags &= ~flags;
#endif
}

/* 6.6 did the same to the times of an inode. */
static inline void luo_inode_init_times(struct inode *inode)
{
#ifdef LUO_HAVE_SIMPLE_INODE_INIT_TS
	simple_inode_init_ts(inode);
#else
	inode->i_atime = current_time(inode);
	inode->i_mtime = inode->i_atime;
	inode->i_ctime = inode->i_atime;
#endif
}

/*
 * Making a compound page of frames that have never been one. Every kernel
 * keeps its prep_compound_page() to itself, so here is what a folio must look
 * like that folio_alloc() could have made, by shape of struct folio:
 *
 *  - destructor and order in the first tail page (to 6.5)
 *  - large mapcount, no destructor (6.10 and later); with ids of the address
 *    spaces that map it (6.15), and with the order in tail pages (7.1)
 *
 * The frames are fresh: flags as at boot, mapcounts -1, nothing else set.
 * luo_can_compound() says whether the shape is one of these; the kernels in
 * between have yet another. luo_folio_order_ok() says which orders shmem of this
 * kernel can live with; others come back as small folios.
 */
static inline bool luo_can_compound(void)
{
#if defined(LUO_HAVE_COMPOUND_DTOR) || defined(LUO_HAVE_LARGE_MAPCOUNT)
	return true;
#else
	return false;
#endif
}

static inline bool luo_folio_order_ok(unsigned int order)
{
#if defined(LUO_HAVE_COMPOUND_DTOR)
	/* Huge pages are the only large folios that shmem knows before 6.10. */
	return order == HPAGE_PMD_ORDER;
#elif defined(LUO_HAVE_LARGE_MAPCOUNT)
	return order > 1 && order <= HPAGE_PMD_ORDER;
#else
	return false;
#endif
}

#ifdef LUO_HAVE_COMPOUND_HEAD_ORDER
#define luo_set_compound_head(tail, head, order)	set_compound_head(tail, head, order)
#else
#define luo_set_compound_head(tail, head, order)	set_compound_head(tail, head)
#endif

static inline void luo_prep_compound(struct page *head, unsigned int order)
{
#if defined(LUO_HAVE_COMPOUND_DTOR)
	unsigned long i, nr = 1UL << order;

	__SetPageHead(head);
	for (i = 1; i < nr; i++) {
		head[i].mapping = TAIL_MAPPING;
		set_compound_head(&head[i], head);
		set_page_private(&head[i], 0);
	}
	head[1].compound_order = order;
	head[1].compound_nr = nr;
	head[1].compound_dtor = COMPOUND_PAGE_DTOR;
	atomic_set(compound_mapcount_ptr(head), -1);
	atomic_set(compound_pincount_ptr(head), 0);
	/* The list is in the second tail page, which two pages do not have. */
	if (order > 1) {
		head[1].compound_dtor = TRANSHUGE_PAGE_DTOR;
		INIT_LIST_HEAD(page_deferred_list(head));
	}
#elif defined(LUO_HAVE_LARGE_MAPCOUNT)
	struct folio *folio = (struct folio *)head;
	unsigned long i, nr = 1UL << order;

	__SetPageHead(head);
	for (i = 1; i < nr; i++) {
		head[i].mapping = TAIL_MAPPING;
		luo_set_compound_head(&head[i], head, order);
		set_page_private(&head[i], 0);
	}
	folio->_flags_1 = (folio->_flags_1 & ~0xffUL) | order;
#ifdef LUO_HAVE_FOLIO_NR_PAGES
	folio->_folio_nr_pages = nr;
#elif defined(NR_PAGES_IN_LARGE_FOLIO)
	folio->_nr_pages = nr;
#endif
	atomic_set(&folio->_large_mapcount, -1);
	atomic_set(&folio->_entire_mapcount, -1);
	atomic_set(&folio->_pincount, 0);
#if !defined(LUO_HAVE_MM_ID) || defined(CONFIG_PAGE_MAPCOUNT)
	atomic_set(&folio->_nr_pages_mapped, 0);
#endif
#if defined(LUO_HAVE_MM_ID) && defined(CONFIG_MM_ID)
	folio->_mm_ids = 0;
	folio->_mm_id_mapcount[0] = -1;
	folio->_mm_id_mapcount[1] = -1;
#endif
	/* The list is in the second tail page, which two pages do not have. */
	if (order > 1) {
		INIT_LIST_HEAD(&folio->_deferred_list);
		folio_set_large_rmappable(folio);
	}
#else
	WARN_ON_ONCE(order);
#endif
}

#endif /* LUO_COMPAT_H */
