// SPDX-License-Identifier: GPL-2.0-only
/*
 * What came and is not finished goes on to the next kernel, and to the one after
 * that. The arena sees to it that a frame can be claimed there only if it was
 * kept here, and that none is released, or taken, while it is.
 */
#include "image.h"

#define KEEP LIVEUPDATE_SESSION_KEEP_ON_CLOSE
#define DROP LIVEUPDATE_SESSION_DROP_ON_FAILURE

#define assert_events(what) do {		\
	assert_string_equal(events, what);	\
	events[0] = '\0';			\
} while (0)

static struct luo_counts counts(void)
{
	struct luo_counts c;

	luo_core_counts(&c);
	return c;
}

static u64 generation_of(int fd)
{
	struct liveupdate_session_get_state arg = { .size = sizeof(arg) };

	assert_int_equal(fd_ioctl(fd, LIVEUPDATE_SESSION_GET_STATE, &arg), 0);
	return arg.generation;
}

/* A freeze that goes no further: what it answers, and what it would hand over. */
static struct luo_outcome rehearse(int want)
{
	struct luo_root_ser *root;
	int err = luo_core_freeze(&root);

	assert_int_equal(err, want);
	if (!err) {
		luo_core_seal_root();
		luo_core_thaw();
	}
	return luo_outcome;
}

static void assert_retrieved(int fd, u64 token, int model)
{
	int file = session_retrieve_fd(fd, token);

	assert_true(file >= 0);
	assert_ptr_equal(shim_fds[file], models[model].file);
	fd_close(file);
}

/* Everything that the sessions had is free again; the root stays. */
static void assert_all_free(void)
{
	unsigned long i, claimed = 0;

	assert_true(luo_core_idle());
	for (i = ARENA_PFN; i < ARENA_PFN + ARENA_FRAMES; i++)
		claimed += luo_claimed(&arena_claims, i) && arena_state(i) != FRAME_RELEASED;
	assert_int_equal(claimed, 1);
}

/* -------------------------------------------------------------------- waiting */

static void test_waiting(void **state)
{
	int a = session_create("a"), b = session_create("b"), i;

	session_create("empty");
	models[0].runs = LUO_EXTENTS_FIRST + LUO_EXTENTS_FURTHER + 3;
	models[2].runs = 1;
	assert_int_equal(session_preserve_model(a, 10, 0), 0);
	assert_int_equal(session_preserve_model(a, 11, 1), 0);
	assert_int_equal(session_preserve_model(b, 10, 2), 0);
	assert_int_equal(kexec_do(), 0);

	for (i = 2; i < 6; i++) {
		struct luo_outcome o = rehearse(0);

		assert_non_null(strstr(shim_log, "3 incoming sessions are not finished"));
		assert_int_equal(o.carried, 3);
		assert_int_equal(o.files, 3);
		assert_int_equal(o.pages, models[0].runs + 1);
		assert_int_equal(kexec_do(), 0);
		assert_int_equal(counts().generation, i);
		assert_int_equal(counts().sessions_in, 3);
		assert_int_equal(counts().files_in, 3);
		assert_int_equal(counts().pages_in, models[0].runs + 1);
		assert_false(luo_core_idle());
		/* Nobody has been asked for anything. */
		assert_events("");
	}

	a = session_retrieve("a");
	assert_int_equal(generation_of(a), 1);
	assert_retrieved(a, 10, 0);
	assert_int_equal(models[0].pages_seen, models[0].runs);
	assert_retrieved(a, 11, 1);
	fd_close(a);
	assert_events("R0 R1 C0 C1 X1 X0 ");
	b = session_retrieve("b");
	assert_int_equal(session_finish(b), 0);
	fd_close(b);
	fd_close(session_retrieve("empty"));
	assert_all_free();
}

/* More sessions than fit into a block, and more to go out. */
static void test_many(void **state)
{
	unsigned int n = 2 * LUO_SESSIONS_PER_BLOCK + 1, i;
	char name[16];
	int fd;

	for (i = 0; i < n; i++) {
		sprintf(name, "s%u", i);
		fd = session_create(name);
		assert_int_equal(session_preserve_model(fd, 0, i % MODELS), i < MODELS ? 0 : -EBUSY);
	}
	assert_int_equal(kexec_do(), 0);
	rehearse(0);
	for (i = 0; i < n; i++) {
		sprintf(name, "t%u", i);
		fd = session_create(name);
		assert_true(fd >= 0);
		/* Room comes and goes with both kinds. */
		sprintf(name, "s%u", i);
		if (i < n / 2)
			assert_int_equal(session_drop(name, 0), 0);
		else if (i == n / 2)
			assert_int_equal(rehearse(0).sessions, n - n / 2 + n / 6 + 1);
		if (i % 3)
			fd_close(fd);
	}
	assert_int_equal(kexec_do(), 0);
	assert_int_equal(counts().sessions_in, n - n / 2 + (n + 2) / 3);
	assert_int_equal(session_retrieve("s0"), -ENOENT);
	fd = session_retrieve("s64");
	assert_int_equal(generation_of(fd), 1);
	assert_int_equal(generation_of(session_retrieve("t0")), 2);
}

