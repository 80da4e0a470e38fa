// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each chance to fail of a whole life fails once: allocations, blocks, struct
 * files, descriptors, places in hash tables. What is lost is the one call;
 * asked again it works, and in the end nothing is left over.
 */
#include "support.h"

static struct luo_counts counts(void)
{
	struct luo_counts c;

	luo_core_counts(&c);
	return c;
}

/* A failure must be one of these, and leave the numbers as they were. */
static long once(long ret, struct luo_counts before)
{
	struct luo_counts after = counts();

	if (ret >= 0)
		return ret;
	if (ret != -ENOMEM && ret != -ENFILE && ret != -EMFILE)
		fail_msg("chance %lu: %ld", shim_fail_at, ret);
	assert_memory_equal(&before, &after, sizeof(before));
	return ret;
}

/* Tried until it works; at most one try may fail. */
#define TRY(call) ({						\
	long ret_ = once(call, counts());			\
	if (ret_ < 0)						\
		ret_ = once(call, counts());			\
	assert_true(ret_ >= 0);					\
	ret_; })

static int preserve(int session, u64 token, int file)
{
	return session_preserve(session, token, file);
}

static int recycle(int session)
{
	struct liveupdate_session_recycle arg = { .size = sizeof(arg) };

	return fd_ioctl(session, LIVEUPDATE_SESSION_RECYCLE, &arg);
}

#define NR_PIECES 5

static void drop_memory(void)
{
	int i;

	for (i = 0; i < NR_PIECES; i++)
		assert_true(luo_memory_unpreserve(ARENA_DATA + 5000 + 2 * i, 0, 1));
	stop_hook = NULL;
}

/* One life of two kernels. Returns false when no chance was left to fail. */
static bool live(unsigned long fail_at)
{
	struct luo_root_ser *root;
	unsigned long chances;
	int a, b, files[4], i, fd, err;
	u64 phys;

	arena_reset();
	models_reset();
	shim_chances = 0;
	shim_fail_at = fail_at;

	/* A module that cannot be loaded leaves nothing behind. */
	err = start();
	if (err) {
		assert_int_equal(err, -ENOMEM);
		assert_int_equal(shim_live, 0);
		assert_int_equal(start(), 0);
	}

	models[0].runs = LUO_EXTENTS_FIRST + 2;
	models[0].added = 7;
	models[1].runs = 2;
	a = TRY(session_create("a"));
	b = TRY(session_create("b"));
	for (i = 0; i < 4; i++) {
		files[i] = file_open(i);
		TRY(preserve(i == 3 ? b : a, i, files[i]));
		fd_close(files[i]);
	}
	TRY(luo_core_reserve_holes(3));
	for (i = 0; i < NR_PIECES; i++)
		TRY(luo_memory_preserve(ARENA_DATA + 5000 + 2 * i, 0, 1));
	stop_hook = drop_memory;
	fd = TRY(session_create("c"));
	TRY(session_set_flags(fd, LIVEUPDATE_SESSION_KEEP_ON_CLOSE));
	fd_close(fd);
	fd_close(TRY(session_reopen("c")));

	/* The core asks for nothing here; the handler of file 0 does. */
	err = luo_core_freeze(&root);
	if (err) {
		assert_int_equal(err, -ENOMEM);
		models[0].added = 7;
		assert_int_equal(luo_core_freeze(&root), 0);
	}
	luo_core_thaw();
	chances = shim_chances;
	assert_int_equal(luo_core_freeze(&root), 0);
	luo_core_seal_root();
	luo_core_thaw();
	assert_int_equal(shim_chances, chances);

	/* The end of this kernel is the test's business. */
	shim_fail_at = 0;
	phys = kexec_away();
	assert_int_equal(shim_live, 0);
	shim_chances = chances;
	shim_fail_at = fail_at;

	err = kexec_arrive(phys);
	if (err) {
		unsigned long i;

		assert_int_equal(err, -ENOMEM);
		assert_true(luo_core_idle());
		for (i = ARENA_PFN; i < ARENA_DATA; i++)
			assert_true(arena_state(i) != FRAME_RELEASED);
		stop();
		assert_int_equal(shim_live, 2 + 2);	/* the arena's claims */
		luo_claims_destroy(&arena_claims);
		assert_int_equal(shim_live, 0);
		return true;
	}
	assert_int_equal(counts().files_in, 4);
	assert_int_equal(counts().memory_in, NR_PIECES);
	a = TRY(session_retrieve("a"));
	for (i = 0; i < 2; i++) {
		fd = TRY(session_retrieve_fd(a, i));
		assert_ptr_equal(shim_fds[fd], models[i].file);
	}
	TRY(session_finish(a));
	TRY(recycle(a));
	b = TRY(session_retrieve("b"));
	fd = TRY(session_retrieve_fd(b, 3));
	a = TRY(session_create("next"));
	err = session_preserve(a, 0, fd);
	assert_true(err == -EBUSY || err == -ENOMEM);
	fd_close(b);
	TRY(preserve(a, 0, fd));
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

	assert_int_equal(shim_live, 0);
	for (n = 1; live(n); n++)
		assert_true(n < 1000);
	printf("# %lu chances to fail\n", n - 1);
	assert_true(n > 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sweep),
	};

	return cmocka_run_group_tests_name("alloc", tests, NULL, NULL);
}
