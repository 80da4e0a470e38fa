// SPDX-License-Identifier: GPL-2.0-only
/* Lists for those who only look on, and who they are told of changes. */
#include "support.h"

#define KEEP LIVEUPDATE_SESSION_KEEP_ON_CLOSE

static char text[4096];

/* "out:a:2 in:b:1 ": what a list of sessions says, @room at a time. */
static const char *sessions(unsigned int room)
{
	struct luo_session_entry entry[16];
	struct luo_cursor cursor = { };
	unsigned int nr, i;

	assert_true(room <= ARRAY_SIZE(entry));
	text[0] = '\0';
	do {
		nr = luo_core_list_sessions(&cursor, entry, room);
		for (i = 0; i < nr; i++)
			sprintf(text + strlen(text), "%s:%s%s%s%s:%llu ",
				entry[i].incoming ? "in" : "out", entry[i].name,
				entry[i].claimed ? "" : "-", entry[i].damaged ? "!" : "",
				entry[i].flags & LIVEUPDATE_SESSION_FROZEN ? "=" : "",
				(unsigned long long)entry[i].files);
	} while (nr == room);
	/* At the end it stays. */
	assert_int_equal(luo_core_list_sessions(&cursor, entry, room), 0);
	luo_cursor_reset(&cursor);
	return text;
}

/* "10P 11W ": tokens and states, in the order of the list. */
static const char *files(unsigned int room)
{
	struct luo_file_entry entry[16];
	struct luo_cursor cursor = { };
	u64 session = 0;
	int nr, i;

	assert_true(room <= ARRAY_SIZE(entry));
	text[0] = '\0';
	while ((nr = luo_core_list_files(&cursor, entry, room))) {
		assert_true(nr > 0);
		for (i = 0; i < nr; i++) {
			if (entry[i].session != session)
				strcat(text, "| ");
			session = entry[i].session;
			sprintf(text + strlen(text), "%llu%c ",
				(unsigned long long)entry[i].info.token,
				"PWRFU"[entry[i].info.state]);
		}
	}
	luo_cursor_reset(&cursor);
	return text;
}

static void test_order(void **state)
{
	unsigned int room;
	int a, b, i;

	assert_string_equal(sessions(1), "");
	assert_string_equal(files(1), "");
	a = session_create("a");
	b = session_create("b");
	session_create("c");
	for (i = 0; i < 3; i++)
		assert_int_equal(session_preserve_model(a, 10 + i, i), 0);
	assert_int_equal(session_preserve_model(b, 10, 3), 0);
	for (room = 1; room < 6; room++) {
		assert_string_equal(sessions(room), "out:a:3 out:b:1 out:c:0 ");
		assert_string_equal(files(room), "| 10P 11P 12P | 10P ");
	}

	models[1].retrieve_err = -EIO;
	assert_int_equal(kexec_do(), 0);
	a = session_retrieve("a");
	assert_true(session_retrieve_fd(a, 10) >= 0);
	assert_int_equal(session_retrieve_fd(a, 11), -EIO);
	b = session_create("b");
	assert_int_equal(session_preserve_model(b, 7, 5), 0);
	for (room = 1; room < 7; room++) {
		assert_string_equal(sessions(room), "out:b:1 in:a:3 in:b-:1 in:c-:0 ");
		assert_string_equal(files(room), "| 7P | 10R 11F 12W | 10W ");
	}
}

static void test_entry(void **state)
{
	struct luo_session_entry s;
	struct luo_cursor cursor = { };
	struct luo_file_entry f;
	u64 id;
	int a = session_create("a");

	models[0].runs = 3;
	assert_int_equal(session_preserve_model(a, 1ULL << 63, 0), 0);
	assert_int_equal(session_set_flags(a, KEEP), 0);
	assert_int_equal(luo_core_list_sessions(&cursor, &s, 1), 1);
	luo_cursor_reset(&cursor);
	id = s.id;
	assert_true(id);
	assert_string_equal(s.name, "a");
	assert_int_equal(s.flags, KEEP);
	assert_int_equal(s.generation, 0);
	assert_int_equal(s.pages, 3);
	assert_false(s.incoming || s.damaged || !s.claimed);

	assert_int_equal(luo_core_list_files(&cursor, &f, 1), 1);
	luo_cursor_reset(&cursor);
	assert_int_equal(f.session, id);
	assert_int_equal(f.info.token, 1ULL << 63);
	assert_int_equal(f.info.bytes, 3 * LUO_BLOCK_SIZE);
	assert_int_equal(f.info.error, 0);
	assert_string_equal((char *)f.info.compatible, "model-v1");

	/* Left alone it is still there. */
	fd_close(a);
	assert_string_equal(sessions(1), "out:a-:1 ");
	assert_true(session_reopen("a") >= 0);
	assert_int_equal(kexec_do(), 0);
	assert_int_equal(luo_core_list_sessions(&cursor, &s, 1), 1);
	luo_cursor_reset(&cursor);
	assert_true(s.id != id);
	assert_int_equal(s.generation, 1);
	assert_int_equal(s.pages, 3);
	assert_int_equal(s.flags, 0);
}