static void test_unknown_handler(void **state)
{
	int a = session_create("a");

	models[0].runs = LUO_EXTENTS_FIRST + 7;
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(session_preserve_model(a, 1, 1), 0);
	assert_int_equal(kexec_do(), 0);
	liveupdate_unregister_file_handler(&model_handler);

	/* Somebody tries, too. */
	a = session_retrieve("a");
	assert_int_equal(session_retrieve_fd(a, 0), -ENOENT);
	assert_int_equal(rehearse(0).files, 2);
	assert_int_equal(session_retrieve_fd(a, 1), -ENOENT);
	assert_int_equal(kexec_do(), 0);

	a = session_retrieve("a");
	assert_retrieved(a, 0, 0);
	assert_retrieved(a, 1, 1);
	fd_close(a);
	assert_all_free();
}

/* Two of one name, apart by their generations, which stay what they are. */
static void test_same_name(void **state)
{
	int a = session_create("a"), i;

	models[0].runs = models[1].runs = 2;
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(kexec_do(), 0);
	a = session_create("a");
	assert_int_equal(session_preserve_model(a, 0, 1), 0);
	for (i = 0; i < 2; i++) {
		assert_int_equal(kexec_do(), 0);
		assert_int_equal(counts().sessions_in, 2);
		assert_int_equal(counts().generation, 2 + i);
	}
	a = session_retrieve("a");
	assert_int_equal(generation_of(a), 2);
	assert_retrieved(a, 0, 1);
	assert_int_equal(session_set_flags(a, KEEP), 0);
	fd_close(a);
	a = session_retrieve_generation("a", 1);
	assert_int_equal(generation_of(a), 1);
	assert_retrieved(a, 0, 0);
	fd_close(a);

	/* The other one is given up explicitly, and then it is gone for good. */
	assert_int_equal(session_drop("a", 2), 0);
	assert_all_free();
	assert_int_equal(kexec_do(), 0);
	assert_true(luo_core_idle());
}

/* Of many with one name the newest answers, whichever of them goes. */
static void test_namesakes(void **state)
{
	static const int leave[] = { 2, 5, 4, 1, 3 };
	struct liveupdate_session_recycle recycle = { .size = sizeof(recycle) };
	bool gone[6] = { true };
	int a, i, newest;

	for (i = 1; i <= 5; i++) {
		a = session_create("a");
		assert_int_equal(session_preserve_model(a, 0, i - 1), 0);
		assert_int_equal(kexec_do(), 0);
	}
	for (i = 0; i < 5; i++) {
		for (newest = 5; gone[newest]; newest--)
			;
		a = session_retrieve("a");
		assert_int_equal(generation_of(a), newest);
		assert_int_equal(session_retrieve_generation("a", newest), -EINVAL);
		assert_int_equal(session_set_flags(a, KEEP), 0);
		fd_close(a);
		a = session_retrieve_generation("a", leave[i]);
		assert_int_equal(generation_of(a), leave[i]);
		assert_retrieved(a, 0, leave[i] - 1);
		assert_int_equal(session_finish(a), 0);
		if (i % 2)
			assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_RECYCLE, &recycle), 0);
		fd_close(a);
		gone[leave[i]] = true;
		assert_int_equal(session_retrieve_generation("a", leave[i]), -ENOENT);
	}
	assert_int_equal(session_retrieve("a"), -ENOENT);
	assert_all_free();
}

