// SPDX-License-Identifier: LGPL-2.1-or-later
/* Status, availability, loading and jumping, in a made-up root. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libluo.h"
#include "mock.h"

static char root[] = "/tmp/luo-test-XXXXXX";
static struct luo_system *sys, *first;
static char error[LUO_ERROR_SIZE];

static void put(const char *name, const char *text)
{
	char command[512], path[256];
	FILE *file;

	snprintf(command, sizeof(command), "mkdir -p $(dirname %s%s)", root, name);
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof(path), "%s%s", root, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void wipe(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s/*", root);
	assert_int_equal(system(command), 0);
}

static void test_new(void **state)
{
	struct luo_system_options options = { .size = sizeof(options), .root = "relative" };
	struct luo_system *untouched = (void *)1, *s = untouched;

	(void)state;
	assert_int_equal(luo_system_new(&options, &s), -EINVAL);
	options.size = 1;
	assert_int_equal(luo_system_new(&options, &s), -EINVAL);
	assert_ptr_equal(s, untouched);
	assert_int_equal(luo_system_new(NULL, &s), 0);
	luo_system_free(s);
	assert_string_equal(luo_version(), LUO_VERSION);
}

static void test_status(void **state)
{
	struct luo_status status = { .size = sizeof(status) }, before;
	struct { size_t size; int provider, state, guard; } small = {
		.size = offsetof(struct luo_status, image), .guard = 5,
	};

	(void)state;
	wipe();
	assert_int_equal(luo_system_get_status(sys, &status), 0);
	assert_int_equal(status.provider, LUO_PROVIDER_NONE);
	assert_int_equal(luo_is_available(sys, error, sizeof(error)), -ENODEV);
	assert_non_null(strstr(error, "modprobe liveupdate"));
	put("/dev/liveupdate", "");
	assert_int_equal(luo_system_get_provider(sys), LUO_PROVIDER_KERNEL);
	assert_int_equal(luo_is_available(sys, NULL, 0), 0);

	put("/sys/kernel/liveupdate/state", "updated\n");
	put("/sys/kernel/liveupdate/image", "armed\n");
	put("/sys/kernel/liveupdate/format", "2-7\n");
	put("/sys/kernel/liveupdate/scratch", "18446744073709551615\n");
	put("/sys/kernel/liveupdate/bytes_out", "99999999999999999999999\n");
	put("/sys/kernel/liveupdate/files_out", "-1\n");
	put("/sys/kernel/liveupdate/blackout/jump", "12345678901\n");
	put("/sys/kernel/liveupdate/blackout/kernel", "\n");
	put("/sys/kernel/liveupdate/limit", "4096\n");
	put("/sys/kernel/liveupdate/kept", "8192\n");
	put("/sys/kernel/liveupdate/orphans/sessions_damaged", "1\n");
	put("/sys/kernel/liveupdate/orphans/files_failed", "2\n");
	put("/sys/kernel/liveupdate/orphans/files_unknown", "3\n");
	put("/sys/kernel/liveupdate/last_error", "line\twith \033[31mcolour\n");
	assert_int_equal(luo_system_get_status(sys, &status), 0);
	assert_int_equal(status.provider, LUO_PROVIDER_MODULE);
	assert_int_equal(status.state, LUO_STATE_UPDATED);
	assert_int_equal(status.image, LUO_IMAGE_ARMED);
	assert_int_equal(status.format_min, 2);
	assert_int_equal(status.format_max, 7);
	assert_true(status.scratch == UINT64_MAX);
	assert_int_equal(status.bytes_out, 0);
	assert_int_equal(status.files_out, 0);
	assert_int_equal(status.blackout[LUO_BLACKOUT_JUMP], 12345678901);
	assert_int_equal(status.blackout[LUO_BLACKOUT_KERNEL], 0);
	assert_string_equal(status.last_error, "line with  [31mcolour");
	assert_int_equal(status.limit, 4096);
	assert_int_equal(status.kept, 8192);
	/* Counted only where something came. */
	assert_int_equal(status.files_unknown, 0);
	put("/sys/kernel/liveupdate/sessions_in", "1\n");
	assert_int_equal(luo_system_get_status(sys, &status), 0);
	assert_int_equal(status.sessions_damaged, 1);
	assert_int_equal(status.files_failed, 2);
	assert_int_equal(status.files_unknown, 3);

	assert_int_equal(luo_system_get_status(sys, (void *)&small), 0);
	assert_int_equal(small.state, LUO_STATE_UPDATED);
	assert_int_equal(small.guard, 5);
	status.size = 4;
	before = status;
	assert_int_equal(luo_system_get_status(sys, &status), -EINVAL);
	assert_memory_equal(&before, &status, sizeof(status));
}

