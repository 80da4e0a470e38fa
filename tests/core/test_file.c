// SPDX-License-Identifier: GPL-2.0-only
/* Files of a session: preserve, freeze, retrieve, finish, and how these fail. */
#include "support.h"

static struct luo_counts counts(void)
{
	struct luo_counts c;

	luo_core_counts(&c);
	return c;
}

/* What was called since the last look. */
#define assert_events(what) do {		\
	assert_string_equal(events, what);	\
	events[0] = '\0';			\
} while (0)

static void test_preserve_errors(void **state)
{
	int a = session_create("a"), b = session_create("b");
	int file = file_open(0), foreign = file_open_foreign();

	assert_int_equal(session_preserve(a, 0, 999), -EBADF);
	assert_int_equal(session_preserve(a, 0, -1), -EBADF);
	assert_int_equal(session_preserve(a, 0, foreign), -ENOENT);
	assert_int_equal(session_preserve(a, 0, a), -ENOENT);
	model_module.going = true;
	assert_int_equal(session_preserve(a, 0, file), -ENOENT);
	model_module.going = false;
	models[0].preserve_err = -EOPNOTSUPP;
	assert_int_equal(session_preserve(a, 0, file), -EOPNOTSUPP);
	assert_events("P0 ");
	models[0].preserve_err = 0;
	assert_int_equal(counts().files_out, 0);
	assert_int_equal(arena_blocks, 2);	/* root, two sessions */

	assert_int_equal(session_preserve(a, 0, file), 0);
	assert_int_equal(session_preserve(a, 0, 999), -EEXIST);	/* checked first */
	assert_int_equal(session_preserve(a, 1, file), -EBUSY);
	assert_int_equal(session_preserve(b, 0, file), -EBUSY);
	assert_int_equal(session_preserve_model(b, 0, 0), -EBUSY);	/* same identity */
	assert_int_equal(session_preserve_model(b, 0, 1), 0);		/* same token */
	assert_int_equal(session_preserve_model(b, UINT64_MAX, 2), 0);
	assert_int_equal(counts().files_out, 3);
	assert_int_equal(model_module.refs, 3);

	fd_close(a);
	assert_int_equal(session_preserve(b, 5, file), 0);
}

/* in-tree, an answer that cannot be written leaves the file preserved */
static void test_unwritable_answer(void **state)
{
	struct liveupdate_session_preserve_fd arg = { .size = sizeof(arg), .token = 1 };
	struct liveupdate_session_retrieve_fd get = { .size = sizeof(get), .token = 1 };
	struct liveupdate_session_finish finish = { .size = sizeof(finish) };
	int a = session_create("a");

	arg.fd = file_open(0);
	shim_user_deny(&arg, sizeof(arg), false, true);
	assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_PRESERVE_FD, &arg), -EFAULT);
	assert_int_equal(counts().files_out, 0);
	assert_events("");
	shim_user_deny(NULL, 0, false, false);
	assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_PRESERVE_FD, &arg), 0);
	assert_int_equal(kexec_do(), 0);

	a = session_retrieve("a");
	shim_user_deny(&get, sizeof(get), false, true);
	assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_RETRIEVE_FD, &get), -EFAULT);
	shim_user_deny(&finish, sizeof(finish), false, true);
	assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_FINISH, &finish), -EFAULT);
	assert_int_equal(counts().files_in, 1);
	shim_user_deny(NULL, 0, false, false);
	assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_RETRIEVE_FD, &get), 0);
	assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_FINISH, &finish), 0);
	assert_events("R0 C0 X0 ");
}

static void test_close_unpreserves_in_reverse(void **state)
{
	int a = session_create("a"), i;

	for (i = 0; i < 4; i++)
		assert_int_equal(session_preserve_model(a, 10 - i, i), 0);
	events[0] = '\0';
	fd_close(a);
	assert_events("U3 U2 U1 U0 ");
	assert_int_equal(model_module.refs, 0);
	assert_int_equal(counts().pages_out, 0);
}

