// SPDX-License-Identifier: GPL-2.0-only
/* State bound to the life of files: counted right, on all ways. */
#include "support.h"

#define assert_events(what) do {		\
	assert_string_equal(events, what);	\
	events[0] = '\0';			\
} while (0)

static void put_incoming(int n)
{
	liveupdate_flb_put_incoming(&model_flbs[n].flb);
}

static void put_outgoing(int n)
{
	liveupdate_flb_put_outgoing(&model_flbs[n].flb);
}

static void flb_unregister(int n)
{
	liveupdate_unregister_flb(&model_handler, &model_flbs[n].flb);
}

/* A second kind of file, which takes what the first does not. */
static bool other_can_preserve(struct liveupdate_file_handler *fh, struct file *file)
{
	return true;
}

static int other_nothing(struct liveupdate_file_op_args *args)
{
	return 0;
}

static void other_none(struct liveupdate_file_op_args *args)
{
}

static const struct liveupdate_file_ops other_ops = {
	.can_preserve = other_can_preserve, .preserve = other_nothing,
	.unpreserve = other_none, .retrieve = other_nothing, .finish = other_none,
};

static struct liveupdate_file_handler other = { .ops = &other_ops, .compatible = "other-v1" };

static void preserve_other(int session, u64 token)
{
	int fd = file_open_foreign();

	assert_int_equal(session_preserve(session, token, fd), 0);
	fd_close(fd);
}

static void test_registration(void **state)
{
	struct liveupdate_flb_ops ops = *model_flbs[0].flb.ops, bad;
	struct liveupdate_flb flb = { .ops = &ops, .compatible = "one" };
	struct liveupdate_flb same = { .ops = &ops, .compatible = "one" };
	struct liveupdate_flb empty = { .ops = &ops }, endless = { .ops = &ops };
	struct liveupdate_flb without = { .compatible = "x" };
	int i;

#define MISSING(op) do {						\
	bad = ops;							\
	bad.op = NULL;							\
	flb.ops = &bad;							\
	assert_int_equal(liveupdate_register_flb(&model_handler, &flb), -EINVAL); \
} while (0)
	MISSING(preserve);
	MISSING(unpreserve);
	MISSING(retrieve);
	MISSING(finish);
	flb.ops = &ops;
	memset((char *)endless.compatible, 'x', sizeof(endless.compatible));
	assert_int_equal(liveupdate_register_flb(&model_handler, &empty), -EINVAL);
	assert_int_equal(liveupdate_register_flb(&model_handler, &endless), -EINVAL);
	assert_int_equal(liveupdate_register_flb(&model_handler, &without), -EINVAL);
	assert_int_equal(liveupdate_register_flb(&other, &flb), -EINVAL);
	assert_int_equal(liveupdate_register_flb(&model_handler, &flb), 0);
	assert_int_equal(liveupdate_register_flb(&model_handler, &flb), -EEXIST);
	assert_int_equal(liveupdate_register_flb(&model_handler, &same), -EEXIST);

	/* One FLB with several handlers; the name is taken until the last. */
	assert_int_equal(liveupdate_register_file_handler(&other), 0);
	assert_int_equal(liveupdate_register_flb(&other, &flb), 0);
	liveupdate_unregister_flb(&model_handler, &flb);
	assert_int_equal(liveupdate_register_flb(&model_handler, &same), -EEXIST);
	liveupdate_unregister_flb(&model_handler, &flb);
	assert_int_equal(shim_warnings, 1);
	liveupdate_unregister_flb(&model_handler, &same);
	assert_int_equal(shim_warnings, 2);
	shim_warnings = 0;
	/* A handler that goes takes them along. */
	liveupdate_unregister_file_handler(&other);
	assert_int_equal(liveupdate_register_flb(&model_handler, &same), 0);
	liveupdate_unregister_flb(&model_handler, &same);

	for (i = 0; i < (int)LUO_FLBS_MAX; i++)
		assert_int_equal(flb_register(i), 0);
	assert_int_equal(flb_register(i), -ENOSPC);
	flb_unregister(17);
	assert_int_equal(flb_register(i), 0);
	assert_int_equal(flb_register(17), -ENOSPC);
}

