// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files of huge pages that are nobody's pool: what becomes of hugetlb memfds.
 */
#define pr_fmt(fmt) "liveupdate: " fmt

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/huge_mm.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/pseudo_fs.h>
#include <linux/sched/signal.h>
#include <linux/uio.h>
#include <uapi/linux/falloc.h>
#include <uapi/linux/fcntl.h>

#include "handlers.h"

/**
 * DOC: Files of huge pages
 *
 * Nothing that puts a page into a file of hugetlbfs is exported. So a hugetlb
 * memfd comes back as a file of a small file system of our own, whose page
 * cache consists of folios of 2 MiB and nothing else. To mm that is a file like
 * any other with large folios: a fault maps a whole folio by one entry of the
 * page middle directory, get_user_pages() takes references to its pages (and
 * with it direct I/O, vmsplice, KVM), private mappings copy on write.
 *
 * That they stay huge: the file holds one more reference to each folio than
 * the page cache has, from the moment that it is added until the page cache
 * lets it go (free_folio()). Reclaim, migration and splitting all want to be
 * the only ones and find that they are not. The mapping is unevictable, so
 * reclaim does not even look; folios are dirty for good, so nobody drops them
 * as clean.
 *
 * A folio lives until the file and everybody who pinned one of its pages have
 * let it go, and goes to the buddy allocator then. Holes get new folios, zeroed,
 * when they are written or touched.
 *
 * Life: each file is alone on its file system. It keeps the module as long as
 * there is the file, also for the moment after the last close in which the inode
 * goes.
 *
 * Locks: inode lock (write, fallocate, change of size) - invalidate lock of the
 * mapping (shared by faults, exclusive for removal of pages) - folio lock.
 */

#define HUGEFILE_MAGIC		0x4c554f48	/* "LUOH" */
/* Whole folios, so that rounding up an offset cannot overflow. */
#define HUGEFILE_MAX_SIZE	round_down(MAX_LFS_FILESIZE, HPAGE_PMD_SIZE)

static const struct file_operations hugefile_fops;

static u32 hugefile_seals(const struct inode *inode)
{
	return (unsigned long)inode->i_private;
}

bool luo_is_hugefile(const struct file *file)
{
	return file->f_op == &hugefile_fops;
}

u32 luo_hugefile_seals(const struct file *file)
{
	return hugefile_seals(file_inode(file));
}

void luo_hugefile_seal(struct file *file, u32 seals)
{
	file_inode(file)->i_private = (void *)(unsigned long)seals;
}

/* ------------------------------------------------------------- page cache */

/* The caller's reference becomes the file's; the folio comes back locked. */
static int add_folio(struct inode *inode, struct folio *folio, pgoff_t index)
{
	int err = filemap_add_folio(inode->i_mapping, folio, index, GFP_KERNEL);

	if (err)
		return err;
	inode_add_bytes(inode, folio_size(folio));
	folio_mark_dirty(folio);
	return 0;
}

int luo_hugefile_add(struct file *file, struct folio *folio, pgoff_t index)
{
	int err = add_folio(file_inode(file), folio, index);

	if (!err)
		folio_unlock(folio);
	return err;
}

/* The page cache has let it go: so does the file. */
static void hugefile_free_folio(struct folio *folio)
{
	folio_put(folio);
}

static bool is_damaged(struct folio *folio)
{
	return folio_test_hwpoison(folio) || folio_test_has_hwpoisoned(folio);
}

static struct folio *alloc_folio(void)
{
	/*
	 * Not movable: it will not move. No order of this size is worth killing
	 * anybody for.
	 */
	struct folio *folio = folio_alloc(GFP_HIGHUSER | __GFP_ZERO | __GFP_NOWARN |
					  __GFP_RETRY_MAYFAIL, HPAGE_PMD_ORDER);

	if (folio)
		__folio_mark_uptodate(folio);
	return folio;
}

/* The folio at @index, made if need be; locked, with a reference. */
static struct folio *get_folio(struct inode *inode, pgoff_t index)
{
	struct folio *folio;
	int err;