static void test_dup_keeps_the_session(void **state)
{
	int a = session_create("a");
	struct file *dup = get_file(shim_fds[a]);

	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	fd_close(a);
	assert_int_equal(counts().files_out, 1);
	fput(dup);
	shim_task_work();
	assert_true(luo_core_idle());
}

static void test_freeze_order_and_veto(void **state)
{
	int a = session_create("a"), b = session_create("b"), c = session_create("c"), i;
	struct luo_root_ser *root;
	char reason[256];

	for (i = 0; i < 2; i++) {
		assert_int_equal(session_preserve_model(c, i, 20 + i), 0);
		assert_int_equal(session_preserve_model(a, i, i), 0);
		assert_int_equal(session_preserve_model(b, i, 10 + i), 0);
	}
	events[0] = '\0';
	assert_int_equal(luo_core_freeze(&root), 0);
	assert_events("F0 F1 F10 F11 F20 F21 ");
	assert_int_equal(root->nr_files, 6);
	assert_int_equal(root->nr_sessions, 3);
	luo_core_thaw();
	assert_events("u21 u20 u11 u10 u1 u0 ");

	models[11].freeze_err = -ENOTRECOVERABLE;
	for (i = 0; i < 2; i++) {
		assert_int_equal(luo_core_freeze(&root), -ENOTRECOVERABLE);
		assert_events("F0 F1 F10 F11 u10 u1 u0 ");
	}
	luo_last_error(reason, sizeof(reason));
	assert_non_null(strstr(reason, "session 'b': file 0x1 (model-v1)"));

	/* The machine goes on. */
	models[11].freeze_err = 0;
	assert_int_equal(session_preserve_model(b, 7, 5), 0);
	events[0] = '\0';
	assert_int_equal(kexec_do(), 0);
	assert_int_equal(counts().files_in, 7);
}

/* State is as of the freeze, not as of PRESERVE_FD. */
static void test_freeze_changes_pages(void **state)
{
	struct luo_root_ser *root;
	int a = session_create("a");

	models[0].runs = LUO_EXTENTS_FIRST + LUO_EXTENTS_FURTHER + 10;
	models[0].added = LUO_EXTENTS_FIRST;
	models[1].runs = 3;
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(session_preserve_model(a, 1, 1), 0);
	assert_int_equal(counts().pages_out, models[0].runs + 3);

	assert_int_equal(luo_core_freeze(&root), 0);
	assert_int_equal(root->nr_pages, models[0].runs + LUO_EXTENTS_FIRST + 3);
	luo_core_thaw();
	assert_int_equal(counts().pages_out, models[0].runs + LUO_EXTENTS_FIRST + 3);

	assert_int_equal(kexec_do(), 0);
	assert_int_equal(counts().pages_in, models[0].runs + LUO_EXTENTS_FIRST + 3);
	a = session_retrieve("a");
	assert_true(session_retrieve_fd(a, 0) >= 0);
	assert_int_equal(models[0].pages_seen, models[0].runs + LUO_EXTENTS_FIRST);
	fd_close(a);
	/* Root aside, everything that was claimed has been given back. */
	assert_int_equal(arena_count(FRAME_RELEASED),
			 models[0].runs + LUO_EXTENTS_FIRST + 3 + /* frames */
			 1 + 1 + 4 + 1);	/* sessions, files, pages of both */
	assert_int_equal(counts().pages_in, 0);
}

