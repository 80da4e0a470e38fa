// SPDX-License-Identifier: GPL-2.0-only
/*
 * A family of files that depend on each other, and survive a live update.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/kexec_handover.h>
#include <linux/kref.h>
#include <linux/liveupdate.h>
#include <linux/log2.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "luo_family.h"

/**
 * DOC: A family of files
 *
 * Written only against the kernel's own interface for live update, as an example
 * for drivers whose files refer to each other in a circle: a virtual machine to
 * its devices, a device to its IOMMU domain, the domain to the machine.
 *
 * No order of PRESERVE_FD and RETRIEVE_FD could please a circle, so none is
 * asked for:
 *
 *  - preserve() saves what belongs to the file alone, and leaves a place for
 *    the reference (FAMILY_UNKNOWN).
 *  - freeze() is called when user space has handed over everything. It looks at
 *    the whole, writes the reference down, or refuses the update.
 *  - retrieve() makes the file; the reference stays open until the other one
 *    is retrieved too.
 *  - can_finish() refuses to end the session before that.
 *
 * What files share is bound to their life (FLB):
 *
 *  - the register, used by all three kinds: numbers given out so far. Lies in
 *    memory of kho_alloc_preserve(), which is read and written in place.
 *  - the bus, used by domains and devices: which of them are on it. Lies in
 *    pages that the module has anyway (kho_preserve_pages()).
 *
 * Each kind of member keeps its memory in another way: a machine by vmalloc(), a
 * domain in one large folio, a device in single pages in a row.
 *
 * Locks: family_lock protects the list of members, references, and numbers.
 * Innermost but for those of the page allocator; liveupdate_flb_get_*() and kho_*()
 * are called without it where they can sleep for long.
 */

/* In a record, instead of the partner's number, until the freeze. */
#define FAMILY_UNKNOWN		(~0ULL)
#define FAMILY_MAX_PAGES	8192
#define BUS_PAGES		3
#define BUS_SLOTS		(BUS_PAGES * PAGE_SIZE / sizeof(u64))

/**
 * struct member - what a file is
 * @ref:     one for the file, one for each that refers to it
 * @list:    in family, while the file is open
 * @kind:    see &enum family_kind
 * @pages:   size of @mem
 * @id:      never 0
 * @mem:     contents
 * @partner: whom it refers to, counted
 * @waits:   number of a partner that is not retrieved yet, 0: none
 * @ser:     while preserved: its record
 */
struct member {
	struct kref ref;
	struct list_head list;
	u32 kind;
	u32 pages;
	u64 id;
	void *mem;
	struct member *partner;
	u64 waits;
	struct member_ser *ser;
};

/* struct member_ser - what the next kernel gets of a member */
struct member_ser {
	u32 kind;
	u32 pages;
	u64 id;
	u64 partner;			/* 0: none */
	u64 phys;			/* of the folio or the pages */
	struct kho_vmalloc vmalloc;	/* of a machine */
};

static DEFINE_MUTEX(family_lock);
static LIST_HEAD(family);
static u64 family_last_id;

static const char *const kind_names[] = { "machine", "domain", "device" };

/* Calls of preserve, unpreserve, retrieve, finish; for those who want to look. */
static unsigned int register_calls[4], bus_calls[4];
module_param_array(register_calls, uint, NULL, 0444);
module_param_array(bus_calls, uint, NULL, 0444);

/* ---------------------------------------------------------------- memory */

static void *memory_alloc(u32 kind, u32 pages)
{
	size_t size = (size_t)pages << PAGE_SHIFT;
	struct page *page;

	switch (kind) {
	case FAMILY_MACHINE:
		return vzalloc(size);
	case FAMILY_DOMAIN:
		page = alloc_pages(GFP_KERNEL | __GFP_ZERO | __GFP_COMP, ilog2(pages));
		return page ? page_address(page) : NULL;
	default:
		return alloc_pages_exact(size, GFP_KERNEL | __GFP_ZERO);
	}
}

