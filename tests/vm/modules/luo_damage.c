// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * luo_damage: spoils the handover after the old kernel has written it, the way
 * a broken or hostile kernel might. It acts as a reboot notifier, which kexec
 * calls when everything is frozen.
 *
 * chain=ADDR (from /sys/kernel/liveupdate/chain) is where the first node lies;
 * what=WORD one of those below. Where a checksum would give the damage away it
 * is made good again, so that what lies behind it is tested too. Offsets are
 * those of handover format 1.
 */
#include <linux/io.h>
#include <linux/module.h>
#include <linux/reboot.h>
#include <linux/string.h>

static ulong chain;
module_param(chain, ulong, 0444);
static char *what = "";
module_param(what, charp, 0444);

#define BLOCK 4096
#define HDR_CRC 4
#define HDR_NONCE 8
#define HDR_NEXT 16
#define HDR_NR 24
#define HDR_END 32
#define ROOT_FORMAT 32
#define ROOT_SESSIONS 112
#define ROOT_NR_SESSIONS 120
#define ROOT_STAMP 184
#define ROOT_STAMP_END 248
#define SESSION_FILES (HDR_END + 64)
#define SESSION_NR_FILES (HDR_END + 72)
#define FILE_PAGES (HDR_END + 64)
#define FILE_NR_PAGES (HDR_END + 72)
#define FILE_SIZE 96
#define PAGES_EXTENT (HDR_END + 512)
#define NODE_ROOT_MAGIC 16
#define NODE_IMAGE 24
#define NODE_SIZE 40
#define NODE_RANGE_LEN 24

static u8 *at(u64 pa)
{
	return phys_to_virt(pa);
}

static u64 get64(u8 *p)
{
	u64 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void put64(u8 *p, u64 v)
{
	memcpy(p, &v, sizeof(v));
}

static void put32(u8 *p, u32 v)
{
	memcpy(p, &v, sizeof(v));
}

/* CRC32C from ~0, not inverted, with the field itself as 0. The time stamps of
 * the root count as 0 too.
 */
static void seal(u8 *block, bool root)
{
	u32 crc = ~0U;
	int i, bit;

	for (i = 0; i < BLOCK; i++) {
		u8 b = block[i];

		if ((i >= HDR_CRC && i < HDR_CRC + 4) || (root && i >= ROOT_STAMP && i < ROOT_STAMP_END))
			b = 0;
		crc ^= b;
		for (bit = 0; bit < 8; bit++)
			crc = crc & 1 ? (crc >> 1) ^ 0x82f63b78 : crc >> 1;
	}
	put32(block + HDR_CRC, crc);
}

static int spoil(struct notifier_block *nb, unsigned long action, void *data)
{
	u8 *node = at(chain), *root, *sessions, *files, *pages, *pages2;


	/* A reboot without an image, or no freeze before it. */
	if (!get64(node + NODE_IMAGE))
		return NOTIFY_DONE;
	root = at(get64(node + NODE_IMAGE));
	sessions = at(get64(root + ROOT_SESSIONS));
	files = at(get64(sessions + SESSION_FILES));
	pages = at(get64(files + FILE_PAGES));
	pages2 = at(get64(files + FILE_SIZE + FILE_PAGES));

	if (!strcmp(what, "root-byte")) {
		root[ROOT_NR_SESSIONS] ^= 1;
	} else if (!strcmp(what, "format")) {
		put32(root + ROOT_FORMAT, 99);
		seal(root, true);
	} else if (!strcmp(what, "image-elsewhere")) {
		/* Kernel memory of the next kernel, maybe; never an image. */
		put64(node + NODE_IMAGE, 0x1000000);
	} else if (!strcmp(what, "image-nowhere")) {
		put64(node + NODE_IMAGE, 0x7ffffffffffff000ULL);
	} else if (!strcmp(what, "nonce")) {
		root[HDR_NONCE] ^= 0x10;
		seal(root, true);
	} else if (!strcmp(what, "loop")) {
		put64(sessions + HDR_NEXT, get64(root + ROOT_SESSIONS));
		put64(root + ROOT_NR_SESSIONS, 1000000);
		seal(sessions, false);
		seal(root, true);
	} else if (!strcmp(what, "many-records")) {
		put32(files + HDR_NR, 0xffffffff);
		put64(sessions + SESSION_NR_FILES, 0xffffffffULL);
		seal(files, false);
		seal(sessions, false);
	} else if (!strcmp(what, "two-owners")) {
		/* The second file's first extent is that of the first file. */
		memcpy(pages2 + PAGES_EXTENT, pages + PAGES_EXTENT, 16);
		seal(pages2, false);
	} else if (!strcmp(what, "foreign-page")) {
		u64 where = get64(pages + PAGES_EXTENT + 8);

		/* One page at 16 MiB, where kernels like to be. */
		put64(pages + PAGES_EXTENT + 8, (where & ~((1ULL << 40) - 1)) | 0x1000);
		seal(pages, false);
	} else if (!strcmp(what, "range-length")) {
		put64(node + NODE_SIZE + NODE_RANGE_LEN, 12345);
	} else if (!strcmp(what, "root-magic")) {
		node[NODE_ROOT_MAGIC] ^= 1;
	} else {
		pr_err("luo_damage: what is '%s'?\n", what);
		return NOTIFY_DONE;
	}
	pr_info("luo_damage: did %s\n", what);
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = spoil };

static int __init damage_init(void)
{
	return chain ? register_reboot_notifier(&notifier) : -EINVAL;
}

static void __exit damage_exit(void)
{
	unregister_reboot_notifier(&notifier);
}

module_init(damage_init);
module_exit(damage_exit);
MODULE_DESCRIPTION("Damages a handover image, for tests");
MODULE_LICENSE("GPL");
