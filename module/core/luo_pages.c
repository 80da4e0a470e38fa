// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Blocks, and the pages of one file
 *
 * Everything that goes into the handover image lies in blocks: pages of 4096
 * bytes that the keeper of memory (&struct luo_mem_ops) has promised to keep
 * where they are. Blocks of one kind form a list by physical address. A block
 * is *sealed* when its checksum is right; whoever changes a block seals it
 * before the image is handed over.
 *
 * A file's pages are one such list. Its first block has room for a blob of the
 * file's handler, all blocks hold extents. While a file is preserved extents
 * are appended; the freeze may give single blocks other extents. A block whose
 * extents no longer fit gets new blocks behind it. That shifts the sequence
 * numbers of everything that follows, so these are put right once, in
 * luo_pages_seal(), and not at each insertion.
 *
 * Life: luo_pages_init() - append, replace, blob, in any order -
 * luo_pages_seal() - either the next kernel reads it, or
 * luo_pages_destroy(). In the next kernel the list is read-only, and only
 * walked after luo_image.c has validated every block of it.
 *
 * Unhappy ways: no memory for a block leaves the list as it was. Extents that
 * cannot be expressed in the image, or that go backwards, are a fault of the
 * caller: they are refused with a warning.
 *
 * Locks: none of its own; the owner of the file serialises.
 */
#include "luo_internal.h"

const struct luo_mem_ops *luo_mem;
u64 luo_nonce;

/* A block must be able to say everything in one page. */
static_assert(sizeof(struct luo_root_ser) <= LUO_BLOCK_SIZE);
static_assert(sizeof(struct luo_block_ser) == 32);
static_assert(sizeof(struct luo_extent_ser) == 16);

/**
 * luo_block_new() - an empty block that is part of no list yet
 * @magic: its kind
 * @seq:   its place
 *
 * Return: the block, not sealed; NULL without memory.
 */
void *luo_block_new(u32 magic, u32 seq)
{
	struct luo_block_ser *hdr = luo_mem->block_alloc();

	if (!hdr)
		return NULL;

	hdr->magic = cpu_to_le32(magic);
	hdr->nonce = cpu_to_le64(luo_nonce);
	hdr->seq = cpu_to_le32(seq);
	return hdr;
}

/*
 * The checksum of a block as if its crc field were 0. In the root the stamps
 * count as 0 too: they are written when the block has long been sealed.
 */
static u32 luo_block_crc(const void *block)
{
	static const u8 zero[sizeof_field(struct luo_root_ser, stamp)];
	const struct luo_block_ser *hdr = block;
	const u8 *p = block;
	size_t from = offsetofend(struct luo_block_ser, crc);
	u32 crc = ~0U;

	crc = luo_crc32c(crc, p, offsetof(struct luo_block_ser, crc));
	crc = luo_crc32c(crc, zero, sizeof(hdr->crc));
	if (hdr->magic == cpu_to_le32(LUO_MAGIC_ROOT)) {
		crc = luo_crc32c(crc, p + from,
				 offsetof(struct luo_root_ser, stamp) - from);
		crc = luo_crc32c(crc, zero, sizeof(zero));
		from = offsetofend(struct luo_root_ser, stamp);
	}
	return luo_crc32c(crc, p + from, LUO_BLOCK_SIZE - from);
}

void luo_block_seal(void *block)
{
	struct luo_block_ser *hdr = block;

	hdr->crc = cpu_to_le32(luo_block_crc(block));
}

bool luo_block_sound(const void *block)
{
	const struct luo_block_ser *hdr = block;

	return le32_to_cpu(hdr->crc) == luo_block_crc(block);
}

/* Only for lists that were written or validated by us. */
void *luo_block_next(const void *block)
{
	const struct luo_block_ser *hdr = block;
	u64 next = le64_to_cpu(hdr->next);

	return next ? luo_mem->block_virt(next) : NULL;
}

void luo_block_list_free(void *block)
{
	while (block) {
		void *next = luo_block_next(block);

		luo_mem->block_free(block);
		block = next;
	}
}

struct luo_extent_ser *luo_block_extents(const void *block)
{
	const struct luo_block_ser *hdr = block;

