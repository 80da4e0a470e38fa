// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Sessions
 *
 * A session is a named set of files that belong together. To user space it is
 * a file descriptor: whoever holds it may add or fetch files, and when the
 * last one is closed the session ends. Outgoing sessions are made for the next
 * kernel, incoming ones came from the previous. Either kind has its own names.
 *
 * Life, outgoing: luo_session_create() reserves the name and room for the
 * record and makes the struct file; then the answer is written to user space;
 * luo_session_publish() puts the session into the list that the freeze walks.
 * A session that is not published takes no part in an update: nobody knows of
 * it. Closing it unpreserves its files in reverse.
 *
 * Life, incoming: luo_session_receive() - luo_session_claim() by name, with
 * the same two steps - FINISH or close. What is not finished when the machine
 * jumps is incoming in the next kernel, too (luo_carry.c).
 *
 * With LIVEUPDATE_SESSION_FREEZE the files of an outgoing session stay the same
 * until THAW, and its handlers do ahead of time what they can; the update itself
 * freezes them like all others, so that nothing is missed that happens to them
 * in between.
 *
 * With LIVEUPDATE_SESSION_KEEP_ON_CLOSE a closed session waits for the next who
 * asks: incoming ones for luo_session_claim(), outgoing ones, which take part in
 * an update as ever, for luo_session_reopen(). luo_session_recycle() lets an
 * incoming session begin again as an outgoing one.
 *
 * Unhappy ways: when the answer cannot be written, luo_session_abort() takes
 * everything back: the new session dies, the incoming one waits for the next
 * who asks. An incoming session whose files cannot be finished at close goes
 * back to where it was, under its name, rather than being lost; files that
 * were retrieved stay so. A damaged session answers EIO and keeps its memory.
 * When several incoming sessions have one name, the newest answers; when that
 * is gone, the next.
 *
 * Locks: see luo_internal.h. The struct file owns the session, so neither
 * ioctl nor release need a reference count; the one that there is keeps the
 * memory of a session that is gone for a cursor that stands on it.
 */
#include "luo_internal.h"

static_assert(LUO_SESSION_NAME_SER == LIVEUPDATE_SESSION_NAME_LENGTH);

DEFINE_MUTEX(luo_sessions_lock);

struct list_head luo_sessions[2] = {
	LIST_HEAD_INIT(luo_sessions[0]),
	LIST_HEAD_INIT(luo_sessions[1]),
};

static struct rhashtable luo_names[2];
static const struct rhashtable_params luo_names_params = {
	.key_len = LIVEUPDATE_SESSION_NAME_LENGTH,
	.key_offset = offsetof(struct luo_session, name),
	.head_offset = offsetof(struct luo_session, node),
	.automatic_shrinking = true,
};

/* Room for all outgoing sessions that have a name, published or not. */
static struct luo_records luo_session_records = {
	.magic = LUO_MAGIC_SESSIONS,
	.size = sizeof(struct luo_session_ser),
};
static u64 luo_nr_outgoing;
static u64 luo_nr_carried;	/* incoming ones that have room, too: all or none */

static u64 luo_last_id;

struct luo_outcome luo_outcome;

static void luo_session_drop(struct luo_session *session);
static void luo_session_unclaim(struct luo_session *session);

int luo_sessions_init(void)
{
	int err = rhashtable_init(&luo_names[0], &luo_names_params);

	if (err)
		return err;
	err = rhashtable_init(&luo_names[1], &luo_names_params);
	if (err)
		rhashtable_destroy(&luo_names[0]);
	return err;
}

void luo_sessions_drop_incoming(void)
{
	struct luo_session *session, *tmp;

	list_for_each_entry_safe(session, tmp, &luo_sessions[1], list)
		luo_session_drop(session);
}

