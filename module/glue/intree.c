// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is built instead of the orchestrator for kernels that have their own.
 */
#define pr_fmt(fmt) "liveupdate: " fmt

#include <linux/init.h>
#include <linux/module.h>

#include "luo_handover.h"

static int __init liveupdate_init(void)
{
	/* A kernel without an orchestrator may have left something here. */
	if (!luo_bootinfo_init())
		luo_hide_chain();
	pr_err("this kernel has its own Live Update Orchestrator: boot with liveupdate=1 kho=on, and use /dev/liveupdate without this module\n");
	return -EOPNOTSUPP;
}
module_init(liveupdate_init);

MODULE_DESCRIPTION("Live Update Orchestrator: not needed on this kernel");
MODULE_LICENSE("GPL");
MODULE_VERSION(LUO_VERSION);