static void test_first_and_last(void **state)
{
	int a = session_create("a"), b = session_create("b");

	assert_int_equal(flb_register(0), 0);
	assert_int_equal(flb_register(1), 0);
	assert_int_equal(flb_get_outgoing(0), -ENOENT);
	assert_int_equal(flb_get_outgoing(2), -ENOENT);
	assert_events("");

	/* Before the file itself, in order; once for all sessions. */
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_events("p0 p1 P0 ");
	assert_int_equal(session_preserve_model(a, 1, 1), 0);
	assert_int_equal(session_preserve_model(b, 0, 2), 0);
	assert_events("P1 P2 ");
	assert_int_equal(flb_get_outgoing(0), 0);
	put_outgoing(0);

	/* The last, and behind the file itself. */
	fd_close(a);
	assert_events("U1 U0 ");
	fd_close(b);
	assert_events("U2 q1 q0 ");
	assert_int_equal(flb_get_outgoing(0), -ENOENT);
	assert_int_equal(model_module.refs, 0);

	/* A reference stands for no file, but keeps the object. */
	a = session_create("a");
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(flb_get_outgoing(1), 0);
	events[0] = '\0';
	fd_close(a);
	assert_events("U0 q0 ");
	a = session_create("a");
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_events("p0 P0 ");
	fd_close(a);
	put_outgoing(1);
	assert_events("U0 q0 q1 ");
	put_outgoing(1);
	assert_int_equal(shim_warnings, 1);
	put_outgoing(2);
	assert_int_equal(shim_warnings, 2);
	shim_warnings = 0;
}

static void test_preserve_fails(void **state)
{
	int a = session_create("a"), i;

	for (i = 0; i < 3; i++)
		assert_int_equal(flb_register(i), 0);
	model_flbs[2].preserve_err = -EPERM;
	assert_int_equal(session_preserve_model(a, 0, 0), -EPERM);
	assert_events("p0 p1 p2 q1 q0 ");
	model_flbs[2].preserve_err = 0;
	models[0].preserve_err = -EXDEV;
	assert_int_equal(session_preserve_model(a, 0, 0), -EXDEV);
	assert_events("p0 p1 p2 P0 q2 q1 q0 ");
	assert_int_equal(model_module.refs, 0);

	/* One that has users stays through the failure of a later file. */
	models[0].preserve_err = 0;
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	models[1].preserve_err = -EXDEV;
	events[0] = '\0';
	assert_int_equal(session_preserve_model(a, 1, 1), -EXDEV);
	assert_int_equal(session_preserve_model(a, 0, 2), -EEXIST);
	assert_int_equal(session_preserve_model(a, 2, 0), -EBUSY);
	assert_events("P1 ");
	fd_close(a);
	assert_events("U0 q2 q1 q0 ");
}

static struct module going_module;

static void test_owner_goes(void **state)
{
	struct liveupdate_flb_ops ops = *model_flbs[0].flb.ops;
	int a = session_create("a");

	ops.owner = &going_module;
	model_flbs[0].flb.ops = &ops;
	assert_int_equal(flb_register(0), 0);
	going_module.going = true;
	assert_int_equal(session_preserve_model(a, 0, 0), -ENODEV);
	going_module.going = false;
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(going_module.refs, 1);
	assert_int_equal(kexec_do(), 0);
	assert_int_equal(going_module.refs, 0);

	going_module.going = true;
	assert_int_equal(flb_get_incoming(0), -ENODEV);
	going_module.going = false;
	assert_int_equal(flb_get_incoming(0), 0);
	assert_int_equal(going_module.refs, 1);
	put_incoming(0);
	assert_int_equal(going_module.refs, 1);
	assert_int_equal(session_finish(session_retrieve("a")), 0);
	assert_int_equal(going_module.refs, 0);

	/* Gone when it would have to clean up. */
	assert_int_equal(flb_register(0), 0);
	a = session_create("b");
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(kexec_do(), 0);
	assert_int_equal(flb_register(0), 0);
	going_module.going = true;
	events[0] = '\0';
	assert_int_equal(session_finish(session_retrieve("b")), 0);
	assert_events("C0 X0 ");
	assert_int_equal(flb_get_incoming(0), -ENODATA);
	going_module.going = false;
	liveupdate_unregister_flb(&model_handler, &model_flbs[0].flb);
}

