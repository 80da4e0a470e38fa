// SPDX-License-Identifier: GPL-2.0-only
/* What in-tree LUO does not have: liveupdate_ext.h. Sizes are in test_ioctl.c. */
#include "support.h"

#define KEEP LIVEUPDATE_SESSION_KEEP_ON_CLOSE

#define assert_events(what) do {		\
	assert_string_equal(events, what);	\
	events[0] = '\0';			\
} while (0)

static struct luo_counts counts(void)
{
	struct luo_counts c;

	luo_core_counts(&c);
	return c;
}

static int unpreserve(int fd, u64 token)
{
	struct liveupdate_session_unpreserve_fd arg = { .size = sizeof(arg), .token = token };

	return fd_ioctl(fd, LIVEUPDATE_SESSION_UNPRESERVE_FD, &arg);
}

static int retrieve_flags(const char *name, u64 generation, u32 flags, u32 reserved)
{
	struct liveupdate_ioctl_retrieve_generation arg = {
		.size = sizeof(arg), .fd = -1, .generation = generation, .flags = flags,
		.reserved = reserved,
	};
	long ret;

	strcpy((char *)arg.name, name);
	ret = dev_ioctl(LIVEUPDATE_IOCTL_RETRIEVE_GENERATION, &arg);
	return ret ? ret : arg.fd;
}

static int recycle(int fd)
{
	struct liveupdate_session_recycle arg = { .size = sizeof(arg) };

	return fd_ioctl(fd, LIVEUPDATE_SESSION_RECYCLE, &arg);
}

static int recycle_keep(int fd)
{
	struct liveupdate_session_recycle arg = {
		.size = sizeof(arg), .flags = LIVEUPDATE_RECYCLE_KEEP_FILES,
	};

	return fd_ioctl(fd, LIVEUPDATE_SESSION_RECYCLE, &arg);
}

static struct liveupdate_session_get_state session_state(int fd)
{
	struct liveupdate_session_get_state arg = { .size = sizeof(arg) };

	assert_int_equal(fd_ioctl(fd, LIVEUPDATE_SESSION_GET_STATE, &arg), 0);
	return arg;
}

static struct liveupdate_ioctl_get_state machine_state(void)
{
	struct liveupdate_ioctl_get_state arg = { .size = sizeof(arg) };

	assert_int_equal(dev_ioctl(LIVEUPDATE_IOCTL_GET_STATE, &arg), 0);
	assert_int_equal(arg.size, sizeof(arg));
	return arg;
}

static struct liveupdate_file_info infos[8];

/* Number of records, all of which fit. */
static u32 list(int fd, u64 first, u32 room, u64 total)
{
	struct liveupdate_session_list_files arg = {
		.size = sizeof(arg), .nr = room, .first = first, .files = (uintptr_t)infos,
	};

	memset(infos, 0xee, sizeof(infos));
	assert_int_equal(fd_ioctl(fd, LIVEUPDATE_SESSION_LIST_FILES, &arg), 0);
	assert_int_equal(arg.total, total);
	assert_int_equal(arg.first, first);
	return arg.nr;
}

static void test_reserved(void **state)
{
	int a = session_create("a"), in, i;
	struct { u32 size, reserved; u8 rest[120]; } arg;

	assert_int_equal(kexec_do(), 0);
	in = session_retrieve("a");
	a = session_create("out");
	for (i = 0; i < 7; i++) {
		memset(&arg, 0, sizeof(arg));
		arg.reserved = 1;
		arg.size = 16;
		if (i == 0)
			assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_UNPRESERVE_FD, &arg),
					 -EINVAL);
		arg.size = 8;
		arg.reserved = 2;
		if (i == 1)
			assert_int_equal(fd_ioctl(in, LIVEUPDATE_SESSION_RECYCLE, &arg), -EINVAL);
		arg.reserved = 1;
		if (i == 5)
			assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_FREEZE, &arg), -EINVAL);
		if (i == 6)
			assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_THAW, &arg), -EINVAL);
		arg.size = 40;
		if (i == 2)
			assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_GET_STATE, &arg), -EINVAL);
		arg.size = 80;
		if (i == 3)
			assert_int_equal(dev_ioctl(LIVEUPDATE_IOCTL_DROP_SESSION, &arg), -EINVAL);
		arg.size = 112;
		if (i == 4)
			assert_int_equal(dev_ioctl(LIVEUPDATE_IOCTL_REHEARSE, &arg), -EINVAL);
	}
	for (i = 2; i < 32; i++)
		assert_int_equal(session_set_flags(a, 1U << i | KEEP), -EINVAL);
	assert_int_equal(session_state(a).flags, 0);
	assert_int_equal(session_set_flags(a, KEEP), 0);
	assert_int_equal(session_state(a).flags, KEEP);
	assert_int_equal(session_set_flags(a, 0), 0);
}