/* Whoever has it open, or had; but not what is finished. */
static void test_claimed(void **state)
{
	static const char *const names[] = { "open", "kept", "done", "dropped", "out" };
	int fd[5], i;

	for (i = 0; i < 5; i++) {
		fd[i] = session_create(names[i]);
		assert_int_equal(session_preserve_model(fd[i], 7, i), 0);
	}
	assert_int_equal(kexec_do(), 0);
	for (i = 0; i < 5; i++)
		fd[i] = session_retrieve(names[i]);
	assert_int_equal(session_set_flags(fd[1], KEEP), 0);
	fd_close(fd[1]);
	assert_int_equal(session_finish(fd[2]), 0);
	fd_close(fd[3]);
	assert_int_equal(session_finish(fd[4]), 0);
	assert_int_equal(rehearse(0).carried, 2);
	assert_int_equal(counts().sessions_in, 4);

	/* Recycled: an outgoing one like any other. */
	assert_int_equal(fd_ioctl(fd[4], LIVEUPDATE_SESSION_RECYCLE,
				  &(struct liveupdate_session_recycle){ .size = 8 }), 0);
	assert_int_equal(session_preserve_model(fd[4], 7, 4), 0);
	assert_int_equal(rehearse(0).carried, 2);
	assert_int_equal(kexec_do(), 0);

	assert_int_equal(counts().sessions_in, 3);
	assert_int_equal(session_retrieve("done"), -ENOENT);
	assert_int_equal(session_retrieve("dropped"), -ENOENT);
	for (i = 0; i < 5; i += i ? 3 : 1) {
		int a = session_retrieve(names[i]);

		assert_int_equal(generation_of(a), i == 4 ? 2 : 1);
		assert_retrieved(a, 7, i);
	}
}

/* ------------------------------------------------------------------ retrieved */

static void test_retrieved(void **state)
{
	int a = session_create("a"), i;

	models[0].runs = LUO_EXTENTS_FIRST + 2;
	models[1].runs = 3;
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(session_preserve_model(a, 1, 1), 0);
	assert_int_equal(kexec_do(), 0);

	a = session_retrieve("a");
	assert_retrieved(a, 0, 0);
	assert_events("R0 ");
	/* Preserved anew once, and frozen each time; there is more of it by now. */
	models[0].runs++;
	assert_int_equal(luo_core_carry(), 0);
	assert_events("P0 ");
	models[0].added = 4;
	for (i = 0; i < 2; i++) {
		struct luo_outcome o = rehearse(0);

		assert_events("F0 u0 ");
		assert_int_equal(o.files, 2);
		assert_int_equal(o.pages, models[0].runs + 4 + 3);
		/* What came is still what came. */
		assert_int_equal(counts().pages_in, models[0].runs - 1 + 3);
		assert_int_equal(counts().pages_out, 0);
	}
	/* It is the same file as ever. */
	assert_retrieved(a, 0, 0);
	assert_int_equal(session_preserve(session_create("b"), 0,
					  session_retrieve_fd(a, 0)), -EBUSY);
	assert_int_equal(kexec_do(), 0);

	a = session_retrieve("a");
	assert_int_equal(generation_of(a), 1);
	assert_retrieved(a, 0, 0);
	assert_int_equal(models[0].pages_seen, models[0].runs + 4);
	assert_retrieved(a, 1, 1);
	assert_int_equal(models[1].pages_seen, 3);
	assert_events("R0 R1 ");
	fd_close(session_retrieve("b"));

	/* And finished after all: what was made for the next kernel goes first. */
	rehearse(0);
	assert_events("P0 P1 F0 F1 u1 u0 ");
	assert_true(arena_count(FRAME_TRACKED) > 3);
	fd_close(a);
	assert_events("C0 C1 U1 X1 U0 X0 ");
	assert_int_equal(arena_count(FRAME_TRACKED), 0);
	assert_all_free();
}

/* Preserved anew by a load, and then by its user, who makes it an outgoing one. */
static void test_recycled_with_files(void **state)
{
	struct liveupdate_session_recycle arg = {
		.size = sizeof(arg), .flags = LIVEUPDATE_RECYCLE_KEEP_FILES,
	};
	int a = session_create("a");

	models[0].runs = 4;
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(kexec_do(), 0);
	a = session_retrieve("a");
	assert_retrieved(a, 0, 0);
	events[0] = '\0';
	models[0].preserve_err = -ENOMEM;
	assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_RECYCLE, &arg), -ENOMEM);
	models[0].preserve_err = 0;
	assert_events("C0 P0 ");
	rehearse(0);
	assert_events("P0 F0 u0 ");
	/* It is preserved already, and once is enough. */
	assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_RECYCLE, &arg), 0);
	assert_events("C0 X0 ");
	assert_int_equal(rehearse(0).carried, 0);
	assert_int_equal(kexec_do(), 0);
	a = session_retrieve("a");
	assert_int_equal(generation_of(a), 2);
	assert_retrieved(a, 0, 0);
	fd_close(a);
	assert_all_free();
}

