/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the handles of device and session are. */
#ifndef LUO_OBJECT_H
#define LUO_OBJECT_H

#include "luo-private.h"

struct luo_device {
	int fd;
};

struct luo_session {
	int fd;
};

#endif /* LUO_OBJECT_H */
