// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Looking into an initrd: a row of cpio archives, each as it is or compressed,
 * the first often uncompressed with microcode in it. The file streams through;
 * only a liveupdate module, which is small, is kept for a moment.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "luo-private.h"

/* The module has some 100 KiB of code, and perhaps debug info. */
#define MODULE_LIMIT (64u << 20)

struct buffer {
	uint8_t *data;
	size_t len, size;
};

struct initrd {
	const char *path;
	const char *release;
	struct luo_text *error;
	struct luo_initrd_info *info;

	char name[PATH_MAX]; /* of the module that is being read */
	struct buffer module;
	bool too_large;
	bool fits; /* the module described in @info is for @release */
};

static int buffer_add(void *userdata, const uint8_t *data, size_t len)
{
	struct buffer *buffer = userdata;

	if (len > MODULE_LIMIT - buffer->len)
		return -EFBIG;
	if (buffer->len + len > buffer->size) {
		size_t size = LUO_MAX(buffer->size * 2, buffer->len + len);
		uint8_t *data_new = realloc(buffer->data, size);

		if (!data_new)
			return -ENOMEM;
		buffer->data = data_new;
		buffer->size = size;
	}
	memcpy(buffer->data + buffer->len, data, len);
	buffer->len += len;
	return 0;
}

static bool is_module(const char *name, uint32_t mode)
{
	static const char *const names[] = {
		"liveupdate.ko",
		"liveupdate.ko.gz",
		"liveupdate.ko.xz",
		"liveupdate.ko.zst",
	};
	const char *base = strrchr(name, '/');

	base = base ? base + 1 : name;
	if (!S_ISREG(mode))
		return false;
	for (unsigned int i = 0; i < LUO_ARRAY_SIZE(names); i++)
		if (!strcmp(base, names[i]))
			return true;
	return false;
}

static bool initrd_entry(void *userdata, const char *name, uint32_t mode, uint64_t size)
{
	struct initrd *initrd = userdata;

	/* Of hard links only the last has the data. */
	if (!size || !is_module(name, mode))
		return false;
	snprintf(initrd->name, sizeof(initrd->name), "%s", name);
	initrd->module.len = 0;
	return true;
}

static int initrd_data(void *userdata, const uint8_t *data, size_t len)
{
	struct initrd *initrd = userdata;
	int r;

	r = buffer_add(&initrd->module, data, len);
	if (r == -ENOMEM)
		return luo_fail(initrd->error, r, "out of memory");
	if (r == -EFBIG)
		return luo_fail(initrd->error, -EBADMSG,
				"%s in it is larger than %u MiB, which no liveupdate module is",
				initrd->name, MODULE_LIMIT >> 20);
	return r;
}

static int initrd_done(void *userdata)
{
	struct initrd *initrd = userdata;
	struct luo_initrd_info *info = initrd->info;
	struct buffer unpacked = { 0 };
	const struct buffer *elf = &initrd->module;
	struct luo_modinfo module;
	enum luo_packing packing;
	char text[256];
	struct luo_text error = { text, sizeof(text) };
	bool fits;
	int r;

	packing = luo_packing_detect(elf->data, elf->len);
	if (packing != LUO_PACKING_NONE) {
		struct luo_source source;

		snprintf(text, sizeof(text), "it cannot be unpacked (%s)",
			 luo_packing_name(packing));
		luo_source_memory(&source, elf->data, elf->len);
		r = luo_unpack(&source, packing, buffer_add, &unpacked, &error);
		if (r < 0)
			goto fail;
		elf = &unpacked;
	}
	r = luo_modinfo_parse(elf->data, elf->len, &module, &error);
	if (r < 0)
		goto fail;
	free(unpacked.data);

	info->modules++;
	fits = initrd->release && !strcmp(initrd->release, module.release);
	if (info->modules > 1 && (initrd->fits || !fits))
		return 0;
	initrd->fits = fits;
	info->format_min = module.format_min;
	info->format_max = module.format_max;
	info->module_signed = module.signature;
	memcpy(info->release, module.release, sizeof(info->release));
	snprintf(info->module_path, sizeof(info->module_path), "%.*s",
		 (int)sizeof(info->module_path) - 1, initrd->name);
	return 0;
fail:
	free(unpacked.data);
	return luo_fail(initrd->error, r == -ENOMEM ? r : -EBADMSG, "%.200s in it: %s",
			initrd->name, text);
}

