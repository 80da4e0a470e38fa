/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the core share with each other and with nobody else.
 */
#ifndef LUO_INTERNAL_H
#define LUO_INTERNAL_H

#include "luo_core.h"

/* ---------------------------------------------------- blocks (luo_pages.c) */

/* The keeper of memory, and the nonce in every block; set by luo_core_init(). */
extern const struct luo_mem_ops *luo_mem;
extern u64 luo_nonce;

void *luo_block_new(u32 magic, u32 seq);
void luo_block_seal(void *block);
bool luo_block_sound(const void *block);
void *luo_block_next(const void *block);
void luo_block_list_free(void *block);

/* Where the extents of a block of pages or extents start, and how many fit. */
struct luo_extent_ser *luo_block_extents(const void *block);
unsigned int luo_block_max_extents(const void *block);

void luo_extent_pack(const struct luo_extent *ext, struct luo_extent_ser *ser);
void luo_extent_unpack(const struct luo_extent_ser *ser, struct luo_extent *ext);

#endif /* LUO_INTERNAL_H */
