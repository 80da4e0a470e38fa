// SPDX-License-Identifier: GPL-2.0-only
/* Sessions: names, descriptors, directions, ends. */
#include "support.h"

static struct luo_counts counts(void)
{
	struct luo_counts c;

	luo_core_counts(&c);
	return c;
}

static void test_device_is_exclusive(void **state)
{
	assert_int_equal(luo_device_open(), 0);
	assert_int_equal(luo_device_open(), -EBUSY);
	luo_device_release();
	assert_int_equal(luo_device_open(), 0);
	luo_device_release();
}

static void test_create_names(void **state)
{
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg) };
	char longest[64];
	int fd;

	assert_int_equal(session_create(""), -EINVAL);
	memset(arg.name, 'x', sizeof(arg.name));
	assert_int_equal(dev_ioctl(LIVEUPDATE_IOCTL_CREATE_SESSION, &arg), -EINVAL);

	memset(longest, 'x', 63);
	longest[63] = '\0';
	fd = session_create(longest);
	assert_true(fd >= 0);
	assert_int_equal(session_create(longest), -EEXIST);
	assert_int_equal(counts().sessions_out, 1);

	/* What follows the NUL is not part of the name. */
	strcpy((char *)arg.name, "a");
	assert_int_equal(dev_ioctl(LIVEUPDATE_IOCTL_CREATE_SESSION, &arg), 0);
	assert_int_equal(session_create("a"), -EEXIST);
	fd_close(arg.fd);
	assert_true(session_create("a") >= 0);
	fd_close(fd);
	assert_true(session_create(longest) >= 0);
	assert_false(luo_core_idle());
}

/* Service managers tell session fds by exactly this. */
static void test_fd(void **state)
{
	struct liveupdate_session_get_name arg = { .size = sizeof(arg) };
	int fd = session_create("svc/7 %s");
	struct file *file = shim_fds[fd];

	assert_string_equal(file->name, "anon_inode:[luo_session] svc/7 %s");
	assert_int_equal(file->flags, O_RDWR);
	assert_ptr_equal(file->f_op->owner, &shim_module);
	assert_ptr_equal(file->f_op->compat_ioctl, compat_ptr_ioctl);
	assert_ptr_equal(file->f_op->llseek, noop_llseek);
	assert_int_equal(shim_module.refs, 1);

	memset(arg.name, 'y', sizeof(arg.name));
	assert_int_equal(fd_ioctl(fd, LIVEUPDATE_SESSION_GET_NAME, &arg), 0);
	assert_string_equal((char *)arg.name, "svc/7 %s");
	assert_int_equal(arg.name[63], 0);
	arg.reserved = 1;
	assert_int_equal(fd_ioctl(fd, LIVEUPDATE_SESSION_GET_NAME, &arg), -EINVAL);
}

static void test_retrieve(void **state)
{
	struct liveupdate_ioctl_retrieve_session arg = { .size = sizeof(arg) };
	int fd, out;

	assert_true(session_create("one") >= 0);
	assert_true(session_create("two") >= 0);
	assert_int_equal(session_retrieve("one"), -ENOENT);
	assert_int_equal(kexec_do(), 0);

	assert_int_equal(counts().sessions_in, 2);
	assert_int_equal(counts().generation, 1);
	assert_int_equal(session_retrieve("three"), -ENOENT);
	assert_int_equal(session_retrieve(""), -ENOENT);
	memset(arg.name, 'o', sizeof(arg.name));
	assert_int_equal(dev_ioctl(LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &arg), -ENOENT);

	fd = session_retrieve("one");
	assert_true(fd >= 0);
	assert_string_equal(shim_fds[fd]->name, "anon_inode:[luo_session] one");
	assert_int_equal(session_retrieve("one"), -EINVAL);

	/* Either direction has its own names. */
	out = session_create("one");
	assert_true(out >= 0);
	assert_int_equal(session_create("one"), -EEXIST);
	fd_close(out);

	fd_close(fd);
	assert_int_equal(session_retrieve("one"), -ENOENT);
	assert_int_equal(counts().sessions_in, 1);
	assert_int_equal(session_finish(session_retrieve("two")), 0);
	/* Finished, but somebody holds it. */
	assert_int_equal(counts().sessions_in, 1);
}