static void test_unpreserve(void **state)
{
	struct liveupdate_session_unpreserve_fd arg = { .size = sizeof(arg), .token = 11 };
	int a = session_create("a"), i;

	models[1].runs = 3;
	for (i = 0; i < 4; i++)
		assert_int_equal(session_preserve_model(a, 10 + i, i), 0);
	assert_int_equal(unpreserve(a, 9), -ENOENT);
	events[0] = '\0';
	shim_user_deny(&arg, sizeof(arg), false, true);
	assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_UNPRESERVE_FD, &arg), -EFAULT);
	assert_events("");
	shim_user_deny(NULL, 0, false, false);

	assert_int_equal(unpreserve(a, 11), 0);
	assert_events("U1 ");
	assert_int_equal(unpreserve(a, 11), -ENOENT);
	assert_int_equal(arena_count(FRAME_TRACKED), 0);
	assert_int_equal(counts().pages_out, 0);
	/* Token and file are free again; the others keep their order. */
	assert_int_equal(session_preserve_model(a, 11, 1), 0);
	assert_int_equal(unpreserve(a, 13), 0);
	events[0] = '\0';
	assert_int_equal(kexec_do(), 0);
	a = session_retrieve("a");
	assert_int_equal(session_retrieve_fd(a, 13), -ENOENT);
	assert_int_equal(session_finish(a), 0);
	assert_events("C0 C2 C1 X1 X2 X0 ");
}

static void test_keep_incoming(void **state)
{
	struct luo_root_ser *root;
	int a = session_create("a"), fd;

	models[0].runs = 2;
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(session_preserve_model(a, 1, 1), 0);
	assert_int_equal(kexec_do(), 0);
	a = session_retrieve("a");
	fd = session_retrieve_fd(a, 0);
	assert_int_equal(session_set_flags(a, KEEP), 0);
	fd_close(a);
	assert_events("R0 ");
	assert_int_equal(counts().files_in, 2);
	assert_int_equal(shim_module.refs, 1);

	/* As it was, but for the flag, which was the other holder's. */
	a = session_retrieve("a");
	assert_true(a >= 0);
	assert_int_equal(session_state(a).flags, 0);
	assert_ptr_equal(shim_fds[session_retrieve_fd(a, 0)], shim_fds[fd]);
	assert_events("");
	fd_close(a);
	assert_events("C0 C1 X1 X0 ");
	assert_true(luo_core_idle());
	assert_int_equal(luo_core_freeze(&root), 0);
	luo_core_thaw();
}

/* Finished is finished: nothing is left to wait for. */
static void test_keep_finished(void **state)
{
	int a = session_create("a");

	assert_int_equal(kexec_do(), 0);
	a = session_retrieve("a");
	assert_int_equal(session_set_flags(a, KEEP), 0);
	assert_int_equal(session_finish(a), 0);
	fd_close(a);
	assert_true(luo_core_idle());
}

static void test_keep_outgoing(void **state)
{
	struct liveupdate_ioctl_reopen_session arg = { .size = sizeof(arg), .name = "a" };
	struct luo_root_ser *root;
	int a = session_create("a"), i;

	assert_int_equal(session_reopen("b"), -ENOENT);
	assert_int_equal(session_reopen(""), -ENOENT);
	assert_int_equal(session_reopen("a"), -EBUSY);
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(session_set_flags(a, KEEP), 0);
	events[0] = '\0';
	fd_close(a);
	assert_events("");
	assert_int_equal(counts().files_out, 1);
	assert_int_equal(shim_module.refs, 1);
	assert_int_equal(session_create("a"), -EEXIST);

	/* It takes part in an update. */
	assert_int_equal(luo_core_freeze(&root), 0);
	assert_int_equal(root->nr_sessions, 1);
	luo_core_thaw();
	assert_events("F0 u0 ");

	/* The answer cannot be written, no descriptor, no struct file, killed. */
	shim_user_deny(&arg, sizeof(arg), false, true);
	assert_int_equal(dev_ioctl(LIVEUPDATE_IOCTL_REOPEN_SESSION, &arg), -EFAULT);
	shim_user_deny(NULL, 0, false, false);
	for (i = 1; i < 3; i++) {
		shim_chances = 0;
		shim_fail_at = i;
		assert_int_equal(session_reopen("a"), i == 1 ? -EMFILE : -ENFILE);
		shim_fail_at = 0;
	}
	shim_killed = true;
	assert_int_equal(session_reopen("a"), -EINTR);
	shim_killed = false;
	assert_int_equal(counts().files_out, 1);
	assert_int_equal(shim_module.refs, 1);

	a = session_reopen("a");
	assert_true(a >= 0);
	assert_string_equal(shim_fds[a]->name, "anon_inode:[luo_session] a");
	assert_int_equal(shim_module.refs, 1);
	assert_int_equal(session_reopen("a"), -EBUSY);
	assert_int_equal(session_state(a).flags, 0);
	assert_int_equal(unpreserve(a, 0), 0);
	fd_close(a);
	assert_true(luo_core_idle());
	assert_int_equal(session_reopen("a"), -ENOENT);
	assert_int_equal(shim_module.refs, 0);
}

