// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Sessions: one ioctl each.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/liveupdate_ext.h>

#include "luo-object.h"

static struct luo_session *session_new(int fd)
{
	struct luo_session *session = malloc(sizeof(*session));

	if (session)
		*session = (struct luo_session){ .fd = fd };
	return session;
}

static int session_open(struct luo_device *device, unsigned long command, const char *name,
			struct luo_session **ret_session)
{
	/* Create, retrieve and reopen have the same layout. */
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg), .fd = -1 };
	struct luo_session *session;
	int r;

	r = luo_name_copy(arg.name, name);
	if (r < 0)
		return r;
	/* Allocate first: an incoming session that is closed again is lost. */
	session = session_new(-1);
	if (!session)
		return -ENOMEM;
	r = command == LIVEUPDATE_IOCTL_REOPEN_SESSION ? luo_device_ext(device, command, &arg) :
							 luo_ioctl(device->fd, command, &arg);
	if (r < 0) {
		free(session);
		return r;
	}
	session->fd = arg.fd;
	*ret_session = session;
	return 0;
}

int luo_session_create(struct luo_device *device, const char *name,
		       struct luo_session **ret_session)
{
	return session_open(device, LIVEUPDATE_IOCTL_CREATE_SESSION, name, ret_session);
}

int luo_session_retrieve(struct luo_device *device, const char *name,
			 struct luo_session **ret_session)
{
	_Static_assert(sizeof(struct liveupdate_ioctl_create_session) ==
			       sizeof(struct liveupdate_ioctl_retrieve_session),
		       "one struct is used for both");

	return session_open(device, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, name, ret_session);
}

int luo_session_reopen(struct luo_device *device, const char *name,
		       struct luo_session **ret_session)
{
	_Static_assert(sizeof(struct liveupdate_ioctl_create_session) ==
			       sizeof(struct liveupdate_ioctl_reopen_session),
		       "one struct is used for both");

	return session_open(device, LIVEUPDATE_IOCTL_REOPEN_SESSION, name, ret_session);
}

int luo_session_retrieve_generation(struct luo_device *device, const char *name,
				    uint64_t generation, unsigned int flags,
				    struct luo_session **ret_session)
{
	struct liveupdate_ioctl_retrieve_generation arg = {
		.size = sizeof(arg),
		.fd = -1,
		.generation = generation,
		.flags = flags,
	};
	struct luo_session *session;
	int r;

	r = luo_name_copy(arg.name, name);
	if (r < 0)
		return r;
	session = session_new(-1);
	if (!session)
		return -ENOMEM;
	r = luo_device_ext(device, LIVEUPDATE_IOCTL_RETRIEVE_GENERATION, &arg);
	if (r < 0) {
		free(session);
		return r;
	}
	session->fd = arg.fd;
	*ret_session = session;
	return 0;
}

int luo_session_drop(struct luo_device *device, const char *name, uint64_t generation)
{
	struct liveupdate_ioctl_drop_session arg = {
		.size = sizeof(arg),
		.generation = generation,
	};
	int r;

	r = luo_name_copy(arg.name, name);
	if (r < 0)
		return r;
	return luo_device_ext(device, LIVEUPDATE_IOCTL_DROP_SESSION, &arg);
}

int luo_session_new_from_fd(int fd, struct luo_session **ret_session)
{
	struct liveupdate_session_get_name arg = { .size = sizeof(arg) };
	struct luo_session *session;
	int r;

	r = luo_ioctl(fd, LIVEUPDATE_SESSION_GET_NAME, &arg);
	if (r < 0)
		return r;
	session = session_new(fd);
	if (!session)
		return -ENOMEM;
	*ret_session = session;
	return 0;
}

int luo_session_get_fd(struct luo_session *session)
{
	return session->fd;
}

int luo_session_release_fd(struct luo_session *session)
{
	int fd = session->fd;

	free(session);
	return fd;
}

void luo_session_close(struct luo_session *session)
{
	if (!session)
		return;
	close(session->fd);
	free(session);
}

int luo_session_preserve_fd(struct luo_session *session, uint64_t token, int fd)
{
	struct liveupdate_session_preserve_fd arg = {
		.size = sizeof(arg),
		.fd = fd,
		.token = token,
	};

	return luo_ioctl(session->fd, LIVEUPDATE_SESSION_PRESERVE_FD, &arg);
}

int luo_session_retrieve_fd(struct luo_session *session, uint64_t token, int *ret_fd)
{
	struct liveupdate_session_retrieve_fd arg = {
		.size = sizeof(arg),
		.fd = -1,
		.token = token,
	};
	int r;

	r = luo_ioctl(session->fd, LIVEUPDATE_SESSION_RETRIEVE_FD, &arg);
	if (r < 0)
		return r;
	*ret_fd = arg.fd;
	return 0;
}

int luo_session_finish(struct luo_session *session)
{
	struct liveupdate_session_finish arg = { .size = sizeof(arg) };

	return luo_ioctl(session->fd, LIVEUPDATE_SESSION_FINISH, &arg);
}

