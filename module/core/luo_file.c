// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Preserved files
 *
 * A session holds files, each under a token that its user has chosen. What a
 * file *is* knows its handler (&struct liveupdate_file_handler); the core
 * keeps the book: who holds which file, under which token, in which order.
 *
 * Two hash tables serve all sessions: one finds a file by session and token,
 * the other keeps two sessions from holding the same file, by the identity
 * that the handler gives it. No path but those that deal with all files of a
 * session walks a list.
 *
 * Life, outgoing: preserve - any number of freeze and unfreeze - unpreserve,
 * or the machine jumps. Incoming: received, perhaps retrieved, finished. An
 * incoming file remembers its handler by name only, and looks for it when it
 * is first needed, so a handler may be registered later than the file arrives.
 * From then on the handler's module is pinned. Retrieving makes a file, or makes
 * one that the caller brings what it was.
 *
 * What came and is not finished goes on to the next kernel: see luo_carry.c.
 *
 * Unhappy ways:
 *  - preserve() undoes everything before it returns an error.
 *  - what somebody brings and is not what it has to be stays as it is. Only what
 *    a handler has begun to fill is kept from others (@has_id) until that is done.
 *  - retrieve() may be tried again after errors that say nothing about the
 *    file; all others stick.
 *  - a damaged file answers EIO. Its frames are never given to anybody: what
 *    is known about them is not to be trusted.
 *  - nobody knows how to restore a file: ENOENT, until somebody does. If the
 *    session is finished before that, the core gives back the frames itself.
 *
 * Locks: callers hold luo_freeze_sem and the session's lock. The hash tables lock for themselves. A session's lock
 * keeps what is found of its own files; on the way to it a lookup passes files
 * of other sessions, so all are freed by RCU.
 *
 * FLBs (luo_flb.c, state that lives as long as any file of a handler) count
 * their users where files come and go here.
 */
#include "luo_internal.h"

static_assert(LUO_COMPAT_SER == LIVEUPDATE_HNDL_COMPAT_LENGTH);
static_assert(sizeof(struct luo_file_key) == sizeof(void *) + sizeof(u64));

static struct rhashtable luo_tokens;
static const struct rhashtable_params luo_tokens_params = {
	.key_len = sizeof(struct luo_file_key),
	.key_offset = offsetof(struct luo_file, key),
	.head_offset = offsetof(struct luo_file, token_node),
	.automatic_shrinking = true,
};

static struct rhashtable luo_ids;
static const struct rhashtable_params luo_ids_params = {
	.key_len = sizeof(unsigned long),
	.key_offset = offsetof(struct luo_file, id),
	.head_offset = offsetof(struct luo_file, id_node),
	.automatic_shrinking = true,
};

/* ------------------------------------------------------------------ common */

int luo_files_init(void)
{
	int err = rhashtable_init(&luo_tokens, &luo_tokens_params);

	if (err)
		return err;
	err = rhashtable_init(&luo_ids, &luo_ids_params);
	if (err)
		rhashtable_destroy(&luo_tokens);
	return err;
}

void luo_files_exit(void)
{
	rhashtable_destroy(&luo_ids);
	rhashtable_destroy(&luo_tokens);
}

struct luo_file *luo_file_find(struct luo_session *session, u64 token)
{
	struct luo_file_key key = { session, token };

	return rhashtable_lookup_fast(&luo_tokens, &key, luo_tokens_params);
}

/* -EEXIST is an answer; whatever else a table may say is a lack of memory. */
static int luo_file_insert_token(struct luo_file *file)
{
	int err = rhashtable_lookup_insert_fast(&luo_tokens, &file->token_node,
						luo_tokens_params);

	file->has_token = !err;
	return err && err != -EEXIST ? -ENOMEM : err;
}

static unsigned long luo_file_identity(const struct luo_file *file)
{
	const struct liveupdate_file_ops *ops = file->handler->ops;

	return ops->get_id ? ops->get_id(file->file) : (unsigned long)file->file;
}