	index = round_down(index, HPAGE_PMD_NR);
	do {
		/* Up to 6.3 NULL means that there is none, then ERR_PTR(-ENOENT). */
		folio = filemap_lock_folio(inode->i_mapping, index);
		if (!IS_ERR_OR_NULL(folio)) {
			if (!is_damaged(folio))
				return folio;
			folio_unlock(folio);
			folio_put(folio);
			return ERR_PTR(-EHWPOISON);
		}
		folio = alloc_folio();
		if (!folio)
			return ERR_PTR(-ENOSPC);
		err = add_folio(inode, folio, index);
		if (!err) {
			folio_get(folio);
			return folio;
		}
		folio_put(folio);
	} while (err == -EEXIST);
	return ERR_PTR(err);
}

/* All folios from @start to before @end, both in whole folios. */
static void remove_folios(struct inode *inode, loff_t start, loff_t end, bool even_cows)
{
	struct address_space *mapping = inode->i_mapping;
	unsigned long before = mapping->nrpages;

	unmap_mapping_range(mapping, start, end - start, even_cows);
	truncate_inode_pages_range(mapping, start, end - 1);
	inode_sub_bytes(inode, (u64)(before - mapping->nrpages) << PAGE_SHIFT);
}

/* Within one folio. */
static void zero_part(struct inode *inode, loff_t start, loff_t end)
{
	struct folio *folio = filemap_lock_folio(inode->i_mapping, start >> PAGE_SHIFT);

	if (IS_ERR_OR_NULL(folio))
		return;
	folio_zero_range(folio, offset_in_folio(folio, start), end - start);
	folio_unlock(folio);
	folio_put(folio);
}

/* ------------------------------------------------------------- mappings */

static vm_fault_t hugefile_fault(struct vm_fault *vmf)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	vm_fault_t ret = VM_FAULT_SIGBUS;
	struct folio *folio;

	filemap_invalidate_lock_shared(inode->i_mapping);
	if (vmf->pgoff < DIV_ROUND_UP_ULL(i_size_read(inode), PAGE_SIZE)) {
		folio = get_folio(inode, vmf->pgoff);
		if (IS_ERR(folio)) {
			ret = vmf_error(PTR_ERR(folio));
		} else {
			vmf->page = folio_file_page(folio, vmf->pgoff);
			ret = VM_FAULT_LOCKED;
		}
	}
	filemap_invalidate_unlock_shared(inode->i_mapping);
	return ret;
}

static const struct vm_operations_struct hugefile_vm_ops = {
	.fault	= hugefile_fault,
};

static int hugefile_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_SHARED &&
	    luo_hugefile_seals(file) & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) {
		if (vma->vm_flags & VM_WRITE)
			return -EPERM;
		luo_vm_flags_clear(vma, VM_MAYWRITE);
	}
	file_accessed(file);
	vma->vm_ops = &hugefile_vm_ops;
	return 0;
}

/* ------------------------------------------------------------- contents */

static ssize_t hugefile_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t done = 0, err = 0;

	while (iov_iter_count(to)) {
		loff_t pos = iocb->ki_pos, size = i_size_read(inode);
		size_t offset = pos & (HPAGE_PMD_SIZE - 1), len, copied;
		struct folio *folio;

		if (pos >= size)
			break;
		len = min3((u64)iov_iter_count(to), (u64)HPAGE_PMD_SIZE - offset,
			   (u64)(size - pos));
		folio = filemap_get_folio(inode->i_mapping, pos >> PAGE_SHIFT);
		if (IS_ERR_OR_NULL(folio)) {
			copied = iov_iter_zero(len, to);
		} else if (is_damaged(folio)) {
			folio_put(folio);
			err = -EIO;
			break;
		} else {
			copied = copy_folio_to_iter(folio, offset, len, to);
			folio_put(folio);
		}
		iocb->ki_pos += copied;
		done += copied;
		err = copied < len ? -EFAULT : fatal_signal_pending(current) ? -EINTR : 0;
		if (err)
			break;
		cond_resched();
	}
	file_accessed(iocb->ki_filp);
	return done ? done : err;
}

