// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kexec side: images are loaded into scratch and carry the reservation
 * chain, and reboot(2) freezes everything before the machine jumps.
 */
#define pr_fmt(fmt) "liveupdate: " fmt

#include <linux/fs.h>
#include <linux/kexec.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/reboot.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/workqueue.h>
#include <asm/bootparam.h>
#include <asm/e820/types.h>
#include <asm/tsc.h>

#include "luo_handover.h"
#include "glue.h"

/**
 * DOC: kexec
 *
 * Four functions of the kernel are replaced (see hook.c):
 *
 *  kexec_add_buffer()       kexec_file_load(2) asks it for a place for each
 *                           segment. We say which: the next one in scratch.
 *  machine_kexec_prepare()  last step before segments are copied and digested.
 *                           We check that everything is in scratch, put right
 *                           the memory map, hang the chain into the boot
 *                           parameters, and say no to images that cannot work.
 *  kimage_free()            tells which images are gone.
 *  kernel_kexec()           reboot(LINUX_REBOOT_CMD_KEXEC): freeze, write the
 *                           image and the chain, go on. Undone if it returns.
 *
 * The kernel does not tell modules which image will run; so every image alive
 * must be one of ours, as long as there is something to lose. Images for
 * crashes (kexec -p) are not touched: they run in memory of their own when
 * nothing can be saved any more.
 *
 * An image of ours refers to the page of the chain: it holds a reference to
 * the module.
 *
 * Locks: images_lock protects the list and the state; inside of it a rehearsal
 * freezes, a load stops the sessions for a moment (luo_core_carry()), and nobody takes it who holds a lock of the core.
 * The kernel's own kexec lock serialises loading.
 */
struct image {
	struct list_head list;
	const struct kimage *kimage;
	bool ours;
	u64 need, need_low;	/* bytes; see estimate() */
};

static DEFINE_MUTEX(images_lock);
static LIST_HEAD(images);
static bool unknown_image;	/* loaded before we were */
static bool frozen;
static struct luo_root_ser *frozen_root;
static bool installed;
static int install_err;

/* Where the next segment goes. Loading is serialised by the kernel. */
static const struct kimage *placing;
static u64 place_next[LUO_MAX_SCRATCH];

/* ------------------------------------------------------------- originals */

static int luo_original orig_kexec_add_buffer(struct kexec_buf *kbuf)
{
	barrier_data(kbuf);
	return -EOPNOTSUPP;
}

static int luo_original orig_machine_kexec_prepare(struct kimage *image)
{
	barrier_data(image);
	return -EOPNOTSUPP;
}

static void luo_original orig_kimage_free(struct kimage *image)
{
	barrier_data(image);
}

static int luo_original orig_kernel_kexec(void)
{
	barrier();
	return -EOPNOTSUPP;
}

/* ------------------------------------------------------------- loading */

static bool is_default(const struct kimage *image)
{
	return image->type == KEXEC_TYPE_DEFAULT;
}

static bool something_to_lose(void)
{
	return !luo_core_idle();
}

static int place(struct kexec_buf *kbuf)
{
	struct luo_range scratch[LUO_MAX_SCRATCH];
	u64 size = ALIGN(kbuf->memsz, PAGE_SIZE);
	u64 align = max_t(u64, kbuf->buf_align, PAGE_SIZE);
	unsigned int nr, i;

	if (!luo_scratch_wanted())
		return 0;
	luo_scratch_wait(true);
	nr = luo_scratch_get(scratch);
	/* A failed load leaves its address to the next one. */
	if (placing != kbuf->image || !kbuf->image->nr_segments) {
		placing = kbuf->image;
		memset(place_next, 0, sizeof(place_next));
	}
	for (i = 0; i < nr; i++) {
		u64 start = max3(scratch[i].start << PAGE_SHIFT, place_next[i],
				 (u64)kbuf->buf_min);
		u64 end = scratch[i].end << PAGE_SHIFT;

		start = ALIGN(start, align);
		if (start + size > end || start + size < start)
			continue;
		if (start + size - 1 > kbuf->buf_max)
			continue;
		kbuf->mem = start;
		place_next[i] = start + size;
		return 0;
	}
	luo_error("the kernel to load does not fit into scratch (%llu MiB): load the module with a larger scratch=",
		  luo_scratch_bytes() >> 20);
	return -ENOSPC;
}

