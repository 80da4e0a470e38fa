// SPDX-License-Identifier: LGPL-2.1-or-later
/* The module's tables, and waiting for it, in a made-up root. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libluo.h"
#include "mock.h"

static char root[] = "/tmp/luo-list-XXXXXX";
static struct luo_system *sys;

static void put(const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s%s", root, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static struct luo_listed_session sessions[8];
static unsigned int count;
static int stop_with;

static int session_cb(const struct luo_listed_session *session, void *userdata)
{
	assert_ptr_equal(userdata, &count);
	assert_int_equal(session->size, sizeof(*session));
	sessions[count++] = *session;
	return stop_with;
}

static int list(const char *text)
{
	count = 0;
	put("/proc/liveupdate/sessions", text);
	return luo_system_list_sessions(sys, session_cb, &count);
}

static void test_sessions(void **state)
{
	char name[300], text[400];

	(void)state;
	assert_int_equal(luo_system_list_sessions(sys, session_cb, NULL), -ENOENT);
	assert_int_equal(list(""), 0);
	assert_int_equal(list("# id direction state generation flags files bytes serial name\n"), 0);
	assert_int_equal(count, 0);
	assert_int_equal(list("# id direction ...\n"
			      "3 out open 0 0x3 2 8192 20 a\\040b\\134\\303\\244\n"
			      "18446744073709551615 in waiting 7 0 0 18446744073709551615 21 ..\n"
			      "5 in damaged 1 0x0 0 0 21 \n"
			      "6 in damaged 1 0x0 0 0 21 newer words before name\n"), 0);
	assert_int_equal(count, 4);
	assert_int_equal(sessions[0].id, 3);
	assert_int_equal(sessions[0].direction, LUO_DIRECTION_OUTGOING);
	assert_int_equal(sessions[0].state, LUO_LISTED_OPEN);
	assert_int_equal(sessions[0].flags,
			 LUO_SESSION_KEEP_ON_CLOSE | LUO_SESSION_DROP_ON_FAILURE);
	assert_int_equal(sessions[0].generation, 0);
	assert_int_equal(sessions[0].files, 2);
	assert_int_equal(sessions[0].bytes, 8192);
	assert_int_equal(sessions[0].serial, 20);
	assert_string_equal(sessions[0].name, "a b\\\303\244");
	assert_true(sessions[1].id == UINT64_MAX && sessions[1].bytes == UINT64_MAX);
	assert_int_equal(sessions[1].direction, LUO_DIRECTION_INCOMING);
	assert_int_equal(sessions[1].state, LUO_LISTED_WAITING);
	assert_int_equal(sessions[1].generation, 7);
	assert_string_equal(sessions[1].name, "..");
	assert_int_equal(sessions[2].state, LUO_LISTED_DAMAGED);
	assert_string_equal(sessions[2].name, "");
	assert_string_equal(sessions[3].name, "name");

	/* All 63 bytes escaped. */
	memset(name, 0, sizeof(name));
	for (int i = 0; i < 63; i++)
		snprintf(name + 4 * i, 5, "\\%03o", 255 - i);
	snprintf(text, sizeof(text), "1 out open 0 0 0 0 21 %s\n", name);
	assert_int_equal(list(text), 0);
	assert_int_equal(strlen(sessions[0].name), 63);
	assert_int_equal((unsigned char)sessions[0].name[62], 255 - 62);

	/* The callback decides. */
	stop_with = 42;
	assert_int_equal(list("1 out open 0 0 0 0 21 a\n2 out open 0 0 0 0 21 b\n"), 42);
	assert_int_equal(count, 1);
	stop_with = 0;
}

static void test_strange(void **state)
{
	static const char *const bad[] = {
		"\n", "1\n", "1 out open 0 0 0 0 21\n", "1 out open 0 0 0 0 z a\n",
		"1 out open 0 0 0 0 21 a", "x out open 0 0 0 0 21 a\n",
		"-1 out open 0 0 0 0 21 a\n", " 1 out open 0 0 0 0 21 a\n", "1 up open 0 0 0 0 21 a\n",
		"1 out shut 0 0 0 0 21 a\n", "1 out open z 0 0 0 21 a\n", "1 out open 0 0x 0 0 21 a\n",
		"1 out open 0 0 q 0 21 a\n", "1 out open 0 0 0 99999999999999999999 21 a\n",
		"1 out open 0 0 0 0 21 \\\n", "1 out open 0 0 0 0 21 \\12\n", "1 out open 0 0 0 0 21 \\400\n",
		"1 out open 0 0 0 0 21 a\\000b\n", "1 out open 0 0 0 0 21 \\x41\n",
		"1 out open 0 0 0 0 21 "
		"1234567890123456789012345678901234567890123456789012345678901234\n",
	};
	char path[256];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (list(bad[i]) != -EBADMSG || count)
			fail_msg("taken for a session: %s", bad[i]);
	/* A directory is no table. */
	snprintf(path, sizeof(path), "%s/proc/liveupdate/sessions", root);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(luo_system_list_sessions(sys, session_cb, &count), -EISDIR);
	assert_int_equal(rmdir(path), 0);
}

