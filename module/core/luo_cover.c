// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Covering ranges
 *
 * The next kernel can be told of about a hundred ranges only, but preserved
 * memory may be in a million pieces. So few ranges are laid over all pieces;
 * what they contain besides is unusable in the next kernel until its module
 * has given it back, and some of it (holes) nobody can ever give back.
 *
 * With @max ranges there can be @max - 1 gaps between them. All gaps between
 * set bits are seen once, from low to high, and the heaviest @max - 1 are kept
 * in a heap whose root is the lightest. A gap with a wall in it has infinite
 * weight; if even one of these does not fit, there is no answer. The lists of
 * walls and holes are walked along with the bitmap.
 *
 * The heap lives in the result: while the sweep goes on, an entry holds where
 * a gap starts and what it weighs. Where it ends is found again at the end,
 * for the few that remained.
 *
 * Most gaps are much lighter than the lightest in the heap as soon as that is
 * full, so a word of the bitmap without walls and holes is first asked as a
 * whole whether a run of zeros in it is long enough to matter.
 *
 * Unhappy ways: input that breaks the contract in a way that could cost memory
 * (a wall over a set bit) is refused.
 *
 * Locks: none, no state.
 */
#include "luo_internal.h"

#define LUO_WEIGHT_WALL		U64_MAX

struct luo_sweep {
	const struct luo_range *wall, *hole;	/* the next ones */
	unsigned int nr_walls, nr_holes;	/* that are left */
	struct luo_range *heap;		/* start: of the gap; end: its weight */
	unsigned int nr;
	unsigned int max;
};

static void luo_heap_swap(struct luo_range *a, struct luo_range *b)
{
	struct luo_range tmp = *a;

	*a = *b;
	*b = tmp;
}

/* Puts the entry at @i of a heap of @nr right, towards the leaves. */
static void luo_heap_down(struct luo_range *heap, unsigned int nr, unsigned int i)
{
	unsigned int child;

	while ((child = 2 * i + 1) < nr) {
		if (child + 1 < nr && heap[child + 1].end < heap[child].end)
			child++;
		if (heap[i].end <= heap[child].end)
			return;
		luo_heap_swap(&heap[i], &heap[child]);
		i = child;
	}
}

