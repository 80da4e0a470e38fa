// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Memory of handlers
 *
 * Handlers of files and FLBs keep more than the pages of a file: state of a
 * device, page tables, an object that files share. They preserve it themselves
 * (kho_preserve_folio() and its like, handover/kho.c), and pass its address on
 * in the number that a file or an FLB has. The image has one list of all of it.
 *
 * What one call has preserved is a *piece*: a folio, or a run of single pages.
 * It is given back, claimed and handed out as a whole or not at all, so in the
 * next kernel an address is either that of a piece, or leads to nothing.
 *
 * Life, outgoing: luo_memory_preserve() - luo_memory_unpreserve(), or the
 * machine jumps. Handlers may do both while they freeze and unfreeze. Room in
 * the image is made by the former, so that the freeze allocates nothing.
 * Incoming: claimed while the image is read - luo_memory_take() - either
 * luo_memory_settle(), and it is somebody's, or luo_memory_put_back(), and it
 * can be asked for again.
 *
 * Unhappy ways:
 *  - a piece is given back between freeze and thaw: it stays in the image, where
 *    it does no harm since nothing refers to it, and goes with the thaw.
 *  - nobody takes it. It may be in use by a device, so it is never freed, also
 *    when all sessions are finished: it stays reserved, is counted, and the log
 *    says so when the last session goes. Its handler may still come for it.
 *    Until then each update carries it over, as it does what refers to it
 *    (luo_carry.c); while one is under way nobody can take it.
 *  - a record is damaged: nothing is freed in that kernel; other pieces can be
 *    had.
 *
 * Locks: see luo_internal.h; these are the innermost.
 */
#include "luo_internal.h"

/**
 * struct luo_piece - memory that one call has preserved
 * @node:  in luo_pieces
 * @list:  in order of preservation
 * @pfn:   first frame, the key
 * @count: folios
 * @order: of each; pieces of more than one have order 0
 * @gone:  outgoing: given back while it is in the image
 * @taken: incoming: somebody is making something of it
 * @carried: incoming: its frames are kept for the next kernel, too
 */
struct luo_piece {
	struct rhash_head node;
	struct list_head list;
	u64 pfn;
	u32 count;
	u8 order;
	bool gone;
	bool taken;
	bool carried;
};

static const struct rhashtable_params luo_pieces_params = {
	.key_len = sizeof(u64),
	.key_offset = offsetof(struct luo_piece, pfn),
	.head_offset = offsetof(struct luo_piece, node),
	.automatic_shrinking = true,
};

/* Index 0 is outgoing, 1 incoming. */
static struct rhashtable luo_pieces[2];
static struct list_head luo_piece_lists[2] = {
	LIST_HEAD_INIT(luo_piece_lists[0]),
	LIST_HEAD_INIT(luo_piece_lists[1]),
};

/* Outgoing pieces, and room for their records. */
static DEFINE_MUTEX(luo_memory_lock);
static struct luo_records luo_memory_records = {
	.magic = LUO_MAGIC_MEMORY,
	.size = sizeof(struct luo_extent_ser),
};
static u64 luo_nr_pieces;
static u64 luo_nr_pieces_in;	/* there is room for so many incoming ones */
static bool luo_memory_frozen;	/* changed with both locks held */

/* Incoming pieces. Nobody sleeps with it, as in-tree nobody does who restores. */
static DEFINE_SPINLOCK(luo_memory_in_lock);

/* Called with luo_memory_lock held; to shrink cannot fail. */
static int luo_memory_make_room(void)
{
	return luo_records_resize(&luo_memory_records, luo_nr_pieces + luo_nr_pieces_in);
}

static struct luo_extent luo_piece_extent(const struct luo_piece *piece)
{
	return (struct luo_extent){
		.pfn = piece->pfn,
		.count = piece->count,
		.order = piece->order,
	};
}

static u64 luo_piece_pages(const struct luo_piece *piece)
{
	return (u64)piece->count << piece->order;
}

static struct luo_piece *luo_piece_find(bool incoming, u64 pfn)
{
	return rhashtable_lookup_fast(&luo_pieces[incoming], &pfn, luo_pieces_params);
}

/* -EEXIST is an answer; whatever else a table may say is a lack of memory. */
static int luo_piece_insert(bool incoming, struct luo_piece *piece)
{
	int err = rhashtable_lookup_insert_fast(&luo_pieces[incoming], &piece->node,
						luo_pieces_params);

	if (err)
		return err == -EEXIST ? err : -ENOMEM;
	list_add_tail(&piece->list, &luo_piece_lists[incoming]);
	atomic64_add(luo_piece_pages(piece), &luo_stats.memory[incoming]);
	return 0;
}

/* The caller frees it. */
static void luo_piece_remove(bool incoming, struct luo_piece *piece)
{
	rhashtable_remove_fast(&luo_pieces[incoming], &piece->node, luo_pieces_params);
	list_del(&piece->list);
	atomic64_add(-luo_piece_pages(piece), &luo_stats.memory[incoming]);
}

