// SPDX-License-Identifier: GPL-2.0-only
/*
 * Damaged and hostile images: noticed, survived, and never a frame with two
 * owners (the arena aborts when something is released that was not claimed, or
 * twice).
 */
#include "image.h"

static struct image sample, image;

static struct luo_counts counts(void)
{
	struct luo_counts c;

	luo_core_counts(&c);
	return c;
}

static int init(void **state)
{
	int err = setup(state);

	if (!err)
		image_sample(&sample, LUO_EXTENTS_FIRST + 3);
	image = sample;
	return err;
}

static int done(void **state)
{
	shim_fail_at = 0;
	luo_claims_destroy(&arena_claims);
	assert_int_equal(shim_live, 0);
	assert_int_equal(shim_warnings, 0);
	assert_int_equal(model_module.refs, 0);
	return 0;
}

/* Every single bit of every block but the stamps. */
static void test_bit_flips(void **state)
{
	unsigned int block, bit;

	for (block = 0; block < image.nr; block++) {
		bool root = image.pfn[block] == image.root / LUO_BLOCK_SIZE;

		for (bit = 0; bit < 8 * LUO_BLOCK_SIZE; bit++) {
			bool stamp = root && bit / 8 >= offsetof(struct luo_root_ser, stamp) &&
				     bit / 8 < offsetofend(struct luo_root_ser, stamp);

			image.block[block][bit / 8] ^= 1 << bit % 8;
			if (!!image_receive(&image) == stamp)
				fail_msg("block %u bit %u", block, bit);
			image_end(!(bit % 61));
			image.block[block][bit / 8] ^= 1 << bit % 8;
		}
	}
}

/* ------------------------------------------- damage with all checksums right */

static struct luo_root_ser *root(void)
{
	return image_block(&image, image.root);
}

static struct luo_session_ser *session(unsigned int i)
{
	return (struct luo_session_ser *)((u8 *)image_first(&image, LUO_MAGIC_SESSIONS) + 32) + i;
}

static struct luo_file_ser *file(unsigned int i)
{
	return (struct luo_file_ser *)((u8 *)image_block(&image, session(0)->files) + 32) + i;
}

static struct luo_pages_ser *pages(unsigned int f)
{
	return image_block(&image, file(f)->pages);
}

static struct luo_extents_ser *further(void)
{
	return image_first(&image, LUO_MAGIC_EXTENTS);
}

static struct luo_extents_ser *holes(void)
{
	return image_first(&image, LUO_MAGIC_HOLES);
}

static struct luo_block_ser *sessions(void)
{
	return image_first(&image, LUO_MAGIC_SESSIONS);
}

static struct luo_block_ser *files(unsigned int s)
{
	return image_block(&image, session(s)->files);
}

static struct luo_flb_ser *flb(unsigned int i)
{
	return (struct luo_flb_ser *)((u8 *)image_first(&image, LUO_MAGIC_FLBS) + 32) + i;
}

static struct luo_block_ser *flbs(void)
{
	return image_first(&image, LUO_MAGIC_FLBS);
}

static struct luo_extents_ser *memory(void)
{
	return image_first(&image, LUO_MAGIC_MEMORY);
}

static void extent(struct luo_extent_ser *ser, u64 index, u64 pfn, u32 count, u8 order, u8 flags)
{
	luo_extent_pack(&(struct luo_extent){ index, pfn, count, order, flags }, ser);
}

/* The 6-bit fields hold more than may be in them. */
#define RAW_ORDER(o) ((u64)(o) << LUO_EXTENT_INDEX_BITS)
#define RAW_FLAG(f) ((u64)(f) << (LUO_EXTENT_INDEX_BITS + LUO_EXTENT_ORDER_BITS))

enum effect { NOTHING, ALL_LOST, FILE0, FILE1, FILE2, SESSION0, BOTH, ONLY_SUM,
	      FLB0, FLBS, PIECE0, PIECES };

