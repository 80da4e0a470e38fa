// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Kernel images, initrds and modules: good ones, truncated at every place,
 * with every byte damaged. What is made here is packed by the real tools.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libluo.h"
#include "mock.h"

static char dir[] = "/tmp/luo-test-XXXXXX";
static char error[LUO_ERROR_SIZE];

static const char *at(const char *name)
{
	static char path[4][256];
	static unsigned int next;
	char *ret = path[next++ % 4];

	snprintf(ret, sizeof(path[0]), "%s/%s", dir, name);
	return ret;
}

static void put(const char *name, const void *data, size_t len)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static void shell(const char *command)
{
	char text[2048];

	snprintf(text, sizeof(text), "exec 2>/dev/null; cd %s && %s", dir, command);
	if (system(text)) {
		print_error("failed: %s\n", text);
		fail();
	}
}

/* ---------------------------------------------------------------- kernels */

static uint8_t kernel[32 * 1024];

static void make_kernel(void)
{
	uint32_t syssize = (sizeof(kernel) - 2048) / 16, init = 48 << 20, align = 2 << 20;
	uint32_t cmdline = 2047;

	memset(kernel, 0, sizeof(kernel));
	kernel[0x1f1] = 3;
	memcpy(kernel + 0x1f4, &syssize, 4);
	kernel[0x1fe] = 0x55;
	kernel[0x1ff] = 0xaa;
	memcpy(kernel + 0x202, "HdrS", 4);
	kernel[0x206] = 0x0f;
	kernel[0x207] = 0x02;
	kernel[0x20f] = 0x04; /* version string at 0x600 */
	kernel[0x211] = 1;
	memcpy(kernel + 0x230, &align, 4);
	kernel[0x236] = 3;
	memcpy(kernel + 0x238, &cmdline, 4);
	memcpy(kernel + 0x260, &init, 4);
	strcpy((char *)kernel + 0x600, "6.1.0-99-amd64 (somebody) #1 SMP");
}

static int inspect_kernel(struct luo_kernel_info *info)
{
	memset(info, 0x55, sizeof(*info));
	info->size = sizeof(*info);
	put("kernel", kernel, sizeof(kernel));
	return luo_kernel_inspect(at("kernel"), info, error, sizeof(error));
}

static void kernel_fails(int want, const char *text)
{
	struct luo_kernel_info info;

	assert_int_equal(inspect_kernel(&info), want);
	if (!strstr(error, text)) {
		print_error("'%s' is not in: %s\n", text, error);
		fail();
	}
	/* Nothing has been written. */
	assert_int_equal(info.protocol, 0x55555555);
	make_kernel();
}

static void test_kernel(void **state)
{
	struct luo_kernel_info info;
	struct { size_t size; uint32_t protocol; char guard; } small = {
		.size = offsetof(struct luo_kernel_info, cmdline_max), .guard = 77,
	};

	(void)state;
	make_kernel();
	assert_int_equal(inspect_kernel(&info), 0);
	assert_int_equal(info.protocol, 0x20f);
	assert_int_equal(info.alignment, 2 << 20);
	assert_int_equal(info.init_size, 48 << 20);
	assert_int_equal(info.cmdline_max, 2047);
	assert_int_equal(info.file_size, sizeof(kernel));
	assert_string_equal(info.release, "6.1.0-99-amd64");
	/* A program that knows less of the struct. */
	assert_int_equal(luo_kernel_inspect(at("kernel"), (void *)&small, NULL, 0), 0);
	assert_int_equal(small.protocol, 0x20f);
	assert_int_equal(small.guard, 77);
	info.size = 0;
	assert_int_equal(luo_kernel_inspect(at("kernel"), &info, NULL, 0), -EINVAL);
}

