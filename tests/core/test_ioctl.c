// SPDX-License-Identifier: GPL-2.0-only
/* Every command: sizes, pointers, directions, and the order of all checks. */
#include "support.h"

#define TYPE LIVEUPDATE_IOCTL_TYPE

enum where { DEVICE, OUTGOING, INCOMING };

static const struct {
	unsigned int cmd;
	u32 size;
	int on[3];	/* what a good call of each kind returns */
} commands[] = {
	{ LIVEUPDATE_IOCTL_CREATE_SESSION, 72, { 0, -EINVAL, -EINVAL } },
	{ LIVEUPDATE_IOCTL_RETRIEVE_SESSION, 72, { 0, -EINVAL, -EINVAL } },
	{ LIVEUPDATE_SESSION_PRESERVE_FD, 16, { -EINVAL, 0, -EINVAL } },
	{ LIVEUPDATE_SESSION_RETRIEVE_FD, 16, { -EINVAL, -EINVAL, 0 } },
	{ LIVEUPDATE_SESSION_FINISH, 8, { -EINVAL, -EINVAL, 0 } },
	{ LIVEUPDATE_SESSION_GET_NAME, 72, { -EINVAL, 0, 0 } },
	{ LIVEUPDATE_IOCTL_GET_STATE, 64, { 0, -EINVAL, -EINVAL } },
	{ LIVEUPDATE_IOCTL_REOPEN_SESSION, 72, { 0, -EINVAL, -EINVAL } },
	{ LIVEUPDATE_IOCTL_RETRIEVE_GENERATION, 80, { 0, -EINVAL, -EINVAL } },
	{ LIVEUPDATE_IOCTL_DROP_SESSION, 80, { 0, -EINVAL, -EINVAL } },
	{ LIVEUPDATE_IOCTL_REHEARSE, 112, { 0, -EINVAL, -EINVAL } },
	{ LIVEUPDATE_SESSION_UNPRESERVE_FD, 16, { -EINVAL, 0, -EINVAL } },
	{ LIVEUPDATE_SESSION_SET_FLAGS, 8, { -EINVAL, 0, 0 } },
	{ LIVEUPDATE_SESSION_GET_STATE, 40, { -EINVAL, 0, 0 } },
	{ LIVEUPDATE_SESSION_LIST_FILES, 32, { -EINVAL, 0, 0 } },
	{ LIVEUPDATE_SESSION_RECYCLE, 8, { -EINVAL, -EINVAL, 0 } },
	{ LIVEUPDATE_SESSION_RETRIEVE_INTO, 40, { -EINVAL, -EINVAL, 0 } },
	{ LIVEUPDATE_SESSION_FREEZE, 8, { -EINVAL, 0, -EINVAL } },
	{ LIVEUPDATE_SESSION_THAW, 8, { -EINVAL, 0, -EINVAL } },
};

static int incoming, outgoing;
static union {
	u32 size;
	struct liveupdate_ioctl_create_session create;
	struct liveupdate_session_preserve_fd preserve;
	struct liveupdate_session_retrieve_fd retrieve;
	struct liveupdate_ioctl_retrieve_generation generation;
	struct liveupdate_ioctl_drop_session drop;
	struct liveupdate_session_unpreserve_fd unpreserve;
	struct liveupdate_session_retrieve_into into;
	u8 bytes[256];
} arg;

static long call(enum where where, unsigned int cmd, void *p)
{
	switch (where) {
	case DEVICE:
		return dev_ioctl(cmd, p);
	case OUTGOING:
		return fd_ioctl(outgoing, cmd, p);
	default:
		return fd_ioctl(incoming, cmd, p);
	}
}

/* A good argument; what the last call has left does not matter. */
static void prepare(unsigned int i, u32 size)
{
	static unsigned int serial;
	int file;

	serial++;
	memset(&arg, 0, sizeof(arg));
	arg.size = size;
	switch (commands[i].cmd) {
	case LIVEUPDATE_IOCTL_CREATE_SESSION:
		sprintf((char *)arg.create.name, "new%u", serial);
		break;
	case LIVEUPDATE_IOCTL_RETRIEVE_SESSION:
	case LIVEUPDATE_IOCTL_RETRIEVE_GENERATION:
	case LIVEUPDATE_IOCTL_DROP_SESSION:
		if (incoming >= 0)
			fd_close(incoming);
		incoming = -1;
		if (commands[i].cmd == LIVEUPDATE_IOCTL_RETRIEVE_SESSION)
			strcpy((char *)arg.create.name, "in");
		else if (commands[i].cmd == LIVEUPDATE_IOCTL_RETRIEVE_GENERATION)
			strcpy((char *)arg.generation.name, "in");
		else
			strcpy((char *)arg.drop.name, "in");
		break;
	case LIVEUPDATE_IOCTL_REOPEN_SESSION:
		strcpy((char *)arg.create.name, "kept");
		break;
	case LIVEUPDATE_SESSION_UNPRESERVE_FD:
		arg.unpreserve.token = 1000000 + serial;
		file = file_open_foreign();
		assert_int_equal(session_preserve(outgoing, 1000000 + serial, file), 0);
		fd_close(file);
		break;
	case LIVEUPDATE_SESSION_RETRIEVE_INTO:
		arg.into.fd = -1;
		arg.into.token = 1;
		break;
	case LIVEUPDATE_SESSION_PRESERVE_FD:
		arg.preserve.fd = file_open_foreign();
		arg.preserve.token = serial;
		break;
	}
}

