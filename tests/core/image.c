// SPDX-License-Identifier: GPL-2.0-only
#include "image.h"

void image_take(struct image *image, const struct luo_range *holes, unsigned int nr)
{
	struct luo_root_ser *root;

	assert_int_equal(luo_core_freeze(&root), 0);
	assert_int_equal(luo_core_set_holes(holes, 0), 0);
	assert_int_equal(root->holes, 0);
	assert_int_equal(luo_core_set_holes(holes, LUO_EXTENTS_FURTHER + 1), -ENOSPC);
	assert_int_equal(luo_core_set_holes(holes, nr), 0);
	luo_core_seal_root();
	root->stamp[LUO_STAMP_JUMP] = 0x123456789;	/* behind the seal */

	memset(image, 0, sizeof(*image));
	image->root = arena_ops.block_phys(root);
	for (u64 pfn = ARENA_PFN; pfn < ARENA_DATA; pfn++) {
		if (arena_state(pfn) != FRAME_BLOCK)
			continue;
		assert(image->nr < IMAGE_BLOCKS);
		image->pfn[image->nr] = pfn;
		memcpy(image->block[image->nr++], arena_virt(pfn), LUO_BLOCK_SIZE);
	}
	luo_core_thaw();
}

void image_sample(struct image *image, unsigned int runs)
{
	struct luo_range holes[] = {
		{ ARENA_DATA + 6000, ARENA_DATA + 6002 },
		{ ARENA_DATA + 6100, ARENA_DATA + 6101 },
	};
	int alpha, beta, i;

	assert_int_equal(luo_core_reserve_holes(1), 0);
	assert_int_equal(luo_core_reserve_holes(2), 0);
	alpha = session_create("alpha");
	beta = session_create("beta");
	models[0].runs = runs;
	models[1].runs = 1;
	models[3].runs = 2;
	/* The first file depends on nothing, the second on one, the third on two. */
	for (i = 0; i < 3; i++) {
		assert_int_equal(session_preserve_model(alpha, 100 + i, i), 0);
		assert_int_equal(i < 2 ? flb_register(i) : 0, 0);
	}
	assert_int_equal(session_preserve_model(beta, 100, 3), 0);
	assert_int_equal(luo_memory_preserve(ARENA_DATA + 6200, 2, 1), 0);
	assert_int_equal(luo_memory_preserve(ARENA_DATA + 6210, 0, 3), 0);

	image_take(image, holes, ARRAY_SIZE(holes));
	assert_true(luo_memory_unpreserve(ARENA_DATA + 6200, 2, 1));
	assert_true(luo_memory_unpreserve(ARENA_DATA + 6210, 0, 3));
	stop();
}

int image_receive(const struct image *image)
{
	unsigned int i;

	for (i = 0; i < image->nr; i++)
		memcpy(arena_virt(image->pfn[i]), image->block[i], LUO_BLOCK_SIZE);
	events[0] = '\0';
	arena_trust();
	return kexec_arrive(image->root);
}

void image_end(bool use)
{
	static const char *const names[] = { "alpha", "beta" };
	struct luo_extent piece;
	u64 token;
	int fd, file, i;

	/* What a handler gets is claimed, and for the first time: or release() aborts. */
	if (use && !luo_memory_take(ARENA_DATA + 6200, 0, &piece)) {
		luo_mem->release(piece.pfn, luo_extent_pages(&piece));
		luo_memory_settle(piece.pfn);
	}
	if (use && !luo_memory_take(ARENA_DATA + 6210, 3, &piece)) {
		luo_mem->release(piece.pfn, luo_extent_pages(&piece));
		luo_memory_settle(piece.pfn);
	}

	for (i = 0; use && i < 2; i++) {
		flb_register(i);
		if (!flb_get_incoming(i))
			liveupdate_flb_put_incoming(&model_flbs[i].flb);
	}
	for (i = 0; use && i < 2; i++) {
		fd = session_retrieve(names[i]);
		for (token = 99; fd >= 0 && token < 104; token++) {
			file = session_retrieve_fd(fd, token);
			if (file >= 0)
				fd_close(file);
		}
		if (fd >= 0)
			fd_close(fd);
	}
	luo_core_exit();
	shim_task_work();
	liveupdate_unregister_file_handler(&model_handler);
}

void *image_block(struct image *image, u64 phys)
{
	unsigned int i;

	for (i = 0; i < image->nr; i++)
		if (image->pfn[i] == phys / LUO_BLOCK_SIZE)
			return image->block[i];
	return NULL;
}

void *image_first(struct image *image, u32 magic)
{
	unsigned int i;

	for (i = 0; i < image->nr; i++)
		if (((struct luo_block_ser *)image->block[i])->magic == magic)
			return image->block[i];
	return NULL;
}

void image_seal(struct image *image)
{
	unsigned int i;

	for (i = 0; i < image->nr; i++)
		luo_block_seal(image->block[i]);
}
