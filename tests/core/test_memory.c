// SPDX-License-Identifier: GPL-2.0-only
/* Memory that handlers preserve themselves: arrives in pieces, each once. */
#include "support.h"

#define AT (ARENA_DATA + 4096)

static struct luo_counts counts(void)
{
	struct luo_counts c;

	luo_core_counts(&c);
	return c;
}

/* What a driver has preserved; it gives back all when it goes. */
static struct { u64 pfn, count; unsigned int order; } held[2048];
static unsigned int nr_held;

static void drop_held(void)
{
	while (nr_held--)
		assert_true(luo_memory_unpreserve(held[nr_held].pfn, held[nr_held].order,
						  held[nr_held].count));
	nr_held = 0;
	stop_hook = NULL;
}

static void hold(u64 pfn, unsigned int order, u64 count)
{
	assert_true(nr_held < ARRAY_SIZE(held));
	assert_int_equal(luo_memory_preserve(pfn, order, count), 0);
	held[nr_held].pfn = pfn;
	held[nr_held].order = order;
	held[nr_held++].count = count;
	stop_hook = drop_held;
}

/* As a handler that restores: the frames become ordinary memory. */
static int restore(u64 pfn, u64 pages)
{
	struct luo_extent ext;
	int err = luo_memory_take(pfn, pages, &ext);

	if (err)
		return err;
	assert_int_equal(ext.pfn, pfn);
	assert_true(!pages || luo_extent_pages(&ext) == pages);
	luo_mem->release(ext.pfn, luo_extent_pages(&ext));
	luo_memory_settle(pfn);
	return 0;
}

static void test_preserve(void **state)
{
	assert_true(luo_core_idle());
	hold(AT, 3, 1);
	hold(AT + 8, 0, 5);
	assert_int_equal(counts().memory_out, 13);
	assert_int_equal(arena_count(FRAME_TRACKED), 13);
	/* It would be lost with a kernel that carries nothing. */
	assert_false(luo_core_idle());

	/* One frame, one owner. */
	assert_int_equal(luo_memory_preserve(AT, 3, 1), -EBUSY);
	assert_int_equal(luo_memory_preserve(AT, 0, 1), -EBUSY);
	assert_int_equal(luo_memory_preserve(AT + 12, 0, 2), -EBUSY);
	assert_int_equal(arena_count(FRAME_TRACKED), 13);

	/* What is no piece. */
	assert_int_equal(luo_memory_preserve(AT + 16, 0, 0), -EINVAL);
	assert_int_equal(luo_memory_preserve(AT + 16, 1, 2), -EINVAL);
	assert_int_equal(luo_memory_preserve(AT + 17, 1, 1), -EINVAL);
	assert_int_equal(luo_memory_preserve(AT + 16, LUO_EXTENT_MAX_ORDER + 1, 1), -EINVAL);
	assert_int_equal(luo_memory_preserve(AT + 16, 255, 1), -EINVAL);
	assert_int_equal(luo_memory_preserve(BIT_ULL(LUO_EXTENT_PFN_BITS) - 1, 0, 2), -EINVAL);
	assert_int_equal(luo_memory_preserve(AT + 16, 0, LUO_EXTENT_MAX_COUNT + 1ULL), -E2BIG);
	assert_int_equal(luo_memory_preserve(AT + 16, 0, U64_MAX), -E2BIG);

	/* Only a whole piece can be given back. */
	assert_false(luo_memory_unpreserve(AT + 1, 0, 1));
	assert_false(luo_memory_unpreserve(AT, 2, 1));
	assert_false(luo_memory_unpreserve(AT + 8, 0, 4));
	assert_false(luo_memory_unpreserve(AT + 9, 0, 4));
	assert_int_equal(counts().memory_out, 13);

	drop_held();
	assert_int_equal(counts().memory_out, 0);
	assert_int_equal(arena_count(FRAME_TRACKED), 0);
	assert_true(luo_core_idle());
	assert_false(luo_memory_unpreserve(AT, 3, 1));
}

/* What nobody asks for goes on, as often as it takes; what is in use does not. */
static void test_carried(void **state)
{
	struct luo_root_ser *root;
	struct luo_extent ext;

	hold(AT, 3, 1);
	hold(AT + 8, 0, 5);
	hold(AT + 13, 0, 1);
	assert_int_equal(kexec_do(), 0);
	assert_int_equal(restore(AT + 13, 1), 0);

	assert_int_equal(luo_core_freeze(&root), 0);
	assert_int_equal(le64_to_cpu(root->nr_memory), 2);
	/* The next kernel has been promised it. */
	assert_int_equal(luo_memory_take(AT, 0, &ext), -EAGAIN);
	assert_int_equal(luo_memory_take(AT + 1, 0, &ext), -ENOENT);
	luo_core_seal_root();
	luo_core_thaw();
	assert_int_equal(arena_count(FRAME_CARRIED), 13);

	/* Somebody looks, and leaves it; and while he looks nobody else is told of it. */
	assert_int_equal(luo_memory_take(AT, 0, &ext), 0);
	assert_int_equal(arena_count(FRAME_CARRIED), 5);
	assert_int_equal(luo_core_freeze(&root), 0);
	assert_int_equal(le64_to_cpu(root->nr_memory), 1);
	luo_core_thaw();
	luo_memory_put_back(AT);

	/* Together with what this kernel has. */
	hold(AT + 40, 0, 1);
	assert_int_equal(kexec_do(), 0);
	assert_int_equal(counts().memory_in, 14);
	assert_int_equal(restore(AT, 8), 0);
	assert_int_equal(kexec_do(), 0);
	assert_int_equal(counts().memory_in, 6);
	assert_int_equal(restore(AT, 8), -ENOENT);
	assert_int_equal(restore(AT + 8, 5), 0);
	assert_int_equal(restore(AT + 40, 1), 0);
	assert_int_equal(kexec_do(), 0);
	assert_int_equal(counts().memory_in, 0);
}

