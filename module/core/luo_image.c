// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Writing and reading the handover image
 *
 * Writing. Records of sessions, files, FLBs, memory of handlers and holes go into
 * blocks that have been allocated ahead, one &struct luo_records for each list. It grows and shrinks
 * at its head, and only by whole blocks. The freeze fills it from the head on
 * and seals it; blocks that are not needed this time are cut off the list and
 * hung on again by the thaw. The root is one more block, allocated at the
 * start.
 *
 * Reading. Everything is hostile: a block is claimed before it is looked at,
 * and is believed only with the right magic, nonce, checksum and place in its
 * list. Since a frame can be claimed once, no list can have a loop and no
 * frame two owners; since each list is bounded by the count in its parent, the
 * counts can be believed afterwards. Nothing recurses.
 *
 * The order matters: first holes, so that no file can own one; then memory of
 * handlers, and FLBs, so that files can be counted for them; then sessions one
 * after the other with all their files. Blocks of records that have been read are given back, unless
 * something was damaged: then nothing is.
 *
 * Unhappy ways: damage in the list of holes, memory, FLBs or sessions hides the
 * rest of it; damage in a list of files spoils its session, damage in a list of pages its
 * file. All of these make luo_core_receive() return -EUCLEAN, since frames may
 * then be unclaimed that belong to somebody. Without memory everything read so
 * far is forgotten, and stays reserved.
 *
 * Locks: the writer runs with luo_freeze_sem held for writing, the reader
 * before anybody else knows of the core; resizing is serialised by whoever
 * owns the records.
 */
#include "luo_internal.h"

static struct luo_root_ser *luo_root;
static struct luo_records luo_holes = {
	.magic = LUO_MAGIC_HOLES,
	.size = sizeof(struct luo_extent_ser),
};

/* ---------------------------------------------------------------- writing */

static u32 luo_records_per_block(const struct luo_records *records)
{
	return (LUO_BLOCK_SIZE - sizeof(struct luo_block_ser)) / records->size;
}

/*
 * Makes room for exactly as many blocks as @nr records need. Shrinking cannot
 * fail; a failure to grow changes nothing.
 */
int luo_records_resize(struct luo_records *records, u64 nr)
{
	u32 per_block = luo_records_per_block(records);
	u64 before = records->nr;

	while (records->nr < nr) {
		struct luo_block_ser *hdr = luo_block_new(records->magic, 0);

		if (!hdr) {
			luo_records_resize(records, before);
			return -ENOMEM;
		}
		if (records->head)
			hdr->next = cpu_to_le64(luo_mem->block_phys(records->head));
		records->head = hdr;
		records->nr += per_block;
	}
	while (records->nr >= nr + per_block) {
		void *head = records->head;

		records->head = luo_block_next(head);
		records->nr -= per_block;
		luo_mem->block_free(head);
	}
	return 0;
}

/* Empties a block that may hold what a freeze that failed has left. */
static void luo_block_clear(struct luo_block_ser *hdr, u32 seq)
{
	hdr->nr = 0;
	hdr->seq = cpu_to_le32(seq);
	memset(hdr + 1, 0, LUO_BLOCK_SIZE - sizeof(*hdr));
}

void luo_records_begin(struct luo_records *records)
{
	records->last = NULL;
	records->cut = 0;
}

/* The next record, zeroed; NULL when there is no more room. */
void *luo_records_add(struct luo_records *records)
{
	struct luo_block_ser *hdr = records->last, *next;
	u32 nr;

	if (!hdr || le32_to_cpu(hdr->nr) == luo_records_per_block(records)) {
		next = hdr ? luo_block_next(hdr) : records->head;
		if (!next)
			return NULL;
		luo_block_clear(next, hdr ? le32_to_cpu(hdr->seq) + 1 : 0);
		records->last = next;
		hdr = next;
	}
	nr = le32_to_cpu(hdr->nr);
	hdr->nr = cpu_to_le32(nr + 1);
	return (u8 *)(hdr + 1) + (size_t)nr * records->size;
}

/* Seals what has been added. Returns the address of the list, 0 when empty. */
u64 luo_records_end(struct luo_records *records)
{
	struct luo_block_ser *hdr = records->last;

	if (!hdr)
		return 0;

	records->cut = hdr->next;
	hdr->next = 0;
	for (hdr = records->head; hdr; hdr = luo_block_next(hdr))
		luo_block_seal(hdr);
	return luo_mem->block_phys(records->head);
}

void luo_records_thaw(struct luo_records *records)
{
	struct luo_block_ser *hdr = records->last;

	if (hdr && records->cut)
		hdr->next = records->cut;
	luo_records_begin(records);
}