/* What was wrong with it as an incoming one does not stick to it. */
static void test_recycled_after_failure(void **state)
{
	struct liveupdate_session_recycle arg = { .size = sizeof(arg) };
	int a = session_create("a");

	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(kexec_do(), 0);
	a = session_retrieve("a");
	assert_retrieved(a, 0, 0);
	models[0].preserve_err = -EPERM;
	rehearse(-EPERM);
	models[0].preserve_err = 0;
	assert_int_equal(session_finish(a), 0);
	assert_int_equal(rehearse(0).sessions, 0);
	assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_RECYCLE, &arg), 0);
	assert_int_equal(rehearse(0).sessions, 1);
}

/* Ready as it waits, and then somebody retrieves it. */
static void test_retrieved_after_load(void **state)
{
	int a = session_create("a");

	models[0].runs = 5;
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(kexec_do(), 0);
	assert_int_equal(luo_core_carry(), 0);
	assert_int_equal(arena_count(FRAME_CARRIED), 5 + 1);
	a = session_retrieve("a");
	assert_retrieved(a, 0, 0);
	assert_int_equal(arena_count(FRAME_CARRIED), 0);
	assert_int_equal(kexec_do(), 0);
	assert_int_equal(counts().pages_in, 5);
	assert_int_equal(luo_core_carry(), 0);
	assert_int_equal(session_drop("a", 0), 0);
	assert_all_free();
}

/* A handler that cannot: a veto that names the session, or it stays behind. */
static void test_refused(void **state)
{
	int a = session_create("a"), b = session_create("b"), i;
	struct luo_outcome o;

	for (i = 0; i < 3; i++)
		assert_int_equal(session_preserve_model(a, i, i), 0);
	assert_int_equal(session_preserve_model(b, 0, 3), 0);
	assert_int_equal(kexec_do(), 0);
	a = session_retrieve("a");
	assert_retrieved(a, 1, 1);
	b = session_create("out");
	assert_int_equal(session_preserve_model(b, 0, 4), 0);
	events[0] = '\0';

	for (i = 0; i < 3; i++) {
		models[1].foreign = i == 0;
		models[1].preserve_err = i == 1 ? -EPERM : 0;
		models[1].freeze_err = i == 2 ? -EAGAIN : 0;
		o = rehearse(i == 0 ? -EOPNOTSUPP : i == 1 ? -EPERM : -EAGAIN);
		assert_string_equal(o.session, "a");
		/* Files that go out are thawed again. */
		assert_events(i == 0 ? "F4 u4 " : i == 1 ? "P1 F4 u4 " : "P1 F4 F1 u4 ");
		assert_non_null(strstr(shim_log, "session 'a': file 0x1 (model-v1)"));

		assert_int_equal(session_set_flags(a, DROP), 0);
		o = rehearse(0);
		assert_string_equal(o.session, "a");
		assert_int_equal(o.dropped, 1);
		assert_int_equal(o.sessions, 2);
		assert_int_equal(session_set_flags(a, 0), 0);
		events[0] = '\0';
		/* For the load of a kernel it is no reason to fail. */
		assert_int_equal(luo_core_carry(), 0);
		events[0] = '\0';
	}
	assert_int_equal(session_set_flags(a, DROP), 0);
	assert_int_equal(kexec_do(), 0);
	assert_int_equal(session_retrieve("a"), -ENOENT);
	assert_retrieved(session_retrieve("b"), 0, 3);
	assert_retrieved(session_retrieve("out"), 0, 4);
}

/* Half made: made completely, so that it can be preserved. */
static void test_half_made(void **state)
{
	int a = session_create("a");
	struct luo_outcome o;

	models[0].runs = 2;
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(session_preserve_model(a, 1, 1), 0);
	assert_int_equal(kexec_do(), 0);
	a = session_retrieve("a");
	assert_int_equal(luo_core_carry(), 0);
	models[0].retrieve_err = -EINTR;
	assert_int_equal(session_retrieve_fd(a, 0), -EINTR);
	models[0].retrieve_err = -ENOMEM;
	events[0] = '\0';
	o = rehearse(-ENOMEM);
	assert_string_equal(o.session, "a");
	assert_events("R0 ");
	models[0].retrieve_err = 0;
	rehearse(0);
	assert_events("R0 P0 F0 u0 ");
	assert_retrieved(a, 0, 0);
	assert_events("");
	assert_int_equal(kexec_do(), 0);
	a = session_retrieve("a");
	assert_retrieved(a, 0, 0);
	assert_retrieved(a, 1, 1);
}