#define CASES							\
	/* the root */						\
	C(root_magic, -EINVAL, ALL_LOST, root()->hdr.magic = LUO_MAGIC_FILES) \
	C(root_nonce, -EINVAL, ALL_LOST, root()->hdr.nonce++)	\
	C(root_seq, -EINVAL, ALL_LOST, root()->hdr.seq = 1)	\
	C(root_nr, -EINVAL, ALL_LOST, root()->hdr.nr = 2)	\
	C(root_next, -EINVAL, ALL_LOST, root()->hdr.next = image.root)	\
	C(root_address, -EINVAL, ALL_LOST, image.root++)		\
	C(root_outside, -EINVAL, ALL_LOST, image.root = 0x1000)		\
	C(root_null, -EINVAL, ALL_LOST, image.root = 0)			\
	C(update_0, -EINVAL, ALL_LOST, root()->generation = 0)	\
	C(update_huge, -EINVAL, ALL_LOST, root()->generation = LUO_MAX_GENERATION + 1) \
	C(update_last, -EINVAL, ALL_LOST, root()->generation = U64_MAX) \
	C(format_0, -EPROTONOSUPPORT, ALL_LOST, root()->format = 0)	\
	C(format_2, -EPROTONOSUPPORT, ALL_LOST, root()->format = LUO_FORMAT_MAX + 1) \
	C(totals_files, -EUCLEAN, ONLY_SUM, root()->nr_files++)		\
	C(totals_pages, -EUCLEAN, ONLY_SUM, root()->nr_pages--)		\
	/* sessions */							\
	C(more_sessions, -EUCLEAN, NOTHING, root()->nr_sessions = 3)	\
	C(sessions_huge, -EUCLEAN, NOTHING, root()->nr_sessions = U64_MAX)	\
	C(fewer_sessions, -EUCLEAN, BOTH, root()->nr_sessions = 1)	\
	C(no_sessions, -EUCLEAN, BOTH, root()->nr_sessions = 0)		\
	C(sessions_null, -EUCLEAN, BOTH, root()->sessions = 0)		\
	C(sessions_is_root, -EUCLEAN, BOTH, root()->sessions = image.root)	\
	C(sessions_outside, -EUCLEAN, BOTH, root()->sessions = 0x7000)	\
	C(sessions_far, -EUCLEAN, BOTH, root()->sessions = ~0xfffULL)	\
	C(sessions_nr_0, -EUCLEAN, BOTH, sessions()->nr = 0)		\
	C(sessions_nr_huge, -EUCLEAN, BOTH, sessions()->nr = ~0U)	\
	C(sessions_nr_43, -EUCLEAN, BOTH,				\
	  (sessions()->nr = LUO_SESSIONS_PER_BLOCK + 1, root()->nr_sessions = 99)) \
	C(sessions_seq, -EUCLEAN, BOTH, sessions()->seq = 1)		\
	C(sessions_nonce, -EUCLEAN, BOTH, sessions()->nonce ^= 1)	\
	C(sessions_loop, -EUCLEAN, NOTHING,				\
	  (sessions()->next = root()->sessions, root()->nr_sessions = 4))	\
	C(sessions_next, -EUCLEAN, NOTHING, sessions()->next = root()->sessions) \
	C(name_endless, -EUCLEAN, SESSION0, memset(session(0)->name, 'x', 64))	\
	C(name_empty, -EUCLEAN, SESSION0, memset(session(0)->name, 0, 64))	\
	C(name_twice, -EUCLEAN, NOTHING, strcpy(session(1)->name, "alpha"))	\
	C(session_flags, -EUCLEAN, SESSION0, session(0)->flags = 1)	\
	C(generation_0, -EUCLEAN, SESSION0, session(0)->generation = 0)	\
	C(generation_to_come, -EUCLEAN, SESSION0, session(0)->generation = 2)	\
	/* files */							\
	C(more_files, -EUCLEAN, SESSION0, session(0)->nr_files++)	\
	C(files_huge, -EUCLEAN, SESSION0, session(0)->nr_files = U64_MAX)	\
	C(fewer_files, -EUCLEAN, SESSION0, session(0)->nr_files--)	\
	C(no_files, -EUCLEAN, SESSION0, session(0)->nr_files = 0)	\
	C(files_null, -EUCLEAN, SESSION0, session(0)->files = 0)	\
	C(files_of_other, -EUCLEAN, NOTHING, session(1)->files = session(0)->files) \
	C(files_seq, -EUCLEAN, SESSION0, files(0)->seq = 1)		\
	C(files_nr, -EUCLEAN, SESSION0, files(0)->nr = 2)		\
	C(files_next, -EUCLEAN, SESSION0, files(0)->next = session(0)->files)	\
	C(files_magic, -EUCLEAN, SESSION0, files(0)->magic = LUO_MAGIC_PAGES)	\
	C(token_twice, -EUCLEAN, FILE1, file(1)->token = 100)		\
	C(compatible_endless, -EUCLEAN, FILE0, memset(file(0)->compatible, 'x', 48)) \
	C(compatible_empty, -EUCLEAN, FILE0, memset(file(0)->compatible, 0, 48)) \
	/* pages */							\
	C(pages_of_other, -EUCLEAN, FILE1,				\
	  (file(1)->pages = file(0)->pages, file(1)->nr_blocks = file(0)->nr_blocks,	\
	   file(1)->nr_pages = file(0)->nr_pages))			\
	C(pages_null, -EUCLEAN, FILE0, file(0)->pages = 0)		\
	C(pages_are_files, -EUCLEAN, FILE0, file(0)->pages = session(0)->files)	\
	C(pages_without_blocks, -EUCLEAN, FILE2, file(2)->pages = file(0)->pages)	\
	C(pages_only_counted, -EUCLEAN, FILE2, file(2)->nr_pages = 1)	\
	C(blocks_huge, -EUCLEAN, FILE0, file(0)->nr_blocks = U64_MAX)	\
	C(more_blocks, -EUCLEAN, FILE0, file(0)->nr_blocks++)		\
	C(fewer_blocks, -EUCLEAN, FILE0, file(0)->nr_blocks--)		\
	C(more_pages, -EUCLEAN, FILE0, file(0)->nr_pages++)		\
	C(fewer_pages, -EUCLEAN, FILE0, file(0)->nr_pages--)		\
	C(pages_magic, -EUCLEAN, FILE0, pages(0)->hdr.magic = LUO_MAGIC_EXTENTS)	\
	C(pages_seq, -EUCLEAN, FILE0, pages(0)->hdr.seq = 1)		\
	C(pages_nr, -EUCLEAN, FILE0, pages(0)->hdr.nr = LUO_EXTENTS_FIRST + 1)	\
	C(pages_nonce, -EUCLEAN, FILE1, pages(1)->hdr.nonce = 0)	\
	C(pages_truncated, -EUCLEAN, FILE0, pages(0)->hdr.next = 0)	\
	C(pages_loop, -EUCLEAN, FILE0, pages(0)->hdr.next = file(0)->pages)	\
	C(extents_loop, -EUCLEAN, FILE0,				\
	  (further()->hdr.next = pages(0)->hdr.next, file(0)->nr_blocks = 1000))	\
	C(extents_seq, -EUCLEAN, FILE0, further()->hdr.seq = 2)		\
	C(extents_nr, -EUCLEAN, FILE0, further()->hdr.nr = LUO_EXTENTS_FURTHER + 1) \
	C(extents_empty, -EUCLEAN, FILE0, further()->hdr.nr = 0)	\
	/* extents */							\
	C(count_0, -EUCLEAN, FILE1, pages(1)->extent[0].where = ARENA_DATA + 5000)	\
	C(count_huge, -EUCLEAN, FILE1,					\
	  extent(&pages(1)->extent[0], 0, ARENA_DATA + 5000, LUO_EXTENT_MAX_COUNT, 0, 1)) \
	C(order_19, -EUCLEAN, FILE1, pages(1)->extent[0].index |= RAW_ORDER(19))	\
	C(order_63, -EUCLEAN, FILE1, pages(1)->extent[0].index |= RAW_ORDER(63))	\
	C(order_crooked_pfn, -EUCLEAN, FILE1,				\
	  (extent(&pages(1)->extent[0], 0, ARENA_DATA + 5001, 1, 1, 1), file(1)->nr_pages = 2)) \
	C(order_crooked_index, -EUCLEAN, FILE1,				\
	  (extent(&pages(1)->extent[0], 1, ARENA_DATA + 5000, 1, 1, 1), file(1)->nr_pages = 2)) \
	C(unknown_flag, -EUCLEAN, FILE1, pages(1)->extent[0].index |= RAW_FLAG(2))	\
	C(frames_outside, -EUCLEAN, FILE1, extent(&pages(1)->extent[0], 0, 1, 1, 0, 1))	\
	C(frames_of_other, -EUCLEAN, FILE1, pages(1)->extent[0].where = pages(0)->extent[7].where) \
	C(frames_of_block, -EUCLEAN, FILE1,				\
	  extent(&pages(1)->extent[0], 0, file(0)->pages / 4096, 1, 0, 1))	\
	C(frames_of_root, -EUCLEAN, FILE1,				\
	  extent(&pages(1)->extent[0], 0, image.root / 4096, 1, 0, 1))	\
	C(frames_of_hole, -EUCLEAN, FILE1,				\
	  extent(&pages(1)->extent[0], 0, ARENA_DATA + 6001, 1, 0, 1))	\
	C(frames_twice, -EUCLEAN, FILE0, pages(0)->extent[9].where = pages(0)->extent[7].where) \
	C(index_backwards, -EUCLEAN, FILE0, pages(0)->extent[9].index = pages(0)->extent[7].index) \
	C(index_across_blocks, -EUCLEAN, FILE0, further()->extent[0].index = pages(0)->extent[9].index) \
	/* FLBs; the first serves three files, the second two */	\
	C(more_flbs, -EUCLEAN, ONLY_SUM, root()->nr_flbs++)			\
	C(flbs_huge, -EUCLEAN, ONLY_SUM, root()->nr_flbs = U64_MAX)		\
	C(flbs_64, -EUCLEAN, FLBS,					\
	  (root()->nr_flbs = LUO_FLBS_MAX + 1, flbs()->nr = LUO_FLBS_MAX + 1)) \
	C(flbs_next, -EUCLEAN, ONLY_SUM, flbs()->next = root()->flbs)	\
	C(fewer_flbs, -EUCLEAN, FLBS, root()->nr_flbs--)		\
	C(no_flbs, -EUCLEAN, FLBS, root()->nr_flbs = 0)			\
	C(flbs_null, -EUCLEAN, FLBS, root()->flbs = 0)			\
	C(flbs_are_root, -EUCLEAN, FLBS, root()->flbs = image.root)	\
	C(flbs_outside, -EUCLEAN, FLBS, root()->flbs = 0x7000)		\
	C(flbs_are_sessions, -EUCLEAN, BOTH, root()->flbs = root()->sessions) \
	C(flbs_magic, -EUCLEAN, FLBS, flbs()->magic = LUO_MAGIC_HOLES)	\
	C(flbs_seq, -EUCLEAN, FLBS, flbs()->seq = 1)			\
	C(flbs_nonce, -EUCLEAN, FLBS, flbs()->nonce++)			\
	C(flbs_nr_0, -EUCLEAN, FLBS, flbs()->nr = 0)			\
	C(flb_endless, -EUCLEAN, FLB0, memset(flb(0)->compatible, 'x', 48))	\
	C(flb_empty, -EUCLEAN, FLB0, memset(flb(0)->compatible, 0, 48))	\
	C(flb_twice, -EUCLEAN, ONLY_SUM, strcpy(flb(1)->compatible, "state-0"))	\
	C(flb_without_files, -EUCLEAN, ONLY_SUM, flb(0)->count = 0)		\
	C(flb_more_files, -EUCLEAN, ONLY_SUM, flb(0)->count++)		\
	C(flb_fewer_files, -EUCLEAN, ONLY_SUM, flb(0)->count--)		\
	C(flb_huge, -EUCLEAN, ONLY_SUM, flb(0)->count = U64_MAX)	\
	C(file_leaves_flb, -EUCLEAN, ONLY_SUM, file(1)->flbs = 0)	\
	C(file_joins_flb, -EUCLEAN, ONLY_SUM, file(0)->flbs = 1)	\
	C(file_unknown_flb, -EUCLEAN, ONLY_SUM, file(0)->flbs = 4)	\
	C(file_all_flbs, -EUCLEAN, ONLY_SUM, file(0)->flbs = U64_MAX)	\
	/* holes */							\
	C(more_holes, -EUCLEAN, NOTHING, root()->nr_holes++)		\
	C(fewer_holes, -EUCLEAN, NOTHING, root()->nr_holes--)		\
	C(holes_null, -EUCLEAN, NOTHING, root()->holes = 0)		\
	C(holes_outside, -EUCLEAN, NOTHING, holes()->extent[0].where = 3)	\
	C(holes_twice, -EUCLEAN, NOTHING, holes()->extent[1] = holes()->extent[0]) \
	C(holes_empty, -EUCLEAN, NOTHING, holes()->extent[0].index = 0)	\
	C(holes_overflow, -EUCLEAN, NOTHING, holes()->extent[0].index = U64_MAX)	\
	/* memory of handlers: a folio of order 2, three pages */	\
	C(more_memory, -EUCLEAN, NOTHING, root()->nr_memory++)		\
	C(memory_huge, -EUCLEAN, NOTHING, root()->nr_memory = U64_MAX)	\
	C(fewer_memory, -EUCLEAN, PIECES, root()->nr_memory--)		\
	C(no_memory, -EUCLEAN, PIECES, root()->nr_memory = 0)		\
	C(memory_null, -EUCLEAN, PIECES, root()->memory = 0)		\
	C(memory_is_root, -EUCLEAN, PIECES, root()->memory = image.root)	\
	C(memory_outside, -EUCLEAN, PIECES, root()->memory = 0x7000)	\
	C(memory_is_holes, -EUCLEAN, PIECES, root()->memory = root()->holes)	\
	C(memory_next, -EUCLEAN, NOTHING, memory()->hdr.next = root()->memory)	\
	C(memory_loop, -EUCLEAN, NOTHING,				\
	  (memory()->hdr.next = root()->memory, root()->nr_memory = 4))	\
	C(memory_magic, -EUCLEAN, PIECES, memory()->hdr.magic = LUO_MAGIC_HOLES)	\
	C(memory_seq, -EUCLEAN, PIECES, memory()->hdr.seq = 1)		\
	C(memory_nonce, -EUCLEAN, PIECES, memory()->hdr.nonce++)	\
	C(memory_nr_0, -EUCLEAN, PIECES, memory()->hdr.nr = 0)		\
	C(memory_nr_huge, -EUCLEAN, PIECES, memory()->hdr.nr = ~0U)	\
	C(piece_count_0, -EUCLEAN, PIECE0, memory()->extent[0].where = ARENA_DATA + 6200)	\
	C(piece_count_huge, -EUCLEAN, PIECE0,				\
	  extent(&memory()->extent[0], 0, ARENA_DATA + 6200, LUO_EXTENT_MAX_COUNT, 0, 0)) \
	C(piece_many_folios, -EUCLEAN, PIECE0,				\
	  extent(&memory()->extent[0], 0, ARENA_DATA + 6200, 2, 2, 0))	\
	C(piece_order_19, -EUCLEAN, PIECE0, memory()->extent[0].index = RAW_ORDER(19))	\
	C(piece_order_63, -EUCLEAN, PIECE0, memory()->extent[0].index = RAW_ORDER(63))	\
	C(piece_crooked, -EUCLEAN, PIECE0,				\
	  extent(&memory()->extent[0], 0, ARENA_DATA + 6202, 1, 2, 0))	\
	C(piece_index, -EUCLEAN, PIECE0,				\
	  extent(&memory()->extent[0], 4, ARENA_DATA + 6200, 1, 2, 0))	\
	C(piece_flags, -EUCLEAN, PIECE0, memory()->extent[0].index |= RAW_FLAG(1))	\
	C(piece_unknown_flag, -EUCLEAN, PIECE0, memory()->extent[0].index |= RAW_FLAG(32)) \
	C(piece_outside, -EUCLEAN, PIECE0, extent(&memory()->extent[0], 0, 4, 1, 2, 0))	\
	C(piece_of_root, -EUCLEAN, PIECE0,				\
	  extent(&memory()->extent[0], 0, image.root / 4096, 1, 0, 0))	\
	C(piece_of_hole, -EUCLEAN, PIECE0,				\
	  extent(&memory()->extent[0], 0, ARENA_DATA + 6000, 1, 2, 0))	\
	C(piece_twice, -EUCLEAN, NOTHING, memory()->extent[1] = memory()->extent[0])	\
	C(piece_in_piece, -EUCLEAN, NOTHING,				\
	  extent(&memory()->extent[1], 0, ARENA_DATA + 6202, 2, 0, 0))	\
	C(piece_of_file, -EUCLEAN, FILE1,				\
	  extent(&memory()->extent[1], 0, pages(1)->extent[0].where & 0xffffffff, 1, 0, 0)) \
	C(piece_of_block, -EUCLEAN, FILE0,				\
	  extent(&memory()->extent[1], 0, file(0)->pages / 4096, 1, 0, 0))

