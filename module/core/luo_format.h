/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What one kernel leaves for the next: the handover image, format 1.
 */
#ifndef LUO_FORMAT_H
#define LUO_FORMAT_H

#include "luo_plat.h"

/**
 * DOC: Handover image
 *
 * The image is a tree of blocks. A block is one page (4096 bytes) that starts
 * with &struct luo_block_ser, carries a CRC32C of itself and the nonce of the
 * kernel that wrote it, and names the next block of its list by physical
 * address. All numbers are little endian and of fixed width; no struct of any
 * kernel is in it.
 *
 *   root ──► sessions ──► files ──► pages: extents of one file
 *     ├────► FLBs: state that files share
 *     ├────► memory of handlers: pieces that are theirs to ask for
 *     └────► holes: runs of page frames inside the covering ranges that the
 *                   writer did not manage, and nobody may ever free
 *
 * The reader treats all of it as hostile: a block must lie in a covering range
 * of this boot's reservation chain and nowhere else be claimed, lists are
 * bounded by the counts in their parent, and what does not check out stays
 * reserved.
 *
 * Formats: 1 is the first.
 */
#define LUO_FORMAT_MIN		1
#define LUO_FORMAT_MAX		1

#define LUO_MAX_GENERATION	(1ULL << 48)

#define LUO_BLOCK_SIZE		4096

/* Magic numbers, "LUO" and a letter, as they lie in memory. */
#define LUO_MAGIC_ROOT		0x524f554c	/* "LUOR" */
#define LUO_MAGIC_SESSIONS	0x534f554c	/* "LUOS" */
#define LUO_MAGIC_FILES		0x464f554c	/* "LUOF" */
#define LUO_MAGIC_PAGES		0x504f554c	/* "LUOP": first block of a file */
#define LUO_MAGIC_EXTENTS	0x454f554c	/* "LUOE": its further blocks */
#define LUO_MAGIC_HOLES		0x484f554c	/* "LUOH" */
#define LUO_MAGIC_FLBS		0x424f554c	/* "LUOB": what is bound to files */
#define LUO_MAGIC_MEMORY	0x4d4f554c	/* "LUOM": memory of handlers */

/**
 * struct luo_block_ser - head of every block
 * @magic: kind of the block
 * @crc:   CRC32C (seed ~0, not inverted) of the block, with this field 0
 * @nonce: of the writing kernel's boot, the same in all blocks of an image
 * @next:  physical address of the next block of the list, 0 in the last
 * @nr:    records that follow
 * @seq:   place in the list, from 0
 */
struct luo_block_ser {
	__le32 magic;
	__le32 crc;
	__le64 nonce;
	__le64 next;
	__le32 nr;
	__le32 seq;
} __packed;

/* Points of the blackout, in TSC ticks of this machine. */
enum luo_stamp {
	LUO_STAMP_FREEZE,	/* reboot(2) has been called */
	LUO_STAMP_FROZEN,	/* all sessions frozen, image written */
	LUO_STAMP_JUMP,		/* last moment that the old kernel can note */
	LUO_NR_STAMPS = 8,
};

/**
 * struct luo_root_ser - the one block from which all others are reached
 * @hdr:        its @nr is 1
 * @format:     format of the image
 * @pad:        zero
 * @release:    the writing kernel, for messages only
 * @generation: live updates since the machine was started, from 1 to LUO_MAX_GENERATION
 * @sessions:   physical address of the first block of sessions, 0 for none
 * @nr_sessions: sessions in all blocks
 * @nr_files:   files of all sessions
 * @nr_pages:   4 KiB pages of all files
 * @holes:      physical address of the first block of holes, 0 for none
 * @nr_holes:   records in all of them
 * @flbs:       physical address of the block of FLBs, 0 for none
 * @nr_flbs:    records in it
 * @tsc_khz:    frequency of the TSC, 0 if it cannot be compared
 * @stamp:      see &enum luo_stamp; counts as 0 in @hdr.crc, so that it can be
 *              written when the root is sealed
 * @memory:     physical address of the first block of handlers' memory, 0 for
 *              none
 * @nr_memory:  records in all of them
 */
struct luo_root_ser {
	struct luo_block_ser hdr;
	__le32 format;
	__le32 pad;
	char release[64];
	__le64 generation;
	__le64 sessions;
	__le64 nr_sessions;
	__le64 nr_files;
	__le64 nr_pages;
	__le64 holes;
	__le64 nr_holes;
	__le64 flbs;
	__le64 nr_flbs;
	__le64 tsc_khz;
	__le64 stamp[LUO_NR_STAMPS];
	__le64 memory;
	__le64 nr_memory;
} __packed;

