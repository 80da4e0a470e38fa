// SPDX-License-Identifier: GPL-2.0-only
/* The handover image: what is written arrives, and looks as it always did. */
#include "image.h"

static struct image image;

static struct luo_counts counts(void)
{
	struct luo_counts c;

	luo_core_counts(&c);
	return c;
}

static void test_round_trip(void **state)
{
	struct luo_root_ser *root;
	unsigned int runs = LUO_EXTENTS_FIRST + 5;
	u64 i;
	int fd;

	image_sample(&image, runs);
	/* root, holes, FLBs, sessions, memory, files of both, pages of three and one more */
	assert_int_equal(image.nr, 1 + 1 + 1 + 1 + 1 + 2 + 3 + 1);
	assert_int_equal(image_receive(&image), 0);

	assert_int_equal(counts().sessions_in, 2);
	assert_int_equal(counts().files_in, 4);
	assert_int_equal(counts().pages_in, runs + 3);
	assert_int_equal(counts().memory_in, 4 + 3);
	root = arena_ops.block_virt(image.root);
	assert_int_equal(root->stamp[LUO_STAMP_JUMP], 0x123456789);
	assert_string_equal(root->release, "6.1.0-shim");
	assert_int_equal(root->generation, 1);

	/* Claimed: blocks, pages, holes, and nothing else. */
	for (i = ARENA_PFN; i < ARENA_DATA; i++)
		assert_int_equal(luo_claimed(&arena_claims, i),
				 !!image_block(&image, i * LUO_BLOCK_SIZE));
	for (i = 0; i < runs + 3; i++) {
		assert_true(luo_claimed(&arena_claims, ARENA_DATA + 2 * i));
		assert_false(luo_claimed(&arena_claims, ARENA_DATA + 2 * i + 1));
	}
	assert_true(luo_claimed(&arena_claims, ARENA_DATA + 6001));
	assert_false(luo_claimed(&arena_claims, ARENA_DATA + 6002));
	assert_true(luo_claimed(&arena_claims, ARENA_DATA + 6100));
	for (i = 6190; i < 6220; i++)
		assert_int_equal(luo_claimed(&arena_claims, ARENA_DATA + i),
				 (i >= 6200 && i < 6204) || (i >= 6210 && i < 6213));

	/* Blocks of records are not needed any more: holes, FLBs, sessions, memory, two of files. */
	assert_int_equal(arena_count(FRAME_RELEASED), 6);
	assert_int_equal(flb_register(1), 0);

	fd = session_retrieve("alpha");
	assert_true(session_retrieve_fd(fd, 100) >= 0);
	assert_int_equal(models[0].pages_seen, runs);
	assert_true(session_retrieve_fd(fd, 102) >= 0);
	fd_close(fd);
	assert_int_equal(arena_count(FRAME_RELEASED), 6 + runs + 2 + 1 + 1);
	fd = session_retrieve("beta");
	assert_int_equal(session_finish(fd), 0);
	assert_int_equal(arena_count(FRAME_RELEASED), 6 + runs + 2 + 1 + 1 + 2 + 1);
	assert_non_null(strstr(events, "X3 r1 x1 "));
	/* That of handlers is not freed with the sessions. */
	assert_int_equal(counts().memory_in, 4 + 3);
}

static void test_empty(void **state)
{
	assert_int_equal(kexec_do(), 0);
	assert_true(luo_core_idle());
	assert_int_equal(counts().generation, 1);
}

static void test_many_holes(void **state)
{
	unsigned int nr = LUO_EXTENTS_FURTHER * 2 + 1, i;
	struct luo_range *holes = calloc(nr, sizeof(*holes));
	struct luo_root_ser *root;

	for (i = 0; i < nr; i++)
		holes[i] = (struct luo_range){ ARENA_DATA + 3 * i, ARENA_DATA + 3 * i + 1 };
	shim_chances = 0;
	shim_fail_at = 3;
	assert_int_equal(luo_core_reserve_holes(nr), -ENOMEM);
	assert_int_equal(arena_blocks, 1);
	shim_fail_at = 0;
	assert_int_equal(luo_core_reserve_holes(nr), 0);
	assert_int_equal(arena_blocks, 1 + 3);
	assert_int_equal(luo_core_reserve_holes(1), 0);
	assert_int_equal(arena_blocks, 1 + 3);

	/* Setting them twice, and fewer than there is room for, is fine. */
	assert_int_equal(luo_core_freeze(&root), 0);
	assert_int_equal(luo_core_set_holes(holes, nr), 0);
	assert_int_equal(luo_core_set_holes(holes, 1), 0);
	assert_int_equal(((struct luo_block_ser *)arena_ops.block_virt(root->holes))->next, 0);
	luo_core_thaw();
	assert_int_equal(luo_core_freeze(&root), 0);
	assert_int_equal(luo_core_set_holes(holes, nr), 0);
	assert_int_equal(root->nr_holes, nr);
	luo_core_thaw();
	free(holes);
}