static void test_states(void **state)
{
	struct liveupdate_ioctl_get_state m = machine_state();
	struct luo_root_ser *root;
	int a = session_create("a");

	assert_int_equal(m.state, LIVEUPDATE_STATE_NORMAL);
	models[0].runs = 3;
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(session_preserve_model(a, 1, 1), 0);
	assert_int_equal(session_state(a).direction, LIVEUPDATE_SESSION_OUTGOING);
	assert_int_equal(session_state(a).generation, 0);
	assert_int_equal(session_state(a).files, 2);
	assert_int_equal(session_state(a).bytes, 3 * 4096);
	m = machine_state();
	assert_int_equal(m.sessions_out, 1);
	assert_int_equal(m.files_out, 2);
	assert_int_equal(m.bytes_out, 3 * 4096);

	/* Not even while frozen does this wait. */
	assert_int_equal(luo_core_freeze(&root), 0);
	shim_switch_task();
	assert_int_equal(machine_state().state, LIVEUPDATE_STATE_FROZEN);
	shim_switch_task();
	luo_core_thaw();
	assert_int_equal(machine_state().state, LIVEUPDATE_STATE_NORMAL);

	assert_int_equal(kexec_do(), 0);
	m = machine_state();
	assert_int_equal(m.state, LIVEUPDATE_STATE_UPDATED);
	assert_int_equal(m.generation, 1);
	assert_int_equal(m.sessions_out, 0);
	assert_int_equal(m.sessions_in, 1);
	assert_int_equal(m.files_in, 2);
	assert_int_equal(m.bytes_in, 3 * 4096);
	a = session_retrieve("a");
	assert_int_equal(session_state(a).direction, LIVEUPDATE_SESSION_INCOMING);
	assert_int_equal(session_state(a).generation, 1);
	assert_int_equal(session_state(a).bytes, 3 * 4096);
	assert_int_equal(session_finish(a), 0);
	assert_int_equal(session_state(a).files, 0);
	assert_int_equal(session_state(a).bytes, 0);
}

static void test_list(void **state)
{
	struct liveupdate_session_list_files arg = {
		.size = sizeof(arg), .nr = 2, .files = (uintptr_t)infos,
	};
	int a = session_create("a"), i;

	assert_int_equal(list(a, 0, 8, 0), 0);
	models[2].runs = 7;
	for (i = 0; i < 5; i++)
		assert_int_equal(session_preserve_model(a, 50 - i, i), 0);
	assert_int_equal(list(a, 0, 8, 5), 5);
	for (i = 0; i < 5; i++) {
		assert_int_equal(infos[i].token, 50 - i);
		assert_int_equal(infos[i].bytes, i == 2 ? 7 * 4096 : 0);
		assert_int_equal(infos[i].state, LIVEUPDATE_FILE_PRESERVED);
		assert_int_equal(infos[i].error, 0);
		assert_string_equal((char *)infos[i].compatible, "model-v1");
		assert_int_equal(infos[i].compatible[47], 0);
	}
	assert_int_equal(infos[5].state, 0xeeeeeeee);
	assert_int_equal(list(a, 3, 8, 5), 2);
	assert_int_equal(infos[0].token, 47);
	assert_int_equal(list(a, 1, 2, 5), 2);
	assert_int_equal(infos[1].token, 48);
	assert_int_equal(infos[2].state, 0xeeeeeeee);
	assert_int_equal(list(a, 5, 8, 5), 0);
	assert_int_equal(list(a, UINT64_MAX, 8, 5), 0);
	assert_int_equal(list(a, 0, 0, 5), 0);

	/* More room than anybody has. */
	arg.nr = UINT32_MAX;
	assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_LIST_FILES, &arg), 0);
	assert_int_equal(arg.nr, 5);
	shim_chances = 0;
	shim_fail_at = 1;
	assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_LIST_FILES, &arg), -ENOMEM);
	shim_fail_at = 0;
	shim_user_deny(&infos[1], 1, false, true);
	assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_LIST_FILES, &arg), -EFAULT);
	shim_user_deny(NULL, 0, false, false);
	shim_killed = true;
	assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_LIST_FILES, &arg), -EINTR);
	shim_killed = false;

	assert_int_equal(kexec_do(), 0);
	liveupdate_unregister_file_handler(&model_handler);
	a = session_retrieve("a");
	assert_int_equal(list(a, 0, 1, 5), 1);
	assert_int_equal(infos[0].state, LIVEUPDATE_FILE_UNKNOWN);
	assert_string_equal((char *)infos[0].compatible, "model-v1");
	assert_int_equal(liveupdate_register_file_handler(&model_handler), 0);
	assert_true(session_retrieve_fd(a, 50) >= 0);
	models[1].retrieve_err = -EBADMSG;
	assert_int_equal(session_retrieve_fd(a, 49), -EBADMSG);
	assert_int_equal(list(a, 0, 8, 5), 5);
	assert_int_equal(infos[0].state, LIVEUPDATE_FILE_RETRIEVED);
	assert_int_equal(infos[1].state, LIVEUPDATE_FILE_FAILED);
	assert_int_equal(infos[1].error, EBADMSG);
	assert_int_equal(infos[2].state, LIVEUPDATE_FILE_WAITING);
	assert_int_equal(infos[2].bytes, 7 * 4096);
}

