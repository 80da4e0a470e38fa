/* SPDX-License-Identifier: GPL-2.0-only */
/* What the fuzz targets share. The rest is that of the unit tests. */
#ifndef FUZZ_H
#define FUZZ_H

#include "support.h"

/* What a target makes its decisions from. When it is used up all are 0. */
struct input {
	const u8 *next, *end;
};

static inline u64 input_number(struct input *in, unsigned int bytes)
{
	u64 n = 0;

	for (; bytes && in->next < in->end; bytes--)
		n = n << 8 | *in->next++;
	return n;
}

#define input_below(in, n)	(input_number(in, (n) > 256 ? 2 : 1) % (n))
#define input_empty(in)		((in)->next == (in)->end)

#define check(c) do {							\
	if (!(c)) {							\
		fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #c); \
		abort();						\
	}								\
} while (0)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#endif /* FUZZ_H */