int luo_session_get_name(struct luo_session *session, char ret_name[LUO_SESSION_NAME_SIZE])
{
	struct liveupdate_session_get_name arg = { .size = sizeof(arg) };
	int r;

	_Static_assert(sizeof(arg.name) == LUO_SESSION_NAME_SIZE, "the header says so");

	r = luo_ioctl(session->fd, LIVEUPDATE_SESSION_GET_NAME, &arg);
	if (r < 0)
		return r;
	memcpy(ret_name, arg.name, LUO_SESSION_NAME_SIZE);
	ret_name[LUO_SESSION_NAME_SIZE - 1] = '\0';
	return 0;
}

int luo_session_unpreserve_fd(struct luo_session *session, uint64_t token)
{
	struct liveupdate_session_unpreserve_fd arg = { .size = sizeof(arg), .token = token };

	return luo_session_ext(session, LIVEUPDATE_SESSION_UNPRESERVE_FD, &arg);
}

int luo_session_set_flags(struct luo_session *session, unsigned int flags)
{
	struct liveupdate_session_set_flags arg = { .size = sizeof(arg), .flags = flags };

	_Static_assert(LUO_SESSION_KEEP_ON_CLOSE == LIVEUPDATE_SESSION_KEEP_ON_CLOSE &&
			       LUO_SESSION_DROP_ON_FAILURE == LIVEUPDATE_SESSION_DROP_ON_FAILURE &&
			       LUO_SESSION_FROZEN == LIVEUPDATE_SESSION_FROZEN,
		       "flags go through as they are");

	return luo_session_ext(session, LIVEUPDATE_SESSION_SET_FLAGS, &arg);
}

int luo_session_get_state(struct luo_session *session, struct luo_session_state *state)
{
	struct liveupdate_session_get_state arg = { .size = sizeof(arg) };
	struct luo_session_state known = { .size = sizeof(known) };
	int r;

	if (state->size < sizeof(state->size))
		return -EINVAL;
	r = luo_session_ext(session, LIVEUPDATE_SESSION_GET_STATE, &arg);
	if (r < 0)
		return r;
	known.direction = arg.direction;
	known.flags = arg.flags;
	known.generation = arg.generation;
	known.files = arg.files;
	known.bytes = arg.bytes;
	luo_copy_sized(state, &known, sizeof(known));
	return 0;
}

int luo_session_freeze(struct luo_session *session)
{
	struct liveupdate_session_freeze arg = { .size = sizeof(arg) };

	return luo_session_ext(session, LIVEUPDATE_SESSION_FREEZE, &arg);
}

int luo_session_thaw(struct luo_session *session)
{
	struct liveupdate_session_thaw arg = { .size = sizeof(arg) };

	return luo_session_ext(session, LIVEUPDATE_SESSION_THAW, &arg);
}

int luo_session_list_files(struct luo_session *session, uint64_t first,
			   struct luo_file_info *files, unsigned int room,
			   unsigned int *ret_count, uint64_t *ret_total)
{
	struct liveupdate_session_list_files arg;
	unsigned int count = 0;
	int r;

	/* Filled in place; only the sign of an error differs. */
	_Static_assert(sizeof(struct luo_file_info) == sizeof(struct liveupdate_file_info) &&
			       offsetof(struct luo_file_info, state) ==
				       offsetof(struct liveupdate_file_info, state) &&
			       offsetof(struct luo_file_info, error) ==
				       offsetof(struct liveupdate_file_info, error) &&
			       offsetof(struct luo_file_info, compatible) ==
				       offsetof(struct liveupdate_file_info, compatible),
		       "the kernel writes it");

	do {
		arg = (struct liveupdate_session_list_files){
			.size = sizeof(arg),
			.nr = LUO_MIN(room - count, LIVEUPDATE_LIST_FILES_MAX),
			.first = first + count,
			.files = (uintptr_t)(files + count),
		};
		r = luo_session_ext(session, LIVEUPDATE_SESSION_LIST_FILES, &arg);
		if (r < 0)
			return r;
		for (unsigned int i = count; i < count + arg.nr; i++) {
			files[i].error = -files[i].error;
			files[i].compatible[sizeof(files[i].compatible) - 1] = '\0';
		}
		count += arg.nr;
	} while (arg.nr && count < room && first + count < arg.total);
	*ret_count = count;
	if (ret_total)
		*ret_total = arg.total;
	return 0;
}

int luo_session_recycle(struct luo_session *session, unsigned int flags)
{
	struct liveupdate_session_recycle arg = { .size = sizeof(arg), .flags = flags };

	_Static_assert(LUO_RECYCLE_KEEP_FILES == LIVEUPDATE_RECYCLE_KEEP_FILES,
		       "flags go through as they are");

	return luo_session_ext(session, LIVEUPDATE_SESSION_RECYCLE, &arg);
}