/* LIVEUPDATE_SESSION_FREEZE is seen by who has the session and by who looks on. */
static void test_frozen(void **state)
{
	struct liveupdate_session_get_state s = { .size = sizeof(s) };
	int a = session_create("a"), b = session_create("b");

	assert_int_equal(session_preserve_model(a, 1, 0), 0);
	assert_int_equal(session_set_flags(a, KEEP), 0);
	assert_int_equal(session_freeze(a), 0);
	assert_string_equal(sessions(4), "out:a=:1 out:b:0 ");
	assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_GET_STATE, &s), 0);
	assert_int_equal(s.flags, KEEP | LIVEUPDATE_SESSION_FROZEN);
	/* It is no flag of the user's. */
	assert_int_equal(session_set_flags(a, s.flags), -EINVAL);
	assert_int_equal(session_set_flags(a, KEEP), 0);
	fd_close(a);
	assert_string_equal(sessions(4), "out:a-=:1 out:b:0 ");
	a = session_reopen("a");
	assert_int_equal(session_thaw(a), 0);
	assert_string_equal(sessions(4), "out:a:1 out:b:0 ");
	assert_int_equal(session_freeze(b), 0);
	assert_int_equal(kexec_do(), 0);
	assert_string_equal(sessions(4), "in:a-:1 in:b-:0 ");
}

/* What comes and goes while somebody reads. */
static void test_changes(void **state)
{
	struct luo_session_entry s;
	struct luo_cursor cursor = { };
	int fd[6], i;
	char name[2] = "0";

	for (i = 0; i < 6; i++, name[0]++)
		fd[i] = session_create(name);
	assert_int_equal(luo_core_list_sessions(&cursor, &s, 1), 1);
	assert_string_equal(s.name, "0");
	/* The one where it stands, and the one that would be next. */
	fd_close(fd[0]);
	fd_close(fd[1]);
	assert_int_equal(luo_core_list_sessions(&cursor, &s, 1), 1);
	assert_string_equal(s.name, "2");
	fd_close(fd[3]);
	assert_int_equal(luo_core_list_sessions(&cursor, &s, 1), 1);
	assert_string_equal(s.name, "4");
	/* The same name again is another session, behind all others. */
	fd_close(fd[4]);
	fd[4] = session_create("4");
	assert_int_equal(luo_core_list_sessions(&cursor, &s, 1), 1);
	assert_string_equal(s.name, "5");
	assert_int_equal(luo_core_list_sessions(&cursor, &s, 1), 1);
	assert_string_equal(s.name, "4");
	for (i = 2; i < 6; i++)
		if (i != 3)
			fd_close(fd[i]);
	/* The cursor keeps no session alive, only its memory. */
	assert_true(luo_core_idle());
	assert_int_equal(luo_core_list_sessions(&cursor, &s, 1), 0);
	luo_cursor_reset(&cursor);
}

static int unpreserve(int fd, u64 token)
{
	struct liveupdate_session_unpreserve_fd arg = { .size = sizeof(arg), .token = token };

	return fd_ioctl(fd, LIVEUPDATE_SESSION_UNPRESERVE_FD, &arg);
}

static void test_file_changes(void **state)
{
	struct luo_cursor cursor = { };
	struct luo_file_entry f[4];
	int a = session_create("a"), b = session_create("b"), i;

	for (i = 0; i < 6; i++)
		assert_int_equal(session_preserve_model(a, i, i), 0);
	assert_int_equal(session_preserve_model(b, 9, 9), 0);
	assert_int_equal(luo_core_list_files(&cursor, f, 2), 2);
	assert_int_equal(f[1].info.token, 1);
	/* The last one that was listed goes, and comes again at the end. */
	assert_int_equal(unpreserve(a, 1), 0);
	assert_int_equal(session_preserve_model(a, 1, 1), 0);
	assert_int_equal(luo_core_list_files(&cursor, f, 2), 2);
	assert_int_equal(f[0].info.token, 2);
	assert_int_equal(f[1].info.token, 3);
	assert_int_equal(unpreserve(a, 3), 0);
	assert_int_equal(unpreserve(a, 4), 0);
	assert_int_equal(luo_core_list_files(&cursor, f, 2), 2);
	assert_int_equal(f[0].info.token, 5);
	assert_int_equal(f[1].info.token, 1);
	/* The whole session goes while the cursor is inside. */
	fd_close(a);
	assert_int_equal(luo_core_list_files(&cursor, f, 4), 1);
	assert_int_equal(f[0].info.token, 9);
	assert_int_equal(luo_core_list_files(&cursor, f, 4), 0);
	luo_cursor_reset(&cursor);
}

