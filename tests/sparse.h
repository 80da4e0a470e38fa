/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For Debian's sparse (0.6.4) alone, which comes first: what headers of 7.x use
 * and it does not know. Qualifiers matter to it no more than to the older kernels.
 */
#define __typeof_unqual__ __typeof__
/* In their static_assert() of module parameters. */
#define __builtin_strlen(s) (sizeof(s) - 1)
