/* SPDX-License-Identifier: GPL-2.0-only */
/* A sample image, taken out of the arena and put back as often as one likes. */
#ifndef IMAGE_H
#define IMAGE_H

#include "support.h"

#define IMAGE_BLOCKS 32

struct image {
	u64 root;
	unsigned int nr;
	u64 pfn[IMAGE_BLOCKS];
	u8 block[IMAGE_BLOCKS][LUO_BLOCK_SIZE];
};

/* Writes the sample: sessions "alpha" and "beta", files, FLBs, pages,
 * holes, and two pieces of memory of handlers.
 */
void image_sample(struct image *image, unsigned int runs);
/* Freezes, takes what a kexec would leave, and ends this kernel. */
void image_take(struct image *image, const struct luo_range *holes, unsigned int nr);
/* The next kernel finds it. Returns what luo_core_receive() says. */
int image_receive(const struct image *image);
/* Ends that kernel; everything it knows of is asked for first if @use. */
void image_end(bool use);

void *image_block(struct image *image, u64 phys);
void *image_first(struct image *image, u32 magic);
void image_seal(struct image *image);

#endif /* IMAGE_H */