/* in-tree, a multiple of 51 sessions and a CREATE that fails kill the next kernel */
static void test_full_blocks(void **state)
{
	unsigned int n = 3 * LUO_SESSIONS_PER_BLOCK, i;
	char name[16];
	int fd[3 * LUO_SESSIONS_PER_BLOCK];

	for (i = 0; i < n; i++) {
		sprintf(name, "s%u", i);
		fd[i] = session_create(name);
		assert_true(fd[i] >= 0);
	}
	assert_int_equal(session_create("s0"), -EEXIST);
	assert_int_equal(session_create(""), -EINVAL);
	assert_int_equal(arena_blocks, 1 + 3);
	for (i = 0; i < LUO_SESSIONS_PER_BLOCK; i++)
		fd_close(fd[i]);
	assert_int_equal(arena_blocks, 1 + 2);

	assert_int_equal(kexec_do(), 0);
	assert_int_equal(counts().sessions_in, 2 * LUO_SESSIONS_PER_BLOCK);
	assert_int_equal(session_retrieve("s0"), -ENOENT);
	for (i = LUO_SESSIONS_PER_BLOCK; i < n; i++) {
		sprintf(name, "s%u", i);
		assert_true(session_retrieve(name) >= 0);
	}
}

/* in-tree, an answer that cannot be written destroys the session */
static void test_unwritable_answer(void **state)
{
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg), .name = "one" };

	shim_user_deny(&arg, sizeof(arg), false, true);
	assert_int_equal(dev_ioctl(LIVEUPDATE_IOCTL_CREATE_SESSION, &arg), -EFAULT);
	assert_true(luo_core_idle());
	shim_user_deny(NULL, 0, false, false);
	assert_int_equal(dev_ioctl(LIVEUPDATE_IOCTL_CREATE_SESSION, &arg), 0);
	assert_int_equal(session_preserve_model(arg.fd, 7, 3), 0);
	assert_int_equal(kexec_do(), 0);

	shim_user_deny(&arg, sizeof(arg), false, true);
	assert_int_equal(dev_ioctl(LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &arg), -EFAULT);
	assert_int_equal(counts().files_in, 1);
	shim_user_deny(NULL, 0, false, false);
	assert_int_equal(dev_ioctl(LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &arg), 0);
	assert_true(session_retrieve_fd(arg.fd, 7) >= 0);
}

/* A session that nobody has been told of takes no part. */
static void test_unpublished(void **state)
{
	struct file *file[LUO_SESSIONS_PER_BLOCK + 1];
	struct luo_root_ser *root;
	char name[64] = "x0";
	unsigned int i;
	u64 phys;

	for (i = 0; i < ARRAY_SIZE(file); i++) {
		snprintf(name, sizeof(name), "x%u", i);
		assert_int_equal(luo_session_create((u8 *)name, 0, &file[i]), 0);
	}
	luo_session_publish(file[1], 0);

	/* Room that is not used this time is cut off, and comes back. */
	for (i = 0; i < 2; i++) {
		assert_int_equal(luo_core_freeze(&root), 0);
		assert_int_equal(root->nr_sessions, 1);
		phys = root->sessions;
		assert_int_equal(((struct luo_block_ser *)arena_ops.block_virt(phys))->next, 0);
		luo_core_thaw();
	}
	for (i = 0; i < ARRAY_SIZE(file); i++)
		luo_session_abort(file[i]);
	shim_task_work();
	assert_true(luo_core_idle());
	assert_int_equal(arena_blocks, 1);
}