static void memory_free(u32 kind, void *mem, u32 pages)
{
	if (!mem)
		return;
	switch (kind) {
	case FAMILY_MACHINE:
		vfree(mem);
		break;
	case FAMILY_DOMAIN:
		folio_put(virt_to_folio(mem));
		break;
	default:
		free_pages_exact(mem, (size_t)pages << PAGE_SHIFT);
	}
}

static int memory_preserve(const struct member *m, struct member_ser *ser)
{
	switch (m->kind) {
	case FAMILY_MACHINE:
		return kho_preserve_vmalloc(m->mem, &ser->vmalloc);
	case FAMILY_DOMAIN:
		ser->phys = virt_to_phys(m->mem);
		return kho_preserve_folio(virt_to_folio(m->mem));
	default:
		ser->phys = virt_to_phys(m->mem);
		return kho_preserve_pages(virt_to_page(m->mem), m->pages);
	}
}

static void memory_unpreserve(const struct member *m, struct member_ser *ser)
{
	switch (m->kind) {
	case FAMILY_MACHINE:
		kho_unpreserve_vmalloc(&ser->vmalloc);
		break;
	case FAMILY_DOMAIN:
		kho_unpreserve_folio(virt_to_folio(m->mem));
		break;
	default:
		kho_unpreserve_pages(virt_to_page(m->mem), m->pages);
	}
}

/* In the next kernel. Nothing has happened if it returns NULL. */
static void *memory_restore(const struct member_ser *ser)
{
	struct folio *folio;
	struct page *page;

	switch (ser->kind) {
	case FAMILY_MACHINE:
		return kho_restore_vmalloc(&ser->vmalloc);
	case FAMILY_DOMAIN:
		folio = kho_restore_folio(ser->phys);
		return folio ? folio_address(folio) : NULL;
	default:
		page = kho_restore_pages(ser->phys, ser->pages);
		return page ? page_address(page) : NULL;
	}
}

/* --------------------------------------------------------------- members */

static void member_free(struct kref *ref)
{
	struct member *m = container_of(ref, struct member, ref);

	memory_free(m->kind, m->mem, m->pages);
	kfree(m);
}

static ssize_t member_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	struct member *m = file->private_data;

	return simple_read_from_buffer(buf, len, pos, m->mem, (size_t)m->pages << PAGE_SHIFT);
}

static ssize_t member_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	struct member *m = file->private_data;

	return simple_write_to_buffer(m->mem, (size_t)m->pages << PAGE_SHIFT, pos, buf, len);
}

static const struct file_operations member_fops;

static long member_link(struct member *m, unsigned int fd)
{
	struct file *file = fget(fd);
	struct member *other, *old;

	if (!file)
		return -EBADF;
	other = file->private_data;
	/* A machine refers to a device, that to a domain, and that to a machine. */
	if (file->f_op != &member_fops ||
	    other->kind != (m->kind + FAMILY_NR_KINDS - 1) % FAMILY_NR_KINDS) {
		fput(file);
		return -EINVAL;
	}
	kref_get(&other->ref);
	fput(file);

	mutex_lock(&family_lock);
	old = m->partner;
	m->partner = other;
	m->waits = 0;
	mutex_unlock(&family_lock);
	if (old)
		kref_put(&old->ref, member_free);
	return 0;
}

static long member_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct member *m = file->private_data;
	struct family_info info = { .kind = m->kind, .pages = m->pages, .id = m->id };

	switch (cmd) {
	case FAMILY_LINK:
		return member_link(m, arg);
	case FAMILY_INFO:
		mutex_lock(&family_lock);
		if (m->partner)
			info.partner = m->partner->id;
		mutex_unlock(&family_lock);
		return copy_to_user((void __user *)arg, &info, sizeof(info)) ? -EFAULT : 0;
	}
	return -ENOTTY;
}

