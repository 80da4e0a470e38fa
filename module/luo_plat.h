/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one seam between the portable core and what it runs on: here the
 * kernel. tests/core/shim has the other side, with the same include guard,
 * and comes first in the include path there.
 */
#ifndef LUO_PLAT_H
#define LUO_PLAT_H

#ifndef pr_fmt
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#endif

#include <linux/anon_inodes.h>
#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/compat.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/rcupdate.h>
#include <linux/rhashtable.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/uaccess.h>
#include <linux/utsname.h>
#include <asm/byteorder.h>

#include "../include/linux/liveupdate.h"
#include "../include/uapi/linux/liveupdate_ext.h"
#include "compat/luo_compat.h"
#ifdef LUO_FAULTS
#include "compat/luo_faults.h"
#endif

#endif /* LUO_PLAT_H */