/* From one list to the other while somebody reads. */
static void test_recycle(void **state)
{
	struct liveupdate_session_recycle arg = { .size = sizeof(arg) };
	struct luo_session_entry s;
	struct luo_cursor cursor = { };
	u64 id, serial;
	int a;

	session_create("a");
	session_create("b");
	assert_int_equal(kexec_do(), 0);
	a = session_retrieve("a");
	assert_int_equal(session_finish(a), 0);
	assert_int_equal(luo_core_list_sessions(&cursor, &s, 1), 1);
	assert_string_equal(s.name, "a");
	id = s.id;
	serial = s.serial;
	assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_RECYCLE, &arg), 0);
	assert_int_equal(luo_core_list_sessions(&cursor, &s, 1), 1);
	assert_string_equal(s.name, "b");
	assert_true(s.serial != serial);
	assert_int_equal(luo_core_list_sessions(&cursor, &s, 1), 0);
	luo_cursor_reset(&cursor);
	assert_int_equal(luo_core_list_sessions(&cursor, &s, 1), 1);
	luo_cursor_reset(&cursor);
	assert_string_equal(s.name, "a");
	assert_true(s.id > id && s.serial == serial);
	assert_string_equal(sessions(2), "out:a:0 in:b-:0 ");
}

/* Frozen, and while a session or a file is being worked on. */
static void test_waits(void **state)
{
	struct luo_session_entry s;
	struct luo_cursor cursor = { };
	struct luo_file_entry f[2];
	struct luo_orphans orphans;
	struct luo_root_ser *root;
	jmp_buf blocked;
	int a = session_create("a");

	assert_int_equal(session_preserve_model(a, 1, 1), 0);
	assert_int_equal(luo_core_freeze(&root), 0);
	shim_switch_task();
	assert_string_equal(sessions(1), "out:a:1 ");
	assert_string_equal(files(1), "| 1P ");
	assert_int_equal(luo_core_state(), LIVEUPDATE_STATE_FROZEN);
	shim_switch_task();
	luo_core_thaw();

	/* Killed while it waits for a session. */
	shim_killed = true;
	assert_int_equal(luo_core_list_files(&cursor, f, 2), -EINTR);
	/* And it can go on. */
	shim_killed = false;
	assert_int_equal(luo_core_list_files(&cursor, f, 2), 1);
	luo_cursor_reset(&cursor);

	assert_int_equal(luo_core_list_sessions(&cursor, &s, 1), 1);
	mutex_lock(&cursor.session->lock);
	shim_switch_task();
	assert_string_equal(sessions(1), "out:a:1 ");
	shim_blocked = &blocked;
	if (!setjmp(blocked)) {
		files(1);
		fail_msg("files() does not wait for the session");
	}
	shim_blocked = NULL;
	shim_switch_task();
	mutex_unlock(&cursor.session->lock);
	luo_cursor_reset(&cursor);
	/* What files() stood on, when it was left for good. */
	cursor.session = shim_fds[a]->private_data;
	assert_int_equal(cursor.session->refs, 2);
	luo_cursor_reset(&cursor);

	assert_int_equal(kexec_do(), 0);
	shim_killed = true;
	assert_int_equal(luo_core_orphans(&orphans), -EINTR);
	shim_killed = false;
}