static void test_retrieve_any_order(void **state)
{
	static const u64 tokens[] = { 0, UINT64_MAX, 42, 7 };
	static const int order[] = { 2, 0, 3, 1 };
	int a = session_create("a"), fd[4], i;

	for (i = 0; i < 4; i++)
		assert_int_equal(session_preserve_model(a, tokens[i], i), 0);
	assert_int_equal(kexec_do(), 0);
	a = session_retrieve("a");
	assert_int_equal(session_retrieve_fd(a, 1), -ENOENT);
	for (i = 0; i < 4; i++) {
		fd[i] = session_retrieve_fd(a, tokens[order[i]]);
		assert_true(fd[i] >= 0);
		assert_ptr_equal(shim_fds[fd[i]], models[order[i]].file);
	}
	assert_events("R2 R0 R3 R1 ");

	/* A second time: another fd to the same file, and no second retrieve(). */
	i = session_retrieve_fd(a, 42);
	assert_true(i >= 0 && i != fd[0]);
	assert_ptr_equal(shim_fds[i], shim_fds[fd[0]]);
	assert_events("");
	fd_close(i);
	fd_close(fd[0]);
	assert_true(session_retrieve_fd(a, 42) >= 0);

	/* Retrieved and not finished: nobody may preserve it. */
	i = session_create("out");
	assert_int_equal(session_preserve(i, 0, fd[1]), -EBUSY);
	assert_int_equal(session_finish(a), 0);
	assert_events("C0 C1 C2 C3 X3 X2 X1 X0 ");
	assert_int_equal(session_preserve(i, 0, fd[1]), 0);
	assert_int_equal(session_retrieve_fd(a, 42), -ENOENT);
	assert_int_equal(session_finish(a), 0);
	assert_events("P0 ");
}

static void test_retrieve_errors(void **state)
{
	static const int again[] = {
		-ENOMEM, -EINTR, -EMFILE, -ENFILE, -ENOSPC, -EACCES, -EPERM
	};
	unsigned int i;
	int a = session_create("a");

	for (i = 0; i < 3; i++)
		assert_int_equal(session_preserve_model(a, i, i), 0);
	assert_int_equal(kexec_do(), 0);
	a = session_retrieve("a");

	for (i = 0; i < ARRAY_SIZE(again); i++) {
		models[0].retrieve_err = again[i];
		assert_int_equal(session_retrieve_fd(a, 0), again[i]);
	}
	models[0].retrieve_err = 0;
	assert_true(session_retrieve_fd(a, 0) >= 0);

	/* An error of the data is final. */
	models[1].retrieve_err = -EBADMSG;
	assert_int_equal(session_retrieve_fd(a, 1), -EBADMSG);
	models[1].retrieve_err = 0;
	assert_int_equal(session_retrieve_fd(a, 1), -EBADMSG);

	models[2].no_file = true;
	assert_int_equal(session_retrieve_fd(a, 2), -EIO);
	assert_int_equal(shim_warnings, 1);
	shim_warnings = 0;

	assert_int_equal(session_finish(a), 0);
	assert_int_equal(models[0].finish_status, 1);
	assert_int_equal(models[1].finish_status, -EBADMSG);
	assert_int_equal(models[2].finish_status, -EIO);
}

static void test_finish_refused(void **state)
{
	struct liveupdate_session_finish arg = { .size = sizeof(arg), .reserved = 1 };
	int a = session_create("a"), fd;

	models[0].runs = models[1].runs = 2;
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(session_preserve_model(a, 1, 1), 0);
	assert_int_equal(session_preserve_model(a, 2, 2), 0);
	assert_int_equal(kexec_do(), 0);
	a = session_retrieve("a");
	assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_FINISH, &arg), -EINVAL);
	fd = session_retrieve_fd(a, 0);
	models[1].busy = true;
	events[0] = '\0';
	assert_int_equal(session_finish(a), -EBUSY);
	assert_events("C0 C1 ");
	assert_int_equal(counts().files_in, 3);

	/* Closed although a file is busy: the session waits for somebody else. */
	fd_close(a);
	assert_int_equal(counts().sessions_in, 1);
	assert_int_equal(counts().files_in, 3);
	a = session_retrieve("a");
	assert_true(a >= 0);
	assert_ptr_equal(shim_fds[session_retrieve_fd(a, 0)], shim_fds[fd]);
	models[1].busy = false;
	events[0] = '\0';
	assert_int_equal(session_finish(a), 0);
	assert_events("C0 C1 C2 X2 X1 X0 ");
	assert_int_equal(models[1].finish_status, 0);
	assert_int_equal(arena_count(FRAME_RELEASED), 4 + 1 + 1 + 2);
	fd_close(a);
	assert_true(luo_core_idle());
}