	if (hdr->magic == cpu_to_le32(LUO_MAGIC_PAGES))
		return ((struct luo_pages_ser *)block)->extent;
	return ((struct luo_extents_ser *)block)->extent;
}

unsigned int luo_block_max_extents(const void *block)
{
	const struct luo_block_ser *hdr = block;

	if (hdr->magic == cpu_to_le32(LUO_MAGIC_PAGES))
		return LUO_EXTENTS_FIRST;
	return LUO_EXTENTS_FURTHER;
}

void luo_extent_pack(const struct luo_extent *ext, struct luo_extent_ser *ser)
{
	ser->index = cpu_to_le64(ext->index |
				 (u64)ext->order << LUO_EXTENT_INDEX_BITS |
				 (u64)ext->flags << (LUO_EXTENT_INDEX_BITS +
						     LUO_EXTENT_ORDER_BITS));
	ser->where = cpu_to_le64(ext->pfn |
				 (u64)ext->count << LUO_EXTENT_PFN_BITS);
}

void luo_extent_unpack(const struct luo_extent_ser *ser, struct luo_extent *ext)
{
	u64 index = le64_to_cpu(ser->index), where = le64_to_cpu(ser->where);

	ext->index = index & GENMASK_ULL(LUO_EXTENT_INDEX_BITS - 1, 0);
	index >>= LUO_EXTENT_INDEX_BITS;
	ext->order = index & GENMASK_ULL(LUO_EXTENT_ORDER_BITS - 1, 0);
	ext->flags = index >> LUO_EXTENT_ORDER_BITS;
	ext->pfn = where & GENMASK_ULL(LUO_EXTENT_PFN_BITS - 1, 0);
	ext->count = where >> LUO_EXTENT_PFN_BITS;
}

unsigned int luo_block_nr_extents(const void *block)
{
	const struct luo_block_ser *hdr = block;

	return le32_to_cpu(hdr->nr);
}

void luo_block_extent(const void *block, unsigned int i, struct luo_extent *ret)
{
	luo_extent_unpack(&luo_block_extents(block)[i], ret);
}

/* Can the image express it? */
bool luo_extent_fits(const struct luo_extent *ext)
{
	return ext->count && ext->count <= LUO_EXTENT_MAX_COUNT &&
	       ext->order <= LUO_EXTENT_MAX_ORDER &&
	       !(ext->flags & ~LUO_EXTENT_FLAGS) &&
	       ext->pfn + luo_extent_pages(ext) <= BIT_ULL(LUO_EXTENT_PFN_BITS) &&
	       ext->index + luo_extent_pages(ext) <= BIT_ULL(LUO_EXTENT_INDEX_BITS) &&
	       !((ext->pfn | ext->index) & (BIT_ULL(ext->order) - 1));
}

int luo_pages_init(struct luo_pages *pages)
{
	void *block = luo_block_new(LUO_MAGIC_PAGES, 0);

	if (!block)
		return -ENOMEM;

	*pages = (struct luo_pages){
		.head = block,
		.tail = block,
		.nr_blocks = 1,
	};
	luo_block_seal(block);
	return 0;
}

void luo_pages_destroy(struct luo_pages *pages)
{
	luo_block_list_free(pages->head);
	*pages = (struct luo_pages){};
}

void *luo_pages_blob(struct luo_pages *pages)
{
	return pages->head ? ((struct luo_pages_ser *)pages->head)->blob : NULL;
}

void luo_pages_seal_blob(struct luo_pages *pages)
{
	if (pages->head)
		luo_block_seal(pages->head);
}

void luo_pages_seal(struct luo_pages *pages)
{
	struct luo_block_ser *hdr;
	u32 seq = 0;

	if (!pages->head)
		return;

	if (pages->renumber) {
		for (hdr = pages->head; hdr; hdr = luo_block_next(hdr), seq++) {
			if (le32_to_cpu(hdr->seq) == seq)
				continue;
			hdr->seq = cpu_to_le32(seq);
			luo_block_seal(hdr);
		}
		pages->renumber = false;
	}
	luo_block_seal(pages->tail);
}