/* Changes no size: what does not fit is not written. */
static ssize_t hugefile_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t done = 0, err = 0;

	while (iov_iter_count(from)) {
		loff_t pos = iocb->ki_pos, size = i_size_read(inode);
		size_t offset = pos & (HPAGE_PMD_SIZE - 1), len, copied;
		struct folio *folio;

		if (pos >= size) {
			err = -ENOSPC;
			break;
		}
		len = min3((u64)iov_iter_count(from), (u64)HPAGE_PMD_SIZE - offset,
			   (u64)(size - pos));
		folio = get_folio(inode, pos >> PAGE_SHIFT);
		if (IS_ERR(folio)) {
			err = PTR_ERR(folio);
			break;
		}
		/*
		 * It cannot leave the file while the inode is locked, and the
		 * source may be a mapping of the same folio.
		 */
		folio_unlock(folio);
		copied = copy_page_from_iter(&folio->page, offset, len, from);
		folio_put(folio);
		iocb->ki_pos += copied;
		done += copied;
		err = copied < len ? -EFAULT : fatal_signal_pending(current) ? -EINTR : 0;
		if (err)
			break;
		cond_resched();
	}
	return done ? done : err;
}

static ssize_t hugefile_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct file *file = iocb->ki_filp;
	struct inode *inode = file_inode(file);
	ssize_t ret;

	inode_lock(inode);
	ret = generic_write_checks(iocb, from);
	if (ret <= 0)
		goto out;
	ret = -EPERM;
	if (hugefile_seals(inode) & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		goto out;
	ret = file_modified(file);
	if (ret)
		goto out;
	ret = hugefile_write(iocb, from);
out:
	inode_unlock(inode);
	return ret;
}