static int hook_kexec_add_buffer(struct kexec_buf *kbuf)
{
	int ret = 0;

	luo_hook_enter();
	if (kbuf->image->file_mode && is_default(kbuf->image) && !kbuf->mem)
		ret = place(kbuf);
	if (!ret)
		ret = orig_kexec_add_buffer(kbuf);
	luo_hook_leave();
	return ret;
}

static bool in_scratch(const struct kexec_segment *seg)
{
	struct luo_range scratch[LUO_MAX_SCRATCH];
	unsigned int nr = luo_scratch_get(scratch), i;

	for (i = 0; i < nr; i++) {
		if (seg->mem >= scratch[i].start << PAGE_SHIFT &&
		    seg->memsz <= (scratch[i].end << PAGE_SHIFT) - seg->mem &&
		    seg->mem < scratch[i].end << PAGE_SHIFT)
			return true;
	}
	return false;
}

static u64 initrd_addr(const struct boot_params *bp)
{
	return bp->hdr.ramdisk_image | (u64)bp->ext_ramdisk_image << 32;
}

static u64 initrd_size(const struct boot_params *bp)
{
	return bp->hdr.ramdisk_size | (u64)bp->ext_ramdisk_size << 32;
}

/* The segment with the boot parameters, if there is exactly one that can be it. */
static struct boot_params *find_boot_params(struct kimage *image, struct kexec_segment **ret_seg)
{
	struct boot_params *found = NULL;
	unsigned long i, j;

	for (i = 0; i < image->nr_segments; i++) {
		struct kexec_segment *seg = &image->segment[i];
		struct boot_params *bp = seg->kbuf;
		bool initrd_ok;

		if (!bp || seg->bufsz < sizeof(*bp) || bp->hdr.header != 0x53726448 ||
		    bp->hdr.boot_flag != 0xaa55 || bp->hdr.type_of_loader != 0xd0)
			continue;
		initrd_ok = !initrd_size(bp);
		for (j = 0; j < image->nr_segments && !initrd_ok; j++)
			initrd_ok = j != i && image->segment[j].mem == initrd_addr(bp) &&
				    initrd_size(bp) <= image->segment[j].memsz;
		if (!initrd_ok)
			continue;
		if (found)
			return NULL;
		found = bp;
		*ret_seg = seg;
	}
	return found;
}

/*
 * Up to 6.9 reservations end up in the map for the next kernel, as type 128
 * and cut at 128 entries; 7.x ignores that type, and would not see its memory.
 */
static void mend_memory_map(struct boot_params *bp)
{
	const struct luo_bootinfo *bi = &luo_bootinfo;
	bool spoilt = bp->e820_entries >= E820_MAX_ENTRIES_ZEROPAGE;
	unsigned int i;

	for (i = 0; i < min_t(unsigned int, bp->e820_entries, E820_MAX_ENTRIES_ZEROPAGE); i++)
		spoilt |= bp->e820_table[i].type == 128;
	if (!spoilt)
		return;
	bp->e820_entries = min_t(unsigned int, bi->nr_e820, E820_MAX_ENTRIES_ZEROPAGE);
	memcpy(bp->e820_table, bi->e820, bp->e820_entries * sizeof(bi->e820[0]));
}

/*
 * Next place of @option (with its "=") on the command line that follows the
 * boot parameters, after @from; its value, or NULL. The caller owns a buffer
 * that ends with the segment.
 */
static const char *next_option(const struct boot_params *bp, size_t size, const char *from,
			       const char *option)
{
	const char *cmdline = (const char *)(bp + 1);
	size_t len = strnlen(cmdline, size - sizeof(*bp));
	const char *p = from ?: cmdline;

	while ((p = strnstr(p, option, cmdline + len - p))) {
		if (p == cmdline || strchr(" \t\n\"'", p[-1]))
			return p + strlen(option);
		p++;
	}
	return NULL;
}

