// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * "newc" archives, fed piece by piece, as the kernel reads them: any number of
 * archives one after another, zeros between them. Nothing is kept but one
 * header and one name.
 */
#include <errno.h>
#include <string.h>

#include "luo-private.h"

/* Nobody's initrd; stops a stream that unpacks without end, be it to zeros. */
#define UNPACKED_LIMIT (64ULL << 30)

enum { FIELD_MODE = 1, FIELD_FILESIZE = 6, FIELD_NAMESIZE = 11 };

void luo_cpio_init(struct luo_cpio *cpio, const struct luo_cpio_ops *ops, void *userdata,
		   struct luo_text *error)
{
	memset(cpio, 0, sizeof(*cpio));
	cpio->ops = ops;
	cpio->userdata = userdata;
	cpio->error = error;
	cpio->state = LUO_CPIO_START;
}

bool luo_cpio_at_start(const struct luo_cpio *cpio)
{
	return cpio->state == LUO_CPIO_START;
}

static int fail_damaged(struct luo_cpio *cpio, const char *what)
{
	return luo_fail(cpio->error, -EBADMSG,
			"damaged cpio archive (%s at byte %llu of it): make the initrd again", what,
			(unsigned long long)cpio->offset);
}

static int fail_large(struct luo_cpio *cpio)
{
	return luo_fail(cpio->error, -EBADMSG,
			"it unpacks to more than %llu GiB, which no initrd does",
			UNPACKED_LIMIT >> 30);
}

static bool field(const struct luo_cpio *cpio, unsigned int index, uint32_t *ret)
{
	const char *p = cpio->header + 6 + 8 * index;
	uint32_t value = 0;

	for (int i = 0; i < 8; i++) {
		char c = p[i];

		value <<= 4;
		if (c >= '0' && c <= '9')
			value |= c - '0';
		else if (c >= 'a' && c <= 'f')
			value |= c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			value |= c - 'A' + 10;
		else
			return false;
	}
	*ret = value;
	return true;
}

static void pad(struct luo_cpio *cpio, enum luo_cpio_state then)
{
	cpio->need = -cpio->offset & 3;
	cpio->after_pad = then;
	cpio->state = cpio->need ? LUO_CPIO_PAD : then;
}

static void want_header(struct luo_cpio *cpio)
{
	cpio->have = 0;
	cpio->need = sizeof(cpio->header);
}

static int header(struct luo_cpio *cpio)
{
	uint32_t size;

	if (memcmp(cpio->header, "070701", 6) && memcmp(cpio->header, "070702", 6))
		return fail_damaged(cpio, "no header of the newc format");
	if (!field(cpio, FIELD_MODE, &cpio->mode) || !field(cpio, FIELD_FILESIZE, &size) ||
	    !field(cpio, FIELD_NAMESIZE, &cpio->name_size))
		return fail_damaged(cpio, "bad number in a header");
	if (!cpio->name_size || cpio->name_size > sizeof(cpio->name))
		return fail_damaged(cpio, "bad length of a name");
	cpio->body = size;
	cpio->have = 0;
	cpio->need = cpio->name_size;
	cpio->state = LUO_CPIO_NAME;
	return 0;
}

static int entry(struct luo_cpio *cpio)
{
	if (cpio->name[cpio->name_size - 1])
		return fail_damaged(cpio, "name without end");
	if (!strcmp(cpio->name, "TRAILER!!!")) {
		cpio->body = 0;
		cpio->trailer = true;
	} else {
		cpio->files++;
		cpio->unpacked += cpio->body;
		if (cpio->unpacked > UNPACKED_LIMIT)
			return fail_large(cpio);
		cpio->wanted = cpio->ops->entry(cpio->userdata, cpio->name, cpio->mode, cpio->body);
	}
	pad(cpio, LUO_CPIO_DATA);
	return 0;
}

/* All of an entry's data has passed. */
static int finish(struct luo_cpio *cpio)
{
	int r = 0;

	if (cpio->wanted) {
		cpio->wanted = false;
		r = cpio->ops->done(cpio->userdata);
	}
	if (cpio->trailer) {
		cpio->trailer = false;
		cpio->archives++;
		cpio->state = LUO_CPIO_START;
		return r;
	}
	pad(cpio, LUO_CPIO_HEADER);
	return r;
}

int luo_cpio_feed(void *arg, const uint8_t *data, size_t len)
{
	struct luo_cpio *cpio = arg;
	int r;

	cpio->fed += len;
	if (cpio->fed > UNPACKED_LIMIT)
		return fail_large(cpio);
	for (;;) {
		size_t n;

		switch (cpio->state) {
		case LUO_CPIO_START:
			while (len && !*data) {
				data++;
				len--;
			}
			if (!len)
				return 0;
			if (*data != '0')
				return fail_damaged(cpio, "something that is no archive");
			cpio->offset = 0;
			cpio->state = LUO_CPIO_HEADER;
			want_header(cpio);
			break;
		case LUO_CPIO_HEADER:
		case LUO_CPIO_NAME:
			n = LUO_MIN(len, cpio->need);
			memcpy((cpio->state == LUO_CPIO_HEADER ? cpio->header : cpio->name) +
				       cpio->have,
			       data, n);
			cpio->have += n;
			cpio->need -= n;
			cpio->offset += n;
			data += n;
			len -= n;
			if (cpio->need)
				return 0;
			r = cpio->state == LUO_CPIO_HEADER ? header(cpio) : entry(cpio);
			if (r < 0)
				return r;
			break;
		case LUO_CPIO_DATA:
			n = LUO_MIN(len, cpio->body);
			if (n && cpio->wanted) {
				r = cpio->ops->data(cpio->userdata, data, n);
				if (r < 0)
					return r;
			}
			cpio->body -= n;
			cpio->offset += n;
			data += n;
			len -= n;
			if (cpio->body)
				return 0;
			r = finish(cpio);
			if (r < 0)
				return r;
			if (cpio->state == LUO_CPIO_HEADER)
				want_header(cpio);
			break;
		case LUO_CPIO_PAD:
			n = LUO_MIN(len, cpio->need);
			cpio->need -= n;
			cpio->offset += n;
			data += n;
			len -= n;
			if (cpio->need)
				return 0;
			cpio->state = cpio->after_pad;
			if (cpio->state == LUO_CPIO_HEADER)
				want_header(cpio);
			break;
		}
	}
}