/* No room for a record although it was made: a bug, and a refusal. */
static void test_no_room(void **state)
{
	struct luo_root_ser *root;
	int a = session_create("a"), i;

	for (i = 0; i < 2; i++) {
		assert_int_equal(flb_register(i), 0);
		assert_int_equal(session_preserve_model(a, i, i), 0);
	}
	luo_flbs_exit();
	events[0] = '\0';
	assert_int_equal(luo_core_freeze(&root), -ENOSPC);
	assert_events("");
	assert_int_equal(shim_warnings, 1);
	shim_warnings = 0;
	assert_int_equal(session_preserve_model(a, 2, 2), 0);
	assert_int_equal(luo_core_freeze(&root), 0);
	luo_core_thaw();
}

/* Unregistered while in use: what is preserved stays, what comes is without. */
static void test_unregister_in_use(void **state)
{
	struct liveupdate_flb same = { .ops = model_flbs[0].flb.ops, .compatible = "state-0" };
	int a = session_create("a");

	assert_int_equal(session_preserve_model(a, 9, 9), 0);
	assert_int_equal(flb_register(0), 0);
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	flb_unregister(0);
	assert_int_equal(session_preserve_model(a, 1, 1), 0);
	assert_events("P9 p0 P0 P1 ");
	/* Place and name are its own until then. */
	assert_int_equal(liveupdate_register_flb(&model_handler, &same), -EEXIST);
	assert_int_equal(flb_register(1), 0);
	assert_int_equal(flb_get_outgoing(0), 0);
	put_outgoing(0);
	assert_int_equal(flb_register(0), 0);
	flb_unregister(0);
	assert_int_equal(kexec_do(), 0);

	/* Only file 0 counts. */
	assert_int_equal(flb_register(0), 0);
	a = session_retrieve("a");
	assert_true(session_retrieve_fd(a, 0) >= 0);
	events[0] = '\0';
	assert_int_equal(session_finish(a), 0);
	assert_events("C9 C0 C1 X1 X0 r0 x0 X9 ");
	assert_int_equal(flb_get_incoming(0), -ENODATA);
	assert_int_equal(flb_get_incoming(1), -ENOENT);
}

/* One state for two kinds of files, in three sessions. */
static void test_shared_by_handlers(void **state)
{
	int a = session_create("a"), b = session_create("b"), c = session_create("c");
	struct luo_root_ser *root;
	struct luo_flb_ser *ser;

	assert_int_equal(liveupdate_register_file_handler(&other), 0);
	assert_int_equal(flb_register(3), 0);
	assert_int_equal(flb_register(4), 0);
	assert_int_equal(liveupdate_register_flb(&other, &model_flbs[4].flb), 0);
	assert_int_equal(liveupdate_register_flb(&other, &model_flbs[5].flb), 0);

	preserve_other(a, 0);
	assert_int_equal(session_preserve_model(a, 1, 1), 0);
	assert_int_equal(session_preserve_model(b, 0, 2), 0);
	preserve_other(c, 0);
	assert_events("p4 p5 p3 P1 P2 ");
	assert_int_equal(luo_core_freeze(&root), 0);
	assert_int_equal(root->nr_flbs, 3);
	ser = (void *)((struct luo_block_ser *)arena_ops.block_virt(root->flbs) + 1);
	assert_string_equal(ser[0].compatible, "state-3");
	assert_int_equal(ser[0].count, 2);
	assert_string_equal(ser[1].compatible, "state-4");
	assert_int_equal(ser[1].count, 4);
	assert_int_equal(ser[1].data, 504);
	assert_int_equal(ser[2].count, 2);
	luo_core_thaw();
	fd_close(c);
	assert_int_equal(kexec_do(), 0);
	liveupdate_unregister_file_handler(&other);

	/* Nobody knows the other kind any more, and it counts all the same. */
	assert_int_equal(flb_register(4), 0);
	assert_int_equal(flb_register(3), 0);
	assert_int_equal(flb_get_incoming(4), 0);
	assert_int_equal(flb_get_incoming(4), 0);
	assert_events("r4 ");
	put_incoming(4);
	b = session_retrieve("b");
	assert_int_equal(session_finish(b), 0);
	assert_events("C2 X2 ");
	a = session_retrieve("a");
	assert_int_equal(session_finish(a), 0);
	/* 3 was never asked for, 4 is still held, 5 is nobody's. */
	assert_events("C1 X1 r3 x3 ");
	assert_non_null(strstr(shim_log, "'state-5'"));
	assert_int_equal(flb_get_incoming(4), 0);
	put_incoming(4);
	put_incoming(4);
	assert_events("x4 ");
	assert_int_equal(flb_get_incoming(4), -ENODATA);
	assert_int_equal(flb_get_incoming(3), -ENODATA);
	assert_int_equal(model_module.refs, 0);
	put_incoming(4);
	assert_int_equal(shim_warnings, 1);
	put_incoming(9);
	assert_int_equal(shim_warnings, 2);
	shim_warnings = 0;
}