static void test_arrives(void **state)
{
	struct luo_extent ext;
	unsigned long released;

	hold(AT, 3, 1);
	hold(AT + 8, 0, 5);
	hold(AT + 13, 0, 1);
	assert_int_equal(kexec_do(), 0);
	assert_int_equal(counts().memory_in, 14);
	assert_int_equal(counts().memory_out, 0);
	/* No session, so the log says at once that nobody will ask. */
	assert_non_null(strstr(shim_log, "14 pages"));
	assert_true(luo_core_idle());
	released = arena_count(FRAME_RELEASED);

	/* Not the start of a piece, or not its size. */
	assert_int_equal(restore(AT + 1, 0), -ENOENT);
	assert_int_equal(restore(AT + 4, 4), -ENOENT);
	assert_int_equal(restore(AT, 4), -ENOENT);
	assert_int_equal(restore(AT, 16), -ENOENT);
	assert_int_equal(restore(AT + 8, 4), -ENOENT);
	assert_int_equal(restore(AT + 8, 6), -ENOENT);
	assert_int_equal(restore(AT + 8, U64_MAX), -ENOENT);
	assert_int_equal(restore(AT + 9, 4), -ENOENT);
	assert_int_equal(restore(AT + 14, 1), -ENOENT);
	/* A run of pages is no folio. */
	assert_int_equal(restore(AT + 8, 0), -ENOENT);
	assert_int_equal(arena_count(FRAME_RELEASED), released);

	/* While somebody tries, nobody else can. */
	assert_int_equal(luo_memory_take(AT, 0, &ext), 0);
	assert_int_equal(ext.order, 3);
	assert_int_equal(ext.count, 1);
	assert_int_equal(restore(AT, 0), -ENOENT);
	luo_memory_put_back(AT);
	assert_int_equal(counts().memory_in, 14);

	/* Each once; a single page is both. */
	assert_int_equal(restore(AT, 0), 0);
	assert_int_equal(restore(AT, 0), -ENOENT);
	assert_int_equal(restore(AT + 8, 5), 0);
	assert_int_equal(restore(AT + 8, 5), -ENOENT);
	assert_int_equal(restore(AT + 13, 0), 0);
	assert_int_equal(restore(AT + 13, 1), -ENOENT);
	assert_int_equal(counts().memory_in, 0);
	assert_int_equal(arena_count(FRAME_RELEASED), released + 14);

	/* Nothing is in anybody's hands that was not taken. */
	luo_memory_put_back(AT);
	luo_memory_settle(AT);
	assert_int_equal(shim_warnings, 2);
	shim_warnings = 0;
}

/* A folio may be had as the pages that it consists of. */
static void test_folio_as_pages(void **state)
{
	hold(AT, 3, 1);
	assert_int_equal(kexec_do(), 0);
	assert_int_equal(restore(AT, 8), 0);
	assert_int_equal(restore(AT, 0), -ENOENT);
}

static void test_unclaimed(void **state)
{
	int fd = session_create("a");

	assert_int_equal(session_preserve_model(fd, 1, 0), 0);
	hold(AT, 0, 3);
	assert_int_equal(kexec_do(), 0);
	shim_log[0] = '\0';
	fd = session_retrieve("a");
	assert_int_equal(session_finish(fd), 0);
	assert_null(strstr(shim_log, "asked for"));
	fd_close(fd);
	assert_non_null(strstr(shim_log, "3 pages that handlers"));
	/* A device may still be writing to it. */
	assert_int_equal(arena_state(AT), FRAME_RESERVED);
	assert_int_equal(counts().memory_in, 3);
	assert_true(luo_core_idle());
	/* The driver comes late. */
	assert_int_equal(restore(AT, 3), 0);
}

