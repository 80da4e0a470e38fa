// SPDX-License-Identifier: GPL-2.0-only
/* LIVEUPDATE_SESSION_RETRIEVE_INTO: the caller brings what a file is made of. */
#include "support.h"

#define assert_events(what) do {		\
	assert_string_equal(events, what);	\
	events[0] = '\0';			\
} while (0)

static struct liveupdate_session_retrieve_into arg;

static int into(int session, u64 token, int fd)
{
	arg = (struct liveupdate_session_retrieve_into){
		.size = sizeof(arg), .fd = fd, .token = token,
	};
	return fd_ioctl(session, LIVEUPDATE_SESSION_RETRIEVE_INTO, &arg);
}

static int ask(int session, u64 token)
{
	return into(session, token, -1);
}

static u32 file_state(int session)
{
	struct liveupdate_file_info info;
	struct liveupdate_session_list_files list = {
		.size = sizeof(list), .nr = 1, .files = (uintptr_t)&info,
	};

	assert_int_equal(fd_ioctl(session, LIVEUPDATE_SESSION_LIST_FILES, &list), 0);
	return info.state;
}

/* An incoming session whose tokens 0 to 3 are models 0 to 3, and an outgoing one. */
static int in, out;

static int init(void **state)
{
	int err = setup(state), i;

	if (err)
		return err;
	model_handler.ops = &model_into_ops;
	models[0].runs = 2;
	in = session_create("a");
	for (i = 0; i < 4; i++)
		assert_int_equal(session_preserve_model(in, i, i), 0);
	assert_int_equal(kexec_do(), 0);
	in = session_retrieve("a");
	out = session_create("out");
	return 0;
}

static void test_ask(void **state)
{
	int i;

	for (i = 3; i >= 0; i--) {
		assert_int_equal(ask(in, i), 0);
		assert_int_equal(arg.size, sizeof(arg));
		assert_int_equal(arg.fd, -1);
		assert_int_equal(arg.token, i);
		assert_int_equal(arg.value, 0x100000000ULL + i);
		assert_int_equal(arg.flags, i);
		assert_int_equal(arg.mode, 0600 + i);
		assert_int_equal(arg.uid, 1000 + i);
		assert_int_equal(arg.gid, 2000 + i);
	}
	assert_events("D3 D2 D1 D0 ");
	assert_int_equal(ask(in, 4), -ENOENT);
	assert_int_equal(ask(out, 0), -EINVAL);
	assert_events("");
	assert_int_equal(file_state(in), LIVEUPDATE_FILE_WAITING);
	assert_true(session_retrieve_fd(in, 0) >= 0);
	assert_int_equal(ask(in, 0), -EBUSY);
	assert_events("R0 ");
}

static void test_bring(void **state)
{
	int fd = file_open(0), again;
	struct file *file = shim_fds[fd];

	assert_int_equal(into(in, 0, fd), 0);
	assert_int_equal(arg.value, 0x100000000ULL);
	assert_int_equal(arg.fd, fd);
	assert_events("D0 I0 ");
	assert_int_equal(file_state(in), LIVEUPDATE_FILE_RETRIEVED);

	/* It is the file of this token now, and held by the session. */
	assert_int_equal(file->refs, 2);
	fd_close(fd);
	again = session_retrieve_fd(in, 0);
	assert_true(again >= 0);
	assert_ptr_equal(shim_fds[again], file);
	assert_int_equal(into(in, 0, again), -EBUSY);
	assert_int_equal(session_preserve(out, 0, again), -EBUSY);
	assert_int_equal(into(in, 1, again), -EBUSY);
	assert_events("D1 ");
	assert_int_equal(session_finish(in), 0);
	assert_events("C0 C1 C2 C3 X3 X2 X1 X0 ");
	assert_int_equal(models[0].finish_status, 1);
	assert_int_equal(models[1].finish_status, 0);
	assert_int_equal(file->refs, 1);
	assert_int_equal(session_preserve(out, 0, again), 0);
	assert_int_equal(session_preserve(out, 1, again), -EBUSY);
}