/* Half made of what somebody has brought: the handler has it, and completes it. */
static void test_half_brought(void **state)
{
	struct liveupdate_session_retrieve_into arg = { .size = sizeof(arg) };
	const struct liveupdate_file_ops *ops = model_handler.ops;
	int a = session_create("a"), fd;

	model_handler.ops = &model_into_ops;
	models[0].runs = 3;
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(kexec_do(), 0);
	a = session_retrieve("a");
	rehearse(0);
	assert_true(arena_count(FRAME_CARRIED) > 3);
	fd = file_open(0);
	arg.fd = fd;
	models[0].into_begins = true;
	models[0].into_err = -EINTR;
	assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_RETRIEVE_INTO, &arg), -EINTR);
	/* Its frames may be somebody's by now. */
	assert_int_equal(arena_count(FRAME_CARRIED), 0);
	models[0].into_err = 0;
	events[0] = '\0';
	rehearse(0);
	assert_events("R0 P0 F0 u0 ");
	fd_close(fd);
	assert_int_equal(kexec_do(), 0);
	a = session_retrieve("a");
	assert_retrieved(a, 0, 0);
	fd_close(a);
	model_handler.ops = ops;
	assert_all_free();
}

static bool other_can_preserve(struct liveupdate_file_handler *fh, struct file *file)
{
	return models[0].foreign && file == models[0].file;
}

/* A file that has become one of another kind since. */
static void test_changed_kind(void **state)
{
	struct liveupdate_file_ops ops = *model_handler.ops;
	struct liveupdate_file_handler other = { .ops = &ops, .compatible = "other" };
	struct liveupdate_file_info info;
	struct liveupdate_session_list_files list = {
		.size = sizeof(list), .nr = 1, .files = (uintptr_t)&info,
	};
	int a = session_create("a");

	ops.can_preserve = other_can_preserve;
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(kexec_do(), 0);
	a = session_retrieve("a");
	assert_retrieved(a, 0, 0);
	models[0].foreign = true;
	rehearse(-EOPNOTSUPP);
	assert_int_equal(liveupdate_register_file_handler(&other), 0);
	events[0] = '\0';
	rehearse(0);
	assert_events("P0 F0 u0 ");
	models[0].foreign = false;
	assert_int_equal(kexec_do(), 0);
	a = session_retrieve("a");
	assert_int_equal(fd_ioctl(a, LIVEUPDATE_SESSION_LIST_FILES, &list), 0);
	assert_string_equal((char *)info.compatible, "other");
	assert_retrieved(a, 0, 0);
	fd_close(a);
	liveupdate_unregister_file_handler(&other);
	assert_all_free();
}

/* The handler is gone when a half made file would have to be completed. */
static void test_half_made_without_handler(void **state)
{
	int a = session_create("a");

	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(kexec_do(), 0);
	a = session_retrieve("a");
	assert_retrieved(a, 0, 0);
	model_module.going = true;
	rehearse(-EOPNOTSUPP);
	model_module.going = false;
	rehearse(0);
}

/*
 * One that this kernel can make nothing of goes as it came, if it was left
 * alone: the next one may know better. Half made and of no use: it does not go.
 */
static void test_failed(void **state)
{
	int a = session_create("a"), i;
	struct luo_outcome o;

	for (i = 0; i < 4; i++) {
		models[i].runs = 1 + i;
		assert_int_equal(session_preserve_model(a, i, i), 0);
	}
	assert_int_equal(kexec_do(), 0);
	a = session_retrieve("a");
	models[0].clean = true;
	for (i = 0; i < 2; i++) {
		models[i].retrieve_err = -EBADMSG;
		assert_int_equal(session_retrieve_fd(a, i), -EBADMSG);
	}
	/* This one only when it should be completed. */
	models[2].retrieve_err = -ENOMEM;
	assert_int_equal(session_retrieve_fd(a, 2), -ENOMEM);
	models[2].retrieve_err = -EIO;

	o = rehearse(0);
	assert_int_equal(o.files, 2);
	assert_int_equal(o.pages, 1 + 4);
	assert_int_equal(o.dropped, 0);
	assert_int_equal(session_retrieve_fd(a, 2), -EIO);
	assert_events("R0 R1 R2 R2 ");
	for (i = 0; i < 4; i++)
		models[i].retrieve_err = 0;
	events[0] = '\0';
	assert_retrieved(a, 3, 3);
	models[3].freeze_err = -EAGAIN;
	rehearse(-EAGAIN);
	assert_events("R3 P3 F3 ");
	/* Lost ones are only in the log. */
	assert_int_equal(session_finish(a), 0);
	assert_events("C0 C1 C2 C3 U3 X3 X2 X1 X0 ");
	fd_close(a);
	assert_all_free();

	models[1].begun = models[2].begun = false;
	a = session_create("a");
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(session_preserve_model(a, 1, 1), 0);
	assert_int_equal(kexec_do(), 0);
	a = session_retrieve("a");
	for (i = 0; i < 2; i++) {
		models[i].retrieve_err = -EBADMSG;
		assert_int_equal(session_retrieve_fd(a, i), -EBADMSG);
		models[i].retrieve_err = 0;
	}
	assert_int_equal(kexec_do(), 0);
	a = session_retrieve("a");
	assert_retrieved(a, 0, 0);
	assert_int_equal(session_retrieve_fd(a, 1), -ENOENT);
}