int luo_image_init(void)
{
	luo_root = luo_block_new(LUO_MAGIC_ROOT, 0);
	return luo_root ? 0 : -ENOMEM;
}

void luo_image_exit(void)
{
	luo_records_resize(&luo_holes, 0);
	luo_mem->block_free(luo_root);
	luo_root = NULL;
}

int luo_image_write(struct luo_root_ser **ret_root)
{
	struct luo_root_ser *root = luo_root;
	int err;

	luo_block_clear(&root->hdr, 0);
	root->hdr.nr = cpu_to_le32(1);
	root->format = cpu_to_le32(LUO_FORMAT_MAX);
	root->generation = cpu_to_le64(luo_generation + 1);
	strscpy_pad(root->release, init_utsname()->release, sizeof(root->release));

	luo_records_begin(&luo_holes);
	err = luo_flbs_begin();
	if (err)
		return err;
	err = luo_sessions_freeze(root);
	if (err) {
		luo_flbs_thaw();
		return err;
	}
	err = luo_memory_freeze(root);
	if (err) {
		luo_sessions_unfreeze();
		luo_flbs_thaw();
		return err;
	}
	luo_flbs_end(root);

	*ret_root = root;
	return 0;
}

void luo_image_thaw(void)
{
	luo_records_thaw(&luo_holes);
	luo_flbs_thaw();
}

int luo_core_reserve_holes(unsigned int nr)
{
	return nr > luo_holes.nr ? luo_records_resize(&luo_holes, nr) : 0;
}

int luo_core_set_holes(const struct luo_range *holes, unsigned int nr)
{
	unsigned int i;

	if (nr > luo_holes.nr)
		return -ENOSPC;

	luo_records_thaw(&luo_holes);
	for (i = 0; i < nr; i++) {
		struct luo_extent_ser *ser = luo_records_add(&luo_holes);

		ser->index = cpu_to_le64(holes[i].end - holes[i].start);
		ser->where = cpu_to_le64(holes[i].start);
	}
	luo_root->holes = cpu_to_le64(luo_records_end(&luo_holes));
	luo_root->nr_holes = cpu_to_le64(nr);
	return 0;
}

void luo_core_seal_root(void)
{
	luo_block_seal(luo_root);
}

/* ---------------------------------------------------------------- reading */

/*
 * @nonce:   of the kernel that wrote the image
 * @damaged: something does not check out
 * @files:   seen so far, sound or not
 * @pages:   the same
 */
struct luo_reader {
	u64 nonce;
	bool damaged;
	u64 files;
	u64 pages;
};

/* Claims a block, and only then looks at it. NULL: do not believe it. */
static void *luo_read_block(const struct luo_reader *r, u64 phys, u32 magic, u32 seq)
{
	struct luo_block_ser *hdr;

	if (!phys || phys % LUO_BLOCK_SIZE || luo_mem->claim(phys / LUO_BLOCK_SIZE, 1))
		return NULL;

	hdr = luo_mem->block_virt(phys);
	if (!hdr || le32_to_cpu(hdr->magic) != magic || !luo_block_sound(hdr) ||
	    le64_to_cpu(hdr->nonce) != r->nonce || le32_to_cpu(hdr->seq) != seq)
		return NULL;
	return hdr;
}

/*
 * A list of records, block by block.
 * @phys: of the next block
 * @left: records that are still to come
 */
struct luo_read_list {
	u64 phys;
	u64 left;
	u32 magic;
	u32 size;
	u32 seq;
};

/*
 * The next block of a list, with @ret_nr records. NULL at the end, and when
 * something is wrong: then @l->left is not 0, or @l->phys is not.
 */
static void *luo_read_records(struct luo_reader *r, struct luo_read_list *l, u32 *ret_nr)
{
	u32 max = (LUO_BLOCK_SIZE - sizeof(struct luo_block_ser)) / l->size;
	struct luo_block_ser *hdr;
	u32 nr;

	if (!l->left)
		return NULL;

	hdr = luo_read_block(r, l->phys, l->magic, l->seq);
	if (!hdr)
		return NULL;
	nr = le32_to_cpu(hdr->nr);
	if (!nr || nr > max || nr > l->left)
		return NULL;

	l->phys = le64_to_cpu(hdr->next);
	l->left -= nr;
	l->seq++;
	*ret_nr = nr;
	return hdr;
}

static bool luo_read_complete(const struct luo_read_list *l)
{
	return !l->left && !l->phys;
}

/*
 * Gives back the blocks of a list that has been read, and is sound. Not
 * before all of the image is: reading may stop for want of memory and begin
 * again.
 */