/* Options that take away memory of which we may have preserved some. */
static bool cuts_memory(const struct boot_params *bp, size_t size)
{
	return next_option(bp, size, NULL, "mem=") || next_option(bp, size, NULL, "memmap=");
}

/* What the command line wants to have set aside, as far as it says so in bytes. */
static u64 asked_for(const struct boot_params *bp, size_t size)
{
	u64 sum = 0, page = SZ_2M;
	const char *p = NULL;

	while ((p = next_option(bp, size, p, "crashkernel=")))
		sum += memparse(p, NULL);
	p = next_option(bp, size, NULL, "hugepagesz=");
	if (p)
		page = memparse(p, NULL);
	while ((p = next_option(bp, size, p, "hugepages=")))
		sum += memparse(p, NULL) * page;
	return sum;
}

static int splice_chain(struct boot_params *bp, const struct kexec_segment *seg)
{
	u64 *link = &bp->hdr.setup_data;
	unsigned int i;

	for (i = 0; *link; i++) {
		u64 off = *link - seg->mem;

		if (i == LUO_MAX_SETUP_NODES || off > seg->bufsz ||
		    seg->bufsz - off < sizeof(struct setup_data))
			return -EINVAL;
		link = &((struct setup_data *)((char *)bp + off))->next;
	}
	*link = luo_chain_head();
	return 0;
}

/*
 * What the next kernel needs before its module can free the gaps: itself, the
 * initramfs packed and unpacked, its struct pages, and something to work with.
 */
static void estimate(struct image *img, const struct kimage *kimage,
		     const struct boot_params *bp, size_t size)
{
	const u64 pfn_4g = 1ULL << (32 - PAGE_SHIFT);
	unsigned long i;
	u64 image = 0;

	for (i = 0; i < kimage->nr_segments; i++)
		image += kimage->segment[i].memsz;
	img->need = image + 4 * initrd_size(bp) + SZ_64M +
		    luo_bootinfo.ram_pages * sizeof(struct page) + asked_for(bp, size);
	/* swiotlb */
	img->need_low = luo_bootinfo.max_pfn > pfn_4g ? SZ_64M + SZ_16M : SZ_16M;
}

/* Kernels that may be kexec'ed, but cannot receive anything. */
static const char *unfit(const struct boot_params *bp)
{
	/* SETUP_INDIRECT came with 5.5, and so did this version of the protocol. */
	if (bp->hdr.version < 0x20f)
		return "the kernel to load is older than 5.5, and would not keep off preserved memory";
	if (!initrd_size(bp))
		return "the kernel to load has no initrd: this module must be in it, or what is preserved would lie there unclaimed, and readable for everybody";
	return NULL;
}

static int prepare_file(struct kimage *kimage, struct image *img)
{
	struct kexec_segment *seg = NULL;
	struct boot_params *bp;
	const char *why;
	unsigned long i;
	int err;

	img->ours = true;
	for (i = 0; i < kimage->nr_segments; i++) {
		if (!in_scratch(&kimage->segment[i])) {
			luo_error("segment %lu of the image is outside scratch: another module meddles with kexec", i);
			return -ENOSPC;
		}
	}
	bp = find_boot_params(kimage, &seg);
	if (!bp) {
		luo_error("cannot tell which part of the image holds the boot parameters");
		return -EINVAL;
	}
	if (cuts_memory(bp, seg->bufsz)) {
		luo_error("mem= or memmap= on the command line of the kernel to load would take away preserved memory: remove it");
		return -EINVAL;
	}
	if (luo_bootinfo.nr_e820 > E820_MAX_ENTRIES_ZEROPAGE) {
		luo_error("firmware describes memory in %u pieces, and kexec passes on %u: the next kernel would not see all of it",
			  luo_bootinfo.nr_e820, E820_MAX_ENTRIES_ZEROPAGE);
		return -EOPNOTSUPP;
	}
	mend_memory_map(bp);

	why = unfit(bp);
	if (why) {
		img->ours = false;
		if (!something_to_lose())
			return 0;
		luo_error("%s", why);
		return -EINVAL;
	}
	err = splice_chain(bp, seg);
	if (err) {
		luo_error("the boot parameters of the image are damaged");
		return err;
	}
	estimate(img, kimage, bp, seg->bufsz);
	/* What came and is not finished goes on, so it counts for what follows. */
	err = luo_core_carry();
	if (err)
		return err;
	err = luo_chain_find_holes();
	if (err)
		return err;
	return luo_chain_check(img->need, img->need_low);
}

