// SPDX-License-Identifier: GPL-2.0-only
/* luo_cover() against a model that looks at every frame and every gap. */
#include "support.h"

#define BITS	640
#define MAX	96

struct input {
	unsigned long bits[BITS / 64];
	u64 nbits;
	struct luo_range walls[BITS], holes[BITS];
	unsigned int nr_walls, nr_holes, max;
};

static bool bit(const struct input *in, u64 n)
{
	return in->bits[n / 64] >> (n % 64) & 1;
}

static bool inside(const struct luo_range *r, unsigned int nr, u64 n)
{
	while (nr--)
		if (n >= r[nr].start && n < r[nr].end)
			return true;
	return false;
}

static int heavier(const void *a, const void *b)
{
	u64 x = *(u64 *)a, y = *(u64 *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

#define FORCED (1ULL << 60)

/* The best total weight of gaps to leave out; -1: impossible. */
static long long naive(const struct input *in, unsigned int *ret_ranges)
{
	u64 weight[BITS], w = 0, n, total = 0;
	unsigned int nr = 0, i;
	bool seen = false, forced = false;

	for (n = 0; n < in->nbits; n++) {
		if (!bit(in, n)) {
			w += inside(in->holes, in->nr_holes, n) ? LUO_HOLE_WEIGHT : 1;
			forced |= inside(in->walls, in->nr_walls, n);
			continue;
		}
		if (seen && w)
			weight[nr++] = forced ? FORCED : w;
		seen = true;
		forced = false;
		w = 0;
	}
	*ret_ranges = 0;
	if (!seen)
		return 0;
	if (!in->max)
		return -1;
	qsort(weight, nr, sizeof(*weight), heavier);
	if (nr >= in->max && weight[in->max - 1] == FORCED)
		return -1;
	for (i = 0; i < nr && i < in->max - 1; i++)
		total += weight[i] == FORCED ? 0 : weight[i];
	*ret_ranges = i + 1;
	return total;
}

static void check(const struct input *in)
{
	struct luo_range ret[MAX + 1];
	unsigned int want_ranges;
	long long want = naive(in, &want_ranges), got = 0;
	int nr, i;
	u64 n;

	memset(ret, 0xee, sizeof(ret));
	nr = luo_cover(in->bits, in->nbits, in->walls, in->nr_walls,
		       in->holes, in->nr_holes, ret, in->max);
	/* Nothing is written behind the room that was given. */
	assert_int_equal(ret[in->max].start, 0xeeeeeeeeeeeeeeeeULL);
	if (want < 0) {
		assert_int_equal(nr, -E2BIG);
		return;
	}
	assert_int_equal(nr, want_ranges);
	for (i = 0; i < nr; i++) {
		assert_true(ret[i].start < ret[i].end && ret[i].end <= in->nbits);
		assert_true(!i || ret[i].start > ret[i - 1].end);
		assert_true(bit(in, ret[i].start) && bit(in, ret[i].end - 1));
	}
	for (n = 0; n < in->nbits; n++) {
		bool covered = inside(ret, nr, n);

		assert_true(covered || !bit(in, n));
		assert_false(covered && inside(in->walls, in->nr_walls, n));
	}
	/* What is left out between the ranges. */
	for (i = 1; i < nr; i++) {
		u64 w = 0;
		bool forced = false;

		for (n = ret[i - 1].end; n < ret[i].start; n++) {
			w += inside(in->holes, in->nr_holes, n) ? LUO_HOLE_WEIGHT : 1;
			forced |= inside(in->walls, in->nr_walls, n);
		}
		got += forced ? 0 : w;
	}
	assert_true(got == want);
}

/* Cuts clear frames into sorted, disjoint runs; some touch each other. */
static unsigned int scatter(const struct input *in, struct luo_range *r, u64 chance)
{
	unsigned int nr = 0;
	u64 n = 0, end;

	while (n < in->nbits) {
		if (bit(in, n) || rnd_below(chance)) {
			n++;
			continue;
		}
		for (end = n + 1; end < in->nbits && !bit(in, end) && rnd_below(6); end++)
			;
		r[nr++] = (struct luo_range){ n, end };
		n = end;
	}
	return nr;
}

static void test_random(void **state)
{
	static const u64 chances[] = { 3, 8, 40, 200 };
	struct input in;
	unsigned int round, i;

	rnd_seed();
	for (round = 0; round < 20000; round++) {
		u64 density = rnd_below(6), n, run;

		memset(&in, 0, sizeof(in));
		in.nbits = 1 + rnd_below(BITS);
		switch (density) {
		case 0:		/* anything */
			for (i = 0; i < BITS / 64; i++)
				in.bits[i] = rnd();
			break;
		case 1:		/* dense */
			for (i = 0; i < BITS / 64; i++)
				in.bits[i] = rnd() | rnd() | rnd() | rnd();
			break;
		case 2:		/* sparse */
			for (i = 0; i < BITS / 64; i++)
				in.bits[i] = rnd() & rnd() & rnd() & rnd() & rnd();
			break;
		case 3:		/* runs of all lengths */
			for (n = 0; n < BITS; n += 1 + rnd_below(60))
				for (run = 1 + rnd_below(90); run-- && n < BITS; n++)
					in.bits[n / 64] |= 1UL << (n % 64);
			break;
		case 4:		/* every other */
			memset(in.bits, 0x55, sizeof(in.bits));
			break;
		case 5:		/* a few */
			for (i = rnd_below(4); i--; n = rnd_below(BITS),
			     in.bits[n / 64] |= 1UL << (n % 64))
				;
			break;
		}
		if (rnd_below(3))
			in.nr_holes = scatter(&in, in.holes, chances[rnd_below(4)]);
		if (!rnd_below(3))
			in.nr_walls = scatter(&in, in.walls, chances[1 + rnd_below(3)]);
		in.max = rnd_below(4) ? 1 + rnd_below(12) : rnd_below(MAX);
		check(&in);
	}
}

static void test_known(void **state)
{
	struct luo_range ret[4], wall = { 70, 72 }, holes[] = { { 1, 2 }, { 200, 220 } };
	unsigned long bits[8] = { 0 };

	assert_int_equal(luo_cover(bits, 512, NULL, 0, NULL, 0, ret, 4), 0);
	assert_int_equal(luo_cover(bits, 512, NULL, 0, NULL, 0, ret, 0), 0);
	bits[0] = 0x85;			/* 0, 2, 7 */
	assert_int_equal(luo_cover(bits, 512, NULL, 0, NULL, 0, ret, 0), -E2BIG);
	assert_int_equal(luo_cover(bits, 512, NULL, 0, NULL, 0, ret, 1), 1);
	assert_int_equal(ret[0].end, 8);
	assert_int_equal(luo_cover(bits, 512, NULL, 0, NULL, 0, ret, 2), 2);
	assert_int_equal(ret[0].end, 3);
	assert_int_equal(ret[1].start, 7);
	/* One lost frame weighs more than four delayed ones. */
	assert_int_equal(luo_cover(bits, 512, NULL, 0, holes, 2, ret, 2), 2);
	assert_int_equal(ret[0].end, 1);
	assert_int_equal(ret[1].start, 2);

	bits[1] = 1 << 5 | 1 << 8;	/* 69, 72: a wall between */
	assert_int_equal(luo_cover(bits, 512, &wall, 1, holes, 2, ret, 2), 2);
	assert_int_equal(ret[0].end, 70);
	assert_int_equal(ret[1].start, 72);
	assert_int_equal(luo_cover(bits, 512, &wall, 1, NULL, 0, ret, 1), -E2BIG);

	/* A wall over preserved memory is nobody's intention. */
	bits[1] |= 1 << 6;
	shim_warnings = 0;
	assert_int_equal(luo_cover(bits, 512, &wall, 1, NULL, 0, ret, 4), -EINVAL);
	assert_int_equal(shim_warnings, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("cover", tests, NULL, NULL);
}