/* Nothing has happened, and it may be tried again. */
static void test_refused(void **state)
{
	static const int errors[] = { -EINVAL, -EOPNOTSUPP, -ENOSPC, -ENOMEM, -EDQUOT, -EACCES };
	int fd = file_open(7), foreign = file_open_foreign(), kept = file_open(8);
	unsigned int i;

	assert_int_equal(session_preserve(out, 0, kept), 0);
	events[0] = '\0';
	assert_int_equal(into(in, 0, 12345), -EBADF);
	assert_int_equal(into(in, 0, -2), -EBADF);
	assert_events("D0 D0 ");
	assert_int_equal(into(in, 0, foreign), -EINVAL);
	assert_int_equal(shim_fds[foreign]->refs, 1);
	assert_int_equal(into(in, 0, kept), -EBUSY);
	assert_events("D0 I0 D0 ");
	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		models[0].into_err = errors[i];
		assert_int_equal(into(in, 0, fd), errors[i]);
		assert_int_equal(shim_fds[fd]->refs, 1);
		assert_int_equal(file_state(in), LIVEUPDATE_FILE_WAITING);
	}
	models[0].into_err = 0;

	/* No place in the table of identities. */
	shim_chances = 0;
	shim_fail_at = 1;
	assert_int_equal(into(in, 0, fd), -ENOMEM);
	shim_fail_at = 0;
	/* The answer cannot be written: the handler was only asked. */
	events[0] = '\0';
	shim_user_deny(&arg, sizeof(arg), false, true);
	assert_int_equal(into(in, 0, fd), -EFAULT);
	shim_user_deny(NULL, 0, false, false);
	assert_events("D0 ");

	assert_int_equal(session_preserve(out, 1, fd), 0);
	assert_int_equal(into(in, 0, fd), -EBUSY);
	fd_close(out);
	assert_int_equal(into(in, 0, fd), 0);
}

/* What is wrong with the data stays wrong. */
static void test_sticky(void **state)
{
	static const int errors[] = { -EIO, -EBADMSG, -EUCLEAN };
	int fd = file_open(9), i;

	for (i = 0; i < 3; i++) {
		models[i].into_err = errors[i];
		assert_int_equal(into(in, i, fd), errors[i]);
		models[i].into_err = 0;
		assert_int_equal(into(in, i, fd), errors[i]);
		assert_int_equal(ask(in, i), errors[i]);
		assert_int_equal(session_retrieve_fd(in, i), errors[i]);
	}
	models[3].describe_err = -EIO;
	assert_int_equal(ask(in, 3), -EIO);
	models[3].describe_err = 0;
	assert_int_equal(into(in, 3, fd), -EIO);
	assert_events("D0 I0 D1 I1 D2 I2 D3 ");
	assert_int_equal(file_state(in), LIVEUPDATE_FILE_FAILED);
	assert_int_equal(shim_fds[fd]->refs, 1);
	assert_int_equal(session_preserve(out, 0, fd), 0);
}

static void test_describe_again(void **state)
{
	models[0].describe_err = -ENOMEM;
	assert_int_equal(ask(in, 0), -ENOMEM);
	models[0].describe_err = 0;
	assert_int_equal(ask(in, 0), 0);
}

/* RETRIEVE_FD is not the way for a kind, or the only one. */
static void test_one_way(void **state)
{
	struct liveupdate_file_ops half = model_into_ops;
	int fd = file_open(0);

	models[0].retrieve_err = -EOPNOTSUPP;
	assert_int_equal(session_retrieve_fd(in, 0), -EOPNOTSUPP);
	assert_int_equal(file_state(in), LIVEUPDATE_FILE_WAITING);
	/* The model has left something behind, as one with a file of its own. */
	assert_int_equal(into(in, 0, fd), -EBUSY);
	models[0].retrieve_err = 0;
	assert_true(session_retrieve_fd(in, 0) >= 0);

	half.describe = NULL;
	half.retrieve_into = NULL;
	model_handler.ops = &half;
	assert_int_equal(into(in, 1, fd), -EOPNOTSUPP);
	assert_int_equal(ask(in, 1), -EOPNOTSUPP);
	/* Without the other way it is final. */
	models[2].retrieve_err = -EOPNOTSUPP;
	assert_int_equal(session_retrieve_fd(in, 2), -EOPNOTSUPP);
	models[2].retrieve_err = 0;
	assert_int_equal(session_retrieve_fd(in, 2), -EOPNOTSUPP);
	assert_true(session_retrieve_fd(in, 1) >= 0);
	model_handler.ops = &model_into_ops;
}

/* Both or none. */
static void test_register(void **state)
{
	struct liveupdate_file_ops ops = model_into_ops;
	struct liveupdate_file_handler fh = { .ops = &ops, .compatible = "half" };

	ops.describe = NULL;
	assert_int_equal(liveupdate_register_file_handler(&fh), -EINVAL);
	ops = model_into_ops;
	ops.retrieve_into = NULL;
	assert_int_equal(liveupdate_register_file_handler(&fh), -EINVAL);
	ops.describe = NULL;
	assert_int_equal(liveupdate_register_file_handler(&fh), 0);
	liveupdate_unregister_file_handler(&fh);
}