static int prepare(struct kimage *kimage)
{
	struct image *img;
	int err = -EBUSY;

	img = kzalloc(sizeof(*img), GFP_KERNEL);
	if (!img)
		return -ENOMEM;
	img->kimage = kimage;

	mutex_lock(&images_lock);
	if (frozen) {
		luo_error("a live update is under way: nothing can be loaded");
		goto err_free;
	}
	if (kimage->file_mode && luo_scratch_wanted()) {
		/* The image will refer to our chain: not while we are being unloaded. */
		if (!try_module_get(THIS_MODULE))
			goto err_free;
		err = prepare_file(kimage, img);
		if (err || !img->ours)
			module_put(THIS_MODULE);
		if (err)
			goto err_free;
	} else if (something_to_lose()) {
		luo_error("%s cannot carry what is preserved: %s", kimage->file_mode ?
			  "an image outside scratch" : "kexec_load(2)", kimage->file_mode ?
			  "the module was loaded with scratch=0" : "use kexec -s, or luoctl load");
		goto err_free;
	}

	err = orig_machine_kexec_prepare(kimage);
	if (err)
		goto err_put;
	list_add(&img->list, &images);
	mutex_unlock(&images_lock);
	luo_sysfs_image_changed();
	return 0;

err_put:
	if (img->ours)
		module_put(THIS_MODULE);
err_free:
	mutex_unlock(&images_lock);
	kfree(img);
	return err;
}

static int hook_machine_kexec_prepare(struct kimage *image)
{
	int ret;

	luo_hook_enter();
	ret = is_default(image) ? prepare(image) : orig_machine_kexec_prepare(image);
	luo_hook_leave();
	return ret;
}

static void forget(const struct kimage *kimage)
{
	struct image *img;
	bool ours = false;

	mutex_lock(&images_lock);
	list_for_each_entry(img, &images, list) {
		if (img->kimage == kimage) {
			list_del(&img->list);
			ours = img->ours;
			kfree(img);
			goto out;
		}
	}
	/* Not one that we know: the one from before, or one that never got ready. */
	if (kimage->head)
		unknown_image = false;
out:
	if (placing == kimage)
		placing = NULL;
	mutex_unlock(&images_lock);
	luo_sysfs_image_changed();
	if (ours)
		module_put(THIS_MODULE);
}

static void hook_kimage_free(struct kimage *image)
{
	luo_hook_enter();
	if (image && is_default(image))
		forget(image);
	orig_kimage_free(image);
	luo_hook_leave();
}

/* ------------------------------------------------------------- kexec */

/* What reboot(2) is going to run. Needs images_lock. */
static enum luo_armed armed(const struct image **ret_img)
{
	const struct image *img;
	enum luo_armed armed = LUO_ARMED_NONE;

	if (unknown_image)
		return LUO_ARMED_FOREIGN;
	list_for_each_entry(img, &images, list) {
		if (!img->ours || img->kimage->preserve_context)
			return LUO_ARMED_FOREIGN;
		armed = LUO_ARMED_OURS;
		*ret_img = img;
	}
	return armed;
}

enum luo_armed luo_kexec_armed(void)
{
	const struct image *img;
	enum luo_armed ret;

	luo_kexec_ready();
	mutex_lock(&images_lock);
	ret = armed(&img);
	mutex_unlock(&images_lock);
	return ret;
}

static int freeze(u64 need, u64 need_low)
{
	struct luo_root_ser *root;
	u64 start = rdtsc_ordered();
	int err;

	err = luo_core_freeze(&root);
	if (err)
		return err;
	root->tsc_khz = cpu_to_le64(tsc_khz);
	root->stamp[LUO_STAMP_FREEZE] = cpu_to_le64(start);
	err = luo_chain_write(root, need, need_low);
	if (err) {
		luo_core_thaw();
		return err;
	}
	luo_when_stamp(root, LUO_STAMP_FROZEN);
	frozen_root = root;
	return 0;
}