/* A circle of references ends here: nobody keeps another's file open. */
static int member_release(struct inode *inode, struct file *file)
{
	struct member *m = file->private_data, *partner;

	mutex_lock(&family_lock);
	list_del(&m->list);
	partner = m->partner;
	m->partner = NULL;
	mutex_unlock(&family_lock);
	if (partner)
		kref_put(&partner->ref, member_free);
	kref_put(&m->ref, member_free);
	return 0;
}

static const struct file_operations member_fops = {
	.owner = THIS_MODULE,
	.release = member_release,
	.read = member_read,
	.write = member_write,
	.unlocked_ioctl = member_ioctl,
};

/* A file of a new member, which has no number and no memory yet. */
static struct file *member_file(u32 kind, u32 pages)
{
	struct member *m = kzalloc(sizeof(*m), GFP_KERNEL);
	struct file *file;

	if (!m)
		return ERR_PTR(-ENOMEM);
	kref_init(&m->ref);
	m->kind = kind;
	m->pages = pages;
	file = anon_inode_getfile("[luo_family]", &member_fops, m, O_RDWR);
	if (IS_ERR(file)) {
		kfree(m);
		return file;
	}
	file->f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
	mutex_lock(&family_lock);
	list_add_tail(&m->list, &family);
	mutex_unlock(&family_lock);
	return file;
}

static bool member_possible(u32 kind, u32 pages)
{
	return kind < FAMILY_NR_KINDS && pages && pages <= FAMILY_MAX_PAGES &&
	       (kind != FAMILY_DOMAIN ||
		(is_power_of_2(pages) && pages <= MAX_ORDER_NR_PAGES));
}

static long family_ioctl(struct file *device, unsigned int cmd, unsigned long arg)
{
	struct family_new new;
	struct member *m;
	struct file *file;
	int fd;

	if (cmd != FAMILY_NEW)
		return -ENOTTY;
	if (copy_from_user(&new, (void __user *)arg, sizeof(new)))
		return -EFAULT;
	if (!member_possible(new.kind, new.pages))
		return -EINVAL;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	file = member_file(new.kind, new.pages);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	m = file->private_data;
	m->mem = memory_alloc(new.kind, new.pages);
	if (!m->mem) {
		put_unused_fd(fd);
		fput(file);
		return -ENOMEM;
	}
	mutex_lock(&family_lock);
	m->id = ++family_last_id;
	mutex_unlock(&family_lock);
	fd_install(fd, file);
	return fd;
}

static const struct file_operations family_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = family_ioctl,
};

static struct miscdevice family_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "luo_family",
	.fops = &family_fops,
	.mode = 0600,
};

/* ------------------------------------------------------- what files share */

enum { PRESERVE, UNPRESERVE, RETRIEVE, FINISH };

/* struct register_ser - the register, in this kernel and the next */
struct register_ser {
	u64 last_id;
	u64 members;			/* that are preserved */
};

static int register_preserve(struct liveupdate_flb_op_args *argp)
{
	struct register_ser *reg = kho_alloc_preserve(sizeof(*reg));

	if (IS_ERR(reg))
		return PTR_ERR(reg);
	argp->obj = reg;
	argp->data = virt_to_phys(reg);
	register_calls[PRESERVE]++;
	return 0;
}

static void register_unpreserve(struct liveupdate_flb_op_args *argp)
{
	WARN_ON_ONCE(((struct register_ser *)argp->obj)->members);
	kho_unpreserve_free(argp->obj);
	register_calls[UNPRESERVE]++;
}

/* It stays where it is, and is read there, until finish. */
static int register_retrieve(struct liveupdate_flb_op_args *argp)
{
	struct register_ser *reg = phys_to_virt(argp->data);

	mutex_lock(&family_lock);
	family_last_id = max(family_last_id, reg->last_id);
	mutex_unlock(&family_lock);
	argp->obj = reg;
	register_calls[RETRIEVE]++;
	return 0;
}

