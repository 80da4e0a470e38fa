// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Kernel images for x86-64, as the boot protocol describes them
 * (Documentation/arch/x86/boot.rst in the kernel). Everything here is
 * untrusted: each value is bounded before it is used.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "luo-private.h"

/* Offsets in the file. */
enum {
	SETUP_SECTS = 0x1f1,
	SYSSIZE = 0x1f4,
	BOOT_FLAG = 0x1fe,
	MAGIC = 0x202,
	PROTOCOL = 0x206,
	KERNEL_VERSION = 0x20e,
	LOADFLAGS = 0x211,
	KERNEL_ALIGNMENT = 0x230,
	XLOADFLAGS = 0x236,
	CMDLINE_SIZE = 0x238,
	INIT_SIZE = 0x260,
	HEADER_END = 0x26c,
};

#define LOADFLAGS_LOADED_HIGH 0x01
#define XLF_KERNEL_64	      0x01
#define XLF_ABOVE_4G	      0x02
#define PROTOCOL_MIN	      0x20c
#define SECTOR		      512

static uint16_t get16(const uint8_t *p)
{
	return p[0] | p[1] << 8;
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static const char *describe_other(const uint8_t *p, size_t len)
{
	if (len >= 4 && !memcmp(p, "\177ELF", 4))
		return "it is an ELF file (a vmlinux); use the bzImage, /boot/vmlinuz-VERSION";
	if (len >= 2 && p[0] == 0x1f && p[1] == 0x8b)
		return "it is a gzip file; use the bzImage, /boot/vmlinuz-VERSION";
	if (len >= 6 && (!memcmp(p, "070701", 6) || !memcmp(p, "070702", 6)))
		return "it is an initrd; were kernel and initrd swapped?";
	if (len >= 2 && p[0] == 'M' && p[1] == 'Z')
		return "it is an EFI program, but no Linux kernel for x86; use "
		       "/boot/vmlinuz-VERSION";
	return "use the bzImage, on most systems /boot/vmlinuz-VERSION";
}

static void copy_release(char ret_release[LUO_RELEASE_SIZE], const uint8_t *text, size_t len)
{
	size_t i;

	for (i = 0; i < len && i < LUO_RELEASE_SIZE - 1; i++) {
		if (text[i] <= ' ' || text[i] >= 0x7f)
			break;
		ret_release[i] = text[i];
	}
	ret_release[i] = '\0';
}

static int parse(const char *path, int fd, struct luo_kernel_info *known, struct luo_text *error)
{
	uint8_t head[0x1000];
	uint64_t setup, wanted, version;
	ssize_t len;

	len = luo_read_full(fd, head, sizeof(head));
	if (len < 0)
		return luo_fail(error, len, "%s: %s", path, strerror(-len));
	if (len < HEADER_END || get16(head + BOOT_FLAG) != 0xaa55 ||
	    memcmp(head + MAGIC, "HdrS", 4)) {
		if (!len)
			return luo_fail(error, -ENOEXEC, "%s is empty: install the kernel again",
					path);
		return luo_fail(error, -ENOEXEC, "%s is not a bzImage: %s", path,
				describe_other(head, len));
	}

	known->protocol = get16(head + PROTOCOL);
	if (known->protocol < PROTOCOL_MIN)
		return luo_fail(error, -ENOEXEC,
				"%s speaks boot protocol %u.%02u, but 2.12 (Linux 3.8) is the oldest "
				"that can be loaded: use a newer kernel",
				path, known->protocol >> 8, known->protocol & 0xff);

	setup = head[SETUP_SECTS] ? head[SETUP_SECTS] : 4;
	setup = (setup + 1) * SECTOR;
	wanted = setup + (uint64_t)get32(head + SYSSIZE) * 16;
	if (known->file_size < wanted)
		return luo_fail(error, -ENOEXEC,
				"%s is truncated: %llu bytes, but its header says %llu; install the "
				"kernel again",
				path, (unsigned long long)known->file_size,
				(unsigned long long)wanted);
	if (get32(head + SYSSIZE) == 0)
		return luo_fail(error, -ENOEXEC,
				"%s has a header and no kernel behind it; install the kernel again",
				path);

	if (!(head[LOADFLAGS] & LOADFLAGS_LOADED_HIGH))
		return luo_fail(error, -ENOEXEC,
				"%s is a zImage, which cannot be loaded: use a bzImage", path);
	if (!(get16(head + XLOADFLAGS) & XLF_KERNEL_64))
		return luo_fail(error, -ENOEXEC,
				"%s is a 32-bit kernel: live update needs a 64-bit one", path);
	if (!(get16(head + XLOADFLAGS) & XLF_ABOVE_4G))
		return luo_fail(error, -ENOEXEC,
				"%s cannot be loaded above 4 GiB (built without "
				"CONFIG_RELOCATABLE): use another kernel",
				path);

	known->alignment = get32(head + KERNEL_ALIGNMENT);
	known->init_size = get32(head + INIT_SIZE);
	known->cmdline_max = get32(head + CMDLINE_SIZE);
	if (!known->alignment || known->alignment & (known->alignment - 1) ||
	    known->alignment > (1U << 30) || !known->init_size || !known->cmdline_max)
		return luo_fail(error, -ENOEXEC,
				"%s has a damaged header (alignment %#llx, init size %#llx, command "
				"line %#x); install the kernel again",
				path, (unsigned long long)known->alignment,
				(unsigned long long)known->init_size, known->cmdline_max);
	if (known->cmdline_max > 0xffff)
		known->cmdline_max = 0xffff;

	/* A string within the setup part; 0 means that there is none. */
	version = get16(head + KERNEL_VERSION);
	if (version) {
		uint8_t text[LUO_RELEASE_SIZE];

		version += 0x200;
		if (version >= setup)
			return luo_fail(error, -ENOEXEC,
					"%s has a damaged header (version string outside of the "
					"setup part); install the kernel again",
					path);
		len = pread(fd, text, LUO_MIN(sizeof(text), setup - version), version);
		if (len < 0)
			return luo_fail(error, -errno, "%s: cannot be read", path);
		copy_release(known->release, text, len);
	}
	return 0;
}

int luo_kernel_inspect_fd(int fd, const char *path, uint64_t file_size,
			  struct luo_kernel_info *info, struct luo_text *error)
{
	struct luo_kernel_info known = { .size = sizeof(known), .file_size = file_size };
	int r;

	r = parse(path, fd, &known, error);
	if (r < 0)
		return r;
	luo_copy_sized(info, &known, sizeof(known));
	return 0;
}

int luo_kernel_inspect(const char *path, struct luo_kernel_info *info, char *ret_error,
		       size_t error_size)
{
	struct luo_text error = { ret_error, error_size };
	uint64_t file_size;
	int fd, r;

	if (info->size < sizeof(info->size))
		return luo_fail(&error, -EINVAL, "size of struct luo_kernel_info is not set");
	fd = luo_open_said(path, &file_size, &error);
	if (fd < 0)
		return fd;
	r = luo_kernel_inspect_fd(fd, path, file_size, info, &error);
	close(fd);
	return r;
}