static void thaw(void)
{
	frozen_root = NULL;
	luo_chain_clear();
	luo_core_thaw();
}

/* Everything but the jump. Nothing is loaded and nobody jumps meanwhile. */
static int rehearse(void)
{
	const struct image *img = NULL;
	enum luo_armed what;
	int err = -EALREADY;

	/* Not when everybody waits for us. */
	luo_scratch_wait(false);
	mutex_lock(&images_lock);
	if (frozen)
		goto out_unlock;
	what = armed(&img);
	if (what == LUO_ARMED_OURS)
		err = freeze(img->need, img->need_low);
	else
		err = freeze(0, 0);
	if (err)
		goto out_unlock;
	thaw();
	if (what == LUO_ARMED_FOREIGN && something_to_lose()) {
		luo_error("the loaded kernel image cannot carry what is preserved: load it again with kexec -s, or luoctl load");
		err = -EBUSY;
	}
out_unlock:
	mutex_unlock(&images_lock);
	return err;
}

static int live_update(void)
{
	const struct image *img = NULL;
	enum luo_armed what;
	u64 need = 0, need_low = 0;
	int err;

	mutex_lock(&images_lock);
	what = frozen ? LUO_ARMED_NONE : armed(&img);
	if (what == LUO_ARMED_OURS) {
		need = img->need;
		need_low = img->need_low;
		frozen = true;
	}
	mutex_unlock(&images_lock);

	switch (what) {
	case LUO_ARMED_NONE:
		/* None that we know of; if there is one all the same, it must not run. */
		if (something_to_lose())
			return -EINVAL;
		return orig_kernel_kexec();
	case LUO_ARMED_FOREIGN:
		if (!something_to_lose())
			return orig_kernel_kexec();
		luo_error("the loaded kernel image cannot carry what is preserved: load it again with kexec -s, or luoctl load");
		return -EBUSY;
	case LUO_ARMED_OURS:
		break;
	}

	err = freeze(need, need_low);
	if (!err) {
		pr_notice("frozen: %llu sessions, %llu files, %llu MiB\n",
			  le64_to_cpu(frozen_root->nr_sessions),
			  le64_to_cpu(frozen_root->nr_files),
			  le64_to_cpu(frozen_root->nr_pages) >> (20 - PAGE_SHIFT));
		err = orig_kernel_kexec();
		/* Still here: no image after all, or its lock was taken. */
		thaw();
		pr_warn("the kexec did not happen (%d), everything goes on\n", err);
	} else {
		pr_warn("live update refused (%d), everything goes on\n", err);
	}

	mutex_lock(&images_lock);
	frozen = false;
	mutex_unlock(&images_lock);
	return err;
}

static int hook_kernel_kexec(void)
{
	int ret;

	luo_hook_enter();
	ret = live_update();
	luo_hook_leave();
	return ret;
}

static struct luo_hook hooks[] = {
	{
		.name		= "kexec_add_buffer",
		.replacement	= (unsigned long)hook_kexec_add_buffer,
		.original	= (unsigned long)orig_kexec_add_buffer,
	}, {
		.name		= "machine_kexec_prepare",
		.replacement	= (unsigned long)hook_machine_kexec_prepare,
		.original	= (unsigned long)orig_machine_kexec_prepare,
	}, {
		.name		= "kimage_free",
		.replacement	= (unsigned long)hook_kimage_free,
		.original	= (unsigned long)orig_kimage_free,
	}, {
		.name		= "kernel_kexec",
		.replacement	= (unsigned long)hook_kernel_kexec,
		.original	= (unsigned long)orig_kernel_kexec,
	},
};

/* ------------------------------------------------------------- last moments */

/* A time stamp, as late as one can be taken. */
static void notrace jump_handler(unsigned long ip, unsigned long parent_ip,
				 struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	if (frozen_root)
		luo_when_stamp(frozen_root, LUO_STAMP_JUMP);
}