static int ready_err;

static int ready(void)
{
	return ready_err;
}

static int chain_err, chain_calls;

/* The keeper of memory looks at what has been frozen. */
static int rehearse(void)
{
	struct luo_root_ser *root;
	int err;

	chain_calls++;
	if (chain_err == -EALREADY)
		return chain_err;
	err = luo_core_freeze(&root);
	if (err)
		return err;
	luo_core_seal_root();
	luo_core_thaw();
	return chain_err;
}

static const struct luo_kexec_ops kexec_ops = { .ready = ready, .rehearse = rehearse };

static void test_recycle(void **state)
{
	struct liveupdate_session_recycle arg = { .size = sizeof(arg) };
	int a = session_create("a"), out, i;

	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	for (i = 1; i < 4; i++) {
		assert_int_equal(kexec_do(), 0);
		luo_core_set_kexec(&kexec_ops);
		a = session_retrieve("a");
		assert_true(session_retrieve_fd(a, 0) >= 0);
		assert_int_equal(recycle(a), -EBUSY);
		assert_int_equal(session_finish(a), 0);
		assert_int_equal(session_set_flags(a, KEEP), 0);

		out = session_create("a");
		assert_int_equal(recycle(a), -EEXIST);
		fd_close(out);
		ready_err = -ENODEV;
		assert_int_equal(recycle(a), -ENODEV);
		ready_err = 0;
		shim_user_deny(&arg, sizeof(arg), false, true);
		assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_RECYCLE, &arg), -EFAULT);
		shim_user_deny(NULL, 0, false, false);
		/* A block for its record, a place in the table of names. */
		for (shim_fail_at = 1; shim_fail_at < 3; shim_fail_at++) {
			shim_chances = 0;
			assert_int_equal(recycle(a), -ENOMEM);
			assert_int_equal(session_state(a).direction, LIVEUPDATE_SESSION_INCOMING);
			assert_int_equal(counts().sessions_in, 1);
		}
		shim_fail_at = 0;

		assert_int_equal(recycle(a), 0);
		assert_int_equal(recycle(a), -EINVAL);
		assert_int_equal(session_finish(a), -EINVAL);
		assert_int_equal(counts().sessions_in, 0);
		assert_int_equal(counts().sessions_out, 1);
		assert_int_equal(session_state(a).flags, 0);
		assert_int_equal(session_state(a).generation, 0);
		assert_int_equal(session_create("a"), -EEXIST);
		assert_int_equal(session_retrieve("a"), -ENOENT);
		assert_int_equal(shim_module.refs, 1);
		/* What was retrieved stays with the program, and can go again. */
		assert_int_equal(session_preserve_model(a, 0, 0), 0);
	}
	fd_close(a);
	assert_true(luo_core_idle());
}