static struct liveupdate_file_handler any_handler;

static int init(void **state)
{
	int err = setup(state), fd;

	if (err)
		return err;
	/* Sessions that can be retrieved often: they are never finished. */
	models[0].busy = true;
	fd = session_create("in");
	assert_int_equal(session_preserve_model(fd, 0, 0), 0);
	assert_int_equal(session_preserve_model(fd, 1, 1), 0);
	model_handler.ops = &model_into_ops;
	assert_int_equal(kexec_do(), 0);
	incoming = session_retrieve("in");
	outgoing = session_create("out");
	assert_true(incoming >= 0 && outgoing >= 0);
	fd = session_create("kept");
	assert_int_equal(session_set_flags(fd, LIVEUPDATE_SESSION_KEEP_ON_CLOSE), 0);
	fd_close(fd);
	assert_int_equal(liveupdate_register_file_handler(&any_handler), 0);
	return 0;
}

static int done(void **state)
{
	models[0].busy = false;
	if (incoming < 0)
		incoming = session_retrieve("in");
	fd_close(outgoing);
	fd_close(session_reopen("kept"));
	liveupdate_unregister_file_handler(&any_handler);
	return teardown(state);
}

/* Gives back what a good call has got. */
static void undo(unsigned int i)
{
	switch (commands[i].cmd) {
	case LIVEUPDATE_IOCTL_REOPEN_SESSION:
		session_set_flags(arg.create.fd, LIVEUPDATE_SESSION_KEEP_ON_CLOSE);
		/* fallthrough */
	case LIVEUPDATE_IOCTL_CREATE_SESSION:
	case LIVEUPDATE_IOCTL_RETRIEVE_SESSION:
	case LIVEUPDATE_IOCTL_RETRIEVE_GENERATION:
		fd_close(arg.create.fd);
	}
}

/* The good result: 0, but what would finish has to refuse the file that is busy. */
static long good(unsigned int i, enum where where)
{
	long want = commands[i].on[where];

	switch (commands[i].cmd) {
	case LIVEUPDATE_SESSION_FINISH:
	case LIVEUPDATE_SESSION_RECYCLE:
	case LIVEUPDATE_IOCTL_DROP_SESSION:
		return want ?: -EBUSY;
	}
	return want;
}

static void ensure_incoming(void)
{
	if (incoming < 0)
		incoming = session_retrieve("in");
	assert_true(incoming >= 0);
}

static void test_sizes(void **state)
{
	unsigned int i;
	u32 size, j;
	long ret;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		enum where where = commands[i].on[DEVICE] == 0 ? DEVICE :
				   commands[i].on[OUTGOING] == 0 ? OUTGOING : INCOMING;

		for (size = 0; size <= sizeof(arg); size++) {
			prepare(i, size);
			ret = call(where, commands[i].cmd, &arg);
			if (size < commands[i].size) {
				assert_int_equal(ret, -EINVAL);
			} else {
				assert_int_equal(ret, good(i, where));
				assert_int_equal(arg.size, size);
				if (!ret)
					undo(i);
			}
			ensure_incoming();
		}
		/* One byte of the tail is not zero, wherever it is. */
		j = commands[i].size;
		if (commands[i].cmd == LIVEUPDATE_IOCTL_RETRIEVE_GENERATION)
			j = sizeof(arg.generation);	/* what follows the name is optional */
		for (; j < sizeof(arg); j++) {
			prepare(i, sizeof(arg));
			arg.bytes[j] = 1;
			assert_int_equal(call(where, commands[i].cmd, &arg), -E2BIG);
			ensure_incoming();
		}
		/* The tail cannot be read. */
		prepare(i, sizeof(arg));
		shim_user_deny(&arg.bytes[sizeof(arg) - 1], 1, true, false);
		assert_int_equal(call(where, commands[i].cmd, &arg), -EFAULT);
		/* The size can, the rest cannot. */
		prepare(i, commands[i].size);
		shim_user_deny(&arg.bytes[4], 4, true, false);
		assert_int_equal(call(where, commands[i].cmd, &arg), -EFAULT);
		/* All can be read, and not be written. */
		prepare(i, commands[i].size);
		shim_user_deny(&arg, sizeof(arg), false, true);
		assert_int_equal(call(where, commands[i].cmd, &arg), -EFAULT);
		shim_user_deny(NULL, 0, false, false);
		ensure_incoming();
	}
}

