/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LUO_HANDLERS_H
#define LUO_HANDLERS_H

int luo_memfd_init(void);
void luo_memfd_exit(void);

#endif /* LUO_HANDLERS_H */