/* The same with its files: there is no moment at which nothing holds them. */
static void test_recycle_keep(void **state)
{
	struct liveupdate_session_recycle arg = {
		.size = sizeof(arg), .flags = LIVEUPDATE_RECYCLE_KEEP_FILES,
	};
	int a, b, fd, i, round;

	assert_int_equal(flb_register(3), 0);
	models[0].runs = 5;
	models[1].runs = LUO_EXTENTS_FIRST + 3;
	a = session_create("a");
	for (i = 0; i < 3; i++)
		assert_int_equal(session_preserve_model(a, 10 + i, i), 0);

	for (round = 1; round < 4; round++) {
		assert_int_equal(kexec_do(), 0);
		assert_int_equal(flb_register(3), 0);
		a = retrieve_flags("a", round, KEEP, 0);
		assert_true(a >= 0);
		for (i = 0; i < 3; i++) {
			assert_int_equal(recycle_keep(a), -EBUSY);
			fd = session_retrieve_fd(a, 10 + i);
			assert_true(fd >= 0);
			fd_close(fd);
		}
		assert_int_equal(recycle(a), -EBUSY);

		/* Whatever is in the way, the session stays as it was. */
		models[1].busy = true;
		assert_int_equal(recycle_keep(a), -EBUSY);
		models[1].busy = false;
		b = session_create("a");
		events[0] = '\0';
		assert_int_equal(recycle_keep(a), -EEXIST);
		assert_events("C0 C1 C2 p3 P0 P1 P2 U2 U1 U0 q3 ");
		fd_close(b);
		models[2].preserve_err = -EOPNOTSUPP;
		assert_int_equal(recycle_keep(a), -EOPNOTSUPP);
		models[2].preserve_err = 0;
		assert_events("C0 C1 C2 p3 P0 P1 P2 U1 U0 q3 ");
		model_flbs[3].preserve_err = -ENODEV;
		assert_int_equal(recycle_keep(a), -ENODEV);
		model_flbs[3].preserve_err = 0;
		for (shim_fail_at = 1;; shim_fail_at++) {
			shim_chances = 0;
			if (!recycle_keep(a))
				break;
			assert_int_equal(session_state(a).direction, LIVEUPDATE_SESSION_INCOMING);
			assert_int_equal(counts().files_in, 3);
			assert_int_equal(counts().files_out, 0);
			assert_int_equal(counts().pages_out, 0);
		}
		assert_true(shim_fail_at > 5);
		shim_fail_at = 0;

		assert_int_equal(session_state(a).direction, LIVEUPDATE_SESSION_OUTGOING);
		assert_int_equal(session_state(a).flags, KEEP);
		assert_int_equal(session_state(a).files, 3);
		assert_int_equal(session_state(a).bytes,
				 (5 + LUO_EXTENTS_FIRST + 3) * LUO_BLOCK_SIZE);
		assert_int_equal(counts().files_in, 0);
		assert_int_equal(counts().pages_in, 0);
		assert_int_equal(counts().sessions_in, 0);
		assert_int_equal(counts().files_out, 3);
		assert_int_equal(counts().pages_out, 5 + LUO_EXTENTS_FIRST + 3);
		assert_int_equal(list(a, 0, 8, 3), 3);
		for (i = 0; i < 3; i++) {
			assert_int_equal(infos[i].token, 10 + i);
			assert_int_equal(infos[i].state, LIVEUPDATE_FILE_PRESERVED);
		}
		assert_int_equal(session_preserve_model(a, 10, 5), -EEXIST);
		assert_int_equal(recycle_keep(a), -EINVAL);
		/* Whoever holds it may die now. */
		fd_close(a);
		assert_int_equal(counts().files_out, 3);
		assert_true(session_reopen("a") >= 0);
	}
	assert_int_equal(kexec_do(), 0);
	assert_int_equal(flb_register(3), 0);
	a = session_retrieve("a");
	/* One without files, and the last moment of one that is finished. */
	assert_int_equal(session_finish(a), 0);
	assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_RECYCLE, &arg), 0);
	assert_int_equal(counts().sessions_out, 1);
	fd_close(a);
	assert_true(luo_core_idle());
}

static void test_drop(void **state)
{
	struct liveupdate_ioctl_drop_session arg = { .size = sizeof(arg), .name = "a" };
	int a = session_create("a"), b = session_create("b");

	models[0].runs = 3;
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(session_preserve_model(a, 1, 1), 0);
	assert_int_equal(session_preserve_model(b, 1, 2), 0);
	/* Outgoing ones are none of its business. */
	assert_int_equal(session_drop("a", 0), -ENOENT);
	assert_int_equal(kexec_do(), 0);

	assert_int_equal(session_drop("c", 0), -ENOENT);
	assert_int_equal(session_drop("", 0), -ENOENT);
	assert_int_equal(session_drop("a", 2), -ENOENT);
	a = session_retrieve("a");
	assert_int_equal(session_drop("a", 0), -EBUSY);
	assert_int_equal(session_set_flags(a, KEEP), 0);
	fd_close(a);
	models[1].busy = true;
	assert_int_equal(session_drop("a", 0), -EBUSY);
	models[1].busy = false;
	assert_int_equal(counts().files_in, 3);
	shim_user_deny(&arg, sizeof(arg), false, true);
	assert_int_equal(dev_ioctl(LIVEUPDATE_IOCTL_DROP_SESSION, &arg), -EFAULT);
	shim_user_deny(NULL, 0, false, false);
	shim_killed = true;
	assert_int_equal(session_drop("a", 0), -EINTR);
	shim_killed = false;

	events[0] = '\0';
	assert_int_equal(session_drop("a", 0), 0);
	assert_events("C0 C1 X1 X0 ");
	assert_int_equal(session_retrieve("a"), -ENOENT);
	assert_int_equal(session_drop("b", 1), 0);
	assert_true(luo_core_idle());
	assert_int_equal(counts().pages_in, 0);
}