static void luo_read_release(u64 phys)
{
	while (phys) {
		struct luo_block_ser *hdr = luo_mem->block_virt(phys);
		u64 next = le64_to_cpu(hdr->next);

		luo_mem->release(phys / LUO_BLOCK_SIZE, 1);
		phys = next;
	}
}

static void luo_read_release_all(const struct luo_root_ser *root)
{
	u64 phys = le64_to_cpu(root->sessions);

	while (phys) {
		struct luo_block_ser *hdr = luo_mem->block_virt(phys);
		struct luo_session_ser *ser = (void *)(hdr + 1);
		u32 i;

		for (i = 0; i < le32_to_cpu(hdr->nr); i++)
			luo_read_release(le64_to_cpu(ser[i].files));
		phys = le64_to_cpu(hdr->next);
	}
	luo_read_release(le64_to_cpu(root->sessions));
	luo_read_release(le64_to_cpu(root->holes));
	luo_read_release(le64_to_cpu(root->flbs));
	luo_read_release(le64_to_cpu(root->memory));
}

/* Claims what no session may own and nobody may free. */
static void luo_read_holes(struct luo_reader *r, const struct luo_root_ser *root)
{
	struct luo_read_list l = {
		.phys = le64_to_cpu(root->holes),
		.left = le64_to_cpu(root->nr_holes),
		.magic = LUO_MAGIC_HOLES,
		.size = sizeof(struct luo_extent_ser),
	};
	struct luo_block_ser *hdr;
	u32 nr, i;

	while ((hdr = luo_read_records(r, &l, &nr))) {
		struct luo_extent_ser *ser = (void *)(hdr + 1);

		for (i = 0; i < nr; i++)
			if (luo_mem->withhold(le64_to_cpu(ser[i].where),
					      le64_to_cpu(ser[i].index)))
				r->damaged = true;
	}
	if (!luo_read_complete(&l))
		r->damaged = true;
}

static int luo_read_memory(struct luo_reader *r, const struct luo_root_ser *root)
{
	struct luo_read_list l = {
		.phys = le64_to_cpu(root->memory),
		.left = le64_to_cpu(root->nr_memory),
		.magic = LUO_MAGIC_MEMORY,
		.size = sizeof(struct luo_extent_ser),
	};
	struct luo_block_ser *hdr;
	u32 nr, i;
	int err;

	while ((hdr = luo_read_records(r, &l, &nr))) {
		for (i = 0; i < nr; i++) {
			err = luo_memory_receive((struct luo_extent_ser *)(hdr + 1) + i);
			if (err == -EUCLEAN)
				r->damaged = true;
			else if (err)
				return err;
		}
		cond_resched();
	}
	if (!luo_read_complete(&l))
		r->damaged = true;
	return 0;
}

static void luo_read_flbs(struct luo_reader *r, const struct luo_root_ser *root)
{
	struct luo_read_list l = {
		.phys = le64_to_cpu(root->flbs),
		.left = le64_to_cpu(root->nr_flbs),
		.magic = LUO_MAGIC_FLBS,
		.size = sizeof(struct luo_flb_ser),
	};
	struct luo_block_ser *hdr;
	u32 nr, i;

	/* One block at most, so one more than fits there leaves some behind. */
	hdr = luo_read_records(r, &l, &nr);
	for (i = 0; hdr && i < nr; i++)
		if (!luo_flb_receive((struct luo_flb_ser *)(hdr + 1) + i))
			r->damaged = true;
	if (!luo_read_complete(&l)) {
		luo_flbs_receive_lost();
		r->damaged = true;
	}
}

/* Validates and claims the pages of a file. false: damaged. */
static bool luo_read_pages(struct luo_reader *r, const struct luo_file_ser *ser,
			   struct luo_pages *pages)
{
	u64 phys = le64_to_cpu(ser->pages), blocks = le64_to_cpu(ser->nr_blocks);
	u64 total = le64_to_cpu(ser->nr_pages), index = 0, seq;
	struct luo_block_ser *hdr;
	struct luo_extent ext;
	u32 i;

	*pages = (struct luo_pages){};
	for (seq = 0; seq < blocks; seq++) {
		hdr = luo_read_block(r, phys, seq ? LUO_MAGIC_EXTENTS : LUO_MAGIC_PAGES, seq);
		if (!hdr || le32_to_cpu(hdr->nr) > luo_block_max_extents(hdr))
			return false;

		for (i = 0; i < le32_to_cpu(hdr->nr); i++) {
			luo_block_extent(hdr, i, &ext);
			if (!luo_extent_fits(&ext) || ext.index < index ||
			    luo_extent_pages(&ext) > total - pages->nr_pages ||
			    luo_mem->claim(ext.pfn, luo_extent_pages(&ext)))
				return false;
			index = ext.index + luo_extent_pages(&ext);
			pages->nr_pages += luo_extent_pages(&ext);
		}
		if (!seq)
			pages->head = hdr;
		pages->tail = hdr;
		pages->nr_blocks++;
		phys = le64_to_cpu(hdr->next);
		cond_resched();
	}
	return !phys && pages->nr_pages == total;
}

