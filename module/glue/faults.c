// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which allocation fails next; see compat/luo_faults.h.
 */
#define pr_fmt(fmt) "liveupdate: " fmt

#include <linux/atomic.h>
#include <linux/module.h>
#include <linux/string.h>

#include "luo_core.h"

static ulong fail_nth;
module_param(fail_nth, ulong, 0644);
MODULE_PARM_DESC(fail_nth, "For tests: the nth allocation from now on fails; 0 when it has, or none shall");

/* "FILE:LINE" of the last one that has. */
static char fail_where[64];
module_param_string(fail_where, fail_where, sizeof(fail_where), 0444);
MODULE_PARM_DESC(fail_where, "For tests: which allocation failed last");

bool luo_fault(const char *file, int line)
{
	unsigned long n = READ_ONCE(fail_nth);

	do {
		if (!n)
			return false;
	} while (!try_cmpxchg(&fail_nth, &n, n - 1));
	if (n > 1)
		return false;
	scnprintf(fail_where, sizeof(fail_where), "%s:%d", kbasename(file), line);
	return true;
}
