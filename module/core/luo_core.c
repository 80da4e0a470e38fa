// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: The orchestrator as a whole
 *
 * The core knows sessions and files, and how they are written down for the
 * next kernel. It does not know what a page, a kexec or a boot parameter is:
 * the keeper of memory comes as &struct luo_mem_ops, kinds of files as
 * &struct liveupdate_file_handler.
 *
 * Life: luo_core_init() - luo_core_receive(), if something came - user space
 * works - luo_core_freeze() - either the machine jumps, or luo_core_thaw() -
 * luo_core_exit().
 *
 * Between freeze and thaw luo_freeze_sem is held for writing: every ioctl and
 * every close of a session waits. All room in the image was allocated when
 * sessions and files came, so writing it cannot fail for want of memory.
 *
 * Unhappy ways: a handler's veto undoes the freeze in reverse order. What
 * cannot be read of a received image concerns the file or session it belongs
 * to; the rest is served, and the memory of what was not understood is never
 * handed out.
 *
 * Locks: see luo_internal.h.
 */
#include "luo_internal.h"

struct luo_stats luo_stats;
u64 luo_generation;
DECLARE_RWSEM(luo_freeze_sem);
static bool luo_frozen;	/* for those who do not wait */
static void (*luo_notify)(void);
const struct luo_kexec_ops *luo_kexec;

static DEFINE_SPINLOCK(luo_reason_lock);
static char luo_reason[256];

void luo_error(const char *fmt, ...)
{
	char text[sizeof(luo_reason)];
	va_list args;

	va_start(args, fmt);
	vscnprintf(text, sizeof(text), fmt, args);
	va_end(args);

	spin_lock(&luo_reason_lock);
	memcpy(luo_reason, text, sizeof(text));
	spin_unlock(&luo_reason_lock);
	pr_err_ratelimited("%s\n", text);
}

void luo_last_error(char *buf, size_t size)
{
	spin_lock(&luo_reason_lock);
	if (size)
		scnprintf(buf, size, "%s", luo_reason);
	spin_unlock(&luo_reason_lock);
}

int luo_core_init(const struct luo_mem_ops *mem, u64 nonce)
{
	int err;

	if (WARN_ON_ONCE(!nonce))
		return -EINVAL;

	luo_mem = mem;
	luo_nonce = nonce;
	luo_generation = 0;
	luo_reason[0] = '\0';
	luo_kexec = NULL;
	luo_notify = NULL;

	luo_flbs_init();
	err = luo_memory_init();
	if (err)
		return err;
	err = luo_files_init();
	if (err)
		goto err_memory;
	err = luo_sessions_init();
	if (err)
		goto err_files;
	err = luo_image_init();
	if (err)
		goto err_sessions;
	return 0;

err_sessions:
	luo_sessions_exit();
err_files:
	luo_files_exit();
err_memory:
	luo_memory_exit();
	return err;
}

void luo_core_set_kexec(const struct luo_kexec_ops *ops)
{
	luo_kexec = ops;
}

void luo_core_exit(void)
{
	luo_image_exit();
	luo_sessions_exit();
	luo_files_exit();
	luo_flbs_exit();
	luo_memory_exit();
}

int luo_core_carry(void)
{
	int err;

	err = down_write_killable(&luo_freeze_sem);
	if (err)
		return err;
	err = luo_sessions_carry() ?: luo_memory_carry();
	up_write(&luo_freeze_sem);
	return err;
}

void luo_core_set_notify(void (*notify)(void))
{
	WRITE_ONCE(luo_notify, notify);
}

void luo_state_changed(void)
{
	void (*notify)(void) = READ_ONCE(luo_notify);

	if (notify)
		notify();
}

static void luo_set_frozen(bool frozen)
{
	WRITE_ONCE(luo_frozen, frozen);
	luo_state_changed();
}

int luo_core_freeze(struct luo_root_ser **ret_root)
{
	int err;

	err = down_write_killable(&luo_freeze_sem);
	if (err)
		return err;

	luo_set_frozen(true);
	/* The only step that allocates, and before anything is frozen. */
	err = luo_sessions_carry() ?: luo_memory_carry() ?: luo_image_write(ret_root);
	if (err) {
		up_write(&luo_freeze_sem);
		luo_set_frozen(false);
		return err;
	}
	if (luo_outcome.carried)
		pr_info("%llu incoming sessions are not finished, and go on to the next kernel\n",
			luo_outcome.carried);
	return 0;
}

void luo_core_thaw(void)
{
	luo_memory_thaw();
	luo_sessions_unfreeze();
	luo_image_thaw();
	up_write(&luo_freeze_sem);
	luo_set_frozen(false);
}

/* Somebody else's freeze may come between ours and the look at it: as good. */
int luo_rehearse(struct luo_outcome *ret)
{
	struct luo_root_ser *root;
	int err, killed;

	if (luo_kexec) {
		err = luo_kexec->rehearse();
	} else {
		err = luo_core_freeze(&root);
		if (!err) {
			luo_core_seal_root();
			luo_core_thaw();
		}
	}

	killed = down_read_killable(&luo_freeze_sem);
	if (killed)
		return killed;
	*ret = luo_outcome;
	up_read(&luo_freeze_sem);
	return err;
}

void luo_core_counts(struct luo_counts *ret)
{
	*ret = (struct luo_counts){
		.sessions_out = atomic64_read(&luo_stats.sessions[0]),
		.files_out = atomic64_read(&luo_stats.files[0]),
		.pages_out = atomic64_read(&luo_stats.pages[0]),
		.memory_out = atomic64_read(&luo_stats.memory[0]),
		.sessions_in = atomic64_read(&luo_stats.sessions[1]),
		.files_in = atomic64_read(&luo_stats.files[1]),
		.pages_in = atomic64_read(&luo_stats.pages[1]),
		.memory_in = atomic64_read(&luo_stats.memory[1]),
		.generation = luo_generation,
	};
}

int luo_core_state(void)
{
	if (READ_ONCE(luo_frozen))
		return LIVEUPDATE_STATE_FROZEN;
	return atomic64_read(&luo_stats.sessions[1]) ? LIVEUPDATE_STATE_UPDATED :
						       LIVEUPDATE_STATE_NORMAL;
}

bool luo_core_idle(void)
{
	return !atomic64_read(&luo_stats.sessions[0]) &&
	       !atomic64_read(&luo_stats.sessions[1]) &&
	       !atomic64_read(&luo_stats.memory[0]);
}
