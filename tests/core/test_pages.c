// SPDX-License-Identifier: GPL-2.0-only
/* Lists of extents against a plain array. */
#include "support.h"

#define MAX_MODEL 4096

static struct luo_extent model[MAX_MODEL];
static unsigned int nr_model;

static struct luo_extent extent(u64 index, u64 pfn, u32 count, u8 order, u8 flags)
{
	return (struct luo_extent){ index, pfn, count, order, flags };
}

static void assert_same(const struct luo_extent *a, const struct luo_extent *b)
{
	assert_int_equal(a->index, b->index);
	assert_int_equal(a->pfn, b->pfn);
	assert_int_equal(a->count, b->count);
	assert_int_equal(a->order, b->order);
	assert_int_equal(a->flags, b->flags);
}

/* The list holds what the model holds, and is fit for the image. */
static void check(struct luo_pages *pages)
{
	u64 nr_pages = 0, nr_blocks = 0;
	struct luo_extent ext;
	unsigned int i, n = 0;
	void *b, *last = NULL;

	luo_pages_seal(pages);
	for (b = luo_pages_first(pages); b; b = luo_pages_next(b)) {
		struct luo_block_ser *hdr = b;

		assert_true(luo_block_sound(b));
		assert_int_equal(hdr->seq, nr_blocks);
		assert_int_equal(hdr->magic, nr_blocks ? LUO_MAGIC_EXTENTS : LUO_MAGIC_PAGES);
		assert_int_equal(hdr->nonce, TEST_NONCE);
		assert_true(luo_block_nr_extents(b) <= luo_block_max_extents(b));
		nr_blocks++;
		last = b;
		for (i = 0; i < luo_block_nr_extents(b); i++) {
			luo_block_extent(b, i, &ext);
			assert_true(n < nr_model);
			assert_same(&ext, &model[n++]);
			nr_pages += luo_extent_pages(&ext);
		}
	}
	assert_int_equal(n, nr_model);
	assert_ptr_equal(last, pages->tail);
	assert_int_equal(nr_blocks, pages->nr_blocks);
	assert_int_equal(nr_pages, pages->nr_pages);
	assert_int_equal(arena_blocks, nr_blocks + 1);	/* the root */
}

static void test_append_joins(void **state)
{
	struct luo_pages pages = { 0 };
	struct luo_extent ext;

	assert_int_equal(luo_pages_init(&pages), 0);
	nr_model = 0;
	check(&pages);

	ext = extent(0, 100, 1, 0, LUO_EXTENT_UPTODATE);
	assert_int_equal(luo_pages_append(&pages, &ext), 0);
	ext = extent(1, 101, 3, 0, LUO_EXTENT_UPTODATE);	/* joins */
	assert_int_equal(luo_pages_append(&pages, &ext), 0);
	model[nr_model++] = extent(0, 100, 4, 0, LUO_EXTENT_UPTODATE);
	check(&pages);

	model[nr_model++] = ext = extent(4, 104, 1, 0, 0);	/* other flags */
	assert_int_equal(luo_pages_append(&pages, &ext), 0);
	model[nr_model++] = ext = extent(5, 200, 1, 0, 0);	/* other place */
	assert_int_equal(luo_pages_append(&pages, &ext), 0);
	model[nr_model++] = ext = extent(7, 201, 1, 0, 0);	/* hole in the file */
	assert_int_equal(luo_pages_append(&pages, &ext), 0);
	model[nr_model++] = ext = extent(512, 1024, 1, 9, 0);	/* other order */
	assert_int_equal(luo_pages_append(&pages, &ext), 0);
	ext = extent(1024, 1536, 2, 9, 0);
	assert_int_equal(luo_pages_append(&pages, &ext), 0);
	model[nr_model - 1].count = 3;
	check(&pages);

	/* As many as a count can say, and not one more. */
	model[nr_model++] = ext = extent(1ULL << 30, 1ULL << 35, LUO_EXTENT_MAX_COUNT, 0, 0);
	assert_int_equal(luo_pages_append(&pages, &ext), 0);
	model[nr_model++] = ext = extent((1ULL << 30) + LUO_EXTENT_MAX_COUNT,
					 (1ULL << 35) + LUO_EXTENT_MAX_COUNT, 1, 0, 0);
	assert_int_equal(luo_pages_append(&pages, &ext), 0);
	check(&pages);

	luo_pages_destroy(&pages);
	assert_null(pages.head);
	luo_pages_seal(&pages);
	luo_pages_seal_blob(&pages);
	assert_null(luo_pages_blob(&pages));
}