/* ------------------------------------------------------------------- damaged */

static struct image image;

static void *records(u32 magic, size_t size, unsigned int i)
{
	return (u8 *)image_first(&image, magic) + sizeof(struct luo_block_ser) + i * size;
}

static void test_damaged(void **state)
{
	struct luo_session_ser *sessions;
	struct luo_file_ser *files;
	struct luo_outcome o;
	int a, round;

	image_sample(&image, LUO_EXTENTS_FIRST + 3);
	for (round = 0; round < 2; round++) {
		sessions = records(LUO_MAGIC_SESSIONS, sizeof(*sessions), 0);
		files = (void *)((u8 *)image_block(&image, sessions[0].files) +
				 sizeof(struct luo_block_ser));
		if (round)
			sessions[1].flags = 1;
		else
			files[1].nr_pages++;
		image_seal(&image);
		assert_int_equal(image_receive(&image), -EUCLEAN);

		o = rehearse(0);
		assert_int_equal(o.sessions, 2 - round);
		assert_int_equal(o.dropped, round);
		assert_int_equal(o.files, 3 - round);
		/* What goes on is sound. */
		assert_int_equal(kexec_do(), 0);
		assert_int_equal(counts().sessions_in, 2 - round);
		a = session_retrieve("alpha");
		assert_retrieved(a, 100, 0);
		if (round)
			assert_int_equal(session_retrieve("beta"), -ENOENT);
		assert_int_equal(session_retrieve_fd(a, 101), -ENOENT);
		assert_retrieved(a, 102, 2);
		stop();
	}
	assert_int_equal(start(), 0);
}

/* ---------------------------------------------------------------------- FLBs */

static void put_incoming(int n)
{
	liveupdate_flb_put_incoming(&model_flbs[n].flb);
}

static void flb_unregister(int n)
{
	liveupdate_unregister_flb(&model_handler, &model_flbs[n].flb);
}

static void two_files_with_state(void)
{
	int a = session_create("a");

	assert_int_equal(flb_register(0), 0);
	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(flb_register(1), 0);
	assert_int_equal(session_preserve_model(a, 1, 1), 0);
	assert_int_equal(kexec_do(), 0);
}

/* Nobody knows them here, and they go along. */
static void test_flb_waiting(void **state)
{
	int i;

	two_files_with_state();
	for (i = 0; i < 2; i++) {
		rehearse(0);
		assert_int_equal(kexec_do(), 0);
	}
	assert_int_equal(flb_register(1), 0);
	assert_int_equal(flb_register(0), 0);
	assert_int_equal(flb_get_incoming(0), 0);
	assert_int_equal(flb_get_incoming(1), 0);
	put_incoming(0);
	put_incoming(1);
	assert_events("r0 r1 ");
	fd_close(session_retrieve("a"));
	assert_events("C0 C1 X1 x1 X0 x0 ");
}

/* Asked for here: its owner's outgoing one takes over, for all of the files. */
static void test_flb_in_use(void **state)
{
	int a, i;

	two_files_with_state();
	rehearse(0);
	/* In another order than there. */
	assert_int_equal(flb_register(1), 0);
	assert_int_equal(flb_register(0), 0);
	assert_int_equal(flb_get_incoming(0), 0);
	assert_events("r0 ");
	for (i = 0; i < 2; i++) {
		struct luo_root_ser *root;
		struct luo_flb_ser *ser;

		assert_int_equal(luo_core_freeze(&root), 0);
		assert_int_equal(root->nr_flbs, 2);
		ser = (void *)((struct luo_block_ser *)arena_ops.block_virt(root->flbs) + 1);
		assert_string_equal(ser[0].compatible, "state-0");
		assert_int_equal(ser[0].count, 2);
		assert_string_equal(ser[1].compatible, "state-1");
		assert_int_equal(ser[1].count, 1);
		/* What is promised to the next kernel must not be used up here. */
		assert_int_equal(flb_get_incoming(1), -EAGAIN);
		assert_int_equal(flb_get_incoming(0), 0);
		put_incoming(0);
		luo_core_thaw();
		assert_events(i ? "" : "p0 ");
	}
	/* Asked for in the meantime. */
	assert_int_equal(flb_get_incoming(1), 0);
	rehearse(0);
	assert_events("r1 p1 ");
	put_incoming(1);
	put_incoming(0);

	/* Retrieved files have their own place among the users. */
	a = session_retrieve("a");
	assert_retrieved(a, 0, 0);
	rehearse(0);
	assert_events("R0 P0 F0 u0 ");
	assert_int_equal(kexec_do(), 0);
	assert_int_equal(flb_register(1), 0);
	assert_int_equal(flb_register(0), 0);
	assert_int_equal(flb_get_incoming(0), 0);
	assert_int_equal(flb_get_incoming(1), 0);
	put_incoming(0);
	put_incoming(1);
	a = session_retrieve("a");
	rehearse(0);
	events[0] = '\0';
	fd_close(a);
	/* Preserved anew, file 0 has come to depend on both. */
	assert_events("C0 C1 X1 q0 q1 X0 x0 x1 ");
	assert_all_free();
}