static void test_no_handler(void **state)
{
	int fd = file_open(0);

	fd_close(out);
	liveupdate_unregister_file_handler(&model_handler);
	assert_int_equal(ask(in, 0), -ENOENT);
	assert_int_equal(into(in, 0, fd), -ENOENT);
	assert_int_equal(liveupdate_register_file_handler(&model_handler), 0);
	assert_int_equal(into(in, 0, fd), 0);
}

/* Half filled: nobody else may have it, and nothing else goes on with it. */
static void test_begun(void **state)
{
	int fd = file_open(10), other = file_open(11), same, i;

	for (i = 0; i < 3; i++) {
		models[i].into_err = -EINTR;
		models[i].into_begins = true;
	}
	assert_int_equal(into(in, 0, fd), -EINTR);
	assert_events("D0 I0 ");
	assert_int_equal(session_preserve(out, 0, fd), -EBUSY);
	assert_int_equal(into(in, 1, fd), -EBUSY);
	models[0].into_err = 0;
	assert_int_equal(into(in, 0, other), -EBUSY);
	assert_events("D1 D0 ");
	assert_int_equal(shim_fds[other]->refs, 1);
	/* Another descriptor of the same file will do. */
	fd_close(fd);
	same = file_open(10);
	models[0].into_err = -ENOMEM;
	assert_int_equal(into(in, 0, same), -ENOMEM);
	models[0].into_err = 0;
	assert_int_equal(into(in, 0, same), 0);
	assert_ptr_equal(models[0].file, shim_fds[same]);

	/* Or none: the handler has it. */
	assert_int_equal(into(in, 1, other), -EINTR);
	assert_true(session_retrieve_fd(in, 1) >= 0);
	assert_int_equal(file_state(in), LIVEUPDATE_FILE_RETRIEVED);

	/* It ends in the middle, and the file is the caller's again. */
	fd = file_open(12);
	assert_int_equal(into(in, 2, fd), -EINTR);
	assert_int_equal(session_preserve(out, 0, fd), -EBUSY);
	assert_int_equal(session_finish(in), 0);
	assert_int_equal(models[2].finish_status, 0);
	assert_int_equal(session_preserve(out, 0, fd), 0);
}

/* The data turns out to be bad in the middle. */
static void test_begun_bad(void **state)
{
	int fd = file_open(10);

	models[0].into_err = -EIO;
	models[0].into_begins = true;
	assert_int_equal(into(in, 0, fd), -EIO);
	assert_int_equal(into(in, 0, fd), -EIO);
	assert_int_equal(session_retrieve_fd(in, 0), -EIO);
	assert_int_equal(session_finish(in), 0);
	assert_int_equal(models[0].finish_status, -EIO);
	assert_int_equal(session_preserve(out, 0, fd), 0);
}

/* The session has it, but there is nothing yet that could be preserved. */
static void test_recycle_half_brought(void **state)
{
	struct liveupdate_session_recycle recycle = {
		.size = sizeof(recycle), .flags = LIVEUPDATE_RECYCLE_KEEP_FILES,
	};
	int fd = file_open(10), i;

	for (i = 1; i < 4; i++)
		assert_true(session_retrieve_fd(in, i) >= 0);
	models[0].into_err = -EINTR;
	models[0].into_begins = true;
	assert_int_equal(into(in, 0, fd), -EINTR);
	assert_int_equal(fd_ioctl(in, LIVEUPDATE_SESSION_RECYCLE, &recycle), -EBUSY);
	models[0].into_err = 0;
	assert_int_equal(into(in, 0, fd), 0);
	assert_int_equal(fd_ioctl(in, LIVEUPDATE_SESSION_RECYCLE, &recycle), 0);
}

static void kill_hook(void)
{
	shim_killed = true;
}

static void finish_hook(void)
{
	assert_int_equal(session_finish(in), 0);
}

/* Between the answer and the deed there is no lock. */
static void test_between(void **state)
{
	int fd = file_open(0);

	shim_killed = true;
	assert_int_equal(into(in, 0, fd), -EINTR);
	assert_events("");
	shim_killed = false;
	shim_user_hook = kill_hook;
	assert_int_equal(into(in, 0, fd), -EINTR);
	shim_killed = false;
	assert_events("D0 ");
	shim_user_hook = finish_hook;
	assert_int_equal(into(in, 0, fd), -ENOENT);
	assert_int_equal(shim_fds[fd]->refs, 1);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, init, teardown)
	const struct CMUnitTest tests[] = {
		T(test_ask), T(test_bring), T(test_refused), T(test_sticky),
		T(test_describe_again), T(test_one_way), T(test_register), T(test_no_handler), T(test_begun),
		T(test_begun_bad), T(test_recycle_half_brought), T(test_between),
	};

	return cmocka_run_group_tests_name("into", tests, NULL, NULL);
}