static void register_finish(struct liveupdate_flb_op_args *argp)
{
	kho_restore_free(argp->obj);
	register_calls[FINISH]++;
}

static const struct liveupdate_flb_ops register_ops = {
	.preserve = register_preserve,
	.unpreserve = register_unpreserve,
	.retrieve = register_retrieve,
	.finish = register_finish,
	.owner = THIS_MODULE,
};

static struct liveupdate_flb register_flb = {
	.ops = &register_ops,
	.compatible = "luo-family-register-v1",
};

static int bus_preserve(struct liveupdate_flb_op_args *argp)
{
	u64 *slots = alloc_pages_exact(BUS_PAGES * PAGE_SIZE, GFP_KERNEL | __GFP_ZERO);
	int err;

	if (!slots)
		return -ENOMEM;
	err = kho_preserve_pages(virt_to_page(slots), BUS_PAGES);
	if (err) {
		free_pages_exact(slots, BUS_PAGES * PAGE_SIZE);
		return err;
	}
	argp->obj = slots;
	argp->data = virt_to_phys(slots);
	bus_calls[PRESERVE]++;
	return 0;
}

static void bus_unpreserve(struct liveupdate_flb_op_args *argp)
{
	kho_unpreserve_pages(virt_to_page(argp->obj), BUS_PAGES);
	free_pages_exact(argp->obj, BUS_PAGES * PAGE_SIZE);
	bus_calls[UNPRESERVE]++;
}

/* Ordinary pages of this kernel from now on. */
static int bus_retrieve(struct liveupdate_flb_op_args *argp)
{
	struct page *page = kho_restore_pages(argp->data, BUS_PAGES);

	if (!page)
		return -EIO;
	argp->obj = page_address(page);
	bus_calls[RETRIEVE]++;
	return 0;
}

static void bus_finish(struct liveupdate_flb_op_args *argp)
{
	free_pages_exact(argp->obj, BUS_PAGES * PAGE_SIZE);
	bus_calls[FINISH]++;
}

static const struct liveupdate_flb_ops bus_ops = {
	.preserve = bus_preserve,
	.unpreserve = bus_unpreserve,
	.retrieve = bus_retrieve,
	.finish = bus_finish,
	.owner = THIS_MODULE,
};

static struct liveupdate_flb bus_flb = {
	.ops = &bus_ops,
	.compatible = "luo-family-bus-v1",
};

static bool on_bus(u32 kind)
{
	return kind != FAMILY_MACHINE;
}

/*
 * A member enters what is shared with the next kernel, or leaves it. While a file
 * is being preserved, or is, its FLBs are there.
 */
static int outgoing_count(const struct member *m, bool enter)
{
	struct register_ser *reg;
	u64 *slots;
	void *obj;
	int err;

	err = liveupdate_flb_get_outgoing(&register_flb, &obj);
	if (err)
		return err;
	reg = obj;
	mutex_lock(&family_lock);
	reg->last_id = family_last_id;
	reg->members += enter ? 1 : -1;
	mutex_unlock(&family_lock);
	liveupdate_flb_put_outgoing(&register_flb);

	if (!on_bus(m->kind))
		return 0;
	err = liveupdate_flb_get_outgoing(&bus_flb, &obj);
	if (err)
		return err;
	slots = obj;
	WRITE_ONCE(slots[m->id % BUS_SLOTS], enter ? m->id : 0);
	liveupdate_flb_put_outgoing(&bus_flb);
	return 0;
}

/* Is the member that came one of those that are said to have come? */
static int incoming_check(const struct member_ser *ser)
{
	struct register_ser *reg;
	u64 *slots;
	void *obj;
	int err;

	err = liveupdate_flb_get_incoming(&register_flb, &obj);
	if (err)
		return err;
	reg = obj;
	if (!reg->members || ser->id > reg->last_id)
		err = -EIO;
	liveupdate_flb_put_incoming(&register_flb);
	if (err || !on_bus(ser->kind))
		return err;

	err = liveupdate_flb_get_incoming(&bus_flb, &obj);
	if (err)
		return err;
	slots = obj;
	if (slots[ser->id % BUS_SLOTS] != ser->id)
		err = -EIO;
	liveupdate_flb_put_incoming(&bus_flb);
	return err;
}