static int luo_file_insert_id(struct luo_file *file)
{
	int err;

	file->id = luo_file_identity(file);
	err = rhashtable_lookup_insert_fast(&luo_ids, &file->id_node, luo_ids_params);
	file->has_id = !err;
	return err && err != -EEXIST ? -ENOMEM : err;
}

static void luo_file_remove_id(struct luo_file *file)
{
	if (file->has_id)
		rhashtable_remove_fast(&luo_ids, &file->id_node, luo_ids_params);
	file->has_id = false;
}

struct luo_file *luo_file_alloc(struct luo_session *session, u64 token)
{
	struct luo_file *file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);

	if (!file)
		return NULL;
	file->key.session = session;
	file->key.token = token;
	INIT_LIST_HEAD(&file->list);
	return file;
}

/* Takes @file out of all books. Its pages are the caller's business. */
void luo_file_free(struct luo_file *file)
{
	luo_file_remove_id(file);
	if (file->has_token)
		rhashtable_remove_fast(&luo_tokens, &file->token_node, luo_tokens_params);
	if (file->file)
		fput(file->file);
	if (file->handler)
		module_put(file->handler->ops->owner);
	/* Another session's lookup may just be looking at it. */
	kfree_rcu(file, rcu);
}

static void luo_file_count_pages(struct luo_file *file, u64 pages)
{
	struct luo_session *session = file->key.session;

	/* Its pages are those of a file that is counted already. */
	if (file->shadow)
		return;
	atomic64_add(pages - file->counted, &luo_stats.pages[session->incoming]);
	session->nr_pages += pages - file->counted;
	file->counted = pages;
}

static void luo_file_publish(struct luo_file *file)
{
	struct luo_session *session = file->key.session;

	file->nr = ++session->last_file;
	list_add_tail(&file->list, &session->files);
	session->nr_files++;
	atomic64_inc(&luo_stats.files[session->incoming]);
	luo_file_count_pages(file, file->pages.nr_pages);
}

static void luo_file_withdraw(struct luo_file *file)
{
	struct luo_session *session = file->key.session;

	luo_file_count_pages(file, 0);
	atomic64_dec(&luo_stats.files[session->incoming]);
	session->nr_files--;
	list_del(&file->list);
}

static struct liveupdate_file_op_args luo_file_args(struct luo_file *file)
{
	return (struct liveupdate_file_op_args){
		.handler = file->handler,
		.retrieve_status = file->status,
		.file = file->file,
		.serialized_data = file->data,
		.private_data = file->private,
		.pages = &file->pages,
	};
}

/* ---------------------------------------------------------------- outgoing */

/* The handler starts to preserve @file, or nothing has happened. */
int luo_file_begin(struct luo_file *file)
{
	struct liveupdate_file_op_args args;
	int err;

	/* The handler may want to ask for them. */
	err = luo_flbs_preserve(file->handler, &file->flbs);
	if (err)
		return err;

	args = luo_file_args(file);
	err = file->handler->ops->preserve(&args);
	if (err) {
		luo_pages_destroy(&file->pages);
		luo_flbs_unpreserve(file->flbs);
		return err;
	}
	file->data = args.serialized_data;
	file->private = args.private_data;
	return 0;
}

/* The reverse. */
void luo_file_end(struct luo_file *file)
{
	struct liveupdate_file_op_args args = luo_file_args(file);

	file->handler->ops->unpreserve(&args);
	luo_pages_destroy(&file->pages);
	luo_flbs_unpreserve(file->flbs);
}

/**
 * luo_file_preserve() - a file joins an outgoing session
 * @session: the session, locked
 * @token:   its user's name for the file
 * @fd:      of the caller
 *
 * Return: 0, or an error as in the description of LIVEUPDATE_SESSION_PRESERVE_FD;
 * then nothing has happened.
 */