static void test_kernel_bad(void **state)
{
	uint32_t large = UINT32_MAX;

	(void)state;
	make_kernel();
	memcpy(kernel, "\177ELF", 4);
	kernel[0x1fe] = 0;
	kernel_fails(-ENOEXEC, "vmlinux");
	kernel[0x1fe] = 0;
	memcpy(kernel, "070701", 6);
	kernel_fails(-ENOEXEC, "swapped");
	kernel[0x1fe] = 0;
	memcpy(kernel, "MZ", 2);
	kernel_fails(-ENOEXEC, "EFI program");
	kernel[0x202] = 'X';
	kernel_fails(-ENOEXEC, "not a bzImage");
	kernel[0x206] = 0x0b;
	kernel_fails(-ENOEXEC, "boot protocol 2.11");
	kernel[0x211] = 0;
	kernel_fails(-ENOEXEC, "zImage");
	kernel[0x236] = 2;
	kernel_fails(-ENOEXEC, "32-bit");
	kernel[0x236] = 1;
	kernel_fails(-ENOEXEC, "above 4 GiB");
	memcpy(kernel + 0x1f4, &large, 4);
	kernel_fails(-ENOEXEC, "is truncated");
	memset(kernel + 0x1f4, 0, 4);
	kernel_fails(-ENOEXEC, "no kernel behind it");
	kernel[0x230] = 3;
	kernel_fails(-ENOEXEC, "damaged header");
	memset(kernel + 0x260, 0, 4);
	kernel_fails(-ENOEXEC, "damaged header");
	memset(kernel + 0x20e, 0xff, 2);
	kernel_fails(-ENOEXEC, "version string outside");
	assert_int_equal(luo_kernel_inspect(dir, &(struct luo_kernel_info){ .size = 100 }, error,
					    sizeof(error)), -EISDIR);
	assert_int_equal(luo_kernel_inspect("/dev/null", &(struct luo_kernel_info){ .size = 100 },
					    error, sizeof(error)), -ENOEXEC);
	assert_int_equal(luo_kernel_inspect(at("none"), &(struct luo_kernel_info){ .size = 100 },
					    error, sizeof(error)), -ENOENT);
}

/* Cut at each place, and each byte of the header turned over: no crash, and
 * whatever is accepted is within bounds.
 */
static void test_kernel_hostile(void **state)
{
	struct luo_kernel_info info;

	(void)state;
	make_kernel();
	for (size_t len = 0; len < sizeof(kernel); len += len < 0x700 ? 1 : 997) {
		put("kernel", kernel, len);
		info.size = sizeof(info);
		assert_int_equal(luo_kernel_inspect(at("kernel"), &info, error, sizeof(error)),
				 -ENOEXEC);
	}
	for (size_t i = 0x1f0; i < 0x270; i++) {
		for (int bit = 0; bit < 8; bit++) {
			make_kernel();
			kernel[i] ^= 1 << bit;
			if (inspect_kernel(&info))
				continue;
			assert_true(info.alignment && info.init_size);
			assert_true(strlen(info.release) < sizeof(info.release));
		}
	}
}

/* ---------------------------------------------------------------- initrds */

static uint8_t module[4096];

static void make_module(const char *release, const char *format)
{
	static const char names[] = "\0.modinfo\0.shstrtab";
	Elf64_Ehdr ehdr = { .e_shoff = 64, .e_shentsize = 64, .e_shnum = 3, .e_shstrndx = 2 };
	Elf64_Shdr sections[3] = {
		[1] = { .sh_name = 1, .sh_type = SHT_PROGBITS, .sh_offset = 1024 },
		[2] = { .sh_name = 10, .sh_type = SHT_STRTAB, .sh_offset = 2048,
			.sh_size = sizeof(names) },
	};
	int n;

	memset(module, 0, sizeof(module));
	n = sprintf((char *)module + 1024, "license=GPL%cvermagic=%s SMP preempt%cluo_format=%s", 0,
		    release, 0, format);
	sections[1].sh_size = n + 1;
	memcpy(ehdr.e_ident, ELFMAG, SELFMAG);
	ehdr.e_ident[EI_CLASS] = ELFCLASS64;
	ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
	memcpy(module, &ehdr, sizeof(ehdr));
	memcpy(module + 64, sections, sizeof(sections));
	memcpy(module + 2048, names, sizeof(names));
}

/* tree/ with the module of one kernel, or of several. */
static void make_tree(void)
{
	shell("rm -rf tree early; mkdir -p tree/usr/lib/modules/a tree/bin early/kernel/x86");
	make_module("6.1.0-99-amd64", "1-3");
	put("tree/usr/lib/modules/a/liveupdate.ko", module, sizeof(module));
	shell("head -c 3000000 /dev/zero >tree/bin/zeros; head -c 700001 /dev/urandom >tree/bin/random");
	shell("ln -s zeros tree/bin/link; echo microcode >early/kernel/x86/ucode.bin");
	shell("(cd early && find . | cpio -o -H newc --quiet) >early.cpio");
}

static int inspect(const char *name, const char *release, struct luo_initrd_info *info)
{
	memset(info, 0x55, sizeof(*info));
	info->size = sizeof(*info);
	*error = '\0';
	return luo_initrd_inspect(at(name), release, info, error, sizeof(error));
}

static void initrd_is_good(const char *name, uint32_t archives)
{
	struct luo_initrd_info info;
	int r = inspect(name, "6.1.0-99-amd64", &info);

	if (r)
		print_error("%s: %d %s\n", name, r, error);
	assert_int_equal(r, 0);
	assert_int_equal(info.archives, archives);
	assert_int_equal(info.modules, 1);
	assert_int_equal(info.format_min, 1);
	assert_int_equal(info.format_max, 3);
	assert_string_equal(info.release, "6.1.0-99-amd64");
	assert_non_null(strstr(info.module_path, "usr/lib/modules/a/liveupdate.ko"));
	assert_true(info.unpacked_size > 3700000);
}