void luo_sessions_exit(void)
{
	/* Outgoing ones have struct files, which pin the module. */
	WARN_ON_ONCE(luo_nr_outgoing);
	luo_sessions_drop_incoming();
	luo_records_resize(&luo_session_records, 0);
	rhashtable_destroy(&luo_names[0]);
	rhashtable_destroy(&luo_names[1]);
}

/* Makes a key of a name: padded with zeros. Returns its length, 0 if it is none. */
static size_t luo_session_key(const u8 *name, char key[LIVEUPDATE_SESSION_NAME_LENGTH])
{
	size_t len = strnlen((const char *)name, LIVEUPDATE_SESSION_NAME_LENGTH);

	if (len == LIVEUPDATE_SESSION_NAME_LENGTH)
		return 0;
	memset(key, 0, LIVEUPDATE_SESSION_NAME_LENGTH);
	memcpy(key, name, len);
	return len;
}

static struct luo_session *luo_session_alloc(bool incoming)
{
	struct luo_session *session = kzalloc(sizeof(*session), GFP_KERNEL_ACCOUNT);

	if (!session)
		return NULL;
	session->refs = 1;
	session->incoming = incoming;
	/* What arrived would be lost with us. */
	session->pinned = incoming;
	if (incoming)
		__module_get(THIS_MODULE);
	session->records.magic = LUO_MAGIC_FILES;
	session->records.size = sizeof(struct luo_file_ser);
	mutex_init(&session->lock);
	INIT_LIST_HEAD(&session->files);
	INIT_LIST_HEAD(&session->list);
	INIT_LIST_HEAD(&session->namesakes);
	atomic64_inc(&luo_stats.sessions[incoming]);
	return session;
}

/* Called with luo_sessions_lock held. */
void luo_session_put(struct luo_session *session)
{
	if (--session->refs)
		return;
	mutex_destroy(&session->lock);
	kfree(session);
}

/* There is one less. What is left of it goes with the last cursor. */
static void luo_session_free(struct luo_session *session)
{
	luo_records_resize(&session->records, 0);
	if (atomic64_dec_and_test(&luo_stats.sessions[session->incoming]))
		luo_state_changed();
	if (session->pinned)
		module_put(THIS_MODULE);

	mutex_lock(&luo_sessions_lock);
	luo_session_put(session);
	mutex_unlock(&luo_sessions_lock);
}

/* These two are called with luo_sessions_lock held. */
static void luo_session_list(struct luo_session *session)
{
	session->id = ++luo_last_id;
	if (!session->serial)
		session->serial = session->id;
	list_add_tail(&session->list, &luo_sessions[session->incoming]);
}

static void luo_session_unlist(struct luo_session *session)
{
	session->id = 0;
	list_del_init(&session->list);
}

/* Room for all that have it, and for so many more. Called with luo_sessions_lock held. */
static int luo_sessions_make_room(unsigned int more)
{
	return luo_records_resize(&luo_session_records,
				  luo_nr_outgoing + luo_nr_carried + more);
}

/* An incoming session goes. Called with luo_sessions_lock held. */
static void luo_session_uncount_carried(void)
{
	if (luo_nr_carried)
		luo_nr_carried--;
	luo_sessions_make_room(0);
}

/* Called with luo_sessions_lock held. */
static int luo_session_insert_name(struct luo_session *session)
{
	int err = rhashtable_lookup_insert_fast(&luo_names[session->incoming],
						&session->node, luo_names_params);

	session->named = !err;
	return err && err != -EEXIST ? -ENOMEM : err;
}

/* @heir answers to the name of @session instead of it. Cannot fail. */
static void luo_session_pass_name(struct luo_session *session, struct luo_session *heir)
{
	WARN_ON_ONCE(rhashtable_replace_fast(&luo_names[session->incoming], &session->node,
					&heir->node, luo_names_params));
	session->named = false;
	heir->named = true;
}