/* The session becomes an outgoing one: the last incoming has gone as well. */
static void test_unclaimed_recycle(void **state)
{
	struct liveupdate_session_recycle arg = { .size = sizeof(arg) };
	int fd = session_create("a");

	hold(AT, 0, 3);
	assert_int_equal(kexec_do(), 0);
	shim_log[0] = '\0';
	fd = session_retrieve("a");
	assert_int_equal(fd_ioctl(fd, LIVEUPDATE_SESSION_RECYCLE, &arg), 0);
	assert_non_null(strstr(shim_log, "3 pages that handlers"));
}

static void test_frozen(void **state)
{
	struct luo_root_ser *root;

	hold(AT, 3, 1);
	hold(AT + 8, 0, 5);
	assert_int_equal(luo_core_freeze(&root), 0);
	assert_int_equal(root->nr_memory, 2);
	/* Too late for the image. */
	assert_int_equal(luo_memory_preserve(AT + 16, 0, 1), -EBUSY);
	/* It is in the image, so its frames stay what they are until the thaw. */
	assert_true(luo_memory_unpreserve(AT, 3, 1));
	assert_false(luo_memory_unpreserve(AT, 3, 1));
	assert_int_equal(arena_state(AT), FRAME_TRACKED);
	luo_core_seal_root();
	luo_core_thaw();
	assert_int_equal(arena_state(AT), FRAME_FREE);
	assert_int_equal(counts().memory_out, 5);

	/* And again, as if nothing had been. */
	held[0] = held[1];
	nr_held = 1;
	hold(AT, 3, 1);
	assert_int_equal(luo_core_freeze(&root), 0);
	assert_int_equal(root->nr_memory, 2);
	luo_core_thaw();
	drop_held();
	assert_int_equal(luo_core_freeze(&root), 0);
	assert_int_equal(root->nr_memory, 0);
	assert_int_equal(root->memory, 0);
	luo_core_thaw();
}

static void test_forgotten(void **state)
{
	assert_int_equal(luo_memory_preserve(AT, 0, 7), 0);
	stop();
	assert_int_equal(shim_warnings, 1);
	shim_warnings = 0;
	assert_int_equal(start(), 0);
	assert_int_equal(counts().memory_out, 0);
}

/* Room in the image comes with the memory and goes with it, block by block. */
static void test_room(void **state)
{
	const unsigned int per_block = LUO_EXTENTS_FURTHER;
	unsigned long before = arena_blocks, chances;
	struct luo_root_ser *root;
	unsigned int i;

	for (i = 0; i < per_block; i++)
		hold(AT + i, 0, 1);
	assert_int_equal(arena_blocks, before + 1);
	/* The piece that needs a second block cannot have it. */
	shim_chances = 0;
	shim_fail_at = 2;
	assert_int_equal(luo_memory_preserve(AT + i, 0, 1), -ENOMEM);
	shim_fail_at = 0;
	assert_int_equal(arena_blocks, before + 1);
	assert_int_equal(arena_state(AT + i), FRAME_FREE);
	for (; i < 2 * per_block + 1; i++)
		hold(AT + i, 0, 1);
	assert_int_equal(arena_blocks, before + 3);
	chances = shim_chances;
	assert_int_equal(luo_core_freeze(&root), 0);
	luo_core_thaw();
	assert_int_equal(shim_chances, chances);

	assert_int_equal(kexec_do(), 0);
	assert_int_equal(counts().memory_in, i);
	while (i--)
		assert_int_equal(restore(AT + i, 0), 0);
}

/* Random preserving, giving back, jumping and restoring, against a plain list. */
static void test_random(void **state)
{
	unsigned int round, i, k;

	rnd_seed();
	for (round = 0; round < 60; round++) {
		for (i = rnd_below(400); i--; ) {
			unsigned int order = rnd_below(3) ? 0 : rnd_below(5);
			u64 pfn = (AT + rnd_below(3000)) >> order << order;
			u64 count = order ? 1 : 1 + rnd_below(6), f;
			bool free = true;

			if (nr_held && !rnd_below(3)) {
				k = rnd_below(nr_held);
				assert_true(luo_memory_unpreserve(held[k].pfn, held[k].order,
								  held[k].count));
				held[k] = held[--nr_held];
				continue;
			}
			for (f = 0; f < count << order; f++)
				free = free && arena_state(pfn + f) == FRAME_FREE;
			if (free)
				hold(pfn, order, count);
			else
				assert_int_equal(luo_memory_preserve(pfn, order, count), -EBUSY);
		}
		k = nr_held;
		/* Forgets them; the next kernel knows them from the image only. */
		assert_int_equal(kexec_do(), 0);
		for (i = 0; i < k; i++) {
			assert_int_equal(restore(held[i].pfn, held[i].order || rnd_below(2) ?
						 held[i].count << held[i].order :
						 held[i].count == 1 ? 0 : held[i].count), 0);
		}
		assert_int_equal(counts().memory_in, 0);
		stop();
		arena_reset();
		assert_int_equal(start(), 0);
	}
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_preserve), T(test_carried), T(test_arrives), T(test_folio_as_pages), T(test_unclaimed),
		T(test_unclaimed_recycle), T(test_frozen), T(test_forgotten), T(test_room),
		T(test_random),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