static void assert_file(int fd, u64 token, bool good)
{
	int file = session_retrieve_fd(fd, token);

	if (good)
		assert_true(file >= 0);
	else
		assert_int_equal(file, -EIO);
}

static void check(const char *name, int want, enum effect effect)
{
	int got, fd;

	image_seal(&image);
	got = image_receive(&image);
	if (got != want)
		fail_msg("%s: %d instead of %d", name, got, want);
	if (effect == ALL_LOST) {
		assert_true(luo_core_idle());
		assert_int_equal(arena_count(FRAME_RELEASED), 0);
	} else if (effect == FLB0 || effect == FLBS) {
		/* Files are not concerned; who needs the state gets to know. */
		got = flb_get_incoming(0);
		if (got != -EIO && (got != -ENOENT || effect != FLB0))
			fail_msg("%s: %d for global state", name, got);
		assert_int_equal(flb_get_incoming(1), effect == FLBS ? -EIO : 0);
		if (effect == FLB0)
			liveupdate_flb_put_incoming(&model_flbs[1].flb);
		fd = session_retrieve("alpha");
		for (u64 token = 100; token < 103; token++)
			assert_file(fd, token, true);
	} else if (effect == PIECE0 || effect == PIECES) {
		struct luo_extent piece;

		assert_int_equal(luo_memory_take(ARENA_DATA + 6200, 0, &piece), -ENOENT);
		got = luo_memory_take(ARENA_DATA + 6210, 3, &piece);
		if (got != (effect == PIECES ? -ENOENT : 0))
			fail_msg("%s: %d for the other piece", name, got);
		if (!got)
			luo_memory_put_back(ARENA_DATA + 6210);
		fd = session_retrieve("alpha");
		for (u64 token = 100; token < 103; token++)
			assert_file(fd, token, true);
	} else if (effect == SESSION0) {
		assert_true(session_retrieve("alpha") == -EIO || !session(0)->name[0] ||
			    session(0)->name[63]);
		assert_int_equal(counts().sessions_in, 2);
		assert_true(session_retrieve("beta") >= 0);
	} else if (effect >= FILE0 && effect <= FILE2) {
		fd = session_retrieve("alpha");
		assert_true(fd >= 0);
		/* A token that belongs to two files answers for the first. */
		assert_file(fd, 100, effect != FILE0);
		if (strcmp(name, "token_twice"))
			assert_file(fd, 101, effect != FILE1);
		assert_file(fd, 102, effect != FILE2);
		assert_int_equal(counts().files_in, 4);
	} else if (effect == BOTH) {
		/* A block that says more than its parent is not believed at all. */
		assert_true(luo_core_idle());
	} else {
		assert_true(session_retrieve("alpha") >= 0);
	}
	/* Nothing that was not understood is ever handed out. */
	assert_true(want != -EUCLEAN || !arena_count(FRAME_FREE) || effect != NOTHING ||
		    arena_state(ARENA_DATA + 5000) == FRAME_RESERVED);
	for (fd = 0; fd < SHIM_MAX_FDS; fd++)
		if (shim_fds[fd])
			fd_close(fd);
	image_end(true);
	image = sample;
}