/*
 * Format 1, for ever: "block offset bytes" of everything that is not zero. A
 * failure here means that kernels in the field could not read what we write.
 * SHIM_GOLDEN=1 prints what is written now.
 */
static const char *const golden[] = {
#include "golden-1.inc"
};

static void golden_line(char *line, unsigned int block, unsigned int offset)
{
	unsigned int i;

	line += sprintf(line, "%u %03x ", block, offset);
	for (i = 0; i < 32; i++)
		line += sprintf(line, "%02x", image.block[block][offset + i]);
}

static void test_golden_write(void **state)
{
	static const u8 zero[32];
	unsigned int block, offset, n = 0;
	char line[96];

	image_sample(&image, 3);
	for (block = 0; block < image.nr; block++) {
		assert_int_equal(image.pfn[block], ARENA_PFN + block);
		for (offset = 0; offset < LUO_BLOCK_SIZE; offset += 32) {
			if (!memcmp(&image.block[block][offset], zero, 32))
				continue;
			golden_line(line, block, offset);
			if (getenv("SHIM_GOLDEN")) {
				printf("\t\"%s\",\n", line);
				continue;
			}
			assert_true(n < ARRAY_SIZE(golden));
			assert_string_equal(line, golden[n++]);
		}
	}
	assert_true(n == ARRAY_SIZE(golden) || getenv("SHIM_GOLDEN"));
	assert_int_equal(start(), 0);
}

static void test_golden_read(void **state)
{
	unsigned int i, j, block, offset, byte;
	struct luo_extent piece;
	int at, fd;

	stop();
	memset(&image, 0, sizeof(image));
	for (i = 0; i < ARRAY_SIZE(golden); i++) {
		assert_int_equal(sscanf(golden[i], "%u %x %n", &block, &offset, &at), 2);
		assert_true(block < IMAGE_BLOCKS);
		for (j = 0; j < 32; j++) {
			assert_int_equal(sscanf(golden[i] + at + 2 * j, "%2x", &byte), 1);
			image.block[block][offset + j] = byte;
		}
		image.pfn[block] = ARENA_PFN + block;
		image.nr = block + 1;
	}
	image.root = (u64)ARENA_PFN * LUO_BLOCK_SIZE;
	assert_int_equal(image_receive(&image), 0);
	assert_int_equal(counts().pages_in, 6);
	assert_int_equal(counts().memory_in, 7);
	assert_int_equal(luo_memory_take(ARENA_DATA + 6200, 0, &piece), 0);
	assert_int_equal(piece.order, 2);
	luo_memory_settle(ARENA_DATA + 6200);
	assert_int_equal(luo_memory_take(ARENA_DATA + 6210, 3, &piece), 0);
	luo_memory_settle(ARENA_DATA + 6210);
	fd = session_retrieve("alpha");
	for (i = 100; i < 103; i++)
		assert_true(session_retrieve_fd(fd, i) >= 0);
	assert_string_equal(events, "R0 R1 R2 ");
	assert_int_equal(models[0].pages_seen, 3);

	/* Files 101, 102 and 100 of beta depend on 0, the last two of them on 1. */
	assert_int_equal(flb_get_incoming(0), 0);
	liveupdate_flb_put_incoming(&model_flbs[0].flb);
	assert_int_equal(flb_get_incoming(2), -ENOENT);
	assert_int_equal(flb_register(1), 0);
	events[0] = '\0';
	fd_close(fd);
	assert_string_equal(events, "C0 C1 C2 X2 X1 X0 ");
	fd_close(session_retrieve("beta"));
	assert_string_equal(events, "C0 C1 C2 X2 X1 X0 C3 X3 r1 x1 x0 ");
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_round_trip), T(test_empty), T(test_many_holes),
		T(test_golden_write), T(test_golden_read),
	};

	return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