static struct ftrace_ops jump_ops = {
	.func	= jump_handler,
	.flags	= FTRACE_OPS_FL_PERMANENT,
};

static int reboot_notify(struct notifier_block *nb, unsigned long code, void *cmd)
{
	struct luo_counts counts;

	if (frozen || !something_to_lose())
		return NOTIFY_DONE;
	luo_core_counts(&counts);
	pr_emerg("this is no live update: %llu preserved and %llu unclaimed files are being lost\n",
		 counts.files_out, counts.files_in);
	return NOTIFY_DONE;
}

static struct notifier_block reboot_nb = {
	.notifier_call = reboot_notify,
};

/*
 * kexec_image is not exported; somebody may have loaded one before us. That has
 * to be read when the hooks are there, but opened when the module is loaded:
 * in between, an initramfs moves /sys to another root, and there is no such path.
 */
static struct file *loaded_file;

static void loaded_open(void)
{
	loaded_file = filp_open("/sys/kernel/kexec_loaded", O_RDONLY, 0);
}

static void loaded_close(void)
{
	if (!IS_ERR_OR_NULL(loaded_file))
		fput(loaded_file);
	loaded_file = NULL;
}

static bool kexec_is_loaded(void)
{
	char buf[4] = "";
	loff_t pos = 0;

	if (IS_ERR_OR_NULL(loaded_file))
		return true;
	kernel_read(loaded_file, buf, sizeof(buf) - 1, &pos);
	return buf[0] != '0';
}

static int install(void)
{
	char name[] = "machine_kexec";
	int err;

	err = luo_hooks_install(hooks, ARRAY_SIZE(hooks));
	if (err)
		return err;
	if (kexec_is_loaded()) {
		pr_notice("a kernel image was loaded before this module: load it again for a live update\n");
		mutex_lock(&images_lock);
		/* Unless it came while the hooks were on their way. */
		unknown_image = list_empty(&images);
		mutex_unlock(&images_lock);
	}

	err = ftrace_set_filter(&jump_ops, name, strlen(name), 1);
	if (!err)
		err = register_ftrace_function(&jump_ops);
	if (err)
		goto err_hooks;
	err = register_reboot_notifier(&reboot_nb);
	if (err)
		goto err_jump;
	installed = true;
	return 0;

err_jump:
	unregister_ftrace_function(&jump_ops);
err_hooks:
	ftrace_free_filter(&jump_ops);
	luo_hooks_remove(hooks, ARRAY_SIZE(hooks));
	return err;
}

static void install_worker(struct work_struct *work)
{
	install_err = install();
	loaded_close();
	if (install_err)
		luo_error("no hooks (%d): nothing can be preserved, but what arrived can be retrieved",
			  install_err);
}
static DECLARE_WORK(install_work, install_worker);

int luo_kexec_ready(void)
{
	flush_work(&install_work);
	return install_err;
}

static const struct luo_kexec_ops kexec_ops = {
	.ready = luo_kexec_ready,
	.rehearse = rehearse,
};

/*
 * Hooks take a while (a second under emulation). After a live update nobody
 * waits for that, nor would it help anybody if the module did not load.
 */
int luo_kexec_init(void)
{
	int err;

	luo_core_set_kexec(&kexec_ops);
	loaded_open();
	if (!luo_incoming_any()) {
		err = install();
		loaded_close();
		return err;
	}
	queue_work(luo_unbound_wq, &install_work);
	return 0;
}

void luo_kexec_exit(void)
{
	struct image *img, *next;

	cancel_work_sync(&install_work);
	loaded_close();
	if (!installed)
		return;
	unregister_reboot_notifier(&reboot_nb);
	unregister_ftrace_function(&jump_ops);
	ftrace_free_filter(&jump_ops);
	luo_hooks_remove(hooks, ARRAY_SIZE(hooks));
	installed = false;
	/* Only foreign ones can be left, since ours hold the module. */
	list_for_each_entry_safe(img, next, &images, list)
		kfree(img);
	INIT_LIST_HEAD(&images);
}
