// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is built instead of the orchestrator for kernels that have their own.
 */
#define pr_fmt(fmt) "liveupdate: " fmt

#include <linux/init.h>
#include <linux/module.h>

static int __init liveupdate_init(void)
{
	pr_err("this kernel has its own Live Update Orchestrator: boot with liveupdate=1 kho=on, and use /dev/liveupdate without this module\n");
	return -EOPNOTSUPP;
}
module_init(liveupdate_init);

MODULE_DESCRIPTION("Live Update Orchestrator: not needed on this kernel");
MODULE_LICENSE("GPL");