/* in-tree, the count underflows if nobody asked before the first file finished */
static void test_counted_from_arrival(void **state)
{
	int a = session_create("a"), i;

	assert_int_equal(flb_register(0), 0);
	assert_int_equal(flb_get_incoming(0), -ENODATA);
	for (i = 0; i < 3; i++)
		assert_int_equal(session_preserve_model(a, i, i), 0);
	assert_int_equal(session_preserve_model(session_create("b"), 0, 5), 0);
	assert_int_equal(kexec_do(), 0);

	assert_int_equal(session_finish(session_retrieve("a")), 0);
	assert_events("C0 C1 C2 X2 X1 X0 ");
	assert_int_equal(flb_register(0), 0);
	assert_int_equal(flb_get_incoming(0), 0);
	put_incoming(0);
	assert_events("r0 ");
	fd_close(session_retrieve("b"));
	assert_events("C5 X5 x0 ");
}

static void test_retrieve_errors(void **state)
{
	static const int again[] = { -ENOMEM, -EINTR, -EAGAIN };
	int a = session_create("a");
	unsigned int i;

	for (i = 0; i < 3; i++)
		assert_int_equal(flb_register(i), 0);
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(kexec_do(), 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(flb_register(i), 0);

	for (i = 0; i < ARRAY_SIZE(again); i++) {
		model_flbs[0].retrieve_err = again[i];
		assert_int_equal(flb_get_incoming(0), again[i]);
	}
	model_flbs[0].retrieve_err = 0;
	assert_int_equal(flb_get_incoming(0), 0);
	put_incoming(0);

	model_flbs[1].retrieve_err = -EBADMSG;
	assert_int_equal(flb_get_incoming(1), -EBADMSG);
	model_flbs[1].retrieve_err = 0;
	events[0] = '\0';
	assert_int_equal(flb_get_incoming(1), -EBADMSG);

	/* Once more at the end, for who could not before; then it is over. */
	model_flbs[2].retrieve_err = -ENOMEM;
	assert_int_equal(flb_get_incoming(2), -ENOMEM);
	assert_int_equal(session_finish(session_retrieve("a")), 0);
	assert_events("r2 C0 X0 r2 x0 ");
	assert_int_equal(flb_get_incoming(1), -ENODATA);
	assert_int_equal(flb_get_incoming(2), -ENODATA);
	assert_int_equal(model_module.refs, 0);
}

/* Each update hands over what was preserved for it, not what came. */
static void test_generations(void **state)
{
	int i, a;

	for (i = 0; i < 3; i++) {
		assert_int_equal(flb_register(i), 0);
		a = session_create("a");
		assert_int_equal(session_preserve_model(a, 0, 0), 0);
		assert_int_equal(kexec_do(), 0);
		assert_int_equal(flb_get_incoming(i), 0);
		assert_int_equal(flb_get_incoming(i + 1), -ENOENT);
		put_incoming(i);
		a = session_retrieve("a");
		fd_close(a);
		assert_true(luo_core_idle());
	}
}

/* A veto, a thaw, another freeze: nobody is asked, nothing is counted twice. */
static void test_freeze(void **state)
{
	int a = session_create("a"), i;
	struct luo_root_ser *root;
	u64 list;

	assert_int_equal(flb_register(0), 0);
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(session_preserve_model(a, 1, 1), 0);
	models[1].freeze_err = -EAGAIN;
	events[0] = '\0';
	assert_int_equal(luo_core_freeze(&root), -EAGAIN);
	assert_events("F0 F1 u0 ");
	models[1].freeze_err = 0;
	for (i = 0; i < 2; i++) {
		assert_int_equal(luo_core_freeze(&root), 0);
		list = root->flbs;
		assert_int_equal(((struct luo_block_ser *)arena_ops.block_virt(list))->nr, 1);
		luo_core_thaw();
	}
	fd_close(a);

	/* Held, but without a file: not in the image. */
	a = session_create("a");
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(flb_get_outgoing(0), 0);
	fd_close(a);
	assert_int_equal(luo_core_freeze(&root), 0);
	assert_int_equal(root->nr_flbs, 0);
	assert_int_equal(root->flbs, 0);
	luo_core_thaw();
	put_outgoing(0);
}

/* --------------------------------------------------------------- the sweep */

/* Tried until it works; at most one try may fail. */
#define TRY(call) ({						\
	long ret_ = call;					\
	if (ret_ < 0) {						\
		assert_true(ret_ == -ENOMEM || ret_ == -ENFILE || ret_ == -EMFILE); \
		ret_ = call;					\
	}							\
	assert_true(ret_ >= 0);					\
	ret_; })