static void test_target(void **state)
{
	struct luo_kexec_options options = { .size = sizeof(options) };
	struct { struct luo_kexec_options known; uint64_t newer; } longer = { 0 };
	char *untouched = (char *)1, *kernel = untouched, *initrd = untouched, *cmdline = untouched;

	(void)state;
	wipe();
	put("/proc/cmdline", "BOOT_IMAGE=/x root=a \"quoted BOOT_IMAGE=1\" a=\"b c\"  initrd=y quiet\n");
	assert_int_equal(luo_kexec_find_target(sys, NULL, &kernel, &initrd, &cmdline), -ENOENT);
	assert_ptr_equal(kernel, untouched);
	put("/boot/vmlinuz-6.1.0-56-amd64", "");
	put("/boot/vmlinuz-6.12.95-amd64", "");
	put("/boot/vmlinuz-6.2.0-amd64", "");
	put("/boot/vmlinuz-9.9.9.old", "");
	put("/boot/vmlinuz-9.9.9.dpkg-new", "");
	put("/boot/initrd.img-6.12.95-amd64", "");
	options.append = "more";
	assert_int_equal(luo_kexec_find_target(sys, &options, &kernel, &initrd, &cmdline), 0);
	assert_non_null(strstr(kernel, "/boot/vmlinuz-6.12.95-amd64"));
	assert_non_null(strstr(initrd, "/boot/initrd.img-6.12.95-amd64"));
	assert_string_equal(cmdline, "root=a \"quoted BOOT_IMAGE=1\" a=\"b c\" quiet more");
	free(kernel);
	free(initrd);
	free(cmdline);

	options.cmdline = "";
	options.append = NULL;
	options.kernel = "/some/where/vmlinuz-1";
	assert_int_equal(luo_kexec_find_target(sys, &options, &kernel, &initrd, &cmdline), 0);
	assert_string_equal(cmdline, "");
	assert_null(initrd);
	free(kernel);
	free(cmdline);

	kernel = untouched;
	options.flags = LUO_KEXEC_REUSE_CMDLINE;
	assert_int_equal(luo_kexec_find_target(sys, &options, &kernel, &initrd, NULL), -EINVAL);
	options.cmdline = NULL;
	options.flags = 1 << 30;
	assert_int_equal(luo_kexec_find_target(sys, &options, &kernel, &initrd, NULL), -EINVAL);
	/* A newer program: fine as long as it asks for nothing that we do not know. */
	longer.known.size = sizeof(longer);
	longer.newer = 1;
	assert_int_equal(luo_kexec_find_target(sys, &longer.known, &kernel, &initrd, NULL), -EINVAL);
	assert_ptr_equal(kernel, untouched);
	longer.newer = 0;
	assert_int_equal(luo_kexec_find_target(sys, &longer.known, &kernel, &initrd, NULL), 0);
	free(kernel);
	free(initrd);
}