static void luo_session_remove_name(struct luo_session *session)
{
	struct luo_session *other, *heir = NULL;

	list_for_each_entry(other, &session->namesakes, namesakes)
		if (!heir || heir->generation < other->generation)
			heir = other;
	list_del_init(&session->namesakes);

	if (session->named && heir)
		luo_session_pass_name(session, heir);
	else if (session->named)
		rhashtable_remove_fast(&luo_names[session->incoming], &session->node,
				       luo_names_params);
	session->named = false;
}

/*
 * An incoming session gets its name, or its place among those who have it. In
 * the second case it cannot fail.
 */
static int luo_session_join_names(struct luo_session *session)
{
	struct luo_session *first;

	first = rhashtable_lookup_fast(&luo_names[1], session->name, luo_names_params);
	if (!first)
		return luo_session_insert_name(session);
	list_add_tail(&session->namesakes, &first->namesakes);
	if (first->generation < session->generation)
		luo_session_pass_name(first, session);
	return 0;
}

/* ------------------------------------------------------ struct file of a session */

static int luo_session_fop_release(struct inode *inode, struct file *file)
{
	if (file->private_data)
		luo_session_release(file->private_data);
	return 0;
}

static long luo_session_fop_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return luo_session_ioctl(file->private_data, cmd, arg);
}