#define LUO_SESSION_NAME_SER	64

/**
 * struct luo_session_ser - one session
 * @name:       NUL-terminated and NUL-padded
 * @files:      physical address of the first block of files, 0 for none
 * @nr_files:   files in all blocks
 * @flags:      none yet, zero
 * @generation: of the update that first carried it
 */
struct luo_session_ser {
	char name[LUO_SESSION_NAME_SER];
	__le64 files;
	__le64 nr_files;
	__le64 flags;
	__le64 generation;
} __packed;

#define LUO_COMPAT_SER		48

/**
 * struct luo_file_ser - one preserved file
 * @compatible: handler that can restore it, NUL-terminated and NUL-padded
 * @token:      the user's name of it
 * @data:       the handler's own number
 * @pages:      physical address of its first page block, 0 for none
 * @nr_pages:   4 KiB pages in all its extents
 * @nr_blocks:  page blocks
 * @flbs:       bit n: it depends on the nth FLB of the image
 */
struct luo_file_ser {
	char compatible[LUO_COMPAT_SER];
	__le64 token;
	__le64 data;
	__le64 pages;
	__le64 nr_pages;
	__le64 nr_blocks;
	__le64 flbs;
} __packed;

/**
 * struct luo_flb_ser - state that files share
 * @compatible: FLB that can restore it, NUL-terminated and NUL-padded
 * @data:       its own number
 * @count:      files in the image that depend on it; may be 0
 */
struct luo_flb_ser {
	char compatible[LUO_COMPAT_SER];
	__le64 data;
	__le64 count;
} __packed;

/**
 * struct luo_extent_ser - run of folios that follow each other in both the
 *                         file and memory
 * @index: bits 0-51: place of the first in the file, in pages;
 *         bits 52-57: order of each folio; bits 58-63: LUO_EXTENT_* flags
 * @where: bits 0-39: page frame number of the first; bits 40-63: folios
 *
 * In a block of holes @index counts page frames and @where is the first one.
 *
 * In a block of handlers' memory a record is one piece: one folio, or any
 * number of order 0. Place and flags are 0.
 */
struct luo_extent_ser {
	__le64 index;
	__le64 where;
} __packed;

/* Contents are valid; pages of an extent without it are zeroed when restored. */
#define LUO_EXTENT_UPTODATE	0x01
#define LUO_EXTENT_FLAGS	LUO_EXTENT_UPTODATE

#define LUO_EXTENT_INDEX_BITS	52
#define LUO_EXTENT_ORDER_BITS	6
#define LUO_EXTENT_PFN_BITS	40
#define LUO_EXTENT_MAX_COUNT	((1U << 24) - 1)
/* Of the 63 that fit; 18 is 1 GiB. Index and page frame are aligned to it. */
#define LUO_EXTENT_MAX_ORDER	18

/* A file's first page block carries what its handler wants to keep of it. */
#define LUO_BLOB_SIZE		512

struct luo_pages_ser {
	struct luo_block_ser hdr;
	u8 blob[LUO_BLOB_SIZE];
	struct luo_extent_ser extent[];
} __packed;

struct luo_extents_ser {
	struct luo_block_ser hdr;
	struct luo_extent_ser extent[];
} __packed;

#define LUO_SESSIONS_PER_BLOCK \
	((LUO_BLOCK_SIZE - sizeof(struct luo_block_ser)) / sizeof(struct luo_session_ser))
#define LUO_FILES_PER_BLOCK \
	((LUO_BLOCK_SIZE - sizeof(struct luo_block_ser)) / sizeof(struct luo_file_ser))
/* A file's set of them is one number, and their list is one block. */
#define LUO_FLBS_MAX \
	((LUO_BLOCK_SIZE - sizeof(struct luo_block_ser)) / sizeof(struct luo_flb_ser))
#define LUO_EXTENTS_FIRST \
	((LUO_BLOCK_SIZE - sizeof(struct luo_pages_ser)) / sizeof(struct luo_extent_ser))
#define LUO_EXTENTS_FURTHER \
	((LUO_BLOCK_SIZE - sizeof(struct luo_extents_ser)) / sizeof(struct luo_extent_ser))

#endif /* LUO_FORMAT_H */
