// SPDX-License-Identifier: GPL-2.0-only
/* luo_claim() and friends against one byte a frame. */
#include "support.h"

#define FRAMES 2000

static void test_init(void **state)
{
	struct luo_range bad[][2] = {
		{ { 5, 5 }, { 6, 7 } },		/* empty */
		{ { 5, 4 }, { 6, 7 } },		/* backwards */
		{ { 8, 9 }, { 6, 7 } },		/* unsorted */
		{ { 5, 7 }, { 6, 9 } },		/* overlapping */
	};
	struct luo_range good[] = { { 5, 6 }, { 6, 300 } }, ret;
	struct luo_claims c;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(luo_claims_init(&c, bad[i], 2), -EINVAL);

	assert_int_equal(luo_claims_init(&c, NULL, 0), 0);
	assert_int_equal(luo_claim(&c, 0, 1), -ERANGE);
	assert_false(luo_claimed(&c, 0));
	assert_false(luo_claims_next_free(&c, 0, &ret));
	luo_claims_destroy(&c);

	for (i = 1; i <= 4; i++) {
		shim_chances = 0;
		shim_fail_at = i;
		assert_int_equal(luo_claims_init(&c, good, 2), -ENOMEM);
		assert_int_equal(shim_live, 0);
	}
	shim_fail_at = 0;

	assert_int_equal(luo_claims_init(&c, good, 2), 0);
	assert_int_equal(luo_claim(&c, 5, 0), -ERANGE);
	assert_int_equal(luo_claim(&c, 5, U64_MAX), -ERANGE);
	assert_int_equal(luo_claim(&c, U64_MAX, 2), -ERANGE);
	assert_int_equal(luo_claim(&c, 5, 295), 0);
	assert_int_equal(luo_claim(&c, 5, 296), -ERANGE);
	assert_int_equal(luo_claim(&c, 299, 1), -EBUSY);
	assert_false(luo_claims_next_free(&c, 0, &ret));
	luo_claims_destroy(&c);
	assert_int_equal(shim_live, 0);
}

static void test_random(void **state)
{
	static u8 model[FRAMES];	/* 0: outside, else 1 + range; 0x80: claimed */
	struct luo_range ranges[12], ret;
	struct luo_claims c;
	unsigned int round, step, nr;
	u64 pfn, n, i;

	rnd_seed();
	for (round = 0; round < 300; round++) {
		memset(model, 0, sizeof(model));
		for (nr = 0, pfn = rnd_below(50); nr < 12 && pfn < FRAMES - 300; nr++) {
			ranges[nr].start = pfn;
			ranges[nr].end = pfn + 1 + rnd_below(300);
			for (; pfn < ranges[nr].end; pfn++)
				model[pfn] = 1 + nr;
			pfn += rnd_below(3) ? rnd_below(80) : 0;
		}
		assert_int_equal(luo_claims_init(&c, ranges, nr), 0);

		for (step = 0; step < 200; step++) {
			int want = 0;

			pfn = rnd_below(FRAMES);
			n = 1 + (rnd_below(3) ? rnd_below(12) : rnd_below(200));
			if (pfn + n > FRAMES)
				n = FRAMES - pfn;
			for (i = pfn; i < pfn + n; i++) {
				if (!model[i])
					want = -ERANGE;
				else if (model[i] & 0x80 && !want)
					want = -EBUSY;
			}
			assert_int_equal(luo_claim(&c, pfn, n), want);
			for (i = pfn; !want && i < pfn + n; i++)
				model[i] |= 0x80;

			pfn = rnd_below(FRAMES);
			for (i = pfn; i < FRAMES && (!model[i] || model[i] & 0x80); i++)
				;
			assert_int_equal(luo_claims_next_free(&c, pfn, &ret), i < FRAMES);
			if (i == FRAMES)
				continue;
			assert_int_equal(ret.start, i);
			for (n = i; n < FRAMES && model[n] == model[i]; n++)
				;
			assert_int_equal(ret.end, n);
		}
		for (i = 0; i < FRAMES; i++)
			assert_int_equal(luo_claimed(&c, i), !!(model[i] & 0x80));
		luo_claims_destroy(&c);
		assert_int_equal(shim_live, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("claim", tests, NULL, NULL);
}