static struct luo_file_info files[8];
static uint64_t owners[8];

static int file_cb(uint64_t session, const struct luo_file_info *file, void *userdata)
{
	assert_null(userdata);
	owners[count] = session;
	files[count++] = *file;
	return stop_with;
}

static int list_files(const char *text)
{
	count = 0;
	put("/proc/liveupdate/files", text);
	return luo_system_list_files(sys, file_cb, NULL);
}

static void test_files(void **state)
{
	static const char *const bad[] = {
		"1 0x1 waiting 0 4096\n", "1 0x1 gone 0 4096 memfd-v1\n",
		"1 y waiting 0 4096 memfd-v1\n", "1 0x1 waiting -5 4096 memfd-v1\n",
		"1 0x1 waiting 99999999999 4096 memfd-v1\n", "q 0x1 waiting 0 4096 memfd-v1\n",
		"1 0x1 waiting 0 b memfd-v1\n",
		"1 0x1 waiting 0 1 123456789012345678901234567890123456789012345678\n",
	};

	(void)state;
	assert_int_equal(luo_system_list_files(sys, file_cb, NULL), -ENOENT);
	assert_int_equal(list_files("# session token state error bytes kind\n"
				    "4 0xffffffffffffffff preserved 0 4096 memfd-v1\n"
				    "4 0 waiting 0 0 a\\040kind\n"
				    "5 0x1 retrieved 0 1 k\n"
				    "5 0x2 failed 5 1 k\n"
				    "5 0x3 unknown 0 1 \n"), 0);
	assert_int_equal(count, 5);
	assert_int_equal(owners[0], 4);
	assert_true(files[0].token == UINT64_MAX);
	assert_int_equal(files[0].bytes, 4096);
	assert_string_equal(files[1].compatible, "a kind");
	for (int i = 0; i < 5; i++)
		assert_int_equal(files[i].state, i);
	assert_int_equal(files[3].error, -EIO);
	assert_int_equal(owners[4], 5);
	stop_with = -ECANCELED;
	assert_int_equal(list_files("5 0x1 retrieved 0 1 k\n5 0x1 retrieved 0 1 k\n"), -ECANCELED);
	assert_int_equal(count, 1);
	stop_with = 0;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (list_files(bad[i]) != -EBADMSG || count)
			fail_msg("taken for a file: %s", bad[i]);
}

static void test_watch(void **state)
{
	struct luo_watch *untouched = (void *)1, *watch = untouched;

	(void)state;
	assert_int_equal(luo_watch_new(sys, &watch), -ENOENT);
	put("/sys/kernel/liveupdate/state", "normal\n");
	assert_int_equal(luo_watch_new(sys, &watch), -ENOENT);
	assert_ptr_equal(watch, untouched);
	put("/sys/kernel/liveupdate/image", "none\n");
	assert_int_equal(luo_watch_new(sys, &watch), 0);
	/* A file of a disk never has anything urgent. */
	assert_int_equal(luo_watch_wait(watch, 0), 0);
	assert_int_equal(luo_watch_wait(watch, 20), 0);
	luo_watch_free(watch);
	luo_watch_free(NULL);
}

static int start(void **state)
{
	struct luo_system_options options = { .size = sizeof(options), .root = root };
	char command[256];

	(void)state;
	if (!mkdtemp(root) || luo_system_new(&options, &sys))
		return -1;
	snprintf(command, sizeof(command), "mkdir -p %s/proc/liveupdate %s/sys/kernel/liveupdate",
		 root, root);
	return system(command);
}

static int stop(void **state)
{
	char command[64];

	(void)state;
	luo_system_free(sys);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_strange),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_watch),
	};

	return cmocka_run_group_tests_name("list", tests, start, stop);
}