static void test_resealed(void **state)
{
#define C(name, ret, effect, change) do { (void)(change); check(#name, ret, effect); } while (0);
	CASES
#undef C
}

/* A damaged file is never handed out, and its memory neither. */
static void test_damaged_file_keeps_memory(void **state)
{
	unsigned long before;
	int fd;

	pages(1)->hdr.nonce = 0;
	image_seal(&image);
	assert_int_equal(image_receive(&image), -EUCLEAN);
	before = arena_count(FRAME_RELEASED);
	fd = session_retrieve("alpha");
	assert_int_equal(session_retrieve_fd(fd, 101), -EIO);
	assert_int_equal(session_retrieve_fd(fd, 101), -EIO);
	assert_int_equal(session_finish(fd), 0);
	/* The two others' pages and blocks, and nothing of the damaged one. */
	assert_int_equal(arena_count(FRAME_RELEASED), before + LUO_EXTENTS_FIRST + 3 + 2);
	assert_string_equal(events, "C0 C2 X2 X0 ");
	fd_close(fd);
	image_end(true);
}

/* What an older kernel left behind, or another machine. */
static void test_foreign(void **state)
{
	unsigned int i;

	for (i = 0; i < image.nr; i++)
		((struct luo_block_ser *)image.block[i])->nonce++;
	check("foreign", -EINVAL, ALL_LOST);

	/* Stale: one block of each kind is of an earlier freeze of another boot. */
	for (i = 1; i < image.nr; i++) {
		((struct luo_block_ser *)image.block[i])->nonce++;
		image_seal(&image);
		assert_int_equal(image_receive(&image), -EUCLEAN);
		image_end(true);
		image = sample;
	}
	/* Blocks that are not there at all. */
	for (i = 1; i < image.nr; i++) {
		memset(image.block[i], 0, LUO_BLOCK_SIZE);
		assert_int_equal(image_receive(&image), -EUCLEAN);
		image_end(true);
		image = sample;
	}
}

