// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Carry-over
 *
 * What came from the previous kernel and is not finished goes on to the next
 * one: so a kernel that turns out to be bad can be left again, whatever it has
 * got round to. It is the same session there, with the generation of the update
 * that first carried it.
 *
 * A file that nobody has retrieved goes as it came. Its frames are where they
 * were, out of the allocator's reach; they only have to be kept once more, and
 * its page blocks to bear the nonce of this kernel. Nobody need know what kind
 * of file it is.
 *
 * A file that somebody has retrieved is an ordinary file by now, and may have
 * changed. So it is preserved anew by its handler, as any other file would be,
 * and what arrives is its present state, under the same token. That costs pins
 * and page blocks; so it is not done when the file is retrieved, since most
 * sessions are finished soon after, but when the next kernel is loaded, at a
 * rehearsal, and, for what was retrieved since, at the beginning of the freeze.
 * From then on it stays so until the session is finished.
 *
 * A file that was half made, when memory ran out or its user was killed, is
 * neither; it is made completely first.
 *
 * Life: luo_files_carry(), any number of times - luo_file_goes() says what to
 * write down - luo_file_stay() when the handler gets the file, or it is
 * finished; or the machine jumps.
 *
 * Unhappy ways:
 *  - no memory, or a handler says no: the session cannot be frozen, and that is
 *    a veto, or it stays behind if its user wants it so. What has been made
 *    ready stays so, and the next try goes on from there.
 *  - a damaged file, or one that became unusable half made: does not go, and the
 *    log says so. Its frames stay reserved in this kernel.
 *
 * Locks: the caller holds luo_freeze_sem for writing and the session's lock;
 * luo_file_stay() wants the latter only.
 */
#include "luo_internal.h"

/* Its handler has begun with it, and cannot go on. */
static bool luo_file_lost(const struct luo_file *file)
{
	return file->damaged || (file->status < 0 && file->private);
}

/* All that the image of the next kernel names: extents, and the blocks that do. */
static void luo_pages_each(const struct luo_pages *pages, void (*op)(u64 pfn, u64 nr))
{
	struct luo_extent ext;
	unsigned int i;
	void *block;

	for (block = pages->head; block; block = luo_block_next(block)) {
		op(luo_mem->block_phys(block) / LUO_BLOCK_SIZE, 1);
		for (i = 0; i < luo_block_nr_extents(block); i++) {
			luo_block_extent(block, i, &ext);
			op(ext.pfn, luo_extent_pages(&ext));
		}
		cond_resched();
	}
}

/* It was another kernel that has sealed them; nobody here asks for that again. */
static void luo_pages_adopt(const struct luo_pages *pages)
{
	struct luo_block_ser *hdr;

	for (hdr = pages->head; hdr; hdr = luo_block_next(hdr)) {
		hdr->nonce = cpu_to_le64(luo_nonce);
		luo_block_seal(hdr);
	}
}

static int luo_file_carry_waiting(struct luo_file *file)
{
	if (!file->carried) {
		luo_pages_adopt(&file->pages);
		luo_pages_each(&file->pages, luo_mem->carry);
		file->carried = true;
	}
	/* What it depends on may have been asked for since. */
	return luo_flbs_carry(file->flbs, &file->flbs_out);
}

/**
 * luo_file_preserve_again() - preserve what an incoming file has become
 * @file: retrieved
 *
 * The handler need not be the one that has restored it: a file that has lost its
 * name since is of another kind.
 *
 * Return: 0; -EOPNOTSUPP when there is no handler; -ENOMEM; its error.
 */
int luo_file_preserve_again(struct luo_file *file)
{
	struct luo_file *again;
	int err;

	if (file->again)
		return 0;

	again = luo_file_alloc(file->key.session, file->key.token);
	if (!again)
		return -ENOMEM;
	again->shadow = true;
	again->file = get_file(file->file);
	again->handler = luo_handler_for(again->file);
	err = again->handler ? luo_file_begin(again) : -EOPNOTSUPP;
	if (err) {
		luo_file_free(again);
		return err;
	}
	file->again = again;
	return 0;
}

static int luo_file_carry(struct luo_file *file)
{
	int err = 0;

	if (!file->status && file->private)
		err = luo_file_make(file);
	if (luo_file_lost(file))
		return 0;
	if (!err)
		err = file->status > 0 ? luo_file_preserve_again(file) :
					 luo_file_carry_waiting(file);
	if (err)
		luo_error("session '%s': file %#llx (%s) came from the previous kernel and cannot go to the next: error %d; finish or drop the session",
			  file->key.session->name, file->key.token, file->compatible, err);
	return err;
}

/**
 * luo_files_carry() - the files of a session get ready for the next kernel
 * @session: incoming and sound
 *
 * Return: 0, or the error of the first file that cannot.
 */
int luo_files_carry(struct luo_session *session)
{
	struct luo_file *file;
	int err;

	err = luo_records_resize(&session->records, session->nr_files);
	if (err)
		return err;

	list_for_each_entry(file, &session->files, list) {
		err = luo_file_carry(file);
		if (err)
			return err;
	}
	return 0;
}

/**
 * luo_file_goes() - what of a file goes to the next kernel
 * @file: of a session that takes part in the update
 *
 * Return: @file itself, or what stands for it; NULL: nothing.
 */
struct luo_file *luo_file_goes(struct luo_file *file)
{
	if (file->again)
		return file->again;
	return file->carried || !file->key.session->incoming ? file : NULL;
}

/**
 * luo_file_stay() - undo what luo_files_carry() did for one file
 * @file: any
 */
void luo_file_stay(struct luo_file *file)
{
	if (file->carried)
		luo_pages_each(&file->pages, luo_mem->uncarry);
	file->carried = false;
	luo_flbs_unpreserve(file->flbs_out);
	file->flbs_out = 0;

	if (file->again) {
		luo_file_end(file->again);
		luo_file_free(file->again);
		file->again = NULL;
	}
}