static void test_orphans(void **state)
{
	struct luo_orphans o;
	int a = session_create("a"), b = session_create("b"), i;

	for (i = 0; i < 12; i++)
		assert_int_equal(session_preserve_model(a, i, i), 0);
	assert_int_equal(session_preserve_model(b, 1, 20), 0);
	assert_int_equal(luo_core_orphans(&o), 0);
	assert_int_equal(o.sessions_damaged + o.files_failed + o.files_unknown, 0);

	for (i = 0; i < 5; i++)
		models[i].retrieve_err = -EIO;
	assert_int_equal(kexec_do(), 0);
	a = session_retrieve("a");
	for (i = 0; i < 5; i++)
		assert_int_equal(session_retrieve_fd(a, i), -EIO);
	assert_int_equal(luo_core_orphans(&o), 0);
	assert_int_equal(o.files_failed, 5);
	assert_int_equal(o.files_unknown, 0);

	liveupdate_unregister_file_handler(&model_handler);
	assert_int_equal(luo_core_orphans(&o), 0);
	assert_int_equal(o.files_failed, 5);
	/* Those that failed have found it before. */
	assert_int_equal(o.files_unknown, 8);
	assert_int_equal(o.sessions_damaged, 0);
	assert_string_equal(files(16), "| 0F 1F 2F 3F 4F 5U 6U 7U 8U 9U 10U 11U | 1U ");
	assert_int_equal(liveupdate_register_file_handler(&model_handler), 0);
	assert_int_equal(luo_core_orphans(&o), 0);
	assert_int_equal(o.files_unknown, 0);
}

static void test_damaged(void **state)
{
	struct luo_session_ser ser = { .name = "odd", .flags = cpu_to_le32(1) };
	struct luo_session *session;
	struct luo_orphans o;

	session = luo_session_receive(&ser, 1);
	assert_false(IS_ERR(session));
	assert_string_equal(sessions(2), "in:odd-!:0 ");
	assert_int_equal(luo_core_orphans(&o), 0);
	assert_int_equal(o.sessions_damaged, 1);
}

/* ------------------------------------------------------------- notification */

static int told;
static int told_state;

static void notify(void)
{
	told++;
	told_state = luo_core_state();
}

#define assert_told(state) do {					\
	assert_true(told > 0);					\
	assert_int_equal(told_state, LIVEUPDATE_STATE_##state);	\
	told = 0;						\
} while (0)

static void test_notify(void **state)
{
	struct liveupdate_session_recycle arg = { .size = sizeof(arg) };
	struct luo_root_ser *root;
	u64 image;
	int a = session_create("a"), b = session_create("b");

	assert_int_equal(session_preserve_model(b, 0, 0), 0);
	luo_core_set_notify(notify);
	told = 0;
	assert_int_equal(luo_core_freeze(&root), 0);
	assert_told(FROZEN);
	luo_core_thaw();
	assert_told(NORMAL);
	models[0].freeze_err = -EIO;
	assert_int_equal(luo_core_freeze(&root), -EIO);
	assert_int_equal(told, 2);
	assert_told(NORMAL);
	models[0].freeze_err = 0;

	image = kexec_away();
	assert_int_equal(kexec_arrive(image), 0);
	assert_int_equal(luo_core_state(), LIVEUPDATE_STATE_UPDATED);
	luo_core_set_notify(notify);
	a = session_retrieve("a");
	b = session_retrieve("b");
	told = 0;
	fd_close(b);
	assert_int_equal(told, 0);
	assert_int_equal(session_finish(a), 0);
	assert_int_equal(told, 0);
	/* The last one ends. */
	assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_RECYCLE, &arg), 0);
	assert_told(NORMAL);

	image = kexec_away();
	assert_int_equal(kexec_arrive(image), 0);
	luo_core_set_notify(notify);
	told = 0;
	fd_close(session_retrieve("a"));
	assert_told(NORMAL);
	luo_core_set_notify(NULL);
}

/* ------------------------------------------------------------- many */

/* Each file and each session is one step, also when the reader takes its time. */
static void test_scale(void **state)
{
	struct luo_session_entry s[8];
	struct luo_cursor cursor = { };
	struct luo_file_entry f[3];
	int a = session_create("a"), nr;
	unsigned long n = 0;
	char name[16];

	for (n = 0; n < MODELS; n++)
		assert_int_equal(session_preserve_model(a, n, n), 0);
	shim_probes = 0;
	for (n = 0; (nr = luo_core_list_files(&cursor, f, 3)); n += nr)
		;
	assert_int_equal(n, MODELS);
	assert_true(shim_probes < 3 * MODELS);
	luo_cursor_reset(&cursor);

	for (n = 1; n < 2000; n++) {
		sprintf(name, "s%lu", n);
		assert_true(session_create(name) >= 0);
	}
	for (n = 0; (nr = luo_core_list_sessions(&cursor, s, 8)); n += nr)
		assert_int_equal(s[nr - 1].id - s[0].id, nr - 1);
	assert_int_equal(n, 2000);
	luo_cursor_reset(&cursor);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_entry, setup, teardown),
		cmocka_unit_test_setup_teardown(test_frozen, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_recycle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_orphans, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_notify, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scale, setup, teardown),
	};

	return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