static void test_load(void **state)
{
	struct luo_kexec_options options = { .size = sizeof(options) };

	(void)state;
	wipe();
	memset(&mock, 0, sizeof(mock));
	assert_int_equal(luo_kexec_load(sys, NULL, error, sizeof(error)), -ENODEV);
	put("/dev/liveupdate", "");
	assert_int_equal(luo_kexec_load(sys, NULL, error, sizeof(error)), -EOPNOTSUPP);
	assert_non_null(strstr(error, "kexec -s -l"));
	put("/sys/kernel/liveupdate/state", "normal\n");
	put("/proc/cmdline", "root=a\n");
	put("/proc/sys/kernel/kexec_load_disabled", "1\n");
	put("/proc/self/status", "x\nCapEff:\tffff\n");
	assert_int_equal(luo_kexec_load(sys, NULL, error, sizeof(error)), -EPERM);
	put("/proc/self/status", "x\nCapEff:\tffffffffff\n");
	assert_int_equal(luo_kexec_load(sys, NULL, error, sizeof(error)), -EPERM);
	assert_non_null(strstr(error, "kexec_load_disabled"));
	put("/proc/sys/kernel/kexec_load_disabled", "0\n");
	assert_int_equal(luo_kexec_load(sys, NULL, error, sizeof(error)), -ENOENT);
	put("/boot/vmlinuz-1", "x");
	assert_int_equal(luo_kexec_load(sys, NULL, error, sizeof(error)), -ENOEXEC);
	assert_int_equal(mock.loads, 0);

	/* By force; the kernel's answer is the last word. */
	options.flags = LUO_KEXEC_FORCE;
	options.append = "b";
	assert_int_equal(luo_kexec_load(sys, &options, error, sizeof(error)), 0);
	assert_int_equal(mock.loads, 1);
	assert_string_equal(mock.cmdline, "root=a b");
	assert_int_equal(mock.load_initrd, -1);
	assert_int_equal(mock.load_flags, KEXEC_FILE_NO_INITRAMFS);
	put("/sys/kernel/liveupdate/last_error", "because\n");
	for (int e = 1; e < 134; e++) {
		mock.load_error = e;
		assert_int_equal(luo_kexec_load(sys, &options, error, sizeof(error)), -e);
		assert_non_null(strstr(error, "because"));
	}
	assert_int_equal(luo_kexec_unload(sys, error, sizeof(error)), -133);
	mock.load_error = 0;
	assert_int_equal(luo_kexec_unload(sys, NULL, 0), 0);
	assert_int_equal(mock.load_flags, KEXEC_FILE_UNLOAD);
}

static void test_exec(void **state)
{
	(void)state;
	memset(&mock, 0, sizeof(mock));
	for (int e = 1; e < 134; e++) {
		mock.reboot_error = e;
		assert_int_equal(luo_kexec_exec(sys, error, sizeof(error)), -e);
		assert_non_null(strstr(error, "nothing is lost"));
	}
	assert_int_equal(mock.syncs, 133);
	assert_int_equal(luo_kexec_exec(sys, NULL, 0), -133);
}

static void count(const struct luo_check_result *result, void *userdata)
{
	assert_non_null(result->id);
	assert_true(strlen(result->text) > 5);
	assert_null(strchr(result->text, '\n'));
	if (result->verdict == LUO_VERDICT_FAIL) {
		assert_true(result->error < 0);
		++*(int *)userdata;
	}
}

static void test_checks(void **state)
{
	int failed = 0, r;

	(void)state;
	wipe();
	r = luo_check_machine(sys, count, &failed);
	assert_true(r > 0);
	assert_int_equal(r, failed);
	failed = 0;
	r = luo_check_target(sys, NULL, count, &failed);
	assert_int_equal(r, 1);
	assert_int_equal(failed, 1);
	/* As it is on this machine: whatever comes out, it comes out whole. */
	failed = 0;
	assert_int_equal(luo_system_new(NULL, &sys), 0);
	r = luo_check_machine(sys, count, &failed);
	assert_int_equal(r, failed);
	luo_system_free(sys);
}

static int start(void **state)
{
	struct luo_system_options options = { .size = sizeof(options), .root = root };

	(void)state;
	if (!mkdtemp(root) || luo_system_new(&options, &first))
		return -1;
	sys = first;
	return 0;
}

static int stop(void **state)
{
	char command[64];

	(void)state;
	luo_system_free(first);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_target),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_exec),
		cmocka_unit_test(test_checks),
	};

	return cmocka_run_group_tests_name("system", tests, start, stop);
}