static int recycled;

static void recycle_hook(void)
{
	assert_int_equal(recycle(recycled), 0);
}

/* Another thread recycles between the check of the direction and the lock. */
static void test_direction_changes(void **state)
{
	int a = session_create("a");

	assert_int_equal(kexec_do(), 0);
	recycled = a = session_retrieve("a");
	shim_user_hook = recycle_hook;
	assert_int_equal(session_finish(a), -EINVAL);
	assert_int_equal(session_state(a).direction, LIVEUPDATE_SESSION_OUTGOING);
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
}

static void test_generation(void **state)
{
	int a = session_create("a"), fd;

	fd_close(a);
	assert_int_equal(kexec_do(), 0);
	a = session_create("a");
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(kexec_do(), 0);
	assert_int_equal(session_retrieve_generation("a", 1), -ENOENT);
	assert_int_equal(session_retrieve_generation("", 2), -ENOENT);
	fd = session_retrieve_generation("a", 2);
	assert_true(fd >= 0);
	assert_int_equal(session_retrieve_generation("a", 2), -EINVAL);
	assert_int_equal(session_retrieve_generation("a", 0), -EINVAL);
	models[0].busy = true;
	fd_close(fd);
	models[0].busy = false;

	/* Flags from the first moment. */
	assert_int_equal(retrieve_flags("a", 0, 1U << 2, 0), -EINVAL);
	assert_int_equal(retrieve_flags("a", 0, KEEP, 1), -EINVAL);
	fd = retrieve_flags("a", 0, KEEP, 0);
	assert_true(fd >= 0);
	assert_int_equal(session_state(fd).flags, KEEP);
	fd_close(fd);
	fd = session_retrieve_generation("a", 0);
	assert_true(fd >= 0);
	assert_int_equal(session_state(fd).flags, 0);
}

static struct liveupdate_ioctl_rehearse dry_run(void)
{
	struct liveupdate_ioctl_rehearse arg = { .size = sizeof(arg) };

	assert_int_equal(dev_ioctl(LIVEUPDATE_IOCTL_REHEARSE, &arg), 0);
	assert_int_equal(arg.size, sizeof(arg));
	return arg;
}

/* Two sessions: a has files 0 and 1, b has 2; a freeze goes in this order. */
static void two_sessions(int *a, int *b)
{
	*a = session_create("a");
	*b = session_create("b");
	models[0].runs = 4;
	models[2].runs = 2;
	assert_int_equal(session_preserve_model(*a, 0, 0), 0);
	assert_int_equal(session_preserve_model(*a, 1, 1), 0);
	assert_int_equal(session_preserve_model(*b, 0, 2), 0);
	events[0] = '\0';
}

