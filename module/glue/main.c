// SPDX-License-Identifier: GPL-2.0-only
/*
 * Live Update Orchestrator for kernels that have none.
 */
#define pr_fmt(fmt) "liveupdate: " fmt

#include <linux/cc_platform.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/stringify.h>
#include <asm/cpufeature.h>

#include "luo_handover.h"
#include "handlers/handlers.h"
#include "glue.h"

/* On these, memory does not survive, or not in the same place. */
static int check_platform(void)
{
	if (boot_cpu_has(X86_FEATURE_XENPV)) {
		pr_err("Xen PV guests cannot be live updated: their kernel does not own physical memory\n");
		return -ENODEV;
	}
	if (cc_platform_has(CC_ATTR_MEM_ENCRYPT)) {
		pr_err("machines with encrypted memory (SME, SEV, TDX) are not supported: the next kernel could not read what is kept\n");
		return -ENODEV;
	}
	return 0;
}

static int __init liveupdate_init(void)
{
	struct luo_counts counts;
	u64 nonce;
	int err;

	luo_when_note(LUO_WHEN_MODULE);
	err = luo_bootinfo_init();
	if (err)
		return err;
	luo_hide_chain();
	err = check_platform();
	if (err)
		return err;
	do
		nonce = get_random_u64();
	while (!nonce);

	err = luo_frames_init();
	if (err)
		return err;
	err = luo_core_init(&luo_frames_ops, nonce);
	if (err)
		goto err_frames;
	err = luo_chain_init(nonce);
	if (err)
		goto err_core;
	err = luo_memfd_init();
	if (err)
		goto err_chain;
	err = luo_tmpfs_init();
	if (err)
		goto err_memfd;
	err = luo_eventfd_init();
	if (err)
		goto err_tmpfs;
	err = luo_hugetlb_init();
	if (err)
		goto err_eventfd;
	err = luo_scratch_init();
	if (err)
		goto err_hugetlb;
	err = luo_sysfs_init();
	if (err)
		goto err_scratch;
	err = luo_list_init();
	if (err)
		goto err_sysfs;
	err = luo_device_init();
	if (err)
		goto err_list;
	/*
	 * From here on what arrived is ours, and cannot be given to another
	 * try: nothing may fail any more if anything did.
	 */
	err = luo_incoming_init();
	if (err)
		goto err_device;
	err = luo_kexec_init();
	if (err)
		goto err_incoming;

	luo_when_note(LUO_WHEN_READY);
	luo_core_counts(&counts);
	if (counts.generation)
		pr_info("update %llu: %llu sessions with %llu files, %llu MiB arrived\n",
			counts.generation, counts.sessions_in, counts.files_in,
			counts.pages_in >> (20 - PAGE_SHIFT));
	return 0;

err_incoming:
	luo_incoming_exit();
err_device:
	luo_device_exit();
err_list:
	luo_list_exit();
err_sysfs:
	luo_sysfs_exit();
err_scratch:
	luo_scratch_exit();
err_hugetlb:
	luo_hugetlb_exit();
err_eventfd:
	luo_eventfd_exit();
err_tmpfs:
	luo_tmpfs_exit();
err_memfd:
	luo_memfd_exit();
err_chain:
	luo_chain_exit();
err_core:
	luo_core_exit();
err_frames:
	luo_frames_exit();
	return err;
}
module_init(liveupdate_init);

static void __exit liveupdate_exit(void)
{
	luo_device_exit();
	luo_kexec_exit();
	luo_list_exit();
	luo_sysfs_exit();
	luo_scratch_exit();
	luo_hugetlb_exit();
	luo_eventfd_exit();
	luo_tmpfs_exit();
	luo_memfd_exit();
	luo_core_exit();
	luo_incoming_exit();
	luo_chain_exit();
	luo_frames_exit();
}
module_exit(liveupdate_exit);

MODULE_DESCRIPTION("Live Update Orchestrator for kernels that have none");
MODULE_LICENSE("GPL");
MODULE_VERSION(LUO_VERSION);
MODULE_INFO(luo_format, __stringify(LUO_FORMAT_MIN) "-" __stringify(LUO_FORMAT_MAX));