static void test_initrd_packings(void **state)
{
	static const char *const packers[] = {
		"cat", "gzip -9", "xz --check=crc32", "xz --format=lzma", "zstd -19 -q", "zstd -1 -q",
#ifdef HAVE_LZ4
		"lz4 -l -9 -q -c",
#endif
	};
	char command[512];

	(void)state;
	make_tree();
	shell("(cd tree && find . | cpio -o -H newc --quiet) >main.cpio");
	for (size_t i = 0; i < sizeof(packers) / sizeof(packers[0]); i++) {
		snprintf(command, sizeof(command), "%s <main.cpio >packed", packers[i]);
		shell(command);
		initrd_is_good("packed", 1);
		/* Microcode first, as distributions do, with padding between. */
		shell("cat early.cpio packed >both");
		initrd_is_good("both", 2);
		shell("(cat early.cpio; head -c 1021 /dev/zero; cat packed; head -c 7 /dev/zero) >both");
		initrd_is_good("both", 2);
		/* And one behind it; lz4's legacy frame knows no end but that. */
		shell("cat early.cpio packed early.cpio >both");
		initrd_is_good("both", 3);
	}
}

static void test_initrd_modules(void **state)
{
	static const char *const packers[] = { "gzip", "xz --check=crc32", "zstd -q --rm" };
	static const char signature[] = "~Module signature appended~\n";
	struct luo_initrd_info info;
	char command[512];

	(void)state;
	for (size_t i = 0; i < sizeof(packers) / sizeof(packers[0]); i++) {
		make_tree();
		snprintf(command, sizeof(command), "%s tree/usr/lib/modules/a/liveupdate.ko",
			 packers[i]);
		shell(command);
		shell("(cd tree && find . | cpio -o -H newc --quiet) >initrd");
		initrd_is_good("initrd", 1);
	}

	/* The one that fits is described, wherever it stands. */
	make_tree();
	shell("mkdir -p tree/b tree/z");
	make_module("6.12.9", "2-5");
	put("tree/b/liveupdate.ko", module, sizeof(module));
	make_module("7.2.1", "4");
	memcpy(module + sizeof(module) - strlen(signature), signature, strlen(signature));
	put("tree/z/liveupdate.ko", module, sizeof(module));
	shell("(cd tree && find . | sort | cpio -o -H newc --quiet | gzip) >initrd");
	assert_int_equal(inspect("initrd", "7.2.1", &info), 0);
	assert_int_equal(info.modules, 3);
	assert_string_equal(info.release, "7.2.1");
	assert_int_equal(info.format_min, 4);
	assert_int_equal(info.format_max, 4);
	assert_int_equal(info.module_signed, 1);
	assert_int_equal(inspect("initrd", "6.12.9", &info), 0);
	assert_int_equal(info.module_signed, 0);
	assert_string_equal(info.module_path, "b/liveupdate.ko");
	assert_int_equal(inspect("initrd", NULL, &info), 0);

	/* No module, and what only looks like one by name. */
	shell("rm -rf tree; mkdir -p tree/liveupdate.ko; echo x >tree/liveupdate.ko/notliveupdate.ko");
	shell("(cd tree && find . | cpio -o -H newc --quiet) >initrd");
	assert_int_equal(inspect("initrd", NULL, &info), 0);
	assert_int_equal(info.modules, 0);
	assert_string_equal(info.release, "");

	make_module("6.1", "9-1");
	put("tree/liveupdate.ko/liveupdate.ko", module, sizeof(module));
	shell("(cd tree && find . | cpio -o -H newc --quiet) >initrd");
	assert_int_equal(inspect("initrd", NULL, &info), 0);
	assert_int_equal(info.format_max, 0);

	put("tree/liveupdate.ko/liveupdate.ko", "garbage", 7);
	shell("(cd tree && find . | cpio -o -H newc --quiet) >initrd");
	assert_int_equal(inspect("initrd", NULL, &info), -EBADMSG);
	assert_non_null(strstr(error, "no kernel module"));
}

static void initrd_fails(const char *name, int want, const char *text)
{
	struct luo_initrd_info info;

	assert_int_equal(inspect(name, NULL, &info), want);
	if (!strstr(error, text)) {
		print_error("'%s' is not in: %s\n", text, error);
		fail();
	}
	assert_int_equal(info.files, 0x55555555);
}

