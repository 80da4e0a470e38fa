/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LUO_HANDLERS_H
#define LUO_HANDLERS_H

int luo_memfd_init(void);
void luo_memfd_exit(void);

int luo_tmpfs_init(void);
void luo_tmpfs_exit(void);

int luo_eventfd_init(void);
void luo_eventfd_exit(void);

#endif /* LUO_HANDLERS_H */