static void test_rehearse(void **state)
{
	struct liveupdate_ioctl_rehearse r, arg = { .size = sizeof(arg) };
	int a, b;

	two_sessions(&a, &b);
	r = dry_run();
	assert_int_equal(r.error, 0);
	assert_int_equal(r.session_error, 0);
	assert_int_equal(r.session[0], 0);
	assert_int_equal(r.sessions, 2);
	assert_int_equal(r.files, 3);
	assert_int_equal(r.bytes, 6 * 4096);
	assert_int_equal(r.dropped, 0);
	assert_events("F0 F1 F2 u2 u1 u0 ");

	models[1].freeze_err = -ENOTRECOVERABLE;
	r = dry_run();
	assert_int_equal(r.error, ENOTRECOVERABLE);
	assert_int_equal(r.session_error, ENOTRECOVERABLE);
	assert_string_equal((char *)r.session, "a");
	assert_int_equal(r.sessions, 0);
	assert_events("F0 F1 u0 ");
	models[1].freeze_err = 0;

	/* The machine is not able to, the sessions are. */
	luo_core_set_kexec(&kexec_ops);
	chain_err = -ENOSPC;
	r = dry_run();
	assert_int_equal(r.error, ENOSPC);
	assert_int_equal(r.session_error, 0);
	assert_int_equal(r.session[0], 0);
	chain_err = -EBUSY;
	assert_int_equal(dry_run().error, EBUSY);
	chain_err = 0;
	assert_int_equal(dry_run().sessions, 2);
	assert_int_equal(chain_calls, 3);

	/* Somebody else is at it; no hooks; killed; nobody to tell. */
	chain_err = -EALREADY;
	assert_int_equal(dev_ioctl(LIVEUPDATE_IOCTL_REHEARSE, &arg), -EBUSY);
	chain_err = 0;
	ready_err = -ENODEV;
	assert_int_equal(dev_ioctl(LIVEUPDATE_IOCTL_REHEARSE, &arg), -ENODEV);
	ready_err = 0;
	shim_killed = true;
	assert_int_equal(dev_ioctl(LIVEUPDATE_IOCTL_REHEARSE, &arg), -EINTR);
	shim_killed = false;
	events[0] = '\0';
	shim_user_deny(&arg, sizeof(arg), false, true);
	assert_int_equal(dev_ioctl(LIVEUPDATE_IOCTL_REHEARSE, &arg), -EFAULT);
	shim_user_deny(NULL, 0, false, false);
	assert_events("F0 F1 F2 u2 u1 u0 ");

	/* It was only a rehearsal. */
	assert_int_equal(session_preserve_model(b, 1, 3), 0);
	assert_int_equal(kexec_do(), 0);
	assert_int_equal(counts().files_in, 4);
}

static void test_drop_on_failure(void **state)
{
	struct liveupdate_ioctl_rehearse r;
	int a, b, c;

	assert_int_equal(flb_register(0), 0);
	two_sessions(&a, &b);
	liveupdate_unregister_flb(&model_handler, &model_flbs[0].flb);
	assert_int_equal(flb_register(1), 0);
	c = session_create("c");
	models[5].runs = 1;
	assert_int_equal(session_preserve_model(c, 0, 4), 0);
	assert_int_equal(session_preserve_model(c, 1, 5), 0);
	assert_int_equal(session_set_flags(c, LIVEUPDATE_SESSION_DROP_ON_FAILURE), 0);
	assert_int_equal(session_set_flags(a, LIVEUPDATE_SESSION_DROP_ON_FAILURE), 0);
	models[1].freeze_err = -EIO;
	models[5].freeze_err = -EAGAIN;
	events[0] = '\0';

	r = dry_run();
	assert_int_equal(r.error, 0);
	assert_int_equal(r.session_error, EIO);
	assert_string_equal((char *)r.session, "a");
	assert_int_equal(r.sessions, 1);
	assert_int_equal(r.files, 1);
	assert_int_equal(r.bytes, 2 * 4096);
	assert_int_equal(r.dropped, 2);
	/* Each is frozen and unfrozen once, and what is left behind not again. */
	assert_events("F0 F1 u0 F2 F4 F5 u4 u2 ");

	/* One of the others says no all the same. */
	models[2].freeze_err = -EPERM;
	r = dry_run();
	assert_int_equal(r.error, EPERM);
	assert_string_equal((char *)r.session, "a");
	assert_events("F0 F1 u0 F2 ");
	models[2].freeze_err = 0;

	/* For good: b arrives, and the image is sound without the others. */
	assert_int_equal(kexec_do(), 0);
	assert_int_equal(counts().sessions_in, 1);
	assert_int_equal(counts().files_in, 1);
	assert_int_equal(session_retrieve("a"), -ENOENT);
	assert_int_equal(session_retrieve("c"), -ENOENT);
	assert_int_equal(arena_state(ARENA_DATA), FRAME_FREE);
	/* Of what the files share, file 2 needs 0, and nobody 1. */
	assert_int_equal(flb_register(0), 0);
	assert_int_equal(flb_get_incoming(1), -ENODATA);
	assert_int_equal(flb_get_incoming(0), 0);
	liveupdate_flb_put_incoming(&model_flbs[0].flb);
	b = session_retrieve("b");
	events[0] = '\0';
	assert_int_equal(session_finish(b), 0);
	assert_events("C2 X2 x0 ");
}

