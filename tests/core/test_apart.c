// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions do not wait for each other: while a handler is at work for a file of
 * one, another does everything that a session can do. The shim ends the program
 * when a lock is taken that the other task holds.
 */
#include "support.h"

static int other_out = -1, other_in = -1;	/* sessions of the other task */
static int done;

static void other_task(void)
{
	static u64 token;

	done++;
	shim_switch_task();
	/* In the kernel, others' descriptors are closed by their own tasks. */
	if (other_out >= 0) {
		struct liveupdate_session_unpreserve_fd un = { .size = sizeof(un) };

		un.token = ++token;
		assert_int_equal(session_preserve_model(other_out, token, 1), 0);
		assert_int_equal(fd_ioctl(other_out, LIVEUPDATE_SESSION_UNPRESERVE_FD, &un), 0);
		fd_close(session_create("new"));
	}
	if (other_in >= 0) {
		assert_true(session_retrieve_fd(other_in, 1) >= 0);
		assert_true(session_retrieve_fd(other_in, 2) >= 0);
		assert_int_equal(session_finish(other_in), 0);
		other_in = -1;
	}
	shim_switch_task();
}

static bool mine(struct liveupdate_file_handler *fh, struct file *file)
{
	return !file->private_data;	/* of file_open_foreign() */
}

static int slow_preserve(struct liveupdate_file_op_args *args)
{
	other_task();
	return 0;
}

static void slow_end(struct liveupdate_file_op_args *args)
{
	other_task();
}

static int slow_retrieve(struct liveupdate_file_op_args *args)
{
	static const struct file_operations fops;

	other_task();
	args->file = anon_inode_getfile("file", &fops, NULL, O_RDWR);
	return 0;
}

static const struct liveupdate_file_ops slow_ops = {
	.can_preserve = mine, .preserve = slow_preserve, .unpreserve = slow_end,
	.retrieve = slow_retrieve, .finish = slow_end,
};

static struct liveupdate_file_handler slow = { .ops = &slow_ops, .compatible = "slow-v1" };

static void test_apart(void **state)
{
	int a, file;

	assert_int_equal(liveupdate_register_file_handler(&slow), 0);
	done = 0;
	a = session_create("a");
	other_out = session_create("b");
	file = file_open_foreign();
	assert_int_equal(session_preserve(a, 1, file), 0);
	fd_close(file);
	assert_int_equal(done, 1);
	fd_close(a);
	assert_int_equal(done, 2);

	a = session_create("a");
	file = file_open_foreign();
	assert_int_equal(session_preserve(a, 1, file), 0);
	fd_close(file);
	assert_int_equal(session_preserve_model(other_out, 1, 2), 0);
	assert_int_equal(session_preserve_model(other_out, 2, 3), 0);
	fd_close(session_create("c"));
	done = 0;
	other_out = -1;
	assert_int_equal(kexec_do(), 0);
	done = 0;
	a = session_retrieve("a");
	other_in = session_retrieve("b");
	other_out = session_create("d");
	assert_true(session_retrieve_fd(a, 1) >= 0);
	assert_int_equal(done, 1);
	assert_int_equal(other_in, -1);
	assert_int_equal(session_finish(a), 0);
	assert_int_equal(done, 2);
	liveupdate_unregister_file_handler(&slow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_apart, setup, teardown),
	};

	return cmocka_run_group_tests_name("apart", tests, NULL, NULL);
}