static int punch_hole(struct inode *inode, loff_t start, loff_t end)
{
	loff_t first = round_up(start, HPAGE_PMD_SIZE), last = round_down(end, HPAGE_PMD_SIZE);

	if (hugefile_seals(inode) & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		return -EPERM;

	filemap_invalidate_lock(inode->i_mapping);
	if (first > last) {
		zero_part(inode, start, end);
	} else {
		if (start < first)
			zero_part(inode, start, first);
		if (first < last)
			remove_folios(inode, first, last, false);
		if (last < end)
			zero_part(inode, last, end);
	}
	filemap_invalidate_unlock(inode->i_mapping);
	return 0;
}

static int fill_holes(struct inode *inode, loff_t start, loff_t end, bool keep_size)
{
	struct folio *folio;
	loff_t pos;
	int err;

	if (!keep_size && end > i_size_read(inode)) {
		if (hugefile_seals(inode) & F_SEAL_GROW)
			return -EPERM;
		err = inode_newsize_ok(inode, end);
		if (err)
			return err;
	}
	for (pos = round_down(start, HPAGE_PMD_SIZE); pos < end; pos += HPAGE_PMD_SIZE) {
		if (fatal_signal_pending(current))
			return -EINTR;
		folio = get_folio(inode, pos >> PAGE_SHIFT);
		if (IS_ERR(folio))
			return PTR_ERR(folio);
		folio_unlock(folio);
		folio_put(folio);
		cond_resched();
	}
	if (!keep_size && end > i_size_read(inode))
		i_size_write(inode, end);
	return 0;
}

static long hugefile_fallocate(struct file *file, int mode, loff_t offset, loff_t len)
{
	struct inode *inode = file_inode(file);
	int err;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;

	inode_lock(inode);
	err = file_modified(file);
	if (!err) {
		if (mode & FALLOC_FL_PUNCH_HOLE)
			err = punch_hole(inode, offset, offset + len);
		else
			err = fill_holes(inode, offset, offset + len,
					 mode & FALLOC_FL_KEEP_SIZE);
	}
	inode_unlock(inode);
	return err;
}

static int resize(struct inode *inode, loff_t size)
{
	loff_t old = i_size_read(inode);

	if (size & (HPAGE_PMD_SIZE - 1))
		return -EINVAL;
	if ((size < old && hugefile_seals(inode) & F_SEAL_SHRINK) ||
	    (size > old && hugefile_seals(inode) & F_SEAL_GROW))
		return -EPERM;

	filemap_invalidate_lock(inode->i_mapping);
	i_size_write(inode, size);
	/* Also what was allocated beyond the end. */
	remove_folios(inode, size, HUGEFILE_MAX_SIZE, true);
	filemap_invalidate_unlock(inode->i_mapping);
	return 0;
}

static int hugefile_setattr(luo_idmap *idmap, struct dentry *dentry, struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	int err = setattr_prepare(idmap, dentry, attr);

	if (err)
		return err;
	if (attr->ia_valid & ATTR_MODE && hugefile_seals(inode) & LUO_SEAL_EXEC &&
	    (inode->i_mode ^ attr->ia_mode) & 0111)
		return -EPERM;
	if (attr->ia_valid & ATTR_SIZE) {
		err = resize(inode, attr->ia_size);
		if (err)
			return err;
	}
	setattr_copy(idmap, inode, attr);
	return 0;
}

/* ------------------------------------------------------------- file */

static const struct file_operations hugefile_fops = {
	.owner			= THIS_MODULE,
	.llseek			= generic_file_llseek,
	.read_iter		= hugefile_read_iter,
	.write_iter		= hugefile_write_iter,
	.mmap			= hugefile_mmap,
	.get_unmapped_area	= thp_get_unmapped_area,
	.fsync			= noop_fsync,
	.fallocate		= hugefile_fallocate,
};

static const struct inode_operations hugefile_iops = {
	.setattr	= hugefile_setattr,
};

static const struct address_space_operations hugefile_aops = {
	.dirty_folio	= noop_dirty_folio,
	.free_folio	= hugefile_free_folio,
};

static int hugefile_init_fs_context(struct fs_context *fc)
{
	if (!init_pseudo(fc, HUGEFILE_MAGIC))
		return -ENOMEM;
	/* As on hugetlbfs; after 6.12 that is not what pseudo file systems begin with. */
	fc->s_iflags &= ~SB_I_NOEXEC;
	return 0;
}

static struct file_system_type hugefile_type = {
	.owner			= THIS_MODULE,
	.name			= "luo-huge",
	.init_fs_context	= hugefile_init_fs_context,
	.kill_sb		= kill_anon_super,
};

static struct inode *make_inode(struct super_block *sb)
{
	struct inode *inode = new_inode(sb);

	if (!inode)
		return NULL;
	inode->i_ino = get_next_ino();
	inode->i_mode = S_IFREG | 0600;
	inode->i_blkbits = HPAGE_PMD_SHIFT;
	luo_inode_init_times(inode);
	clear_nlink(inode);
	inode->i_op = &hugefile_iops;
	inode->i_fop = &hugefile_fops;
	inode->i_mapping->a_ops = &hugefile_aops;
	mapping_set_large_folios(inode->i_mapping);
	mapping_set_unevictable(inode->i_mapping);
	return inode;
}

struct file *luo_hugefile_create(const char *name, loff_t size)
{
	static struct vfsmount *mount;
	static int mount_count;
	struct inode *inode;
	struct file *file;
	int err;

	err = simple_pin_fs(&hugefile_type, &mount, &mount_count);
	if (err)
		return ERR_PTR(err);
	mount->mnt_sb->s_maxbytes = HUGEFILE_MAX_SIZE;
	file = ERR_PTR(-ENOMEM);
	inode = make_inode(mount->mnt_sb);
	if (!inode)
		goto out;
	i_size_write(inode, size);
	/* The last close puts it. */
	__module_get(THIS_MODULE);
	file = alloc_file_pseudo(inode, mount, name, O_RDWR | O_LARGEFILE, &hugefile_fops);
	if (IS_ERR(file)) {
		module_put(THIS_MODULE);
		iput(inode);
	}
out:
	/* From here on the file keeps the mount. */
	simple_release_fs(&mount, &mount_count);
	return file;
}