/* Ahead of time, and again at the update, so that nothing is missed. */
static void test_freeze(void **state)
{
	struct liveupdate_session_freeze arg = { .size = sizeof(arg) };
	struct luo_root_ser *root;
	int a, b, i;

	two_sessions(&a, &b);
	assert_int_equal(session_thaw(a), 0);
	shim_user_deny(&arg, sizeof(arg), false, true);
	assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_FREEZE, &arg), -EFAULT);
	assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_THAW, &arg), -EFAULT);
	shim_user_deny(NULL, 0, false, false);
	assert_events("");
	models[1].prefreeze_err = -EAGAIN;
	assert_int_equal(session_freeze(a), -EAGAIN);
	assert_non_null(strstr(shim_log, "session 'a': file 0x1 (model-v1) cannot be frozen"));
	assert_int_equal(unpreserve(a, 1), 0);
	models[1].prefreeze_err = 0;
	assert_int_equal(session_preserve_model(a, 1, 1), 0);
	events[0] = '\0';

	for (i = 0; i < 2; i++) {
		assert_int_equal(session_freeze(a), 0);
		assert_events("E0 E1 ");
		assert_int_equal(session_preserve_model(a, 2, 3), -EBUSY);
		assert_int_equal(unpreserve(a, 1), -EBUSY);
	}
	/* Once more fails: it is as frozen as before. */
	models[0].prefreeze_err = -ENOMEM;
	assert_int_equal(session_freeze(a), -ENOMEM);
	models[0].prefreeze_err = 0;
	events[0] = '\0';
	assert_int_equal(unpreserve(a, 1), -EBUSY);
	/* Who reads is not concerned, nor are other sessions. */
	assert_int_equal(list(a, 0, 8, 2), 2);
	assert_int_equal(session_preserve_model(b, 1, 4), 0);
	events[0] = '\0';

	/* An update that fails leaves it so. */
	assert_int_equal(luo_core_freeze(&root), 0);
	luo_core_thaw();
	assert_events("F0 F1 F2 F4 u4 u2 u1 u0 ");
	assert_int_equal(unpreserve(a, 1), -EBUSY);

	/* And so does a close that keeps it. */
	assert_int_equal(session_set_flags(a, KEEP), 0);
	fd_close(a);
	a = session_reopen("a");
	assert_int_equal(unpreserve(a, 1), -EBUSY);
	assert_int_equal(session_thaw(a), 0);
	assert_int_equal(unpreserve(a, 1), 0);
	assert_events("U1 ");

	assert_int_equal(session_freeze(b), 0);
	fd_close(b);
	assert_events("E2 E4 U4 U2 ");
	assert_int_equal(session_freeze(a), 0);
	assert_int_equal(kexec_do(), 0);
	a = session_retrieve("a");
	assert_int_equal(session_freeze(a), -EINVAL);
	assert_int_equal(session_thaw(a), -EINVAL);
	assert_true(session_retrieve_fd(a, 0) >= 0);
}

/* A kind of files that can do nothing ahead. */
static void test_freeze_without_prefreeze(void **state)
{
	struct liveupdate_file_ops ops = *model_handler.ops;
	int a = session_create("a");

	ops.prefreeze = NULL;
	model_handler.ops = &ops;
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	events[0] = '\0';
	assert_int_equal(session_freeze(a), 0);
	assert_events("");
	assert_int_equal(unpreserve(a, 0), -EBUSY);
	fd_close(a);
	assert_events("U0 ");
	models_reset();
}

/* A killed task gets nothing, and nothing has happened. */
static void test_killed(void **state)
{
	struct liveupdate_session_get_state get = { .size = sizeof(get) };
	int a = session_create("a"), out;

	assert_int_equal(kexec_do(), 0);
	a = session_retrieve("a");
	out = session_create("out");
	assert_int_equal(session_preserve_model(out, 0, 0), 0);
	shim_killed = true;
	assert_int_equal(unpreserve(out, 0), -EINTR);
	assert_int_equal(session_set_flags(out, KEEP), -EINTR);
	assert_int_equal(fd_ioctl(out, LIVEUPDATE_SESSION_GET_STATE, &get), -EINTR);
	assert_int_equal(recycle(a), -EINTR);
	assert_int_equal(session_freeze(out), -EINTR);
	assert_int_equal(session_thaw(out), -EINTR);
	shim_killed = false;
	assert_int_equal(counts().files_out, 1);
	assert_int_equal(session_state(out).flags, 0);
	assert_int_equal(session_state(a).direction, LIVEUPDATE_SESSION_INCOMING);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_reserved), T(test_unpreserve), T(test_keep_incoming),
		T(test_keep_finished), T(test_keep_outgoing), T(test_states), T(test_list),
		T(test_recycle), T(test_recycle_keep), T(test_drop), T(test_direction_changes), T(test_generation),
		T(test_rehearse), T(test_drop_on_failure), T(test_freeze),
		T(test_freeze_without_prefreeze), T(test_killed),
	};

	return cmocka_run_group_tests_name("ext", tests, NULL, NULL);
}