static bool live(unsigned long fail_at)
{
	int a, b, file, i, err;
	unsigned long chances;
	u64 phys;

	arena_reset();
	models_reset();
	assert_int_equal(start(), 0);
	assert_int_equal(flb_register(0), 0);
	assert_int_equal(flb_register(1), 0);
	shim_chances = 0;
	shim_fail_at = fail_at;

	a = TRY(session_create("a"));
	b = TRY(session_create("b"));
	for (i = 0; i < 3; i++) {
		file = file_open(i);
		TRY(session_preserve(i ? a : b, i, file));
		fd_close(file);
	}
	fd_close(b);
	chances = shim_chances;
	shim_fail_at = 0;
	phys = kexec_away();
	shim_chances = chances;
	shim_fail_at = fail_at;

	err = kexec_arrive(phys);
	if (err) {
		assert_int_equal(err, -ENOMEM);
		assert_int_equal(flb_get_incoming(0), -ENODATA);
		stop();
		luo_claims_destroy(&arena_claims);
		return true;
	}
	assert_int_equal(flb_register(0), 0);
	assert_int_equal(flb_register(1), 0);
	TRY(flb_get_incoming(0));
	a = TRY(session_retrieve("a"));
	TRY(session_finish(a));
	TRY(flb_get_incoming(0));
	put_incoming(0);
	put_incoming(0);
	assert_int_equal(flb_get_incoming(0), -ENODATA);
	assert_int_equal(flb_get_incoming(1), -ENODATA);
	chances = shim_chances;

	shim_fail_at = 0;
	stop();
	luo_claims_destroy(&arena_claims);
	assert_int_equal(shim_live, 0);
	assert_int_equal(shim_warnings, 0);
	return chances >= fail_at;
}

static void test_sweep(void **state)
{
	unsigned long n;

	for (n = 1; live(n); n++)
		assert_true(n < 1000);
	printf("# %lu chances to fail\n", n - 1);
	assert_true(n > 30);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_registration), T(test_first_and_last), T(test_preserve_fails),
		T(test_owner_goes), T(test_unregister_in_use), T(test_shared_by_handlers),
		T(test_counted_from_arrival), T(test_retrieve_errors), T(test_generations),
		T(test_freeze), T(test_no_room), cmocka_unit_test(test_sweep),
	};

	return cmocka_run_group_tests_name("flb", tests, NULL, NULL);
}