/* It waits, and another one of its name goes out: only one can. */
static void test_flb_clash(void **state)
{
	int b, i;

	two_files_with_state();
	assert_int_equal(flb_register(0), 0);
	b = session_create("b");
	assert_int_equal(session_preserve_model(b, 0, 2), 0);
	events[0] = '\0';
	for (i = 0; i < 2; i++) {
		struct luo_outcome o = rehearse(-EBUSY);

		assert_string_equal(o.session, "a");
		assert_non_null(strstr(shim_log, "global state 'state-0'"));
		assert_events("F2 u2 ");
	}
	/* Asked for, it is the same as what goes out. */
	assert_int_equal(flb_get_incoming(0), 0);
	rehearse(0);
	put_incoming(0);
	/* Unregistered, it stays for those who have it. */
	flb_unregister(0);
	rehearse(0);
	fd_close(b);
	assert_int_equal(flb_register(0), 0);
	assert_int_equal(luo_core_carry(), 0);
}

static void test_flb_unregistered(void **state)
{
	two_files_with_state();
	assert_int_equal(flb_register(0), 0);
	assert_int_equal(flb_get_incoming(0), 0);
	flb_unregister(0);
	assert_string_equal(rehearse(-ENODEV).session, "a");
	assert_int_equal(flb_register(0), 0);
	model_flbs[0].preserve_err = -EXDEV;
	rehearse(-EXDEV);
	model_flbs[0].preserve_err = 0;
	rehearse(0);
	put_incoming(0);
}

/* Somebody asks between the two steps of one freeze. */
static void test_flb_asked_meanwhile(void **state)
{
	struct luo_root_ser *root;

	two_files_with_state();
	assert_int_equal(flb_register(1), 0);
	assert_int_equal(luo_core_carry(), 0);
	assert_int_equal(flb_get_incoming(1), 0);
	assert_int_equal(luo_image_write(&root), -EAGAIN);
	put_incoming(1);
	assert_int_equal(kexec_do(), 0);
	assert_int_equal(counts().files_in, 2);
}

/* One block is all there is. */
static void test_flb_too_many(void **state)
{
	int a, i, n = LUO_FLBS_MAX;

	two_files_with_state();
	assert_int_equal(flb_register(2), 0);
	for (i = 3; i < n + 1; i++)
		assert_int_equal(flb_register(i), 0);
	a = session_create("b");
	assert_int_equal(session_preserve_model(a, 0, 2), 0);
	assert_string_equal(rehearse(-ENOSPC).session, "a");
	assert_non_null(strstr(shim_log, "too much of it"));
	fd_close(a);
	rehearse(0);
}

/* Of no use to this kernel: the next may know better. */
static void test_flb_failed(void **state)
{
	two_files_with_state();
	assert_int_equal(flb_register(0), 0);
	model_flbs[0].retrieve_err = -EBADMSG;
	assert_int_equal(flb_get_incoming(0), -EBADMSG);
	model_flbs[0].retrieve_err = 0;
	assert_int_equal(kexec_do(), 0);
	assert_int_equal(flb_register(0), 0);
	assert_int_equal(flb_get_incoming(0), 0);
	put_incoming(0);
}

/* Damaged ones do not go on, others do. */
static void test_flb_damaged(void **state)
{
	struct luo_flb_ser *flbs;

	image_sample(&image, 2);
	flbs = records(LUO_MAGIC_FLBS, sizeof(*flbs), 0);
	memset(flbs[0].compatible, 0, sizeof(flbs[0].compatible));
	image_seal(&image);
	assert_int_equal(image_receive(&image), -EUCLEAN);
	assert_int_equal(kexec_do(), 0);
	assert_int_equal(counts().files_in, 4);
	assert_int_equal(flb_register(1), 0);
	assert_int_equal(flb_get_incoming(1), 0);
	put_incoming(1);
}