int luo_memory_init(void)
{
	int err = rhashtable_init(&luo_pieces[0], &luo_pieces_params);

	if (err)
		return err;
	err = rhashtable_init(&luo_pieces[1], &luo_pieces_params);
	if (err)
		rhashtable_destroy(&luo_pieces[0]);
	return err;
}

static void luo_piece_stay(struct luo_piece *piece)
{
	if (piece->carried)
		luo_mem->uncarry(piece->pfn, luo_piece_pages(piece));
	piece->carried = false;
}

/* Called with luo_memory_lock held. */
static void luo_memory_drop(struct luo_piece *piece)
{
	luo_mem->untrack(piece->pfn, luo_piece_pages(piece));
	luo_piece_remove(false, piece);
	luo_nr_pieces--;
	luo_memory_make_room();
	kfree(piece);
}

/* What arrived is forgotten, and stays as it is. */
void luo_memory_drop_incoming(void)
{
	struct luo_piece *piece, *tmp;

	list_for_each_entry_safe(piece, tmp, &luo_piece_lists[1], list) {
		luo_piece_stay(piece);
		luo_piece_remove(true, piece);
		kfree(piece);
	}
}

void luo_memory_exit(void)
{
	struct luo_piece *piece, *tmp;

	luo_memory_drop_incoming();
	mutex_lock(&luo_memory_lock);
	/* Whoever can preserve uses our symbols, and is gone: it has forgotten these. */
	WARN_ON_ONCE(luo_nr_pieces);
	list_for_each_entry_safe(piece, tmp, &luo_piece_lists[0], list)
		luo_memory_drop(piece);
	luo_nr_pieces_in = 0;
	luo_memory_make_room();
	mutex_unlock(&luo_memory_lock);
	rhashtable_destroy(&luo_pieces[1]);
	rhashtable_destroy(&luo_pieces[0]);
}

/* ---------------------------------------------------------------- outgoing */

int luo_memory_preserve(u64 pfn, unsigned int order, u64 count)
{
	struct luo_extent ext = { .pfn = pfn, .count = count, .order = order };
	struct luo_piece *piece;
	int err;

	if (count > LUO_EXTENT_MAX_COUNT)
		return -E2BIG;
	if (!luo_extent_fits(&ext) || (order && count != 1))
		return -EINVAL;

	piece = kzalloc(sizeof(*piece), GFP_KERNEL_ACCOUNT);
	if (!piece)
		return -ENOMEM;
	piece->pfn = pfn;
	piece->count = count;
	piece->order = order;

	mutex_lock(&luo_memory_lock);
	err = luo_memory_frozen ? -EBUSY : 0;
	if (err)
		goto err_unlock;
	luo_nr_pieces++;
	err = luo_memory_make_room();
	if (err)
		goto err_resize;
	err = luo_mem->track(pfn, luo_piece_pages(piece));
	if (err)
		goto err_resize;
	err = luo_piece_insert(false, piece);
	if (err)
		goto err_untrack;
	mutex_unlock(&luo_memory_lock);
	return 0;

err_untrack:
	luo_mem->untrack(pfn, luo_piece_pages(piece));
err_resize:
	luo_nr_pieces--;
	luo_memory_make_room();
err_unlock:
	mutex_unlock(&luo_memory_lock);
	kfree(piece);
	return err;
}

bool luo_memory_unpreserve(u64 pfn, unsigned int order, u64 count)
{
	struct luo_piece *piece;
	bool ok;

	mutex_lock(&luo_memory_lock);
	piece = luo_piece_find(false, pfn);
	ok = piece && piece->order == order && piece->count == count && !piece->gone;
	if (ok && luo_memory_frozen)
		piece->gone = true;
	else if (ok)
		luo_memory_drop(piece);
	mutex_unlock(&luo_memory_lock);
	return ok;
}

/**
 * luo_memory_carry() - what came and nobody has taken gets ready to go on
 *
 * Return: 0, -ENOMEM.
 */
int luo_memory_carry(void)
{
	struct luo_piece *piece;
	u64 before, nr = 0;
	int err;

	mutex_lock(&luo_memory_lock);
	before = luo_nr_pieces_in;
	spin_lock(&luo_memory_in_lock);
	list_for_each_entry(piece, &luo_piece_lists[1], list)
		nr++;
	spin_unlock(&luo_memory_in_lock);

	/* They can only become fewer. */
	luo_nr_pieces_in = nr;
	err = luo_memory_make_room();
	if (err) {
		luo_nr_pieces_in = before;
		goto out_unlock;
	}
	spin_lock(&luo_memory_in_lock);
	list_for_each_entry(piece, &luo_piece_lists[1], list) {
		if (piece->taken || piece->carried)
			continue;
		luo_mem->carry(piece->pfn, luo_piece_pages(piece));
		piece->carried = true;
	}
	spin_unlock(&luo_memory_in_lock);
out_unlock:
	mutex_unlock(&luo_memory_lock);
	return err;
}