/* Carry-over may bring two of one name: the newest answers. */
static void test_same_name_other_generation(void **state)
{
	struct liveupdate_ioctl_retrieve_generation arg = { .size = sizeof(arg) };
	int older, fd;

	for (older = 0; older < 2; older++) {
		strcpy(session(1)->name, "alpha");
		session(older)->generation = 7;
		session(!older)->generation = 8;
		root()->generation = 8;
		image_seal(&image);
		assert_int_equal(image_receive(&image), 0);
		assert_int_equal(counts().sessions_in, 2);
		fd = session_retrieve("alpha");
		/* alpha has 102, the other has not */
		if (older)
			assert_true(session_retrieve_fd(fd, 102) >= 0);
		else
			assert_int_equal(session_retrieve_fd(fd, 102), -ENOENT);
		/* The other one by its generation only. */
		strcpy((char *)arg.name, "alpha");
		arg.generation = 8;
		assert_int_equal(dev_ioctl(LIVEUPDATE_IOCTL_RETRIEVE_GENERATION, &arg), -EINVAL);
		arg.generation = 7;
		assert_int_equal(dev_ioctl(LIVEUPDATE_IOCTL_RETRIEVE_GENERATION, &arg), 0);
		assert_int_equal(session_retrieve_fd(arg.fd, 102) >= 0, !older);
		assert_int_equal(session_set_flags(arg.fd, LIVEUPDATE_SESSION_KEEP_ON_CLOSE), 0);
		fd_close(arg.fd);
		fd_close(fd);
		assert_int_equal(counts().sessions_in, 1);
		/* Now the name is the older one's. */
		fd = session_retrieve("alpha");
		assert_int_equal(session_retrieve_fd(fd, 102) >= 0, !older);
		for (fd = 0; fd < SHIM_MAX_FDS; fd++)
			if (shim_fds[fd])
				fd_close(fd);
		image_end(true);
		image = sample;
	}
}

