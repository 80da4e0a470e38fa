/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allocations that fail when a test says so. Only in a module that was built
 * with LUO_FAULTS=1, which none for use ever is: the kernels that this module is
 * for have no fault injection of their own.
 *
 * Comes after all headers of the kernel, and takes the place of its names.
 */
#ifndef LUO_FAULTS_H
#define LUO_FAULTS_H

#include <linux/kobject.h>
#include <linux/pagemap.h>
#include <linux/vmalloc.h>

bool luo_fault(const char *file, int line);
#define LUO_FAULT	luo_fault(__FILE__, __LINE__)

static inline void *luo_real_kzalloc(size_t size, gfp_t gfp)
{
	return kzalloc(size, gfp);
}
#undef kzalloc
#define kzalloc(size, gfp) (LUO_FAULT ? NULL : luo_real_kzalloc(size, gfp))

static inline void *luo_real_kvcalloc(size_t n, size_t size, gfp_t gfp)
{
	return kvcalloc(n, size, gfp);
}
#undef kvcalloc
#define kvcalloc(n, size, gfp) (LUO_FAULT ? NULL : luo_real_kvcalloc(n, size, gfp))

static inline void *luo_real_kvmalloc_array(size_t n, size_t size, gfp_t gfp)
{
	return kvmalloc_array(n, size, gfp);
}
#undef kvmalloc_array
#define kvmalloc_array(n, size, gfp) \
	(LUO_FAULT ? NULL : luo_real_kvmalloc_array(n, size, gfp))

static inline void *luo_real_vzalloc(unsigned long size)
{
	return vzalloc(size);
}
#undef vzalloc
#define vzalloc(size) (LUO_FAULT ? NULL : luo_real_vzalloc(size))

static inline struct page *luo_real_alloc_page(gfp_t gfp)
{
	return alloc_page(gfp);
}
#undef alloc_page
#define alloc_page(gfp) (LUO_FAULT ? NULL : luo_real_alloc_page(gfp))

static inline int luo_real_rhashtable_init(struct rhashtable *ht,
					   const struct rhashtable_params *params)
{
	return rhashtable_init(ht, params);
}
#undef rhashtable_init
#define rhashtable_init(ht, params) \
	(LUO_FAULT ? -ENOMEM : luo_real_rhashtable_init(ht, params))

static __always_inline int
luo_real_rhashtable_insert(struct rhashtable *ht, struct rhash_head *head,
			   const struct rhashtable_params params)
{
	return rhashtable_lookup_insert_fast(ht, head, params);
}
#undef rhashtable_lookup_insert_fast
#define rhashtable_lookup_insert_fast(ht, head, params) \
	(LUO_FAULT ? -ENOMEM : luo_real_rhashtable_insert(ht, head, params))

static inline struct file *luo_real_anon_inode_getfile(const char *name,
						       const struct file_operations *fops,
						       void *priv, int flags)
{
	return anon_inode_getfile(name, fops, priv, flags);
}
#undef anon_inode_getfile
#define anon_inode_getfile(name, fops, priv, flags) \
	(LUO_FAULT ? ERR_PTR(-ENOMEM) : luo_real_anon_inode_getfile(name, fops, priv, flags))

static inline int luo_real_get_unused_fd_flags(unsigned int flags)
{
	return get_unused_fd_flags(flags);
}
#undef get_unused_fd_flags
#define get_unused_fd_flags(flags) \
	(LUO_FAULT ? -ENOMEM : luo_real_get_unused_fd_flags(flags))

static inline struct file *luo_real_shmem_file_setup(const char *name, loff_t size)
{
	return luo_shmem_file_setup(name, size);
}
#define luo_shmem_file_setup(name, size) \
	(LUO_FAULT ? ERR_PTR(-ENOMEM) : luo_real_shmem_file_setup(name, size))

/* Functions in every kernel. */
#define filemap_add_folio(mapping, folio, index, gfp) \
	(LUO_FAULT ? -ENOMEM : (filemap_add_folio)(mapping, folio, index, gfp))
#define dentry_open(path, flags, cred) \
	(LUO_FAULT ? ERR_PTR(-ENOMEM) : (dentry_open)(path, flags, cred))
#define kobject_create_and_add(name, parent) \
	(LUO_FAULT ? NULL : (kobject_create_and_add)(name, parent))

#endif /* LUO_FAULTS_H */
