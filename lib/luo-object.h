/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the handles of device and session are. */
#ifndef LUO_OBJECT_H
#define LUO_OBJECT_H

#include "luo-private.h"

/* Does what is behind a descriptor know the commands of liveupdate_ext.h? */
enum luo_ext {
	LUO_EXT_UNKNOWN = 0,
	LUO_EXT_YES,
	LUO_EXT_NO,
};

struct luo_device {
	int fd;
	enum luo_ext ext;
};

struct luo_session {
	int fd;
	enum luo_ext ext;
};

/* 0 or a negative errno. */
int luo_ioctl(int fd, unsigned long command, void *arg);

/* The same for a command of liveupdate_ext.h; -ENOSYS where there is none. */
int luo_device_ext(struct luo_device *device, unsigned long command, void *arg);
int luo_session_ext(struct luo_session *session, unsigned long command, void *arg);

/* Puts a name where the kernel wants it. 0 or -EINVAL. */
int luo_name_copy(uint8_t ret_name[LUO_SESSION_NAME_SIZE], const char *name);

#endif /* LUO_OBJECT_H */
