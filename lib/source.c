// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A buffered reader of a file or of memory, on which the unpackers and the
 * initrd's walk share one place.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "luo-private.h"

int luo_source_open(struct luo_source *source, int fd)
{
	memset(source, 0, sizeof(*source));
	source->fd = fd;
	source->buf = malloc(LUO_SOURCE_SIZE);
	if (!source->buf)
		return -ENOMEM;
	source->data = source->buf;
	return 0;
}

void luo_source_memory(struct luo_source *source, const void *data, size_t len)
{
	memset(source, 0, sizeof(*source));
	source->fd = -1;
	source->data = data;
	source->len = len;
	source->end = true;
}

void luo_source_close(struct luo_source *source)
{
	free(source->buf);
	source->buf = NULL;
}

ssize_t luo_source_peek(struct luo_source *source, size_t want)
{
	ssize_t n;

	if (source->len >= want || source->end)
		return source->len;
	if (source->len)
		memmove(source->buf, source->data, source->len);
	source->data = source->buf;
	n = luo_read_full(source->fd, source->buf + source->len, LUO_SOURCE_SIZE - source->len);
	if (n < 0)
		return n;
	if ((size_t)n < LUO_SOURCE_SIZE - source->len)
		source->end = true;
	source->len += n;
	return source->len;
}

void luo_source_consume(struct luo_source *source, size_t len)
{
	source->data += len;
	source->len -= len;
	source->offset += len;
}