static void test_unclaimed_keeps_memory(void **state)
{
	struct luo_root_ser *root;
	int a = session_create("a");

	models[0].runs = 5;
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(kexec_do(), 0);
	assert_int_equal(counts().pages_in, 5);
	assert_int_equal(arena_count(FRAME_RELEASED), 2);	/* blocks of records */
	assert_true(luo_claimed(&arena_claims, ARENA_DATA));
	assert_false(luo_core_idle());

	/* It goes on to the next kernel: see test_carry.c. */
	assert_int_equal(luo_core_freeze(&root), 0);
	assert_int_equal(root->nr_sessions, 1);
	assert_non_null(strstr(shim_log, "1 incoming sessions are not finished"));
	luo_core_thaw();
}

/* ------------------------------------------------------------------- handlers */

static bool yes(struct liveupdate_file_handler *fh, struct file *file)
{
	return true;
}

static int nothing(struct liveupdate_file_op_args *args)
{
	return 0;
}

static void none(struct liveupdate_file_op_args *args)
{
}

static void test_registration(void **state)
{
	struct liveupdate_file_ops ops = {
		.can_preserve = yes, .preserve = nothing, .unpreserve = none,
		.retrieve = nothing, .finish = none,
	}, bad;
	struct liveupdate_file_handler fh = { .ops = &ops, .compatible = "plain-v1" };
	struct liveupdate_file_handler same = { .ops = &ops, .compatible = "model-v1" };
	struct liveupdate_file_handler empty = { .ops = &ops }, endless = { .ops = &ops };
	struct liveupdate_file_handler without = { .compatible = "x" };
	struct luo_root_ser *root;
	int a, file;

#define MISSING(op) do {						\
	bad = ops;							\
	bad.op = NULL;							\
	fh.ops = &bad;							\
	assert_int_equal(liveupdate_register_file_handler(&fh), -EINVAL); \
} while (0)
	MISSING(can_preserve);
	MISSING(preserve);
	MISSING(unpreserve);
	MISSING(retrieve);
	MISSING(finish);
	fh.ops = &ops;
	memset((char *)endless.compatible, 'x', sizeof(endless.compatible));
	assert_int_equal(liveupdate_register_file_handler(&empty), -EINVAL);
	assert_int_equal(liveupdate_register_file_handler(&endless), -EINVAL);
	assert_int_equal(liveupdate_register_file_handler(&without), -EINVAL);
	assert_int_equal(liveupdate_register_file_handler(&same), -EEXIST);
	assert_int_equal(liveupdate_register_file_handler(&fh), 0);
	assert_int_equal(fh.flbs, 0);
	assert_int_equal(liveupdate_register_file_handler(&fh), -EEXIST);

	/* The first that says yes has it, though this one takes everything. */
	a = session_create("a");
	file = file_open(0);
	assert_int_equal(session_preserve(a, 0, file), 0);
	assert_events("P0 ");
	fd_close(file);

	/* No callback but the required ones; identity is the struct file. */
	file = file_open_foreign();
	assert_int_equal(session_preserve(a, 1, file), 0);
	assert_int_equal(session_preserve(a, 2, file), -EBUSY);
	assert_int_equal(session_preserve(a, 2, file_open_foreign()), 0);
	assert_int_equal(luo_core_freeze(&root), 0);
	luo_core_thaw();
	fd_close(a);
	liveupdate_unregister_file_handler(&fh);
	a = session_create("a");
	assert_int_equal(session_preserve(a, 1, file), -ENOENT);
}