/* Files of one session. Damage to their list becomes the session's @err. */
static int luo_read_files(struct luo_reader *r, struct luo_session *session,
			  const struct luo_session_ser *ser)
{
	struct luo_read_list l = {
		.phys = le64_to_cpu(ser->files),
		.left = le64_to_cpu(ser->nr_files),
		.magic = LUO_MAGIC_FILES,
		.size = sizeof(struct luo_file_ser),
	};
	struct luo_block_ser *hdr;
	struct luo_pages pages;
	u32 nr, i;
	int err;

	while ((hdr = luo_read_records(r, &l, &nr))) {
		struct luo_file_ser *file = (void *)(hdr + 1);

		for (i = 0; i < nr; i++) {
			bool sound = luo_read_pages(r, &file[i], &pages);

			err = luo_file_receive(session, &file[i], &pages, !sound);
			if (err == -EUCLEAN)
				r->damaged = true;
			else if (err)
				return err;
			r->files++;
			r->pages += le64_to_cpu(file[i].nr_pages);
		}
	}
	if (!luo_read_complete(&l))
		session->err = -EIO;
	return 0;
}

static int luo_read_sessions(struct luo_reader *r, const struct luo_root_ser *root)
{
	struct luo_read_list l = {
		.phys = le64_to_cpu(root->sessions),
		.left = le64_to_cpu(root->nr_sessions),
		.magic = LUO_MAGIC_SESSIONS,
		.size = sizeof(struct luo_session_ser),
	};
	struct luo_session *session;
	struct luo_block_ser *hdr;
	u32 nr, i;
	int err;

	while ((hdr = luo_read_records(r, &l, &nr))) {
		struct luo_session_ser *ser = (void *)(hdr + 1);

		for (i = 0; i < nr; i++) {
			session = luo_session_receive(&ser[i], le64_to_cpu(root->generation));
			if (IS_ERR(session))
				return PTR_ERR(session);
			err = luo_read_files(r, session, &ser[i]);
			if (err)
				return err;
			if (session->err) {
				luo_error("incoming session '%s' is damaged", session->name);
				r->damaged = true;
			}
		}
	}
	if (!luo_read_complete(&l)) {
		luo_error("%llu incoming sessions cannot be reached", l.left);
		r->damaged = true;
	}
	if (!r->damaged && (r->files != le64_to_cpu(root->nr_files) ||
			    r->pages != le64_to_cpu(root->nr_pages)))
		r->damaged = true;
	return 0;
}

int luo_core_receive(u64 phys, u64 nonce)
{
	struct luo_reader r = { .nonce = nonce };
	const struct luo_root_ser *root;
	int err;

	if (!nonce)
		return -EINVAL;

	root = luo_read_block(&r, phys, LUO_MAGIC_ROOT, 0);
	if (!root || le32_to_cpu(root->hdr.nr) != 1 || root->hdr.next) {
		luo_error("no handover image at %#llx", phys);
		return -EINVAL;
	}
	/* Each update adds one: a number that could run over is none. */
	if (!root->generation || le64_to_cpu(root->generation) > LUO_MAX_GENERATION) {
		luo_error("the handover image is damaged: generation %llu",
			  le64_to_cpu(root->generation));
		return -EINVAL;
	}
	if (le32_to_cpu(root->format) < LUO_FORMAT_MIN ||
	    le32_to_cpu(root->format) > LUO_FORMAT_MAX) {
		luo_error("format %u of the handover image is not known here (%u to %u are)",
			  le32_to_cpu(root->format), LUO_FORMAT_MIN, LUO_FORMAT_MAX);
		return -EPROTONOSUPPORT;
	}

	luo_read_holes(&r, root);
	err = luo_read_memory(&r, root);
	if (!err) {
		luo_read_flbs(&r, root);
		err = luo_read_sessions(&r, root);
	}
	if (err) {
		luo_sessions_drop_incoming();
		luo_flbs_drop_incoming();
		luo_memory_drop_incoming();
		return err;
	}
	if (!luo_flbs_receive_end())
		r.damaged = true;
	luo_generation = le64_to_cpu(root->generation);
	luo_state_changed();
	if (r.damaged) {
		luo_error("the handover image is damaged; what is not understood stays reserved");
		return -EUCLEAN;
	}

	luo_read_release_all(root);
	luo_memory_report();
	return 0;
}