static void test_order_of_checks(void **state)
{
	unsigned int nr, i;
	enum where w;

	/* 1. A number outside the table, before anything else. */
	for (w = DEVICE; w <= INCOMING; w++) {
		for (nr = 0; nr < 256; nr++) {
			bool known = w == DEVICE ?
				nr < 2 || (nr >= 0x80 && nr < 0x85) :
				(nr >= 0x40 && nr < 0x44) || (nr >= 0xc0 && nr < 0xc8);

			/* 2. Size unreadable, even for a foreign command. */
			assert_int_equal(call(w, _IO(TYPE, nr), NULL), known ? -EFAULT : -EINVAL);
			assert_int_equal(call(w, _IO('x', nr), NULL), known ? -EFAULT : -EINVAL);
			/* 3. The number fits, the rest does not. The size would be bad too. */
			arg.size = 0;
			if (known) {
				assert_int_equal(call(w, _IO('x', nr), &arg), -ENOTTY);
				assert_int_equal(call(w, _IOR(TYPE, nr, u32), &arg), -ENOTTY);
				assert_int_equal(call(w, _IOW(TYPE, nr, u32), &arg), -ENOTTY);
				assert_int_equal(call(w, _IO(TYPE, nr) | 1U << 31, &arg), -ENOTTY);
			}
		}
	}
	/* 4. Direction, before the size is looked at: a tail that would be E2BIG. */
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!commands[i].on[DEVICE])
			continue;
		for (w = OUTGOING; w <= INCOMING; w++) {
			memset(&arg, 1, sizeof(arg));
			arg.size = sizeof(arg);
			assert_int_equal(call(w, commands[i].cmd, &arg),
					 commands[i].on[w] ? -EINVAL : -E2BIG);
		}
	}
}

/* 32-bit tasks have the same structs. */
static void test_compat(void **state)
{
	struct liveupdate_session_get_name *low = NULL;
	struct file *file = shim_fds[outgoing];

	assert_int_equal(file->f_op->compat_ioctl(file, LIVEUPDATE_SESSION_GET_NAME,
						  (unsigned long)low), -EFAULT);
	assert_int_equal(sizeof(struct liveupdate_ioctl_create_session), 72);
	assert_int_equal(sizeof(struct liveupdate_ioctl_retrieve_session), 72);
	assert_int_equal(sizeof(struct liveupdate_session_preserve_fd), 16);
	assert_int_equal(offsetof(struct liveupdate_session_preserve_fd, token), 8);
	assert_int_equal(sizeof(struct liveupdate_session_retrieve_fd), 16);
	assert_int_equal(sizeof(struct liveupdate_session_finish), 8);
	assert_int_equal(sizeof(struct liveupdate_session_get_name), 72);
	assert_int_equal(sizeof(struct liveupdate_file_info), 72);
}

static void test_no_fds(void **state)
{
	struct liveupdate_session_retrieve_fd get = { .size = sizeof(get) };

	shim_chances = 0;
	shim_fail_at = 1;
	assert_int_equal(session_create("full"), -EMFILE);
	shim_chances = 0;
	assert_int_equal(fd_ioctl(incoming, LIVEUPDATE_SESSION_RETRIEVE_FD, &get), -EMFILE);
	shim_fail_at = 0;
	assert_true(session_create("full") >= 0);
	assert_int_equal(fd_ioctl(incoming, LIVEUPDATE_SESSION_RETRIEVE_FD, &get), 0);
}

/* A killed task gets nothing, and nothing has happened. */
static void test_killed(void **state)
{
	struct liveupdate_session_finish finish = { .size = sizeof(finish) };

	shim_killed = true;
	assert_int_equal(session_create("x"), -EINTR);
	assert_int_equal(session_retrieve_fd(incoming, 0), -EINTR);
	assert_int_equal(fd_ioctl(incoming, LIVEUPDATE_SESSION_FINISH, &finish), -EINTR);
	shim_killed = false;
	assert_true(session_retrieve_fd(incoming, 0) >= 0);
}

static bool any(struct liveupdate_file_handler *fh, struct file *file)
{
	return true;
}

static int nothing(struct liveupdate_file_op_args *args)
{
	return 0;
}

static void none(struct liveupdate_file_op_args *args)
{
}

static const struct liveupdate_file_ops any_ops = {
	.can_preserve = any, .preserve = nothing, .unpreserve = none,
	.retrieve = nothing, .finish = none,
};

static struct liveupdate_file_handler any_handler = {
	.ops = &any_ops, .compatible = "any-v1",
};

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, init, done)
	const struct CMUnitTest tests[] = {
		T(test_sizes), T(test_order_of_checks), T(test_compat), T(test_no_fds),
		T(test_killed),
	};

	return cmocka_run_group_tests_name("ioctl", tests, NULL, NULL);
}
