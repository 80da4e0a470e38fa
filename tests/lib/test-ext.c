// SPDX-License-Identifier: LGPL-2.1-or-later
/* What the orchestrator in Linux does not have: each call, and how its lack shows. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <linux/liveupdate_ext.h>

#include "libluo.h"
#include "mock.h"

static struct luo_device *device;
static struct luo_session *session;

static int setup(void **state)
{
	(void)state;
	memset(&mock, 0, sizeof(mock));
	mock.ioctl_name = "name";
	mock.ioctl_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (luo_device_open(NULL, &device) || luo_session_create(device, "x", &session))
		return -1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	luo_session_close(session);
	luo_device_close(device);
	return 0;
}

/* Each with good arguments; those that give a session close it. */

static int reopen(void)
{
	struct luo_session *s = (void *)1;
	int r = luo_session_reopen(device, "x", &s);

	if (r < 0)
		assert_ptr_equal(s, (void *)1);
	else
		luo_session_release_fd(s);
	return r;
}

static int retrieve_generation(void)
{
	struct luo_session *s = (void *)1;
	int r = luo_session_retrieve_generation(device, "x", 7, LUO_SESSION_KEEP_ON_CLOSE, &s);

	if (r < 0)
		assert_ptr_equal(s, (void *)1);
	else
		luo_session_release_fd(s);
	return r;
}

static int drop(void)
{
	return luo_session_drop(device, "x", 8);
}

static int rehearse(void)
{
	struct luo_rehearsal rehearsal = { .size = sizeof(rehearsal), .error = 77 };
	int r = luo_device_rehearse(device, &rehearsal);

	if (r < 0)
		assert_int_equal(rehearsal.error, 77);
	return r;
}

static int unpreserve(void)
{
	return luo_session_unpreserve_fd(session, 9);
}

static int set_flags(void)
{
	return luo_session_set_flags(session, LUO_SESSION_DROP_ON_FAILURE);
}

static int freeze(void)
{
	return luo_session_freeze(session);
}

static int thaw(void)
{
	return luo_session_thaw(session);
}

static int list_files(void)
{
	struct luo_file_info info[2];
	unsigned int count = 77;
	int r = luo_session_list_files(session, 5, info, 2, &count, NULL);

	if (r < 0)
		assert_int_equal(count, 77);
	return r;
}

static int recycle(void)
{
	return luo_session_recycle(session, LUO_RECYCLE_KEEP_FILES);
}

static const struct {
	int (*call)(void);
	unsigned long command;
	uint32_t size;
} all[] = {
	{ reopen, LIVEUPDATE_IOCTL_REOPEN_SESSION, 72 },
	{ retrieve_generation, LIVEUPDATE_IOCTL_RETRIEVE_GENERATION, 88 },
	{ drop, LIVEUPDATE_IOCTL_DROP_SESSION, 80 },
	{ rehearse, LIVEUPDATE_IOCTL_REHEARSE, 112 },
	{ unpreserve, LIVEUPDATE_SESSION_UNPRESERVE_FD, 16 },
	{ set_flags, LIVEUPDATE_SESSION_SET_FLAGS, 8 },
	{ freeze, LIVEUPDATE_SESSION_FREEZE, 8 },
	{ thaw, LIVEUPDATE_SESSION_THAW, 8 },
	{ list_files, LIVEUPDATE_SESSION_LIST_FILES, 32 },
	{ recycle, LIVEUPDATE_SESSION_RECYCLE, 8 },
};

#define COUNT (sizeof(all) / sizeof(all[0]))

static void test_commands(void **state)
{
	uint32_t size;

	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(all[i].call(), 0);
		assert_int_equal(mock.command, all[i].command);
		memcpy(&size, mock.arg, sizeof(size));
		assert_int_equal(size, all[i].size);
	}
	/* Where it works nobody asks whether it would. */
	assert_int_equal(mock.probes, 0);
}

/* Every errno comes through, and -ENOSYS is none of them. */
static void test_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		for (int e = 1; e < 134; e++) {
			/* ENOTTY is what another device would say. */
			if (e == ENOSYS)
				continue;
			mock.ext_error = e;
			assert_int_equal(all[i].call(), -e);
		}
	}
	/* Once for each of the handles, and that only after an EINVAL. */
	assert_in_range(mock.probes, 0, 2);
}

static void test_einval_first(void **state)
{
	(void)state;
	mock.ext_error = EINVAL;
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < COUNT; i++)
			assert_int_equal(all[i].call(), -EINVAL);
	assert_int_equal(mock.probes, 2);
}

