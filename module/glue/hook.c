// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replacing functions of the running kernel, by means that it offers for it.
 */
#define pr_fmt(fmt) "liveupdate: " fmt

#include <linux/atomic.h>
#include <linux/ftrace.h>
#include <linux/kallsyms.h>
#include <linux/rcupdate.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "luo_handover.h"
#include "glue.h"

/**
 * DOC: Hooks
 *
 * A hook is two ftrace handlers. The one on the kernel's function lets it
 * return into our replacement, which has the same signature and finds the
 * arguments where the ABI put them. The other one is on a stand-in of our own:
 * when the replacement calls that, it lands behind the patched entry of the
 * kernel's function, with arguments and return address in place.
 *
 * So no pointer to the original is ever called. That would end in a #CP fault
 * on machines with IBT: these functions have no ENDBR, since nobody in the
 * kernel takes their address.
 *
 * FTRACE_OPS_FL_PERMANENT: without it, kernel.ftrace_enabled=0 would silently
 * take the hooks away.
 *
 * Order: the stand-in's handler comes first and goes last.
 */
static atomic_t inside = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(inside_wait);

void luo_hook_enter(void)
{
	atomic_inc(&inside);
}

void luo_hook_leave(void)
{
	if (atomic_dec_and_test(&inside))
		wake_up_all(&inside_wait);
}

/* Until nobody is in a replacement any more, and nobody can come in. */
static void drain(void)
{
	/* Whoever came through a trampoline has entered, or has left, after this. */
	synchronize_rcu_tasks();
	wait_event(inside_wait, !atomic_read(&inside));
	/* And this covers the few instructions after luo_hook_leave(). */
	synchronize_rcu_tasks();
}

static void notrace enter_handler(unsigned long ip, unsigned long parent_ip,
				  struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct luo_hook *hook = container_of(ops, struct luo_hook, enter_ops);

	WRITE_ONCE(hook->ip, ip);
	ftrace_regs_set_instruction_pointer(fregs, hook->replacement);
}

static void notrace original_handler(unsigned long ip, unsigned long parent_ip,
				     struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct luo_hook *hook = container_of(ops, struct luo_hook, original_ops);

	ftrace_regs_set_instruction_pointer(fregs, READ_ONCE(hook->ip) + MCOUNT_INSN_SIZE);
}

#define HOOK_FLAGS (FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT)

static int install(struct luo_hook *hook)
{
	char name[KSYM_NAME_LEN];
	int err;

	hook->original_ops.func = original_handler;
	hook->original_ops.flags = HOOK_FLAGS;
	hook->enter_ops.func = enter_handler;
	hook->enter_ops.flags = HOOK_FLAGS;

	err = ftrace_set_filter_ip(&hook->original_ops, hook->original, 0, 0);
	if (!err)
		err = register_ftrace_function(&hook->original_ops);
	if (err) {
		pr_err("cannot prepare the hook on %s() (%d)%s\n", hook->name, err,
		       err == -EBUSY ? ": is kernel.ftrace_enabled 0?" : "");
		goto err_free;
	}

	/* The filter is parsed in place. */
	strscpy(name, hook->name, sizeof(name));
	err = ftrace_set_filter(&hook->enter_ops, name, strlen(name), 1);
	if (!err)
		err = register_ftrace_function(&hook->enter_ops);
	if (err) {
		pr_err("cannot hook %s() (%d)%s\n", hook->name, err,
		       err == -EBUSY ? ": another module or a live patch has it" : "");
		goto err_unregister;
	}
	return 0;

err_unregister:
	unregister_ftrace_function(&hook->original_ops);
err_free:
	ftrace_free_filter(&hook->enter_ops);
	ftrace_free_filter(&hook->original_ops);
	return err;
}

void luo_hooks_remove(struct luo_hook *hooks, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		unregister_ftrace_function(&hooks[i].enter_ops);
	/* Somebody in a replacement may still want the original. */
	drain();
	for (i = 0; i < nr; i++) {
		unregister_ftrace_function(&hooks[i].original_ops);
		ftrace_free_filter(&hooks[i].enter_ops);
		ftrace_free_filter(&hooks[i].original_ops);
	}
}

int luo_hooks_install(struct luo_hook *hooks, unsigned int nr)
{
	unsigned int i;
	int err;

	for (i = 0; i < nr; i++) {
		err = install(&hooks[i]);
		if (err) {
			luo_hooks_remove(hooks, i);
			return err;
		}
	}
	return 0;
}
