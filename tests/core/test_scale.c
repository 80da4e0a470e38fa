// SPDX-License-Identifier: GPL-2.0-only
/*
 * 100,000 files in a session and 10,000 sessions: the last costs what the
 * first costs. Counted are entries of hash tables that are looked at, so that
 * the result does not depend on the machine.
 */
#include "support.h"

#define FILES		100000
#define SESSIONS	10000

static unsigned long preserved;

static bool all(struct liveupdate_file_handler *fh, struct file *file)
{
	return true;
}

static int count(struct liveupdate_file_op_args *args)
{
	args->serialized_data = preserved++;
	return 0;
}

static void none(struct liveupdate_file_op_args *args)
{
}

static int restore(struct liveupdate_file_op_args *args)
{
	static const struct file_operations fops;

	args->file = anon_inode_getfile("file", &fops, NULL, O_RDWR);
	return 0;
}

static const struct liveupdate_file_ops ops = {
	.can_preserve = all, .preserve = count, .unpreserve = none,
	.retrieve = restore, .finish = none,
};

static struct liveupdate_file_handler handler = { .ops = &ops, .compatible = "many-v1" };

/* Entries looked at for each of @n calls; below 4 whatever the number. */
static void assert_flat(const char *what, unsigned long probes, unsigned long n)
{
	printf("# %s: %.2f entries looked at\n", what, (double)probes / n);
	assert_true(probes < 4 * n);
}

static void test_files(void **state)
{
	int a, file, fd;
	unsigned long i;
	u64 root;

	assert_int_equal(liveupdate_register_file_handler(&handler), 0);
	a = session_create("a");
	shim_probes = 0;
	for (i = 0; i < FILES; i++) {
		file = file_open_foreign();
		assert_int_equal(session_preserve(a, i << 12, file), 0);
		fd_close(file);
		if (i == FILES / 100)
			assert_flat("first preserves", shim_probes, i);
	}
	assert_flat("preserve", shim_probes, FILES);
	root = kexec_away();
	shim_probes = 0;
	assert_int_equal(kexec_arrive(root), 0);
	assert_flat("receive", shim_probes, FILES);

	a = session_retrieve("a");
	shim_probes = 0;
	for (i = FILES; i--; ) {
		fd = session_retrieve_fd(a, i << 12);
		assert_true(fd >= 0);
		fd_close(fd);
	}
	assert_flat("retrieve", shim_probes, FILES);
	assert_int_equal(session_retrieve_fd(a, 1), -ENOENT);
	assert_int_equal(session_finish(a), 0);
	liveupdate_unregister_file_handler(&handler);
}

static void test_sessions(void **state)
{
	unsigned long i;
	char name[32];

	shim_probes = 0;
	for (i = 0; i < SESSIONS; i++) {
		sprintf(name, "session-%lu", i);
		assert_true(session_create(name) >= 0);
	}
	assert_flat("create", shim_probes, SESSIONS);
	assert_int_equal(kexec_do(), 0);
	shim_probes = 0;
	for (i = SESSIONS; i--; ) {
		sprintf(name, "session-%lu", i);
		assert_true(session_retrieve(name) >= 0);
	}
	assert_flat("retrieve", shim_probes, SESSIONS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sessions, setup, teardown),
	};

	return cmocka_run_group_tests_name("scale", tests, NULL, NULL);
}