static void test_initrd_bad(void **state)
{
	(void)state;
	put("bad", "", 0);
	initrd_fails("bad", -EBADMSG, "is empty");
	put("bad", "\0\0\0\0", 4);
	initrd_fails("bad", -EBADMSG, "contains no archive");
	put("bad", "hello, world", 12);
	initrd_fails("bad", -EBADMSG, "not an initrd");
	put("bad", "070707aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 130);
	initrd_fails("bad", -EBADMSG, "newc");
	put("bad", "BZh91AY", 7);
	initrd_fails("bad", -EOPNOTSUPP, "bzip2");
	put("bad", "\x89LZO\0\r\n", 7);
	initrd_fails("bad", -EOPNOTSUPP, "lzo");
	shell("echo hello | gzip >bad");
	initrd_fails("bad", -EBADMSG, "no archive");
	/* Headers that claim 4 GiB - 1 and names without end. */
	shell("printf '070701%08x%08x%08x%08x%08x%08x%s%08x%08x%08x%08x%08x%08x' 1 33188 0 0 1 0 "
	      "ffffffff 0 0 0 0 5 0 >bad; printf 'name\\0' >>bad");
	initrd_fails("bad", -EBADMSG, "truncated");
	shell("printf '070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s%08x' 1 33188 0 0 1 0 0 0 "
	      "0 0 0 ffffffff 0 >bad");
	initrd_fails("bad", -EBADMSG, "length of a name");
	shell("printf '070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x' 1 33188 0 0 1 0 0 0 "
	      "0 0 0 0 0 >bad");
	initrd_fails("bad", -EBADMSG, "length of a name");
	/* 64 GiB of nothing in a few MiB: the limit, not the disk or memory. */
	assert_int_equal(luo_initrd_inspect(dir, NULL, &(struct luo_initrd_info){ .size = 100 },
					    error, sizeof(error)), -EISDIR);
}

static uint8_t *slurp(const char *name, size_t *ret_len)
{
	FILE *file = fopen(at(name), "re");
	uint8_t *data;
	struct stat st;

	assert_non_null(file);
	fstat(fileno(file), &st);
	data = malloc(st.st_size + 1);
	*ret_len = fread(data, 1, st.st_size, file);
	fclose(file);
	return data;
}

/* Cut short and damaged at many places, in every packing. */
static void test_initrd_hostile(void **state)
{
	static const char *const packers[] = {
		"cat", "gzip", "xz --check=crc32", "xz --format=lzma", "zstd -q",
#ifdef HAVE_LZ4
		"lz4 -l -q -c",
#endif
	};
	char command[256];

	(void)state;
	shell("rm -rf tree; mkdir -p tree/a; seq 1 300 >tree/a/numbers");
	make_module("6.1", "1");
	put("tree/a/liveupdate.ko", module, sizeof(module));
	shell("(cd tree && find . | cpio -o -H newc --quiet) >main.cpio");
	for (size_t p = 0; p < sizeof(packers) / sizeof(packers[0]); p++) {
		struct luo_initrd_info info;
		uint8_t *data;
		size_t len, step;

		snprintf(command, sizeof(command), "%s <main.cpio >packed", packers[p]);
		shell(command);
		data = slurp("packed", &len);
		step = len / 400 + 1;
		for (size_t cut = 0; cut < len; cut += step) {
			put("cut", data, cut);
			/* What lies behind the trailer may be missing. */
			if (!inspect("cut", NULL, &info))
				assert_int_equal(info.archives, 1);
		}
		for (size_t i = 0; i < len; i += step) {
			data[i] ^= 0x41;
			put("flip", data, len);
			if (!inspect("flip", NULL, &info))
				assert_true(info.archives >= 1);
			data[i] ^= 0x41;
		}
		free(data);
	}
	/* Each byte of the module's ELF headers. */
	for (size_t i = 0; i < 64 + 3 * 64; i++) {
		struct luo_initrd_info info;

		module[i] ^= 0xff;
		put("tree/a/liveupdate.ko", module, sizeof(module));
		module[i] ^= 0xff;
		if (i % 8 == 0 || i < 64)
			shell("(cd tree && find . | cpio -o -H newc --quiet) >initrd");
		inspect("initrd", NULL, &info);
	}
}

static int start(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int stop(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernel),
		cmocka_unit_test(test_kernel_bad),
		cmocka_unit_test(test_kernel_hostile),
		cmocka_unit_test(test_initrd_packings),
		cmocka_unit_test(test_initrd_modules),
		cmocka_unit_test(test_initrd_bad),
		cmocka_unit_test(test_initrd_hostile),
	};

	return cmocka_run_group_tests_name("files", tests, start, stop);
}
