// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Claims
 *
 * One bit for each page frame of the covering ranges. Whoever reads something
 * of the handover image, or believes an extent of it, claims the frames first:
 * a claim succeeds once and only inside the ranges. So one bitmap is the bounds
 * check, the protection against two owners, and at the end the exact set of
 * frames that must not go to the allocator.
 *
 * Life: luo_claims_init() when the chain of this boot has been read, claims
 * while the image is read, luo_claims_next_free() for the release of the gaps,
 * luo_claims_destroy().
 *
 * Unhappy ways: a refused claim changes nothing. What was claimed by something
 * that later proved to be damaged stays claimed: rather lost than shared.
 *
 * Locks: none; filled by one thread before anybody else knows of it.
 */
#include "luo_internal.h"

void luo_claims_destroy(struct luo_claims *c)
{
	unsigned int i;

	for (i = 0; c->bits && i < c->nr; i++)
		kvfree(c->bits[i]);
	kvfree(c->bits);
	kvfree(c->ranges);
	*c = (struct luo_claims){};
}

int luo_claims_init(struct luo_claims *c, const struct luo_range *ranges,
		    unsigned int nr)
{
	unsigned int i;

	*c = (struct luo_claims){};

	for (i = 0; i < nr; i++)
		if (ranges[i].start >= ranges[i].end ||
		    (i && ranges[i].start < ranges[i - 1].end))
			return -EINVAL;
	if (!nr)
		return 0;

	c->nr = nr;
	c->ranges = kvcalloc(nr, sizeof(*c->ranges), GFP_KERNEL);
	c->bits = kvcalloc(nr, sizeof(*c->bits), GFP_KERNEL);
	if (!c->ranges || !c->bits)
		goto err_destroy;
	memcpy(c->ranges, ranges, nr * sizeof(*ranges));

	for (i = 0; i < nr; i++) {
		u64 frames = ranges[i].end - ranges[i].start;

		c->bits[i] = kvcalloc(BITS_TO_LONGS(frames), sizeof(long), GFP_KERNEL);
		if (!c->bits[i])
			goto err_destroy;
	}
	return 0;

err_destroy:
	luo_claims_destroy(c);
	return -ENOMEM;
}

/* First range that ends behind @pfn; c->nr when there is none. */
static unsigned int luo_claims_find(const struct luo_claims *c, u64 pfn)
{
	unsigned int lo = 0, hi = c->nr;

	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;

		if (c->ranges[mid].end <= pfn)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* bitmap_set() has ints for what may be more than two billion frames. */
static void luo_bits_set(unsigned long *bits, u64 from, u64 to)
{
	unsigned long *p = bits + from / BITS_PER_LONG;
	unsigned long *end = bits + to / BITS_PER_LONG;
	unsigned long first = ~0UL << (from % BITS_PER_LONG);
	unsigned long last = (1UL << (to % BITS_PER_LONG)) - 1;

	if (p == end) {
		*p |= first & last;
		return;
	}
	*p++ |= first;
	while (p < end)
		*p++ = ~0UL;
	if (last)
		*p |= last;
}

int luo_claim(struct luo_claims *c, u64 pfn, u64 nr)
{
	unsigned int first = luo_claims_find(c, pfn), i;
	u64 end = pfn + nr, at;

	if (!nr || end < pfn)
		return -ERANGE;

	/* Ranges may touch each other, so a run may lie in more than one. */
	for (i = first, at = pfn; at < end; i++) {
		if (i == c->nr || at < c->ranges[i].start)
			return -ERANGE;
		at = c->ranges[i].end;
	}
	for (i = first, at = pfn; at < end; i++) {
		u64 base = c->ranges[i].start;
		u64 to = min(end, c->ranges[i].end);

		if (find_next_bit(c->bits[i], to - base, at - base) < to - base)
			return -EBUSY;
		at = to;
	}
	for (i = first, at = pfn; at < end; i++) {
		u64 base = c->ranges[i].start;
		u64 to = min(end, c->ranges[i].end);

		luo_bits_set(c->bits[i], at - base, to - base);
		at = to;
	}
	return 0;
}

bool luo_claimed(const struct luo_claims *c, u64 pfn)
{
	unsigned int i = luo_claims_find(c, pfn);

	if (i == c->nr || pfn < c->ranges[i].start)
		return false;
	pfn -= c->ranges[i].start;
	return c->bits[i][pfn / BITS_PER_LONG] >> (pfn % BITS_PER_LONG) & 1;
}

bool luo_claims_next_free(const struct luo_claims *c, u64 pfn, struct luo_range *ret)
{
	unsigned int i;

	for (i = luo_claims_find(c, pfn); i < c->nr; i++) {
		u64 base = c->ranges[i].start;
		u64 frames = c->ranges[i].end - base;
		u64 from = find_next_zero_bit(c->bits[i], frames,
					      pfn > base ? pfn - base : 0);

		if (from >= frames)
			continue;
		ret->start = base + from;
		ret->end = base + find_next_bit(c->bits[i], frames, from);
		return true;
	}
	return false;
}