int luo_file_preserve(struct luo_session *session, u64 token, int fd)
{
	struct luo_file *file;
	int err;

	if (session->early)
		return -EBUSY;
	if (luo_file_find(session, token))
		return -EEXIST;

	err = luo_records_resize(&session->records, session->nr_files + 1);
	if (err)
		return err;

	file = luo_file_alloc(session, token);
	if (!file) {
		err = -ENOMEM;
		goto err_resize;
	}

	file->file = fget(fd);
	if (!file->file) {
		err = -EBADF;
		goto err_free;
	}

	file->handler = luo_handler_for(file->file);
	if (!file->handler) {
		err = -ENOENT;
		goto err_free;
	}

	err = luo_file_insert_id(file);
	if (err) {
		err = err == -EEXIST ? -EBUSY : err;
		goto err_free;
	}
	err = luo_file_insert_token(file);
	if (err)
		goto err_free;

	err = luo_file_begin(file);
	if (err)
		goto err_free;
	luo_file_publish(file);
	return 0;

err_free:
	luo_file_free(file);
err_resize:
	luo_records_resize(&session->records, session->nr_files);
	return err;
}

static void luo_file_unpreserve(struct luo_file *file)
{
	struct luo_session *session = file->key.session;

	luo_file_end(file);
	luo_file_withdraw(file);
	luo_file_free(file);
	luo_records_resize(&session->records, session->nr_files);
}

/**
 * luo_file_unpreserve_token() - one file leaves an outgoing session
 * @session: the session, locked
 * @token:   of the file
 *
 * Return: 0; -EBUSY when the session is frozen; -ENOENT when there is none.
 */
int luo_file_unpreserve_token(struct luo_session *session, u64 token)
{
	struct luo_file *file = luo_file_find(session, token);

	if (session->early)
		return -EBUSY;
	if (!file)
		return -ENOENT;
	luo_file_unpreserve(file);
	return 0;
}

/* In reverse, so that a file may rely on those that were preserved before it. */
void luo_files_unpreserve(struct luo_session *session)
{
	while (!list_empty(&session->files)) {
		luo_file_unpreserve(list_last_entry(&session->files, struct luo_file, list));
		cond_resched();
	}
}

/* @op is freeze() or prefreeze(), or there is none. */
static int luo_file_update(struct luo_file *file,
			   int (*op)(struct liveupdate_file_op_args *args))
{
	struct liveupdate_file_op_args args = luo_file_args(file);
	int err = op ? op(&args) : 0;

	if (err) {
		luo_error("session '%s': file %#llx (%s) cannot be frozen: error %d",
			  file->key.session->name, file->key.token,
			  file->handler->compatible, err);
		return err;
	}
	file->data = args.serialized_data;
	file->private = args.private_data;
	luo_file_count_pages(file, file->pages.nr_pages);
	return 0;
}

/**
 * luo_files_prefreeze() - do what can be done before the update
 * @session: outgoing, locked
 *
 * Nothing is frozen yet: what a file needs to be so, its handler does at the
 * update.
 *
 * Return: 0, or the error of the first handler that said no.
 */
