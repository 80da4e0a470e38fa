/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the module meets the rest of the kernel.
 */
#ifndef LUO_GLUE_H
#define LUO_GLUE_H

#include <linux/ftrace.h>
#include <linux/types.h>

int luo_device_init(void);
void luo_device_exit(void);

int luo_sysfs_init(void);
void luo_sysfs_exit(void);
/* Tells whoever polls that another image will run, or none. Does not sleep. */
void luo_sysfs_image_changed(void);

int luo_list_init(void);
void luo_list_exit(void);

/*
 * ------------------------------------------------------------- kexec.c
 */
enum luo_armed {
	LUO_ARMED_NONE,		/* no image is loaded */
	LUO_ARMED_OURS,		/* one that carries the chain */
	LUO_ARMED_FOREIGN,	/* one that would lose everything */
};

int luo_kexec_init(void);
void luo_kexec_exit(void);
/* Waits for the hooks. 0, or why there are none. */
int luo_kexec_ready(void);
enum luo_armed luo_kexec_armed(void);

/*
 * ------------------------------------------------------------- hook.c
 */

/**
 * struct luo_hook - replacement of one function of the kernel
 * @name:        its name
 * @replacement: address of the function that is called instead
 * @original:    address of a function of ours, traced and never inlined, that
 *               behaves as the original while the hook is in place; else it
 *               must return an error
 */
struct luo_hook {
	const char *name;
	unsigned long replacement;
	unsigned long original;

	/* private: */
	unsigned long ip;
	struct ftrace_ops enter_ops;
	struct ftrace_ops original_ops;
};

int luo_hooks_install(struct luo_hook *hooks, unsigned int nr);
/* Returns when nobody is in a replacement any more. */
void luo_hooks_remove(struct luo_hook *hooks, unsigned int nr);

/*
 * Every replacement is between these two, so that the module's text stays
 * as long as somebody is in it.
 */
void luo_hook_enter(void);
void luo_hook_leave(void);

/* For the stand-ins of original functions: nothing may be concluded from their bodies. */
#define luo_original noinline __noclone __attribute__((__noipa__))

#endif /* LUO_GLUE_H */