/* in-tree, one unknown handler makes every open of the device fail */
static void test_unknown_handler(void **state)
{
	int a = session_create("a"), b = session_create("b");

	models[0].runs = LUO_EXTENTS_FIRST + 7;
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(session_preserve_model(a, 1, 1), 0);
	models[2].runs = 3;
	assert_int_equal(session_preserve_model(b, 0, 2), 0);
	assert_int_equal(kexec_do(), 0);
	liveupdate_unregister_file_handler(&model_handler);

	a = session_retrieve("a");
	assert_int_equal(session_retrieve_fd(a, 0), -ENOENT);
	assert_int_equal(session_retrieve_fd(a, 0), -ENOENT);

	/* Not for good: the handler may come later. */
	assert_int_equal(liveupdate_register_file_handler(&model_handler), 0);
	b = session_retrieve("b");
	assert_true(session_retrieve_fd(b, 0) >= 0);
	liveupdate_unregister_file_handler(&model_handler);

	/* Nobody can finish the other one: its pages go back all the same. */
	assert_int_equal(arena_count(FRAME_RELEASED), 3);
	assert_int_equal(session_finish(a), 0);
	assert_int_equal(arena_count(FRAME_RELEASED), 3 + models[0].runs + 2);
	assert_events("R2 ");
	/* This one has its handler already. */
	assert_int_equal(session_finish(b), 0);
	assert_events("C2 X2 ");
	assert_int_equal(liveupdate_register_file_handler(&model_handler), 0);
}

/* The identity cannot be noted: the file is kept, and comes the next time. */
static void test_retrieve_without_identity(void **state)
{
	int a = session_create("a"), i;

	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(kexec_do(), 0);
	a = session_retrieve("a");
	for (i = 0; i < 2; i++) {
		shim_chances = 0;
		shim_fail_at = i ? 2 : 3;	/* fd, model, identity */
		assert_int_equal(session_retrieve_fd(a, 0), -ENOMEM);
		shim_fail_at = 0;
	}
	assert_events("R0 ");
	assert_true(session_retrieve_fd(a, 0) >= 0);
	assert_events("");
}

/* Two tokens that come back as one file are a fault of the handler. */
static void test_retrieve_same_identity(void **state)
{
	int a = session_create("a"), out;

	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(kexec_do(), 0);
	out = session_create("out");
	assert_int_equal(session_preserve_model(out, 0, 0), 0);
	a = session_retrieve("a");
	assert_int_equal(session_retrieve_fd(a, 0), -EBUSY);
	assert_int_equal(shim_warnings, 1);
	shim_warnings = 0;
	assert_int_equal(session_finish(a), 0);
}

/* No room for a record although it was made: a bug, but not a lost session. */
static void test_no_room(void **state)
{
	struct file *file;
	struct luo_root_ser *root;
	struct luo_session *s;
	int a = session_create("a");

	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	file = shim_fds[a];
	s = file->private_data;
	events[0] = '\0';
	luo_records_resize(&s->records, 0);
	assert_int_equal(luo_core_freeze(&root), -ENOSPC);
	assert_events("F0 u0 ");
	assert_int_equal(shim_warnings, 1);
	shim_warnings = 0;
	assert_int_equal(luo_records_resize(&s->records, 1), 0);
	assert_int_equal(luo_core_freeze(&root), 0);
	luo_core_thaw();
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_preserve_errors), T(test_unwritable_answer),
		T(test_close_unpreserves_in_reverse), T(test_dup_keeps_the_session),
		T(test_freeze_order_and_veto), T(test_freeze_changes_pages),
		T(test_retrieve_any_order), T(test_retrieve_errors), T(test_finish_refused),
		T(test_unclaimed_keeps_memory), T(test_registration), T(test_unknown_handler),
		T(test_retrieve_without_identity), T(test_retrieve_same_identity), T(test_no_room),
	};

	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