static const struct luo_cpio_ops initrd_ops = {
	.entry = initrd_entry,
	.data = initrd_data,
	.done = initrd_done,
};

/* Feeds one uncompressed archive, up to its trailer. */
static int feed_plain(struct luo_source *source, struct luo_cpio *cpio)
{
	uint32_t archives = cpio->archives;

	while (cpio->archives == archives) {
		ssize_t n = luo_source_peek(source, 1);
		int r;

		if (n < 0)
			return luo_fail(cpio->error, n, "%s", strerror(-n));
		if (!n)
			break;
		/*
		 * Not further than to the end of what the parser wants next,
		 * for behind a trailer may be something compressed.
		 */
		switch (cpio->state) {
		case LUO_CPIO_START:
			n = 1;
			break;
		case LUO_CPIO_DATA:
			n = LUO_MIN((uint64_t)n, LUO_MAX(cpio->body, 1));
			break;
		default:
			n = LUO_MIN((uint64_t)n, LUO_MAX(cpio->need, 1));
			break;
		}
		r = luo_cpio_feed(cpio, source->data, n);
		if (r < 0)
			return r;
		luo_source_consume(source, n);
	}
	return 0;
}

static int walk(struct luo_source *source, struct luo_cpio *cpio)
{
	struct luo_text *error = cpio->error;

	for (;;) {
		ssize_t n = luo_source_peek(source, 8);
		enum luo_packing packing;
		int r;

		if (n < 0)
			return luo_fail(error, n, "%s", strerror(-n));
		if (!n)
			return 0;
		if (!source->data[0]) {
			luo_source_consume(source, 1);
			continue;
		}
		if (source->data[0] == '0') {
			r = feed_plain(source, cpio);
		} else {
			packing = luo_packing_detect(source->data, n);
			if (packing == LUO_PACKING_NONE)
				return luo_fail(error, -EBADMSG,
						"byte %llu begins neither a cpio archive nor "
						"something compressed: not an initrd, or damaged; make "
						"it again",
						(unsigned long long)source->offset);
			r = luo_unpack(source, packing, luo_cpio_feed, cpio, error);
		}
		if (r < 0)
			return r;
		if (!luo_cpio_at_start(cpio))
			return luo_fail(error, -EBADMSG,
					"it is truncated: an archive in it has no end; make the "
					"initrd again");
	}
}

int luo_initrd_inspect_fd(int fd, const char *path, uint64_t file_size, const char *release,
			  struct luo_initrd_info *info, struct luo_text *error)
{
	char text[512] = "";
	struct luo_text inner = { text, sizeof(text) };
	struct luo_initrd_info known = { .size = sizeof(known), .file_size = file_size };
	struct initrd initrd = {
		.path = path,
		.release = release,
		.error = &inner,
		.info = &known,
	};
	struct luo_source source;
	struct luo_cpio cpio;
	int r;

	if (!file_size)
		return luo_fail(error, -EBADMSG, "%s is empty: make the initrd again", path);
	r = luo_source_open(&source, fd);
	if (r < 0)
		return luo_fail(error, r, "out of memory");
	luo_cpio_init(&cpio, &initrd_ops, &initrd, &inner);
	r = walk(&source, &cpio);
	luo_source_close(&source);
	free(initrd.module.data);
	if (r < 0)
		return luo_fail(error, r, "%s: %s", path, text);
	if (!cpio.archives)
		return luo_fail(error, -EBADMSG, "%s contains no archive: make the initrd again",
				path);
	known.archives = cpio.archives;
	known.files = cpio.files;
	known.unpacked_size = cpio.unpacked;
	luo_copy_sized(info, &known, sizeof(known));
	return 0;
}

int luo_initrd_inspect(const char *path, const char *release, struct luo_initrd_info *info,
		       char *ret_error, size_t error_size)
{
	struct luo_text error = { ret_error, error_size };
	uint64_t file_size;
	int fd, r;

	if (info->size < sizeof(info->size))
		return luo_fail(&error, -EINVAL, "size of struct luo_initrd_info is not set");
	fd = luo_open_said(path, &file_size, &error);
	if (fd < 0)
		return fd;
	r = luo_initrd_inspect_fd(fd, path, file_size, release, info, &error);
	close(fd);
	return r;
}