static void luo_heap_up(struct luo_range *heap, unsigned int i)
{
	while (i && heap[i].end < heap[(i - 1) / 2].end) {
		luo_heap_swap(&heap[i], &heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
}

/* Only gaps that are heavier than this are worth a look. */
static u64 luo_sweep_bar(const struct luo_sweep *s)
{
	if (s->nr < s->max)
		return 0;
	return s->max ? s->heap[0].end : LUO_WEIGHT_WALL - 1;
}

/* Weighs the gap [@start, @end) and keeps it if it is heavy enough. */
static int luo_sweep_gap(struct luo_sweep *s, u64 start, u64 end)
{
	u64 weight = end - start;

	for (; s->nr_holes && s->hole->start < end; s->hole++, s->nr_holes--) {
		u64 from = max(s->hole->start, start);
		u64 to = min(s->hole->end, end);

		if (from < to)
			weight += (to - from) * (LUO_HOLE_WEIGHT - 1);
		if (s->hole->end > end)
			break;
	}
	for (; s->nr_walls && s->wall->start < end; s->wall++, s->nr_walls--)
		if (s->wall->end > start)
			weight = LUO_WEIGHT_WALL;

	if (s->nr < s->max) {
		s->heap[s->nr] = (struct luo_range){ start, weight };
		luo_heap_up(s->heap, s->nr++);
		return 0;
	}
	if (weight == LUO_WEIGHT_WALL && luo_sweep_bar(s) >= LUO_WEIGHT_WALL - 1)
		return -E2BIG;
	if (weight > luo_sweep_bar(s)) {
		s->heap[0] = (struct luo_range){ start, weight };
		luo_heap_down(s->heap, s->nr, 0);
	}
	return 0;
}

/* Are there @len ones in a row in @word? 1 <= @len <= BITS_PER_LONG. */
static bool luo_word_has_run(unsigned long word, unsigned int len)
{
	unsigned int have = 1;

	while (word && have < len) {
		unsigned int step = min(have, len - have);

		word &= word >> step;
		have += step;
	}
	return word;
}

/* All gaps that lie between two set bits of @word, which starts at frame @base. */
static int luo_sweep_word(struct luo_sweep *s, unsigned long word, u64 base)
{
	unsigned int first = __ffs(word), last = __fls(word), at;
	unsigned long gaps = ~word & (~0UL << first) & (~0UL >> (BITS_PER_LONG - 1 - last));
	u64 bar = luo_sweep_bar(s);
	int err;

	if (!gaps)
		return 0;
	/* Lists only go forward, so what starts behind the word can wait. */
	if ((!s->nr_walls || s->wall->start >= base + last) &&
	    (!s->nr_holes || s->hole->start >= base + last) &&
	    (bar >= BITS_PER_LONG || !luo_word_has_run(gaps, bar + 1)))
		return 0;

	while (gaps) {
		at = __ffs(gaps);
		/* The bit at @last is never a gap, so neither shift overflows. */
		gaps |= (1UL << at) - 1;
		first = __ffs(~gaps);
		err = luo_sweep_gap(s, base + at, base + first);
		if (err)
			return err;
		gaps &= ~0UL << first;
	}
	return 0;
}

static int luo_walls_check(const unsigned long *bits, u64 nbits,
			   const struct luo_range *walls, unsigned int nr_walls)
{
	unsigned int i;

	for (i = 0; i < nr_walls; i++) {
		u64 end = min(walls[i].end, nbits);

		if (walls[i].start < end &&
		    find_next_bit(bits, end, walls[i].start) < end)
			return -EINVAL;
	}
	return 0;
}

int luo_cover(const unsigned long *bits, u64 nbits,
	      const struct luo_range *walls, unsigned int nr_walls,
	      const struct luo_range *holes, unsigned int nr_holes,
	      struct luo_range *ret, unsigned int max)
{
	struct luo_sweep s = {
		.wall = walls, .nr_walls = nr_walls,
		.hole = holes, .nr_holes = nr_holes,
		.heap = ret, .max = max - 1,
	};
	u64 first, last, start, base, nwords = BITS_TO_LONGS(nbits), i;
	unsigned int n;
	int err;

	first = find_next_bit(bits, nbits, 0);
	if (first >= nbits)
		return 0;
	if (!max)
		return -E2BIG;
	err = luo_walls_check(bits, nbits, walls, nr_walls);
	if (WARN_ON_ONCE(err))
		return err;

	/* What lies below the first set bit is in no gap. */
	for (; s.nr_walls && s.wall->end <= first; s.nr_walls--)
		s.wall++;
	for (; s.nr_holes && s.hole->end <= first; s.nr_holes--)
		s.hole++;

	last = first;
	for (i = first / BITS_PER_LONG; i < nwords; i++) {
		unsigned long word = bits[i];

		base = i * BITS_PER_LONG;
		if (nbits - base < BITS_PER_LONG)
			word &= (1UL << (nbits - base)) - 1;
		if (!word)
			continue;

		start = base + __ffs(word);
		if (start > last + 1) {
			err = luo_sweep_gap(&s, last + 1, start);
			if (err)
				return err;
		}
		err = luo_sweep_word(&s, word, base);
		if (err)
			return err;
		last = base + __fls(word);
	}

	/* Heap sort by where the gaps start, with that as the key. */
	for (n = 0; n < s.nr; n++)
		ret[n].end = U64_MAX - ret[n].start;
	for (n = s.nr / 2; n-- > 0; )
		luo_heap_down(ret, s.nr, n);
	for (n = s.nr; n-- > 1; ) {
		luo_heap_swap(&ret[0], &ret[n]);
		luo_heap_down(ret, n, 0);
	}

	/* From gaps to what is between them. */
	for (n = 0; n < s.nr; n++) {
		u64 gap = ret[n].start;

		ret[n] = (struct luo_range){ first, gap };
		first = find_next_bit(bits, nbits, gap);
	}
	ret[s.nr] = (struct luo_range){ first, last + 1 };
	return s.nr + 1;
}