static const struct file_operations luo_session_fops = {
	.owner = THIS_MODULE,
	.release = luo_session_fop_release,
	.unlocked_ioctl = luo_session_fop_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

/* Service managers know the fd of a session by exactly this name. */
static struct file *luo_session_getfile(struct luo_session *session)
{
	char name[sizeof("[luo_session] ") + LIVEUPDATE_SESSION_NAME_LENGTH];

	snprintf(name, sizeof(name), "[luo_session] %s", session->name);
	return anon_inode_getfile(name, &luo_session_fops, session, O_RDWR);
}

/* ------------------------------------------------------------ create and claim */

/* Undoes what luo_session_create() did before there was a struct file. */
static void luo_session_destroy(struct luo_session *session)
{
	mutex_lock(&luo_sessions_lock);
	luo_session_unlist(session);
	luo_session_remove_name(session);
	luo_nr_outgoing--;
	luo_sessions_make_room(0);
	mutex_unlock(&luo_sessions_lock);

	luo_session_free(session);
}

/**
 * luo_session_create() - first step to a new outgoing session
 * @name:       LIVEUPDATE_SESSION_NAME_LENGTH bytes from the user
 * @generation: of no meaning here
 * @ret_file:   its struct file, for luo_session_publish() or luo_session_abort()
 *
 * Return: 0, -EINVAL, -EEXIST, -ENOMEM, -ENFILE.
 */
int luo_session_create(const u8 *name, u64 generation, struct file **ret_file)
{
	struct luo_session *session = luo_session_alloc(false);
	struct file *file;
	int err;

	if (!session)
		return -ENOMEM;
	err = luo_session_key(name, session->name) ? 0 : -EINVAL;
	if (err)
		goto err_free;

	mutex_lock(&luo_sessions_lock);
	err = luo_session_insert_name(session);
	if (err)
		goto err_unlock;
	err = luo_sessions_make_room(1);
	if (err)
		goto err_remove_name;
	luo_nr_outgoing++;
	session->claimed = true;
	mutex_unlock(&luo_sessions_lock);

	file = luo_session_getfile(session);
	if (IS_ERR(file)) {
		luo_session_destroy(session);
		return PTR_ERR(file);
	}
	*ret_file = file;
	return 0;

err_remove_name:
	luo_session_remove_name(session);
err_unlock:
	mutex_unlock(&luo_sessions_lock);
err_free:
	luo_session_free(session);
	return err;
}

/*
 * The newest incoming session of a name, or the one of a generation. Called
 * with luo_sessions_lock held.
 */
static struct luo_session *luo_session_find(const char *key, u64 generation)
{
	struct luo_session *first, *other;

	first = rhashtable_lookup_fast(&luo_names[1], key, luo_names_params);
	if (!first || !generation || first->generation == generation)
		return first;
	list_for_each_entry(other, &first->namesakes, namesakes)
		if (other->generation == generation)
			return other;
	return NULL;
}

/* A struct file for a session that we have just claimed. */
static int luo_session_attach(struct luo_session *session, struct file **ret_file)
{
	/* Only who has claimed a session can make it go away. */
	struct file *file = luo_session_getfile(session);

	if (IS_ERR(file)) {
		luo_session_unclaim(session);
		return PTR_ERR(file);
	}
	*ret_file = file;
	return 0;
}

/**
 * luo_session_claim() - first step to retrieve an incoming session
 * @name:       LIVEUPDATE_SESSION_NAME_LENGTH bytes from the user
 * @generation: of the session, 0 for the newest of that name
 * @ret_file:   its struct file, for luo_session_publish() or luo_session_abort()
 *
 * Return: 0; -ENOENT when there is none; -EINVAL when it is claimed already;
 * -EIO when it is damaged; -ENOMEM, -ENFILE.
 */
int luo_session_claim(const u8 *name, u64 generation, struct file **ret_file)
{
	char key[LIVEUPDATE_SESSION_NAME_LENGTH];
	struct luo_session *session;
	int err = 0;

	if (!luo_session_key(name, key))
		return -ENOENT;

	mutex_lock(&luo_sessions_lock);
	session = luo_session_find(key, generation);
	if (!session)
		err = -ENOENT;
	else if (session->err)
		err = session->err;
	else if (session->claimed)
		err = -EINVAL;
	else
		session->claimed = true;
	mutex_unlock(&luo_sessions_lock);
	return err ?: luo_session_attach(session, ret_file);
}

/**
 * luo_session_reopen() - first step to an outgoing session that was left alone
 * @name:       LIVEUPDATE_SESSION_NAME_LENGTH bytes from the user
 * @generation: of no meaning here
 * @ret_file:   its struct file, for luo_session_publish() or luo_session_abort()
 *
 * Return: 0; -ENOENT when there is none; -EBUSY when somebody has it; -ENOMEM,
 * -ENFILE.
 */
int luo_session_reopen(const u8 *name, u64 generation, struct file **ret_file)
{
	char key[LIVEUPDATE_SESSION_NAME_LENGTH];
	struct luo_session *session;
	int err = 0;

	if (!luo_session_key(name, key))
		return -ENOENT;

	mutex_lock(&luo_sessions_lock);
	session = rhashtable_lookup_fast(&luo_names[0], key, luo_names_params);
	if (!session)
		err = -ENOENT;
	else if (session->claimed)
		err = -EBUSY;
	else
		session->claimed = true;
	mutex_unlock(&luo_sessions_lock);
	return err ?: luo_session_attach(session, ret_file);
}

/* The user has been told: from now on the session takes part. Cannot fail. */
void luo_session_publish(struct file *file, u32 flags)
{
	struct luo_session *session = file->private_data;

	/* No descriptor leads to it yet, so nobody can close it without them. */
	if (flags) {
		mutex_lock(&session->lock);
		session->flags = flags;
		mutex_unlock(&session->lock);
	}

	if (session->incoming)
		return;

	/* The struct file does, from now on. */
	if (session->pinned) {
		session->pinned = false;
		module_put(THIS_MODULE);
		return;
	}

	down_read(&luo_freeze_sem);
	mutex_lock(&luo_sessions_lock);
	luo_session_list(session);
	mutex_unlock(&luo_sessions_lock);
	up_read(&luo_freeze_sem);
}

/* The user could not be told: nothing has happened. */
void luo_session_abort(struct file *file)
{
	struct luo_session *session = file->private_data;

	/* It was there before us: without a session the release does nothing. */
	if (session->pinned) {
		file->private_data = NULL;
		luo_session_unclaim(session);
	}
	fput(file);
}

/* ------------------------------------------------------------------- release */

/* An incoming session goes, and its memory stays as it is. */
static void luo_session_drop(struct luo_session *session)
{
	mutex_lock(&session->lock);
	luo_files_drop(session);
	mutex_unlock(&session->lock);

	mutex_lock(&luo_sessions_lock);
	luo_session_unlist(session);
	luo_session_remove_name(session);
	luo_session_uncount_carried();
	mutex_unlock(&luo_sessions_lock);

	luo_session_free(session);
	luo_memory_report();
}

/* Nobody has it any more, and it waits for the next. */
static void luo_session_unclaim(struct luo_session *session)
{
	if (!session->pinned) {
		__module_get(THIS_MODULE);
		session->pinned = true;
	}
	mutex_lock(&luo_sessions_lock);
	session->claimed = false;
	mutex_unlock(&luo_sessions_lock);
}

void luo_session_release(struct luo_session *session)
{
	bool keep;
	int err = 0;

	down_read(&luo_freeze_sem);

	mutex_lock(&session->lock);
	keep = session->flags & LIVEUPDATE_SESSION_KEEP_ON_CLOSE &&
	       (!session->incoming || session->nr_files);
	session->flags &= ~LIVEUPDATE_SESSION_KEEP_ON_CLOSE;
	if (keep)
		; /* nothing happens to its files */
	else if (session->incoming)
		err = luo_files_finish(session);
	else
		luo_files_unpreserve(session);
	mutex_unlock(&session->lock);

	if (err)
		luo_error("session '%s' was closed, but cannot be finished: error %d; it can be retrieved again",
			  session->name, err);
	if (keep || err) {
		luo_session_unclaim(session);
	} else if (session->incoming) {
		luo_session_drop(session);
	} else {
		luo_session_destroy(session);
	}

	up_read(&luo_freeze_sem);
}

/**
 * luo_session_give_up() - an incoming session that nobody wants
 * @name:       LIVEUPDATE_SESSION_NAME_LENGTH bytes from the user
 * @generation: of the session, 0 for the newest of that name
 *
 * Return: 0; -ENOENT when there is none; -EBUSY when somebody has it, or a file
 * of it is not ready.
 */
int luo_session_give_up(const u8 *name, u64 generation)
{
	char key[LIVEUPDATE_SESSION_NAME_LENGTH];
	struct luo_session *session;
	int err = 0;

	if (!luo_session_key(name, key))
		return -ENOENT;

	mutex_lock(&luo_sessions_lock);
	session = luo_session_find(key, generation);
	if (!session)
		err = -ENOENT;
	else if (session->claimed)
		err = -EBUSY;
	else
		session->claimed = true;
	mutex_unlock(&luo_sessions_lock);
	if (err)
		return err;

	if (session->err) {
		pr_warn("damaged session '%s' is dropped, its memory stays reserved\n",
			session->name);
	} else {
		mutex_lock(&session->lock);
		err = luo_files_finish(session);
		mutex_unlock(&session->lock);
	}
	if (err)
		luo_session_unclaim(session);
	else
		luo_session_drop(session);
	return err;
}

/* From one list and table of names to the other. */
static int luo_session_turn(struct luo_session *session)
{
	struct luo_session *other;
	int err;

	mutex_lock(&luo_sessions_lock);
	other = rhashtable_lookup_fast(&luo_names[0], session->name, luo_names_params);
	err = other ? -EEXIST : luo_sessions_make_room(1);
	if (err)
		goto out_unlock;

	/* One node for two tables: it leaves one before it enters the other. */
	luo_session_remove_name(session);
	WRITE_ONCE(session->incoming, false);
	err = luo_session_insert_name(session);
	if (err) {
		WRITE_ONCE(session->incoming, true);
		/* If not even that works, it is not to be found by name. */
		luo_session_join_names(session);
		luo_sessions_make_room(0);
		goto out_unlock;
	}
	luo_nr_outgoing++;
	luo_session_uncount_carried();
	session->generation = 0;
	luo_session_unlist(session);
	luo_session_list(session);
	atomic64_inc(&luo_stats.sessions[0]);
	if (atomic64_dec_and_test(&luo_stats.sessions[1]))
		luo_state_changed();
	/* The struct file holds the module. */
	session->pinned = false;
	module_put(THIS_MODULE);
	luo_memory_report();
out_unlock:
	mutex_unlock(&luo_sessions_lock);
	return err;
}

/**
 * luo_session_recycle() - an incoming session becomes an outgoing one
 * @session:    the session, locked
 * @keep_files: with its files; else it must not have any
 *
 * Return: 0; -EBUSY when it has files, or they are not ready; -EEXIST when its
 * name is taken; -ENOMEM; the error of a handler. Then nothing has happened.
 */
int luo_session_recycle(struct luo_session *session, bool keep_files)
{
	int err;

	if (session->nr_files && !keep_files)
		return -EBUSY;
	if (session->nr_files) {
		err = luo_files_preserve_again(session);
		if (err)
			return err;
	}

	err = luo_session_turn(session);
	if (err) {
		if (session->nr_files)
			luo_files_stay(session);
		return err;
	}
	if (session->nr_files)
		luo_files_turn(session);
	if (!keep_files)
		session->flags = 0;
	return 0;
}

/* -------------------------------------------------------------------- freeze */

/* Not in the image, and not frozen: lost if the machine jumps. */
static bool luo_session_may_stay(const struct luo_session *session)
{
	return session->flags & LIVEUPDATE_SESSION_DROP_ON_FAILURE;
}

/* Takes part in an update: all that is outgoing, and what came and is of use. */
static bool luo_session_goes(const struct luo_session *session)
{
	if (!session->incoming)
		return true;
	/* Finished ones are empty, and held by who has finished them. */
	return !session->err && (session->nr_files || !READ_ONCE(session->claimed));
}

/**
 * luo_sessions_carry() - incoming sessions get ready for the next kernel
 *
 * Called with luo_freeze_sem held for writing. What concerns one session only is
 * kept in its @carry_err.
 *
 * Return: 0, -ENOMEM.
 */
int luo_sessions_carry(void)
{
	struct luo_session *session;
	u64 before = luo_nr_carried, nr = 0;
	int err;

	list_for_each_entry(session, &luo_sessions[1], list)
		nr++;
	mutex_lock(&luo_sessions_lock);
	luo_nr_carried = nr;
	err = luo_sessions_make_room(0);
	if (err)
		luo_nr_carried = before;
	mutex_unlock(&luo_sessions_lock);
	if (err)
		return err;

	list_for_each_entry(session, &luo_sessions[1], list) {
		if (!luo_session_goes(session))
			continue;
		mutex_lock(&session->lock);
		session->carry_err = luo_files_carry(session);
		mutex_unlock(&session->lock);
	}
	return 0;
}

static int luo_session_freeze(struct luo_session *session, struct luo_session_ser *ser,
			      u64 *ret_pages)
{
	int err;

	mutex_lock(&session->lock);
	err = luo_files_freeze(session, ser, ret_pages);
	session->frozen = !err;
	mutex_unlock(&session->lock);
	return err;
}

static void luo_session_unfreeze(struct luo_session *session)
{
	mutex_lock(&session->lock);
	if (session->frozen)
		luo_files_unfreeze(session);
	session->frozen = false;
	mutex_unlock(&session->lock);
}

/* Freezes a session and writes it down; 0 also when it stays behind. */
static int luo_session_write(struct luo_session *session, u64 newest)
{
	struct luo_session_ser ser = { }, *room;
	u64 pages = 0;
	int err;

	if (session->err) {
		pr_warn("damaged session '%s' does not go to the next kernel\n", session->name);
		luo_outcome.dropped++;
		return 0;
	}
	if (!luo_session_goes(session))
		return 0;

	memcpy(ser.name, session->name, sizeof(ser.name));
	ser.generation = cpu_to_le64(session->incoming ? session->generation : newest);
	/* What is outgoing now may have been incoming when that was noted. */
	err = session->incoming ? session->carry_err : 0;
	if (!err)
		err = luo_session_freeze(session, &ser, &pages);
	if (err && !luo_outcome.err) {
		memcpy(luo_outcome.session, session->name, sizeof(luo_outcome.session));
		luo_outcome.err = err;
	}
	if (err && luo_session_may_stay(session)) {
		pr_warn("session '%s' cannot be frozen (error %d) and stays behind\n",
			session->name, err);
		luo_outcome.dropped++;
		return 0;
	}
	if (err)
		return err;

	/* Room was made when the session was created, or by luo_sessions_carry(). */
	room = luo_records_add(&luo_session_records);
	if (WARN_ON_ONCE(!room))
		return -ENOSPC;
	*room = ser;
	luo_outcome.sessions++;
	luo_outcome.carried += session->incoming;
	luo_outcome.files += le64_to_cpu(ser.nr_files);
	luo_outcome.pages += pages;
	return 0;
}

/**
 * luo_sessions_freeze() - freeze all sessions, and write them down
 * @root: gets the list of sessions, and how much is in it
 *
 * Called with luo_freeze_sem held for writing, which keeps the lists as they are,
 * and after luo_sessions_carry(). A session that cannot be frozen is left out if
 * its user wants it so.
 *
 * Return: 0, or the error of the first handler that said no; then nothing is
 * frozen.
 */
int luo_sessions_freeze(struct luo_root_ser *root)
{
	struct luo_session *session;
	unsigned int i;
	int err;

	luo_outcome = (struct luo_outcome){};
	luo_records_begin(&luo_session_records);
	for (i = 0; i < 2; i++) {
		list_for_each_entry(session, &luo_sessions[i], list) {
			err = luo_session_write(session, le64_to_cpu(root->generation));
			if (err)
				goto err_unfreeze;
		}
	}
	root->sessions = cpu_to_le64(luo_records_end(&luo_session_records));
	root->nr_sessions = cpu_to_le64(luo_outcome.sessions);
	root->nr_files = cpu_to_le64(luo_outcome.files);
	root->nr_pages = cpu_to_le64(luo_outcome.pages);
	return 0;

err_unfreeze:
	luo_sessions_unfreeze();
	return err;
}

void luo_sessions_unfreeze(void)
{
	struct luo_session *session;
	unsigned int i;

	for (i = 2; i--; )
		list_for_each_entry_reverse(session, &luo_sessions[i], list)
			luo_session_unfreeze(session);
	luo_records_thaw(&luo_session_records);
}

/* ------------------------------------------------------------------- receive */

/**
 * luo_session_receive() - an incoming session without its files
 * @ser:    its record
 * @newest: generation of the update that has brought it here
 *
 * Return: the session, whose @err may say that it is damaged; ERR_PTR(-ENOMEM).
 */
struct luo_session *luo_session_receive(const struct luo_session_ser *ser, u64 newest)
{
	struct luo_session *session = luo_session_alloc(true);
	int err = 0;

	if (!session)
		return ERR_PTR(-ENOMEM);

	session->generation = le64_to_cpu(ser->generation);
	mutex_lock(&luo_sessions_lock);
	if (luo_session_key((const u8 *)ser->name, session->name)) {
		/* One kernel does not write a name twice. */
		if (luo_session_find(session->name, session->generation))
			session->err = -EIO;
		err = luo_session_join_names(session);
	} else {
		session->err = -EIO;
	}
	/*
	 * What we do not know the meaning of, we had better not ignore. And nobody
	 * could ask for one of generation 0 when there is a newer of its name.
	 */
	if (ser->flags || !session->generation || session->generation > newest)
		session->err = -EIO;
	if (!err)
		luo_session_list(session);
	mutex_unlock(&luo_sessions_lock);
	if (err) {
		luo_session_free(session);
		return ERR_PTR(err);
	}
	return session;
}