int luo_files_prefreeze(struct luo_session *session)
{
	struct luo_file *file;
	int err;

	list_for_each_entry(file, &session->files, list) {
		err = luo_file_update(file, file->handler->ops->prefreeze);
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

static int luo_file_freeze(struct luo_file *file)
{
	int err;

	/* As it came; nobody has touched it. */
	if (file->carried)
		return 0;
	err = luo_file_update(file, file->handler->ops->freeze);
	if (!err)
		luo_pages_seal(&file->pages);
	return err;
}

static void luo_file_unfreeze(struct luo_file *file)
{
	struct liveupdate_file_op_args args = luo_file_args(file);

	if (file->carried || !file->handler->ops->unfreeze)
		return;
	file->handler->ops->unfreeze(&args);
	file->data = args.serialized_data;
	file->private = args.private_data;
	luo_file_count_pages(file, file->pages.nr_pages);
}

/* Fills the next record of the session's list. */
static int luo_file_write(struct luo_file *file, struct luo_records *records)
{
	const struct luo_pages *pages = &file->pages;
	struct luo_file_ser *ser;
	int err = 0;

	if (file->carried)
		err = luo_flbs_pack_carried(file->flbs, file->flbs_out, &file->packed);
	else
		file->packed = luo_flbs_pack(file->flbs);
	if (err)
		return err;

	/* Room was made when the file came, or by luo_files_carry(). */
	ser = luo_records_add(records);
	if (WARN_ON_ONCE(!ser))
		return -ENOSPC;
	strscpy(ser->compatible, file->carried ? file->compatible : file->handler->compatible,
		sizeof(ser->compatible));
	ser->token = cpu_to_le64(file->key.token);
	ser->data = cpu_to_le64(file->data);
	ser->pages = cpu_to_le64(pages->head ? luo_mem->block_phys(pages->head) : 0);
	ser->nr_pages = cpu_to_le64(pages->nr_pages);
	ser->nr_blocks = cpu_to_le64(pages->nr_blocks);
	ser->flbs = cpu_to_le64(file->packed);
	luo_flbs_count(file->packed, 1);
	return 0;
}

/**
 * luo_files_freeze() - freeze the files of a session, and write them down
 * @session:   the session, locked
 * @ser:       gets the list of files
 * @ret_pages: pages of these
 *
 * Return: 0, or the error of the first handler that said no; then none of the
 * files is frozen.
 */
int luo_files_freeze(struct luo_session *session, struct luo_session_ser *ser, u64 *ret_pages)
{
	struct luo_file *file, *goes;
	u64 nr = 0, pages = 0;
	int err;

	luo_records_begin(&session->records);
	list_for_each_entry(file, &session->files, list) {
		goes = luo_file_goes(file);
		if (!goes) {
			pr_warn("session '%s': damaged file %#llx does not go to the next kernel\n",
				session->name, file->key.token);
			continue;
		}
		err = luo_file_freeze(goes);
		if (err)
			goto err_unfreeze;
		err = luo_file_write(goes, &session->records);
		if (err) {
			luo_file_unfreeze(goes);
			goto err_unfreeze;
		}
		nr++;
		pages += goes->pages.nr_pages;
	}
	ser->files = cpu_to_le64(luo_records_end(&session->records));
	ser->nr_files = cpu_to_le64(nr);
	*ret_pages = pages;
	return 0;

err_unfreeze:
	list_for_each_entry_continue_reverse(file, &session->files, list) {
		goes = luo_file_goes(file);
		if (!goes)
			continue;
		luo_flbs_count(goes->packed, -1);
		luo_file_unfreeze(goes);
	}
	luo_records_thaw(&session->records);
	return err;
}

void luo_files_unfreeze(struct luo_session *session)
{
	struct luo_file *file, *goes;

	list_for_each_entry_reverse(file, &session->files, list) {
		goes = luo_file_goes(file);
		if (goes)
			luo_file_unfreeze(goes);
	}
	luo_records_thaw(&session->records);
}

/* ---------------------------------------------------------------- incoming */

/**
 * luo_file_receive() - an incoming session gets a file
 * @session: the session
 * @ser:     its record
 * @pages:   its pages, as far as they were understood
 * @damaged: they were not
 *
 * Return: 0; -EUCLEAN when it is kept, but damaged; -ENOMEM.
 */
int luo_file_receive(struct luo_session *session, const struct luo_file_ser *ser,
		     const struct luo_pages *pages, bool damaged)
{
	struct luo_file *file = luo_file_alloc(session, le64_to_cpu(ser->token));
	size_t len = strnlen(ser->compatible, sizeof(ser->compatible));
	bool lonely = false;
	int err;

	if (!file)
		return -ENOMEM;

	err = luo_file_insert_token(file);
	if (err && err != -EEXIST) {
		luo_file_free(file);
		return err;
	}
	if (err || !len || len == sizeof(ser->compatible))
		damaged = true;

	memcpy(file->compatible, ser->compatible, sizeof(file->compatible) - 1);
	file->data = le64_to_cpu(ser->data);
	/* Its handler will notice if it needs one that is lost. */
	file->flbs = le64_to_cpu(ser->flbs);
	if (!luo_flbs_receive_file(&file->flbs))
		lonely = true;
	if (damaged) {
		file->damaged = true;
		file->status = -EIO;
		luo_error("session '%s': incoming file %#llx is damaged",
			  session->name, file->key.token);
	} else {
		file->pages = *pages;
	}
	luo_file_publish(file);
	return damaged || lonely ? -EUCLEAN : 0;
}

/*
 * Errors of the data, which the next try will meet again. All others may be the
 * caller's own: no memory in its cgroup, a signal, a security module.
 */
bool luo_error_is_final(int err)
{
	switch (err) {
	case -EIO:
	case -EINVAL:
	case -EBADMSG:
	case -EUCLEAN:
	case -EOPNOTSUPP:
		return true;
	}
	return false;
}

/*
 * Has the handler make a file of what came. What a failure has left goes with
 * the next try, or into finish().
 */
int luo_file_make(struct luo_file *file)
{
	struct liveupdate_file_op_args args;
	int err;

	if (!luo_handler_of(file)) {
		luo_error("session '%s': nobody here can restore file %#llx (%s)",
			  file->key.session->name, file->key.token, file->compatible);
		return -ENOENT;
	}
	/* From here on its frames may belong to somebody, and move. */
	luo_file_stay(file);
	args = luo_file_args(file);
	err = file->handler->ops->retrieve(&args);
	file->data = args.serialized_data;
	file->private = args.private_data;
	if (!err && WARN_ON_ONCE(!args.file))
		err = -EIO;
	if (err) {
		/* Where the other way is open, somebody has to bring it. */
		if (luo_error_is_final(err) &&
		    !(err == -EOPNOTSUPP && file->handler->ops->retrieve_into))
			file->status = err;
		return err;
	}
	file->file = args.file;
	file->status = 1;
	return 0;
}

/**
 * luo_file_retrieve() - somebody wants a file of an incoming session
 * @session:  the session, locked
 * @token:    under which it was preserved
 * @ret_file: the file, with a reference for the caller
 *
 * Return: 0, or an error as in the description of LIVEUPDATE_SESSION_RETRIEVE_FD.
 */
int luo_file_retrieve(struct luo_session *session, u64 token, struct file **ret_file)
{
	struct luo_file *file = luo_file_find(session, token);
	int err;

	if (!file)
		return -ENOENT;
	if (file->status < 0)
		return file->status;

	if (!file->status) {
		err = luo_file_make(file);
		if (err)
			return err;
	}

	/* The file is there; without this only nobody may have it. */
	if (!file->has_id) {
		err = luo_file_insert_id(file);
		if (WARN_ON_ONCE(err == -EEXIST))
			return -EBUSY;
		if (err)
			return err;
	}

	*ret_file = get_file(file->file);
	return 0;
}

/* A file that waits for somebody to bring what it is to be made of. */
static int luo_file_find_waiting(struct luo_session *session, u64 token,
				 struct luo_file **ret_file)
{
	struct luo_file *file = luo_file_find(session, token);

	if (!file)
		return -ENOENT;
	if (file->status)
		return file->status < 0 ? file->status : -EBUSY;
	if (!luo_handler_of(file)) {
		luo_error("session '%s': nobody here can restore file %#llx (%s)",
			  session->name, token, file->compatible);
		return -ENOENT;
	}
	if (!file->handler->ops->retrieve_into)
		return -EOPNOTSUPP;
	*ret_file = file;
	return 0;
}

/**
 * luo_file_describe() - what luo_file_retrieve_into() needs
 * @session: the session, locked
 * @token:   under which the file was preserved
 * @ret:     what it was
 *
 * Return: 0, or an error as in the description of LIVEUPDATE_SESSION_RETRIEVE_INTO.
 */
int luo_file_describe(struct luo_session *session, u64 token,
		      struct liveupdate_file_model *ret)
{
	struct liveupdate_file_op_args args;
	struct luo_file *file;
	int err;

	err = luo_file_find_waiting(session, token, &file);
	if (err)
		return err;
	args = luo_file_args(file);
	err = file->handler->ops->describe(&args, ret);
	if (luo_error_is_final(err))
		file->status = err;
	return err;
}

/**
 * luo_file_retrieve_into() - somebody brings what a file is to be made of
 * @session: the session, locked
 * @token:   under which the file was preserved
 * @fd:      of the caller
 *
 * Return: 0, or an error as in the description of LIVEUPDATE_SESSION_RETRIEVE_INTO.
 */
int luo_file_retrieve_into(struct luo_session *session, u64 token, int fd)
{
	struct liveupdate_file_op_args args;
	struct luo_file *file;
	int err;

	err = luo_file_find_waiting(session, token, &file);
	if (err)
		return err;
	/* RETRIEVE_FD has begun, with a file of its own. */
	if (file->private && !file->has_id)
		return -EBUSY;
	file->file = fget(fd);
	if (!file->file)
		return -EBADF;

	/* Nobody may have it twice, not even two tokens. */
	if (!file->has_id)
		err = luo_file_insert_id(file);
	else if (file->id != luo_file_identity(file))
		err = -EEXIST;
	if (err) {
		err = err == -EEXIST ? -EBUSY : err;
		goto err_put;
	}

	/* As in luo_file_make(). */
	luo_file_stay(file);
	args = luo_file_args(file);
	err = file->handler->ops->retrieve_into(&args);
	file->data = args.serialized_data;
	file->private = args.private_data;
	if (err) {
		/* Of the errors of data these two speak of what was brought. */
		if (luo_error_is_final(err) && err != -EINVAL && err != -EOPNOTSUPP)
			file->status = err;
		goto err_remove_id;
	}
	file->status = 1;
	return 0;

err_remove_id:
	/* What has been begun with stays ours until it is finished. */
	if (!file->private)
		luo_file_remove_id(file);
err_put:
	fput(file->file);
	file->file = NULL;
	return err;
}

static bool luo_file_can_finish(struct luo_file *file)
{
	struct liveupdate_file_op_args args;

	if (file->damaged || !luo_handler_of(file) || !file->handler->ops->can_finish)
		return true;

	args = luo_file_args(file);
	return file->handler->ops->can_finish(&args);
}

/* Gives back what a file without a handler owns. */
static void luo_file_release_extents(struct luo_file *file)
{
	struct luo_extent ext;
	unsigned int i;
	void *block;

	for (block = file->pages.head; block; block = luo_block_next(block)) {
		for (i = 0; i < luo_block_nr_extents(block); i++) {
			luo_block_extent(block, i, &ext);
			luo_mem->release(ext.pfn, luo_extent_pages(&ext));
		}
	}
}

static void luo_file_release_blocks(struct luo_file *file)
{
	void *block = file->pages.head;

	while (block) {
		void *next = luo_block_next(block);

		luo_mem->release(luo_mem->block_phys(block) / LUO_BLOCK_SIZE, 1);
		block = next;
	}
}

static void luo_file_finish(struct luo_file *file)
{
	struct liveupdate_file_op_args args;

	luo_file_stay(file);
	if (file->damaged) {
		pr_warn_ratelimited("session '%s': memory of damaged file %#llx stays reserved\n",
				    file->key.session->name, file->key.token);
	} else if (luo_handler_of(file)) {
		args = luo_file_args(file);
		file->handler->ops->finish(&args);
		luo_file_release_blocks(file);
	} else {
		pr_warn_ratelimited("session '%s': nobody wanted file %#llx (%s), %llu pages freed\n",
				    file->key.session->name, file->key.token,
				    file->compatible, file->pages.nr_pages);
		luo_file_release_extents(file);
		luo_file_release_blocks(file);
	}
	luo_file_withdraw(file);
	luo_flbs_finish(file->flbs);
	luo_file_free(file);
}

/**
 * luo_files_finish() - an incoming session ends
 * @session: the session, locked
 *
 * Return: 0, and the session is empty; -EBUSY when a file is not ready, and
 * then nothing has happened.
 */
int luo_files_finish(struct luo_session *session)
{
	struct luo_file *file;

	list_for_each_entry(file, &session->files, list)
		if (!luo_file_can_finish(file))
			return -EBUSY;

	while (!list_empty(&session->files)) {
		luo_file_finish(list_last_entry(&session->files, struct luo_file, list));
		cond_resched();
	}
	return 0;
}

/* ------------------------------------------------- incoming turns outgoing */

/**
 * luo_files_preserve_again() - preserve what an incoming session holds
 * @session: the session, locked; it has files
 *
 * For luo_files_turn(), which cannot fail. Undone by luo_files_stay().
 *
 * Return: 0; -EBUSY when a file has not been retrieved, or is not ready;
 * -ENOMEM; the error of a handler. Then nothing has happened.
 */
int luo_files_preserve_again(struct luo_session *session)
{
	struct luo_file *file;
	int err;

	/* One that somebody has begun to fill has an identity, but is no file yet. */
	list_for_each_entry(file, &session->files, list)
		if (file->status <= 0 || !file->has_id || !luo_file_can_finish(file))
			return -EBUSY;

	err = luo_records_resize(&session->records, session->nr_files);
	if (err)
		return err;
	list_for_each_entry(file, &session->files, list) {
		err = luo_file_preserve_again(file);
		if (err) {
			luo_files_stay(session);
			return err;
		}
		cond_resched();
	}
	return 0;
}

/* The session stays an incoming one, and its files do not go anywhere yet. */
void luo_files_stay(struct luo_session *session)
{
	struct luo_file *file;

	list_for_each_entry_reverse(file, &session->files, list)
		luo_file_stay(file);
	luo_records_resize(&session->records, 0);
}

/*
 * The session has just become an outgoing one, and so do its files: what they
 * were is finished, as by luo_files_finish(). Cannot fail.
 */
void luo_files_turn(struct luo_session *session)
{
	struct luo_file *file, *again;

	list_for_each_entry_reverse(file, &session->files, list) {
		struct liveupdate_file_op_args args = luo_file_args(file);
		u64 flbs = file->flbs;

		file->handler->ops->finish(&args);
		luo_file_release_blocks(file);
		atomic64_add(-file->counted, &luo_stats.pages[1]);
		atomic64_dec(&luo_stats.files[1]);
		atomic64_inc(&luo_stats.files[0]);
		session->nr_pages -= file->counted;
		file->counted = 0;

		/* What has stood for it becomes part of it. */
		again = file->again;
		file->again = NULL;
		swap(file->handler, again->handler);
		file->pages = again->pages;
		file->data = again->data;
		file->private = again->private;
		file->flbs = again->flbs;
		file->status = 0;
		luo_file_free(again);
		luo_file_count_pages(file, file->pages.nr_pages);
		luo_flbs_finish(flbs);
		cond_resched();
	}
}

/* The session is forgotten, and what it holds stays reserved. */
void luo_files_drop(struct luo_session *session)
{
	struct luo_file *file, *tmp;

	list_for_each_entry_safe(file, tmp, &session->files, list) {
		luo_file_stay(file);
		luo_file_withdraw(file);
		luo_file_free(file);
	}
}
