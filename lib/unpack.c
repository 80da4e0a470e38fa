// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Unpacking, one stream at a time, with an output buffer of fixed size. What
 * is read may be hostile: the decoders' memory is limited, and the sink says
 * when it has had enough.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_LZ4
#include <lz4.h>
#endif
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "luo-private.h"

#define OUT_SIZE (128 * 1024)

/* xz -9 wants 65 MiB; kernels' initrds use at most 64 MiB dictionaries. */
#define LZMA_LIMIT (256ULL << 20)
#define ZSTD_WINDOW 27 /* 128 MiB: what the kernel's own decoder accepts */

#define LZ4_MAGIC 0x184c2102U
#define LZ4_BLOCK (8 << 20)

static const char *const damaged = "damaged %s data at byte %llu: make the file again";

static uint32_t get32(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

enum luo_packing luo_packing_detect(const uint8_t *data, size_t len)
{
	static const struct {
		enum luo_packing packing;
		uint8_t len;
		uint8_t magic[6];
	} magics[] = {
		{ LUO_PACKING_GZIP, 2, { 0x1f, 0x8b } },
		{ LUO_PACKING_GZIP, 2, { 0x1f, 0x9e } },
		{ LUO_PACKING_XZ, 6, { 0xfd, '7', 'z', 'X', 'Z', 0 } },
		{ LUO_PACKING_LZMA, 3, { 0x5d, 0x00, 0x00 } },
		{ LUO_PACKING_ZSTD, 4, { 0x28, 0xb5, 0x2f, 0xfd } },
		{ LUO_PACKING_LZ4, 4, { 0x02, 0x21, 0x4c, 0x18 } },
		{ LUO_PACKING_BZIP2, 3, { 'B', 'Z', 'h' } },
		{ LUO_PACKING_LZO, 4, { 0x89, 'L', 'Z', 'O' } },
	};

	for (unsigned int i = 0; i < LUO_ARRAY_SIZE(magics); i++)
		if (len >= magics[i].len && !memcmp(data, magics[i].magic, magics[i].len))
			return magics[i].packing;
	return LUO_PACKING_NONE;
}

const char *luo_packing_name(enum luo_packing packing)
{
	switch (packing) {
	case LUO_PACKING_GZIP:
		return "gzip";
	case LUO_PACKING_XZ:
		return "xz";
	case LUO_PACKING_LZMA:
		return "lzma";
	case LUO_PACKING_ZSTD:
		return "zstd";
	case LUO_PACKING_LZ4:
		return "lz4";
	case LUO_PACKING_BZIP2:
		return "bzip2";
	case LUO_PACKING_LZO:
		return "lzo";
	case LUO_PACKING_NONE:
		break;
	}
	return "uncompressed";
}

static int fail_damaged(struct luo_source *source, enum luo_packing packing,
			struct luo_text *error)
{
	return luo_fail(error, -EBADMSG, damaged, luo_packing_name(packing),
			(unsigned long long)source->offset);
}

static int unpack_gzip(struct luo_source *source, uint8_t *out, luo_sink sink, void *userdata,
		       struct luo_text *error)
{
	z_stream z = { 0 };
	int r = 0, zr;

	if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
		return luo_fail(error, -ENOMEM, "out of memory");
	do {
		ssize_t n = luo_source_peek(source, 1);

		if (n < 0) {
			r = luo_fail(error, n, "%s", strerror(-n));
			break;
		}
		z.next_in = (Bytef *)source->data;
		z.avail_in = n;
		z.next_out = out;
		z.avail_out = OUT_SIZE;
		zr = inflate(&z, Z_NO_FLUSH);
		if ((zr != Z_OK && zr != Z_STREAM_END) || (!n && z.avail_out == OUT_SIZE)) {
			r = fail_damaged(source, LUO_PACKING_GZIP, error);
			break;
		}
		luo_source_consume(source, n - z.avail_in);
		if (z.avail_out < OUT_SIZE)
			r = sink(userdata, out, OUT_SIZE - z.avail_out);
	} while (!r && zr != Z_STREAM_END);
	inflateEnd(&z);
	return r;
}

static int unpack_lzma(struct luo_source *source, enum luo_packing packing, uint8_t *out,
		       luo_sink sink, void *userdata, struct luo_text *error)
{
	lzma_stream lzma = LZMA_STREAM_INIT;
	lzma_ret lr;
	int r = 0;

	lr = packing == LUO_PACKING_XZ ? lzma_stream_decoder(&lzma, LZMA_LIMIT, 0) :
					 lzma_alone_decoder(&lzma, LZMA_LIMIT);
	if (lr != LZMA_OK)
		return luo_fail(error, -ENOMEM, "out of memory");
	do {
		ssize_t n = luo_source_peek(source, 1);

		if (n < 0) {
			r = luo_fail(error, n, "%s", strerror(-n));
			break;
		}
		lzma.next_in = source->data;
		lzma.avail_in = n;
		lzma.next_out = out;
		lzma.avail_out = OUT_SIZE;
		lr = lzma_code(&lzma, n ? LZMA_RUN : LZMA_FINISH);
		if (lr == LZMA_MEM_ERROR || lr == LZMA_MEMLIMIT_ERROR) {
			r = luo_fail(error, -ENOMEM, "unpacking %s data takes too much memory",
				     luo_packing_name(packing));
			break;
		}
		if ((lr != LZMA_OK && lr != LZMA_STREAM_END) ||
		    (!n && lr != LZMA_STREAM_END && lzma.avail_out == OUT_SIZE)) {
			r = fail_damaged(source, packing, error);
			break;
		}
		luo_source_consume(source, n - lzma.avail_in);
		if (lzma.avail_out < OUT_SIZE)
			r = sink(userdata, out, OUT_SIZE - lzma.avail_out);
	} while (!r && lr != LZMA_STREAM_END);
	lzma_end(&lzma);
	return r;
}

static int unpack_zstd(struct luo_source *source, uint8_t *out, luo_sink sink, void *userdata,
		       struct luo_text *error)
{
	ZSTD_DStream *z = ZSTD_createDStream();
	size_t zr = 1;
	int r = 0;

	if (!z)
		return luo_fail(error, -ENOMEM, "out of memory");
	ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, ZSTD_WINDOW);
	do {
		ssize_t n = luo_source_peek(source, 1);
		ZSTD_inBuffer in;
		ZSTD_outBuffer to = { out, OUT_SIZE, 0 };

		if (n < 0) {
			r = luo_fail(error, n, "%s", strerror(-n));
			break;
		}
		in = (ZSTD_inBuffer){ source->data, n, 0 };
		zr = ZSTD_decompressStream(z, &to, &in);
		if (ZSTD_isError(zr) || (!n && !to.pos && zr)) {
			r = fail_damaged(source, LUO_PACKING_ZSTD, error);
			break;
		}
		luo_source_consume(source, in.pos);
		if (to.pos)
			r = sink(userdata, out, to.pos);
	} while (!r && zr);
	ZSTD_freeDStream(z);
	return r;
}