/* While frozen nothing moves; afterwards all is as before. */
static void test_frozen_blocks(void **state)
{
	struct liveupdate_ioctl_create_session create = { .size = sizeof(create), .name = "b" };
	struct liveupdate_session_preserve_fd preserve = { .size = sizeof(preserve), .token = 2 };
	int fd = session_create("a"), file = file_open(1), i;
	struct file *session = shim_fds[fd];
	volatile int blocked = 0;
	struct luo_root_ser *root;
	jmp_buf env;

	assert_int_equal(session_preserve_model(fd, 1, 0), 0);
	preserve.fd = file;
	assert_int_equal(luo_core_freeze(&root), 0);
	shim_switch_task();
	shim_blocked = &env;
	for (i = 0; i < 2; i++) {
		if (setjmp(env)) {
			blocked++;
			continue;
		}
		if (i == 0)
			dev_ioctl(LIVEUPDATE_IOCTL_CREATE_SESSION, &create);
		else
			luo_session_ioctl(session->private_data, LIVEUPDATE_SESSION_PRESERVE_FD,
					  (unsigned long)&preserve);
	}
	assert_int_equal(blocked, 2);
	if (!setjmp(env)) {
		luo_session_release(session->private_data);
		fail();
	}
	/* What waits can be killed, and then nothing has happened. */
	shim_killed = true;
	assert_int_equal(luo_session_ioctl(session->private_data, LIVEUPDATE_SESSION_PRESERVE_FD,
					   (unsigned long)&preserve), -EINTR);
	assert_int_equal(dev_ioctl(LIVEUPDATE_IOCTL_CREATE_SESSION, &create), -EINTR);
	shim_killed = false;

	/* Reading never waits. */
	assert_int_equal(counts().files_out, 1);
	assert_false(luo_core_idle());
	shim_blocked = NULL;
	shim_switch_task();
	luo_core_thaw();

	assert_int_equal(session_preserve(fd, 2, file), 0);
	assert_true(session_create("b") >= 0);
	shim_killed = true;
	assert_int_equal(luo_core_freeze(&root), -EINTR);
	assert_int_equal(session_create("c"), -EINTR);
	assert_int_equal(session_preserve(fd, 3, file), -EINTR);
	shim_killed = false;
}

static void test_last_error(void **state)
{
	char buf[300], tiny[4];

	luo_last_error(buf, sizeof(buf));
	assert_string_equal(buf, "");
	luo_error("%s %d", "reason", 7);
	luo_last_error(buf, sizeof(buf));
	assert_string_equal(buf, "reason 7");
	assert_string_equal(shim_log, "reason 7\n");
	luo_last_error(tiny, sizeof(tiny));
	assert_string_equal(tiny, "rea");
	luo_last_error(NULL, 0);
	memset(buf, 'x', sizeof(buf) - 1);
	buf[sizeof(buf) - 1] = '\0';
	luo_error("%s", buf);
	luo_last_error(buf, sizeof(buf));
	assert_int_equal(strlen(buf), 255);
}

static void test_generations(void **state)
{
	unsigned int i;

	for (i = 1; i <= 4; i++) {
		int fd = session_create("again");

		assert_int_equal(session_preserve_model(fd, 1, 0), 0);
		assert_int_equal(kexec_do(), 0);
		assert_int_equal(counts().generation, i);
		fd = session_retrieve("again");
		assert_true(session_retrieve_fd(fd, 1) >= 0);
		fd_close(fd);
		assert_true(luo_core_idle());
	}
}

static void test_bad_nonce(void **state)
{
	stop();
	assert_int_equal(luo_core_init(&arena_ops, 0), -EINVAL);
	assert_int_equal(shim_warnings, 1);
	shim_warnings = 0;
	assert_int_equal(start(), 0);
	assert_int_equal(luo_core_receive(0, 0), -EINVAL);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_device_is_exclusive), T(test_create_names), T(test_fd), T(test_retrieve),
		T(test_full_blocks), T(test_unwritable_answer), T(test_unpublished),
		T(test_frozen_blocks), T(test_last_error), T(test_generations), T(test_bad_nonce),
	};

	return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