static int luo_memory_write(const struct luo_piece *piece)
{
	struct luo_extent_ser *ser = luo_records_add(&luo_memory_records);
	struct luo_extent ext = luo_piece_extent(piece);

	if (WARN_ON_ONCE(!ser))
		return -ENOSPC;
	luo_extent_pack(&ext, ser);
	return 0;
}

/**
 * luo_memory_freeze() - write all pieces down
 * @root: gets the list
 *
 * After luo_memory_carry(), and when all handlers have frozen. From now on nobody
 * can preserve anything, nor take what came.
 *
 * Return: 0; -ENOSPC can only be a bug, and then nothing has happened.
 */
int luo_memory_freeze(struct luo_root_ser *root)
{
	struct luo_piece *piece;
	u64 nr;
	int err;

	mutex_lock(&luo_memory_lock);
	spin_lock(&luo_memory_in_lock);
	nr = luo_nr_pieces;
	luo_records_begin(&luo_memory_records);
	list_for_each_entry(piece, &luo_piece_lists[0], list) {
		err = luo_memory_write(piece);
		if (err)
			goto err_thaw;
	}
	list_for_each_entry(piece, &luo_piece_lists[1], list) {
		/* Taken since: it is in use here. */
		if (!piece->carried)
			continue;
		err = luo_memory_write(piece);
		if (err)
			goto err_thaw;
		nr++;
	}
	luo_memory_frozen = true;
	spin_unlock(&luo_memory_in_lock);
	root->memory = cpu_to_le64(luo_records_end(&luo_memory_records));
	root->nr_memory = cpu_to_le64(nr);
	mutex_unlock(&luo_memory_lock);
	return 0;

err_thaw:
	luo_records_thaw(&luo_memory_records);
	spin_unlock(&luo_memory_in_lock);
	mutex_unlock(&luo_memory_lock);
	return err;
}

/* Before handlers unfreeze: they may want to give back what they have preserved. */
void luo_memory_thaw(void)
{
	struct luo_piece *piece, *tmp;

	mutex_lock(&luo_memory_lock);
	luo_records_thaw(&luo_memory_records);
	spin_lock(&luo_memory_in_lock);
	luo_memory_frozen = false;
	spin_unlock(&luo_memory_in_lock);
	list_for_each_entry_safe(piece, tmp, &luo_piece_lists[0], list)
		if (piece->gone)
			luo_memory_drop(piece);
	mutex_unlock(&luo_memory_lock);
}

/* ---------------------------------------------------------------- incoming */

/**
 * luo_memory_receive() - a piece came
 * @ser: its record
 *
 * Return: 0; -EUCLEAN when it is damaged; -ENOMEM.
 */
int luo_memory_receive(const struct luo_extent_ser *ser)
{
	struct luo_piece *piece;
	struct luo_extent ext;
	int err;

	luo_extent_unpack(ser, &ext);
	if (!luo_extent_fits(&ext) || ext.index || ext.flags ||
	    (ext.order && ext.count != 1) || luo_mem->claim(ext.pfn, luo_extent_pages(&ext)))
		return -EUCLEAN;

	piece = kzalloc(sizeof(*piece), GFP_KERNEL);
	if (!piece)
		return -ENOMEM;
	piece->pfn = ext.pfn;
	piece->count = ext.count;
	piece->order = ext.order;

	/* A frame can be claimed once, so no other piece begins there. */
	err = luo_piece_insert(true, piece);
	if (err)
		kfree(piece);
	return err;
}

int luo_memory_take(u64 pfn, u64 pages, struct luo_extent *ret)
{
	struct luo_piece *piece;
	int err = -ENOENT;

	spin_lock(&luo_memory_in_lock);
	piece = luo_piece_find(true, pfn);
	if (piece && !piece->taken &&
	    (pages ? luo_piece_pages(piece) == pages : piece->count == 1))
		err = luo_memory_frozen ? -EAGAIN : 0;
	if (!err) {
		luo_piece_stay(piece);
		piece->taken = true;
		*ret = luo_piece_extent(piece);
	}
	spin_unlock(&luo_memory_in_lock);
	return err;
}

void luo_memory_put_back(u64 pfn)
{
	struct luo_piece *piece;

	spin_lock(&luo_memory_in_lock);
	piece = luo_piece_find(true, pfn);
	if (!WARN_ON_ONCE(!piece || !piece->taken))
		piece->taken = false;
	spin_unlock(&luo_memory_in_lock);
}

void luo_memory_settle(u64 pfn)
{
	struct luo_piece *piece;

	spin_lock(&luo_memory_in_lock);
	piece = luo_piece_find(true, pfn);
	if (WARN_ON_ONCE(!piece || !piece->taken))
		piece = NULL;
	else
		luo_piece_remove(true, piece);
	spin_unlock(&luo_memory_in_lock);
	kfree(piece);
}

/* Called when an incoming session has gone. */
void luo_memory_report(void)
{
	u64 pages = atomic64_read(&luo_stats.memory[1]);

	if (pages && !atomic64_read(&luo_stats.sessions[1]))
		pr_warn("%llu pages that handlers have preserved were asked for by nobody, and stay reserved\n",
			pages);
}
