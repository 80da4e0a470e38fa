/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Structs that begin with their size, so that they can grow.
 */
#include <string.h>

#include "luo-private.h"

void luo_copy_sized(void *caller, const void *known, size_t known_size)
{
	size_t size = *(const size_t *)caller;

	memcpy((char *)caller + sizeof(size), (const char *)known + sizeof(size),
	       LUO_MIN(size, known_size) - sizeof(size));
}
