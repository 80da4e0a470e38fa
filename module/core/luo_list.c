// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Lists for those who look on
 *
 * A tool that shows sessions and files has no session and no device, and takes
 * its time. A &struct luo_cursor goes from session to session by the number
 * that each gets when it is put into its list, and from file to file by the number
 * that each has in its session.
 *
 * A reference to the session where it stands makes the next step a single one; a
 * session that has left the list meanwhile has no number any more, and then the
 * place is looked for. The reference keeps the memory of the session and nothing
 * else: it may end, and has no files then. A file is found again by its token.
 *
 * Locks: luo_sessions_lock for a step from session to session, the session's lock
 * for its files, never both, and none while the cursor stands. No luo_freeze_sem,
 * see luo_internal.h.
 */
#include "luo_internal.h"

/* ------------------------------------------------------------------- files */

static u32 luo_file_state(const struct luo_file *file)
{
	if (!file->key.session->incoming)
		return LIVEUPDATE_FILE_PRESERVED;
	if (file->status)
		return file->status > 0 ? LIVEUPDATE_FILE_RETRIEVED : LIVEUPDATE_FILE_FAILED;

	return file->handler || luo_handler_known(file->compatible) ?
	       LIVEUPDATE_FILE_WAITING : LIVEUPDATE_FILE_UNKNOWN;
}

static void luo_file_get_info(const struct luo_file *file, struct liveupdate_file_info *info)
{
	*info = (struct liveupdate_file_info){
		.token = file->key.token,
		.bytes = file->pages.nr_pages * LUO_BLOCK_SIZE,
		.state = luo_file_state(file),
		.error = file->status < 0 ? -file->status : 0,
	};
	strscpy_pad((char *)info->compatible, file->key.session->incoming ?
		    file->compatible : file->handler->compatible, sizeof(info->compatible));
}

/**
 * luo_files_list() - what is in a session
 * @session: the session, locked
 * @first:   so many files are left out
 * @info:    the others
 * @room:    in @info
 *
 * Return: number of records written.
 */
u32 luo_files_list(struct luo_session *session, u64 first,
		   struct liveupdate_file_info *info, u32 room)
{
	struct luo_file *file;
	u64 i = 0;
	u32 nr = 0;

	list_for_each_entry(file, &session->files, list) {
		if (nr == room)
			break;
		if (i++ < first)
			continue;
		luo_file_get_info(file, &info[nr++]);
	}
	return nr;
}

/**
 * luo_files_list_next() - what is in a session, bit by bit
 * @session: the session, locked
 * @nr:      number of the last file that was listed, 0 at first
 * @token:   its token, by which it is found again if it is still there
 * @entry:   those that follow
 * @room:    in @entry
 *
 * Return: number of records written.
 */
static unsigned int luo_files_list_next(struct luo_session *session, u64 *nr, u64 *token,
					struct luo_file_entry *entry, unsigned int room)
{
	struct luo_file *last = *nr ? luo_file_find(session, *token) : NULL;
	struct luo_file *file = list_entry(&session->files, struct luo_file, list);
	unsigned int n = 0;

	/* Damaged ones may have the token of another. */
	if (last && last->nr == *nr)
		file = last;
	list_for_each_entry_continue(file, &session->files, list) {
		if (n == room)
			break;
		if (file->nr <= *nr)
			continue;
		luo_file_get_info(file, &entry[n++].info);
		*nr = file->nr;
		*token = file->key.token;
	}
	return n;
}

/* ----------------------------------------------------------------- cursors */

/* Called with luo_sessions_lock held. */
static void luo_cursor_leave(struct luo_cursor *cursor)
{
	if (cursor->session)
		luo_session_put(cursor->session);
	cursor->session = NULL;
}

void luo_cursor_reset(struct luo_cursor *cursor)
{
	mutex_lock(&luo_sessions_lock);
	luo_cursor_leave(cursor);
	mutex_unlock(&luo_sessions_lock);
	*cursor = (struct luo_cursor){};
}