static void test_refuses(void **state)
{
	struct luo_extent bad[] = {
		extent(10, 10, 0, 0, 0),				/* empty */
		extent(10, 10, LUO_EXTENT_MAX_COUNT + 1, 0, 0),
		extent(1ULL << 40, 1ULL << 30, 1, LUO_EXTENT_MAX_ORDER + 1, 0),
		extent(10, 10, 1, 0, LUO_EXTENT_FLAGS + 1),
		extent(10, 1ULL << 40, 1, 0, 0),
		extent(1ULL << 52, 10, 1, 0, 0),
		extent(513, 1024, 1, 9, 0),				/* not aligned */
		extent(512, 1025, 1, 9, 0),
		extent(4, 10, 1, 0, 0),					/* backwards */
	};
	struct luo_extent good = extent(5, 10, 1, 0, 0);
	struct luo_pages pages = { 0 };
	unsigned int i;

	assert_int_equal(luo_pages_init(&pages), 0);
	assert_int_equal(luo_pages_append(&pages, &good), 0);
	nr_model = 1;
	model[0] = good;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(luo_pages_append(&pages, &bad[i]), -EINVAL);
		if (i < ARRAY_SIZE(bad) - 1)
			assert_int_equal(PTR_ERR(luo_pages_replace(&pages, pages.head, &bad[i], 1)),
					 -EINVAL);
		check(&pages);
	}
	assert_int_equal(shim_warnings, 2 * ARRAY_SIZE(bad) - 1);
	shim_warnings = 0;
	luo_pages_destroy(&pages);
}

static void test_random(void **state)
{
	unsigned int round, step, i, n, at, old;
	static struct luo_extent ext[3000];
	struct luo_pages pages;
	void *b, *last;

	rnd_seed();
	for (round = 0; round < 60; round++) {
		u64 index = 0;

		memset(&pages, 0, sizeof(pages));
		assert_int_equal(luo_pages_init(&pages), 0);
		/* Wide enough apart that a block may later get others in between. */
		for (nr_model = rnd_below(1500), i = 0; i < nr_model; i++, index += 4096) {
			model[i] = extent(index, rnd_below(1 << 20) * 2, 1, 0, 0);
			assert_int_equal(luo_pages_append(&pages, &model[i]), 0);
		}
		check(&pages);

		for (step = 0; step < 6; step++) {
			/* A block, and where its extents are in the model. */
			at = 0;
			for (b = luo_pages_first(&pages), n = rnd_below(pages.nr_blocks); n--;
			     b = luo_pages_next(b))
				at += luo_block_nr_extents(b);
			old = luo_block_nr_extents(b);

			n = rnd_below(4) ? rnd_below(300) : rnd_below(900);
			if (nr_model - old + n > MAX_MODEL)
				continue;
			index = at ? model[at - 1].index + 1 : 0;
			for (i = 0; i < n; i++, index++)
				ext[i] = extent(index, rnd_below(1 << 20) * 2, 1, 0, 0);

			shim_chances = 0;
			shim_fail_at = rnd_below(4);
			last = luo_pages_replace(&pages, b, ext, n);
			shim_fail_at = 0;
			if (!IS_ERR(last)) {
				unsigned int seen = luo_block_nr_extents(b);

				memmove(&model[at + n], &model[at + old],
					(nr_model - at - old) * sizeof(*model));
				memcpy(&model[at], ext, n * sizeof(*ext));
				nr_model = nr_model - old + n;
				while (b != last) {
					b = luo_pages_next(b);
					seen += luo_block_nr_extents(b);
				}
				assert_int_equal(seen, n);
			}
			if (rnd_below(2))
				check(&pages);
		}
		check(&pages);
		luo_pages_destroy(&pages);
	}
}

static void test_no_memory(void **state)
{
	struct luo_pages pages = { 0 };
	struct luo_extent ext;
	unsigned int i;

	shim_chances = 0;
	shim_fail_at = 1;
	assert_int_equal(luo_pages_init(&pages), -ENOMEM);
	assert_null(pages.head);
	shim_fail_at = 0;

	assert_int_equal(luo_pages_init(&pages), 0);
	for (nr_model = 0; nr_model < LUO_EXTENTS_FIRST; nr_model++) {
		model[nr_model] = extent(nr_model, 2 * nr_model, 1, 0, 0);
		assert_int_equal(luo_pages_append(&pages, &model[nr_model]), 0);
	}
	for (i = 0; i < 3; i++) {
		ext = extent(nr_model, 2 * nr_model, 1, 0, 0);
		shim_chances = 0;
		shim_fail_at = 1;
		assert_int_equal(luo_pages_append(&pages, &ext), -ENOMEM);
		shim_fail_at = 0;
		check(&pages);
	}
	luo_pages_destroy(&pages);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_append_joins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refuses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
	};

	return cmocka_run_group_tests_name("pages", tests, NULL, NULL);
}