#ifdef HAVE_LZ4
/*
 * The "legacy" frame, which is what the kernel reads: the magic, then blocks
 * of at most 8 MiB with a length before each, until the end of the file or
 * something that is no sensible length.
 */
static int unpack_lz4(struct luo_source *source, luo_sink sink, void *userdata,
		      struct luo_text *error)
{
	size_t bound = LZ4_compressBound(LZ4_BLOCK);
	uint8_t *in = malloc(bound), *out = malloc(LZ4_BLOCK);
	int r = 0;

	if (!in || !out) {
		r = luo_fail(error, -ENOMEM, "out of memory");
		goto out;
	}
	luo_source_consume(source, 4);
	for (;;) {
		size_t size, have = 0;
		ssize_t n = luo_source_peek(source, 4);
		int len;

		if (n < 0) {
			r = luo_fail(error, n, "%s", strerror(-n));
			break;
		}
		if (n < 4)
			break;
		size = get32(source->data);
		if (size == LZ4_MAGIC) {
			luo_source_consume(source, 4);
			continue;
		}
		/* Zeros between archives, or the next archive itself. */
		if (!size || size > bound)
			break;
		luo_source_consume(source, 4);
		while (have < size) {
			n = luo_source_peek(source, 1);
			if (n <= 0)
				break;
			n = LUO_MIN((size_t)n, size - have);
			memcpy(in + have, source->data, n);
			luo_source_consume(source, n);
			have += n;
		}
		len = have < size ? -1 :
				    LZ4_decompress_safe((char *)in, (char *)out, size, LZ4_BLOCK);
		if (len < 0) {
			r = fail_damaged(source, LUO_PACKING_LZ4, error);
			break;
		}
		r = sink(userdata, out, len);
		if (r)
			break;
	}
out:
	free(in);
	free(out);
	return r;
}
#endif

int luo_unpack(struct luo_source *source, enum luo_packing packing, luo_sink sink, void *userdata,
	       struct luo_text *error)
{
	uint8_t *out;
	int r;

	out = malloc(OUT_SIZE);
	if (!out)
		return luo_fail(error, -ENOMEM, "out of memory");
	switch (packing) {
	case LUO_PACKING_GZIP:
		r = unpack_gzip(source, out, sink, userdata, error);
		break;
	case LUO_PACKING_XZ:
	case LUO_PACKING_LZMA:
		r = unpack_lzma(source, packing, out, sink, userdata, error);
		break;
	case LUO_PACKING_ZSTD:
		r = unpack_zstd(source, out, sink, userdata, error);
		break;
#ifdef HAVE_LZ4
	case LUO_PACKING_LZ4:
		r = unpack_lz4(source, sink, userdata, error);
		break;
#endif
	default:
		r = luo_fail(error, -EOPNOTSUPP,
			     "it is compressed with %s, which this program cannot read: use gzip, "
			     "xz or zstd",
			     luo_packing_name(packing));
		break;
	}
	free(out);
	return r;
}