/* The next session of the same list. Called with luo_sessions_lock held. */
static bool luo_cursor_step(struct luo_cursor *cursor)
{
	struct list_head *head = &luo_sessions[cursor->incoming];
	struct luo_session *session = cursor->session;

	/* Nothing to go on from: the entry that the head would be in. */
	if (!session || session->id != cursor->id)
		session = list_entry(head, struct luo_session, list);
	list_for_each_entry_continue(session, head, list)
		if (session->id > cursor->id)
			break;
	luo_cursor_leave(cursor);
	if (&session->list == head)
		return false;
	session->refs++;
	cursor->session = session;
	cursor->id = session->id;
	return true;
}

/* Of either. Called with luo_sessions_lock held. */
static bool luo_cursor_next(struct luo_cursor *cursor)
{
	if (luo_cursor_step(cursor))
		return true;
	if (cursor->incoming)
		return false;
	cursor->incoming = true;
	cursor->id = 0;
	return luo_cursor_step(cursor);
}

/* Its numbers may be about to change, but each is right by itself. */
static void luo_session_describe(const struct luo_session *session,
				 struct luo_session_entry *entry)
{
	*entry = (struct luo_session_entry){
		.id = session->id,
		.serial = session->serial,
		.incoming = session->incoming,
		.claimed = session->claimed,
		.damaged = session->err,
		.flags = luo_session_shown_flags(session),
		.generation = session->generation,
		.files = READ_ONCE(session->nr_files),
		.pages = READ_ONCE(session->nr_pages),
	};
	memcpy(entry->name, session->name, sizeof(entry->name));
}

unsigned int luo_core_list_sessions(struct luo_cursor *cursor,
				    struct luo_session_entry *entry, unsigned int room)
{
	unsigned int nr = 0;

	mutex_lock(&luo_sessions_lock);
	while (nr < room && luo_cursor_next(cursor))
		luo_session_describe(cursor->session, &entry[nr++]);
	mutex_unlock(&luo_sessions_lock);
	return nr;
}

int luo_core_list_files(struct luo_cursor *cursor, struct luo_file_entry *entry,
			unsigned int room)
{
	unsigned int nr = 0, more;
	int err;

	while (nr < room) {
		if (!cursor->inside) {
			mutex_lock(&luo_sessions_lock);
			cursor->inside = luo_cursor_next(cursor);
			mutex_unlock(&luo_sessions_lock);
			if (!cursor->inside)
				break;
			cursor->nr = 0;
		}
		/* It may be gone by now; then it has no files. */
		err = mutex_lock_killable(&cursor->session->lock);
		if (err)
			return nr ? (int)nr : err;
		more = luo_files_list_next(cursor->session, &cursor->nr, &cursor->token,
					   entry + nr, room - nr);
		mutex_unlock(&cursor->session->lock);
		for (; more; more--)
			entry[nr++].session = cursor->id;
		cursor->inside = nr == room;
		cond_resched();
	}
	return nr;
}

int luo_core_orphans(struct luo_orphans *ret)
{
	struct luo_cursor cursor = { .incoming = true };
	struct luo_session_entry session[4];
	struct luo_file_entry file[8];
	struct luo_orphans sum = { };
	int nr;

	while ((nr = luo_core_list_sessions(&cursor, session, ARRAY_SIZE(session))))
		while (nr--)
			sum.sessions_damaged += session[nr].damaged;
	luo_cursor_reset(&cursor);

	cursor.incoming = true;
	while ((nr = luo_core_list_files(&cursor, file, ARRAY_SIZE(file))) > 0) {
		while (nr--) {
			sum.files_failed += file[nr].info.state == LIVEUPDATE_FILE_FAILED;
			sum.files_unknown += file[nr].info.state == LIVEUPDATE_FILE_UNKNOWN;
		}
	}
	luo_cursor_reset(&cursor);
	if (!nr)
		*ret = sum;
	return nr;
}