/* --------------------------------------------------------------- handlers */

static struct liveupdate_file_handler family_handlers[];

static bool family_can_preserve(struct liveupdate_file_handler *handler, struct file *file)
{
	struct member *m = file->private_data;

	return file->f_op == &member_fops && handler == &family_handlers[m->kind];
}

static int family_preserve(struct liveupdate_file_op_args *args)
{
	struct member *m = args->file->private_data;
	struct member_ser *ser = kho_alloc_preserve(sizeof(*ser));
	int err;

	if (IS_ERR(ser))
		return PTR_ERR(ser);
	ser->kind = m->kind;
	ser->pages = m->pages;
	ser->id = m->id;
	ser->partner = FAMILY_UNKNOWN;
	err = memory_preserve(m, ser);
	if (err)
		goto err_free;
	err = outgoing_count(m, true);
	if (err)
		goto err_unpreserve;

	/* From now on a partner's freeze may rely on this one. */
	mutex_lock(&family_lock);
	m->ser = ser;
	mutex_unlock(&family_lock);
	args->serialized_data = virt_to_phys(ser);
	return 0;

err_unpreserve:
	memory_unpreserve(m, ser);
err_free:
	kho_unpreserve_free(ser);
	return err;
}

static void family_unpreserve(struct liveupdate_file_op_args *args)
{
	struct member *m = args->file->private_data;
	struct member_ser *ser = m->ser;

	mutex_lock(&family_lock);
	m->ser = NULL;
	mutex_unlock(&family_lock);
	WARN_ON_ONCE(outgoing_count(m, false));
	memory_unpreserve(m, ser);
	kho_unpreserve_free(ser);
}

/* All that will come along has been preserved: is it a whole? */
static int family_freeze(struct liveupdate_file_op_args *args)
{
	struct member *m = args->file->private_data;
	int err = 0;

	mutex_lock(&family_lock);
	if (!m->partner) {
		/* One that came and waits for its partner still refers to it. */
		err = m->waits ? -ENOTCONN : 0;
		m->ser->partner = 0;
	} else if (!m->partner->ser) {
		err = -ENOTCONN;
	} else {
		m->ser->partner = m->partner->id;
	}
	if (err)
		pr_err("%s %llu refers to one that is not preserved\n",
		       kind_names[m->kind], m->id);
	mutex_unlock(&family_lock);
	return err;
}

static void family_unfreeze(struct liveupdate_file_op_args *args)
{
	struct member *m = args->file->private_data;

	m->ser->partner = FAMILY_UNKNOWN;
}

/* Two members find each other, whichever came first. */
static void family_connect(struct member *m)
{
	struct member *other;

	mutex_lock(&family_lock);
	list_for_each_entry(other, &family, list) {
		if (m->waits && m->waits == other->id) {
			kref_get(&other->ref);
			m->partner = other;
			m->waits = 0;
		}
		if (other->waits && other->waits == m->id) {
			kref_get(&m->ref);
			other->partner = m;
			other->waits = 0;
		}
	}
	mutex_unlock(&family_lock);
}

/* The record that a file of this kind came with; NULL: it is none. */
static struct member_ser *family_record(const struct liveupdate_file_op_args *args)
{
	struct member_ser *ser = phys_to_virt(args->serialized_data);

	if (!member_possible(ser->kind, ser->pages) || !ser->id ||
	    args->handler != &family_handlers[ser->kind] || ser->partner == FAMILY_UNKNOWN)
		return NULL;
	return ser;
}