static void test_in_tree(void **state)
{
	struct luo_device_state device_state = { .size = sizeof(device_state), .state = 77 };
	struct luo_session_state session_state = { .size = sizeof(session_state),
						   .direction = 77 };
	unsigned int calls;

	(void)state;
	mock.in_tree = true;
	for (size_t i = 0; i < COUNT; i++)
		assert_int_equal(all[i].call(), -ENOSYS);
	assert_int_equal(mock.probes, 2);
	/* From now on it is known, and nobody is asked. */
	calls = mock.calls;
	for (size_t i = 0; i < COUNT; i++)
		assert_int_equal(all[i].call(), -ENOSYS);
	assert_int_equal(luo_device_get_state(device, &device_state), -ENOSYS);
	assert_int_equal(luo_session_get_state(session, &session_state), -ENOSYS);
	assert_int_equal(device_state.state, 77);
	assert_int_equal(session_state.direction, 77);
	assert_int_equal(mock.calls, calls);
	/* What Linux has goes on to work. */
	assert_int_equal(luo_session_finish(session), 0);
}

/* The same when a state is the first that is asked for. */
static void test_in_tree_state(void **state)
{
	struct luo_device_state device_state = { .size = sizeof(device_state) };
	struct luo_session_state session_state = { .size = sizeof(session_state) };

	(void)state;
	mock.in_tree = true;
	assert_int_equal(luo_device_get_state(device, &device_state), -ENOSYS);
	assert_int_equal(luo_session_get_state(session, &session_state), -ENOSYS);
}

static void test_names(void **state)
{
	struct liveupdate_ioctl_retrieve_generation generation;
	struct liveupdate_ioctl_drop_session dropped;
	char longest[64], too_long[65];
	struct luo_session *s;
	unsigned int calls;

	(void)state;
	memset(longest, 'a', 63);
	longest[63] = '\0';
	memset(too_long, 'a', 64);
	too_long[64] = '\0';
	calls = mock.calls;
	for (int i = 0; i < 2; i++) {
		const char *name = i ? too_long : "";

		assert_int_equal(luo_session_reopen(device, name, &s), -EINVAL);
		assert_int_equal(luo_session_drop(device, name, 0), -EINVAL);
		assert_int_equal(luo_session_retrieve_generation(device, name, 0, 0, &s), -EINVAL);
	}
	/* Nothing must have been claimed when there is no memory for it. */
	mock.malloc_fails = 1;
	assert_int_equal(luo_session_reopen(device, "x", &s), -ENOMEM);
	mock.malloc_fails = 1;
	assert_int_equal(luo_session_retrieve_generation(device, "x", 0, 0, &s), -ENOMEM);
	assert_int_equal(mock.calls, calls);

	assert_int_equal(luo_session_drop(device, longest, UINT64_MAX), 0);
	memcpy(&dropped, mock.arg, sizeof(dropped));
	assert_memory_equal(dropped.name, longest, 64);
	assert_int_equal(dropped.generation, UINT64_MAX);
	assert_int_equal(dropped.reserved, 0);

	mock.ioctl_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(luo_session_retrieve_generation(device, longest, 3,
							 LUO_SESSION_KEEP_ON_CLOSE, &s), 0);
	memcpy(&generation, mock.arg, sizeof(generation));
	assert_memory_equal(generation.name, longest, 64);
	assert_int_equal(generation.generation, 3);
	assert_int_equal(generation.flags, LIVEUPDATE_SESSION_KEEP_ON_CLOSE);
	assert_int_equal(generation.reserved, 0);
	assert_int_equal(luo_session_get_fd(s), mock.ioctl_fd);
	luo_session_close(s);
	assert_int_equal(fcntl(mock.ioctl_fd, F_GETFD), -1);
}

static void test_arguments(void **state)
{
	struct liveupdate_session_unpreserve_fd token;
	struct liveupdate_session_set_flags flags;
	struct liveupdate_session_recycle recycled;

	(void)state;
	assert_int_equal(luo_session_unpreserve_fd(session, UINT64_MAX), 0);
	memcpy(&token, mock.arg, sizeof(token));
	assert_int_equal(token.token, UINT64_MAX);
	assert_int_equal(token.reserved, 0);
	assert_int_equal(luo_session_set_flags(session, 3), 0);
	memcpy(&flags, mock.arg, sizeof(flags));
	assert_int_equal(flags.flags, 3);
	assert_int_equal(luo_session_recycle(session, LUO_RECYCLE_KEEP_FILES), 0);
	memcpy(&recycled, mock.arg, sizeof(recycled));
	assert_int_equal(recycled.flags, LIVEUPDATE_RECYCLE_KEEP_FILES);
}