/* Tries to make @ext part of the extent in front of it. */
static bool luo_extent_join(struct luo_extent_ser *ser, const struct luo_extent *ext)
{
	struct luo_extent last;

	luo_extent_unpack(ser, &last);
	if (last.order != ext->order || last.flags != ext->flags ||
	    last.index + luo_extent_pages(&last) != ext->index ||
	    last.pfn + luo_extent_pages(&last) != ext->pfn ||
	    last.count + ext->count > LUO_EXTENT_MAX_COUNT)
		return false;

	last.count += ext->count;
	luo_extent_pack(&last, ser);
	return true;
}

int luo_pages_append(struct luo_pages *pages, const struct luo_extent *ext)
{
	struct luo_block_ser *tail = pages->tail, *block;
	struct luo_extent_ser *ser = luo_block_extents(tail);
	u32 nr = le32_to_cpu(tail->nr);

	if (WARN_ON_ONCE(!luo_extent_fits(ext)))
		return -EINVAL;

	if (nr) {
		struct luo_extent last;

		luo_extent_unpack(&ser[nr - 1], &last);
		if (WARN_ON_ONCE(last.index + luo_extent_pages(&last) > ext->index))
			return -EINVAL;
		if (luo_extent_join(&ser[nr - 1], ext))
			goto out;
	}

	if (nr == luo_block_max_extents(tail)) {
		block = luo_block_new(LUO_MAGIC_EXTENTS, le32_to_cpu(tail->seq) + 1);
		if (!block)
			return -ENOMEM;

		tail->next = cpu_to_le64(luo_mem->block_phys(block));
		luo_block_seal(tail);
		pages->tail = block;
		pages->nr_blocks++;
		tail = block;
		ser = luo_block_extents(tail);
		nr = 0;
	}
	luo_extent_pack(ext, &ser[nr]);
	tail->nr = cpu_to_le32(nr + 1);
out:
	pages->nr_pages += luo_extent_pages(ext);
	return 0;
}

void *luo_pages_first(struct luo_pages *pages)
{
	return pages->head;
}

void *luo_pages_next(const void *block)
{
	return luo_block_next(block);
}

void *luo_pages_replace(struct luo_pages *pages, void *block,
			const struct luo_extent *ext, unsigned long nr)
{
	struct luo_block_ser *hdr = block, *first = NULL, *last = NULL, *new;
	unsigned int room = luo_block_max_extents(block), i, n;
	u32 seq = le32_to_cpu(hdr->seq);
	unsigned long rest, blocks = 0;
	struct luo_extent old;

	for (rest = 0; rest < nr; rest++)
		if (WARN_ON_ONCE(!luo_extent_fits(&ext[rest])))
			return ERR_PTR(-EINVAL);

	/* Everything that can fail comes before the first change. */
	for (rest = nr > room ? nr - room : 0; rest;
	     rest -= min_t(unsigned long, rest, LUO_EXTENTS_FURTHER)) {
		new = luo_block_new(LUO_MAGIC_EXTENTS, ++seq);
		if (!new)
			goto err_free;
		if (last)
			last->next = cpu_to_le64(luo_mem->block_phys(new));
		else
			first = new;
		last = new;
		blocks++;
	}

	for (i = 0; i < luo_block_nr_extents(block); i++) {
		luo_block_extent(block, i, &old);
		pages->nr_pages -= luo_extent_pages(&old);
	}

	if (first) {
		last->next = hdr->next;
		hdr->next = cpu_to_le64(luo_mem->block_phys(first));
		if (pages->tail == block)
			pages->tail = last;
		else
			pages->renumber = true;
		pages->nr_blocks += blocks;
	}

	for (last = hdr, hdr = block; ; hdr = luo_block_next(hdr)) {
		struct luo_extent_ser *ser = luo_block_extents(hdr);

		room = luo_block_max_extents(hdr);
		n = min_t(unsigned long, nr, room);
		for (i = 0; i < n; i++) {
			luo_extent_pack(&ext[i], &ser[i]);
			pages->nr_pages += luo_extent_pages(&ext[i]);
		}
		memset(&ser[n], 0, (room - n) * sizeof(*ser));
		hdr->nr = cpu_to_le32(n);
		luo_block_seal(hdr);

		last = hdr;
		ext += n;
		nr -= n;
		if (!nr)
			return last;
	}

err_free:
	luo_block_list_free(first);
	return ERR_PTR(-ENOMEM);
}