static int family_retrieve(struct liveupdate_file_op_args *args)
{
	struct member_ser *ser = family_record(args);
	struct member *m;
	struct file *file;
	int err;

	if (!ser)
		return -EIO;
	err = incoming_check(ser);
	if (err)
		return err;
	/* What can fail and be tried again comes before what happens only once. */
	file = member_file(ser->kind, ser->pages);
	if (IS_ERR(file))
		return PTR_ERR(file);
	m = file->private_data;
	m->mem = memory_restore(ser);
	if (!m->mem) {
		fput(file);
		return -ENOMEM;
	}
	mutex_lock(&family_lock);
	m->id = ser->id;
	m->waits = ser->partner;
	mutex_unlock(&family_lock);
	kho_restore_free(ser);
	family_connect(m);
	args->file = file;
	return 0;
}

static bool family_can_finish(struct liveupdate_file_op_args *args)
{
	struct member *m;
	bool ready;

	/* A file that nobody wants waits for nobody. */
	if (args->retrieve_status <= 0)
		return true;
	m = args->file->private_data;
	mutex_lock(&family_lock);
	ready = !m->waits;
	mutex_unlock(&family_lock);
	return ready;
}

static void family_finish(struct liveupdate_file_op_args *args)
{
	struct member_ser *ser;

	if (args->retrieve_status > 0)
		return;
	/* Nobody wanted it: what was kept for it goes. */
	ser = family_record(args);
	if (!ser)
		return;
	memory_free(ser->kind, memory_restore(ser), ser->pages);
	kho_restore_free(ser);
}

static const struct liveupdate_file_ops family_ops = {
	.can_preserve = family_can_preserve,
	.preserve = family_preserve,
	.unpreserve = family_unpreserve,
	.freeze = family_freeze,
	.unfreeze = family_unfreeze,
	.retrieve = family_retrieve,
	.can_finish = family_can_finish,
	.finish = family_finish,
	.owner = THIS_MODULE,
};

static struct liveupdate_file_handler family_handlers[] = {
	[FAMILY_MACHINE] = { .ops = &family_ops, .compatible = "luo-family-machine-v1" },
	[FAMILY_DOMAIN] = { .ops = &family_ops, .compatible = "luo-family-domain-v1" },
	[FAMILY_DEVICE] = { .ops = &family_ops, .compatible = "luo-family-device-v1" },
};

static int family_register(unsigned int kind)
{
	struct liveupdate_file_handler *handler = &family_handlers[kind];
	int err;

	err = liveupdate_register_file_handler(handler);
	if (err)
		return err;
	err = liveupdate_register_flb(handler, &register_flb);
	if (err)
		goto err_handler;
	err = on_bus(kind) ? liveupdate_register_flb(handler, &bus_flb) : 0;
	if (err)
		goto err_register;
	return 0;

err_register:
	liveupdate_unregister_flb(handler, &register_flb);
err_handler:
	liveupdate_unregister_file_handler(handler);
	return err;
}

static void family_unregister(unsigned int kind)
{
	struct liveupdate_file_handler *handler = &family_handlers[kind];

	if (on_bus(kind))
		liveupdate_unregister_flb(handler, &bus_flb);
	liveupdate_unregister_flb(handler, &register_flb);
	liveupdate_unregister_file_handler(handler);
}

static int __init family_init(void)
{
	unsigned int kind;
	int err;

	for (kind = 0; kind < FAMILY_NR_KINDS; kind++) {
		err = family_register(kind);
		if (err)
			goto err_unregister;
	}
	err = misc_register(&family_device);
	if (err)
		goto err_unregister;
	return 0;

err_unregister:
	while (kind--)
		family_unregister(kind);
	return err;
}

static void __exit family_exit(void)
{
	unsigned int kind = FAMILY_NR_KINDS;

	misc_deregister(&family_device);
	while (kind--)
		family_unregister(kind);
}

module_init(family_init);
module_exit(family_exit);
MODULE_DESCRIPTION("A family of files that survive a live update, as an example");
MODULE_LICENSE("GPL");