static void test_states(void **state)
{
	static const int states[][2] = {
		{ LIVEUPDATE_STATE_NORMAL, LUO_STATE_NORMAL },
		{ LIVEUPDATE_STATE_UPDATED, LUO_STATE_UPDATED },
		{ LIVEUPDATE_STATE_FROZEN, LUO_STATE_FROZEN },
		{ 99, LUO_STATE_UNKNOWN },
	};
	struct liveupdate_ioctl_get_state machine = {
		.generation = 1, .sessions_out = 2, .files_out = 3, .bytes_out = 4,
		.sessions_in = 5, .files_in = 6, .bytes_in = 7,
	};
	struct liveupdate_session_get_state one = {
		.direction = LIVEUPDATE_SESSION_INCOMING, .flags = 3, .generation = 4,
		.files = 5, .bytes = UINT64_MAX,
	};
	struct { struct luo_device_state known; uint64_t more; } big = {
		.known.size = sizeof(big), .more = 1234,
	};
	struct luo_device_state small = { .size = 3 };
	struct luo_session_state session_state = { .size = 3 };

	(void)state;
	mock.answer = &machine;
	mock.answer_size = sizeof(machine);
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		machine.state = states[i][0];
		assert_int_equal(luo_device_get_state(device, &big.known), 0);
		assert_int_equal(big.known.state, states[i][1]);
	}
	assert_int_equal(big.known.generation, 1);
	assert_int_equal(big.known.sessions_out, 2);
	assert_int_equal(big.known.files_out, 3);
	assert_int_equal(big.known.bytes_out, 4);
	assert_int_equal(big.known.sessions_in, 5);
	assert_int_equal(big.known.files_in, 6);
	assert_int_equal(big.known.bytes_in, 7);
	assert_int_equal(big.known.size, sizeof(big));
	assert_int_equal(big.more, 1234);
	assert_int_equal(luo_device_get_state(device, &small), -EINVAL);
	/* A program that knows less. */
	small.size = offsetof(struct luo_device_state, sessions_out);
	assert_int_equal(luo_device_get_state(device, &small), 0);
	assert_int_equal(small.generation, 1);
	assert_int_equal(small.sessions_out, 0);

	mock.answer = &one;
	mock.answer_size = sizeof(one);
	assert_int_equal(luo_session_get_state(session, &session_state), -EINVAL);
	session_state.size = sizeof(session_state);
	assert_int_equal(luo_session_get_state(session, &session_state), 0);
	assert_int_equal(session_state.direction, LUO_DIRECTION_INCOMING);
	assert_int_equal(session_state.flags, 3);
	assert_int_equal(session_state.generation, 4);
	assert_int_equal(session_state.files, 5);
	assert_int_equal(session_state.bytes, UINT64_MAX);
}

static void test_rehearsal(void **state)
{
	struct liveupdate_ioctl_rehearse answer = {
		.error = EBUSY, .session_error = EIO, .sessions = 1, .files = 2, .bytes = 3,
		.dropped = 4,
	};
	struct luo_rehearsal rehearsal = { .size = 4 };

	(void)state;
	assert_int_equal(luo_device_rehearse(device, &rehearsal), -EINVAL);
	memset(answer.session, 'x', sizeof(answer.session));
	mock.answer = &answer;
	mock.answer_size = sizeof(answer);
	rehearsal.size = sizeof(rehearsal);
	assert_int_equal(luo_device_rehearse(device, &rehearsal), 0);
	assert_int_equal(rehearsal.error, -EBUSY);
	assert_int_equal(rehearsal.session_error, -EIO);
	assert_int_equal(rehearsal.sessions, 1);
	assert_int_equal(rehearsal.files, 2);
	assert_int_equal(rehearsal.bytes, 3);
	assert_int_equal(rehearsal.dropped, 4);
	assert_int_equal(strlen(rehearsal.session), 63);
}

static void test_list(void **state)
{
	struct liveupdate_session_list_files answer = { .nr = 2, .total = 9 }, asked;
	struct luo_file_info info[5];
	unsigned int count;
	uint64_t total;

	(void)state;
	memset(info, 0, sizeof(info));
	info[1].error = EIO; /* as the kernel would write it */
	memset(info[0].compatible, 'k', sizeof(info[0].compatible));
	mock.answer = &answer;
	mock.answer_size = sizeof(answer);
	assert_int_equal(luo_session_list_files(session, 4, info, 2, &count, &total), 0);
	assert_int_equal(count, 2);
	assert_int_equal(total, 9);
	assert_int_equal(info[0].error, 0);
	assert_int_equal(info[1].error, -EIO);
	assert_int_equal(strlen(info[0].compatible), 47);
	memcpy(&asked, mock.arg, sizeof(asked));
	assert_int_equal(asked.nr, 2);
	assert_int_equal(asked.first, 4);
	assert_ptr_equal(asked.files, info);

	/* A list that does not come in one piece, up to its end. */
	mock.calls = 0;
	answer.total = 8;
	answer.nr = 2;
	assert_int_equal(luo_session_list_files(session, 4, info, 5, &count, &total), 0);
	assert_int_equal(mock.calls, 2);
	assert_int_equal(count, 4);
	memcpy(&asked, mock.arg, sizeof(asked));
	assert_int_equal(asked.nr, 3);
	assert_int_equal(asked.first, 6);

	/* Only how many there are. */
	answer.nr = 0;
	assert_int_equal(luo_session_list_files(session, 0, NULL, 0, &count, &total), 0);
	assert_int_equal(count, 0);
	assert_int_equal(total, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
		T(test_commands), T(test_errors), T(test_einval_first), T(test_in_tree),
		T(test_in_tree_state), T(test_names), T(test_arguments), T(test_states),
		T(test_rehearsal), T(test_list),
	};

	return cmocka_run_group_tests_name("ext", tests, NULL, NULL);
}