/* It can be dropped, so that it is not counted for ever; its memory cannot. */
static void test_drop_damaged(void **state)
{
	struct liveupdate_ioctl_drop_session arg = { .size = sizeof(arg), .name = "alpha" };
	unsigned long before;

	session(0)->flags = 1ULL << 63;
	image_seal(&image);
	assert_int_equal(image_receive(&image), -EUCLEAN);
	assert_int_equal(session_retrieve("alpha"), -EIO);
	before = arena_count(FRAME_RELEASED);
	assert_int_equal(dev_ioctl(LIVEUPDATE_IOCTL_DROP_SESSION, &arg), 0);
	assert_int_equal(arena_count(FRAME_RELEASED), before);
	assert_int_equal(session_retrieve("alpha"), -ENOENT);
	assert_int_equal(counts().sessions_in, 1);
	assert_int_equal(counts().pages_in, models[3].runs);
	image_end(true);
}

/* Anything, anywhere, with the checksums of a writer who means it. */
static void test_random(void **state)
{
	static const u64 values[] = {
		0, 1, 2, 3, 7, 42, 0xfff, 0x1000, ~0ULL, 1ULL << 63, 1ULL << 40, 1ULL << 52,
	};
	unsigned int round, n, block, offset, used;
	unsigned long went = 0;
	int err, sound = 0;

	models_hostile = true;
	rnd_seed();
	for (round = 0; round < 30000; round++) {
		for (n = 1 + rnd_below(4); n--; ) {
			block = rnd_below(image.nr);
			used = rnd_below(3) ? 160 : 720;
			offset = rnd_below(used / 4) * 4;
			switch (rnd_below(4)) {
			case 0:
				image.block[block][offset] ^= 1 << rnd_below(8);
				break;
			case 1:
				memcpy(&image.block[block][offset], &values[rnd_below(12)],
				       rnd_below(2) ? 4 : 8);
				break;
			case 2:	/* the address of some block */
				*(u64 *)&image.block[block][offset / 8 * 8] =
					image.pfn[rnd_below(image.nr)] * LUO_BLOCK_SIZE;
				break;
			case 3:	/* a piece of another block */
				memcpy(&image.block[block][offset],
				       &image.block[rnd_below(image.nr)][offset], 16);
				break;
			}
		}
		image_seal(&image);
		err = image_receive(&image);
		assert_true(err == 0 || err == -EUCLEAN || err == -EINVAL ||
			    err == -EPROTONOSUPPORT);
		sound += !err;
		/* Whatever came, what goes on from here is sound. */
		if (!(round % 64)) {
			assert_int_equal(kexec_do(), 0);
			went += counts().files_in;
		}
		image_end(true);
		image = sample;
	}
	printf("# %u of %u were sound\n", sound, round);
	assert_true(went > round / 64);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, init, done)
	const struct CMUnitTest tests[] = {
		T(test_resealed), T(test_damaged_file_keeps_memory), T(test_foreign),
		T(test_same_name_other_generation), T(test_drop_damaged), T(test_random), T(test_bit_flips),
	};

	return cmocka_run_group_tests_name("corrupt", tests, NULL, NULL);
}