/* ---------------------------------------------------------- what can go wrong */

static void test_killed(void **state)
{
	struct luo_root_ser *root;

	shim_killed = true;
	assert_int_equal(luo_core_carry(), -EINTR);
	assert_int_equal(luo_core_freeze(&root), -EINTR);
	shim_killed = false;
	assert_int_equal(luo_core_carry(), 0);
}

/* No room although it was made: a bug, and a refusal. */
static void test_no_room(void **state)
{
	struct luo_root_ser *root;
	int a = session_create("a");

	assert_int_equal(session_preserve_model(a, 0, 0), 0);
	assert_int_equal(kexec_do(), 0);
	assert_int_equal(luo_image_write(&root), -ENOSPC);
	assert_int_equal(shim_warnings, 1);
	shim_warnings = 0;
	rehearse(0);
}

/*
 * Each chance to fail, from the arrival in the second kernel to the third: one
 * freeze may be refused, and nothing is missing in the end.
 */
static bool live(unsigned long fail_at)
{
	unsigned long chances;
	int a, b, i, err;
	u64 phys;

	arena_reset();
	models_reset();
	shim_fail_at = 0;
	assert_int_equal(start(), 0);
	models[0].runs = LUO_EXTENTS_FIRST + 2;
	models[1].runs = LUO_EXTENTS_FIRST + 2;
	models[2].runs = 1;
	a = session_create("a");
	b = session_create("b");
	assert_int_equal(flb_register(0), 0);
	assert_int_equal(flb_register(1), 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(session_preserve_model(a, i, i), 0);
	assert_int_equal(session_preserve_model(b, 0, 3), 0);
	assert_int_equal(kexec_do(), 0);
	assert_int_equal(flb_register(0), 0);
	assert_int_equal(flb_get_incoming(0), 0);
	put_incoming(0);
	a = session_retrieve("a");
	assert_retrieved(a, 0, 0);
	models[2].retrieve_err = -ENOMEM;
	assert_int_equal(session_retrieve_fd(a, 2), -ENOMEM);
	models[2].retrieve_err = 0;

	shim_chances = 0;
	shim_fail_at = fail_at;
	models[0].added = 5;
	err = luo_core_carry();
	assert_true(err == 0 || err == -ENOMEM);
	for (i = 0; i < 2; i++) {
		struct luo_root_ser *root;
		struct luo_counts before = counts(), after;

		err = luo_core_freeze(&root);
		after = counts();
		assert_memory_equal(&before, &after, sizeof(before));
		if (!err)
			break;
		assert_int_equal(err, -ENOMEM);
		models[0].added = 5;
	}
	assert_int_equal(err, 0);
	luo_core_seal_root();
	luo_core_thaw();
	chances = shim_chances;

	/* Nothing is left that could fail. */
	rehearse(0);
	assert_int_equal(shim_chances, chances);
	shim_fail_at = 0;
	phys = kexec_away();
	assert_int_equal(shim_live, 2 + 2);	/* the claims of the arena */
	assert_int_equal(kexec_arrive(phys), 0);
	assert_int_equal(counts().files_in, 4);
	assert_int_equal(flb_register(0), 0);
	assert_int_equal(flb_get_incoming(0), 0);
	put_incoming(0);
	a = session_retrieve("a");
	for (i = 0; i < 3; i++)
		assert_retrieved(a, i, i);
	assert_retrieved(session_retrieve("b"), 0, 3);
	stop();
	luo_claims_destroy(&arena_claims);
	assert_int_equal(shim_live, 0);
	assert_int_equal(shim_warnings, 0);
	return chances >= fail_at;
}

static void test_sweep(void **state)
{
	unsigned long n;

	for (n = 1; live(n); n++)
		assert_true(n < 1000);
	printf("# %lu chances to fail\n", n - 1);
	assert_true(n > 10);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_waiting), T(test_many), T(test_unknown_handler), T(test_same_name), T(test_namesakes),
		T(test_claimed), T(test_retrieved), T(test_recycled_with_files),
		T(test_recycled_after_failure), T(test_retrieved_after_load),
		T(test_refused), T(test_half_made), T(test_half_brought), T(test_changed_kind), T(test_half_made_without_handler),
		T(test_failed), T(test_damaged), T(test_flb_waiting), T(test_flb_in_use),
		T(test_flb_clash), T(test_flb_unregistered), T(test_flb_asked_meanwhile),
		T(test_flb_too_many), T(test_flb_failed), T(test_flb_damaged),
		T(test_killed), T(test_no_room),
		cmocka_unit_test(test_sweep),
	};

	return cmocka_run_group_tests_name("carry", tests, NULL, NULL);
}
