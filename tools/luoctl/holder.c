// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The files by which 'luoctl exec' and the other commands know each other.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "holder.h"

#define STATE_LIMIT (64 * 1024)

const char *const holder_state_names[HOLDER_STATES] = {
	"starting", "running", "stopping", "stored", "unstored", "failed",
};

bool holder_path(struct luoctl *ctl, const char *session, const char *suffix, char *ret,
		 size_t size)
{
	char name[3 * 64 + 1], *to = name;

	for (const char *p = session; *p && to < name + sizeof(name) - 3; p++) {
		bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			     (*p >= '0' && *p <= '9') || *p == '_' || *p == '-' ||
			     (*p == '.' && p != session);

		if (plain)
			*to++ = *p;
		else
			to += sprintf(to, "%%%02x", (unsigned char)*p);
	}
	*to = '\0';
	return snprintf(ret, size, "%s" HOLDER_DIR "/%s%s", ctl->root, name, suffix) < (int)size;
}

int holder_make_dir(struct luoctl *ctl)
{
	static const char *const dirs[] = { "/run", "/run/liveupdate", HOLDER_DIR };
	char path[PATH_MAX];

	for (unsigned int i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s%s", ctl->root, dirs[i]);
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

static bool lock_is_held(const char *path)
{
	bool held;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	/* A user who may not look may not send signals either: he sees the file. */
	if (fd < 0)
		return errno == EACCES;
	held = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
	close(fd);
	return held;
}

static int parse_state(const char *text, struct holder *ret)
{
	struct json_object *object = json_tokener_parse(text);
	struct holder holder = { .incoming_fd = -1 };
	const char *session, *state, *message;
	uint64_t pid, fd;
	int r = -EBADMSG;

	if (!json_object_is_type(object, json_type_object) ||
	    !json_get_string(object, "session", &session) ||
	    strlen(session) >= sizeof(holder.session) || !json_get_u64(object, "pid", &pid) || !pid ||
	    pid > INT_MAX || !json_get_string(object, "state", &state))
		goto out;
	strcpy(holder.session, session);
	holder.pid = pid;
	for (holder.state = 0; holder.state < HOLDER_STATES; holder.state++)
		if (!strcmp(holder_state_names[holder.state], state))
			break;
	if (holder.state == HOLDER_STATES)
		goto out;
	json_get_bool(object, "preserved", &holder.preserved);
	if (json_get_u64(object, "incoming_fd", &fd) && fd <= INT_MAX)
		holder.incoming_fd = fd;
	json_get_u64(object, "memfds", &holder.memfds);
	json_get_u64(object, "bytes", &holder.bytes);
	json_get_u64(object, "kept", &holder.kept);
	json_get_u64(object, "started_ns", &holder.started_ns);
	json_get_u64(object, "stopped_ns", &holder.stopped_ns);
	json_get_u64(object, "previous_stopped_ns", &holder.previous_stopped_ns);
	json_get_u64(object, "downtime_ns", &holder.downtime_ns);
	if (json_get_string(object, "message", &message))
		snprintf(holder.message, sizeof(holder.message), "%s", message);
	*ret = holder;
	r = 0;
out:
	json_object_put(object);
	return r;
}

static int read_state(const char *lock, const char *path, struct holder *ret)
{
	char *text;
	ssize_t n = 0, got;
	int fd, r;

	if (!lock_is_held(lock))
		return -ENOENT;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? -EAGAIN : -errno;
	text = malloc(STATE_LIMIT);
	if (!text) {
		close(fd);
		return -ENOMEM;
	}
	while (n < STATE_LIMIT - 1 && (got = read(fd, text + n, STATE_LIMIT - 1 - n)) > 0)
		n += got;
	text[n] = '\0';
	close(fd);
	r = parse_state(text, ret);
	free(text);
	/* What was read may be the rest of one that died while we read. */
	if (!r && !lock_is_held(lock))
		r = -ENOENT;
	return r;
}

int holder_read(struct luoctl *ctl, const char *session, struct holder *ret)
{
	char lock[PATH_MAX], path[PATH_MAX];

	if (!holder_path(ctl, session, ".lock", lock, sizeof(lock)) ||
	    !holder_path(ctl, session, ".json", path, sizeof(path)))
		return -ENAMETOOLONG;
	return read_state(lock, path, ret);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct holder *)a)->session, ((const struct holder *)b)->session);
}

int holder_list(struct luoctl *ctl, struct holder_list *ret)
{
	struct holder_list list = { 0 };
	struct dirent *entry;
	char dir[PATH_MAX];
	DIR *d;
	int r = 0;

	snprintf(dir, sizeof(dir), "%s" HOLDER_DIR, ctl->root);
	d = opendir(dir);
	if (!d) {
		if (errno != ENOENT)
			return -errno;
		*ret = list;
		return 0;
	}
	while ((entry = readdir(d))) {
		char lock[PATH_MAX + 256], path[PATH_MAX + 256];
		size_t len = strlen(entry->d_name);
		struct holder *items, *item;

		if (len < 6 || strcmp(entry->d_name + len - 5, ".lock"))
			continue;
		snprintf(lock, sizeof(lock), "%s/%s", dir, entry->d_name);
		snprintf(path, sizeof(path), "%s/%.*s.json", dir, (int)len - 5, entry->d_name);
		items = realloc(list.items, (list.count + 1) * sizeof(*items));
		if (!items) {
			r = -ENOMEM;
			break;
		}
		list.items = items;
		item = &items[list.count];
		r = read_state(lock, path, item);
		if (r == -EAGAIN || r == -EBADMSG) {
			/* Alive, but it cannot be told what it does. */
			*item = (struct holder){ .state = HOLDER_STARTING, .incoming_fd = -1 };
			snprintf(item->session, sizeof(item->session), "%.*s",
				 (int)(len - 5 < 63 ? len - 5 : 63), entry->d_name);
			r = 0;
		} else if (r == -ENOENT) {
			r = 0;
			continue;
		} else if (r < 0) {
			break;
		}
		list.count++;
	}
	closedir(d);
	if (r < 0) {
		free(list.items);
		return r;
	}
	if (list.count)
		qsort(list.items, list.count, sizeof(*list.items), by_name);
	*ret = list;
	return 0;
}

bool holder_alive(struct luoctl *ctl, const struct holder *holder)
{
	struct holder now;
	int r;

	r = holder_read(ctl, holder->session, &now);
	return r == -EAGAIN || (!r && now.pid == holder->pid);
}

int holder_signal(struct luoctl *ctl, const struct holder *holder, int signal)
{
	int fd, r = 0;

	if (!holder->pid)
		return -EAGAIN;
	fd = pidfd_open(holder->pid, 0);
	if (fd < 0)
		return -errno;
	/* Only now is it sure that the number did not change its owner. */
	if (!holder_alive(ctl, holder))
		r = -ESRCH;
	else if (pidfd_send_signal(fd, signal, NULL, 0) < 0)
		r = -errno;
	close(fd);
	return r;
}

struct json_object *holder_to_json(const struct holder *holder)
{
	struct json_object *object = json_object_new_object();

	if (!object)
		return NULL;
	json_set_string(object, "session", holder->session);
	json_set_u64(object, "pid", holder->pid);
	json_set_string(object, "state", holder_state_names[holder->state]);
	json_set_bool(object, "preserved", holder->preserved);
	json_set_u64(object, "memfds", holder->memfds);
	json_set_u64(object, "bytes", holder->bytes);
	json_set_u64(object, "kept", holder->kept);
	json_set_u64(object, "started_ns", holder->started_ns);
	json_set_u64(object, "stopped_ns", holder->stopped_ns);
	json_set_u64(object, "previous_stopped_ns", holder->previous_stopped_ns);
	json_set_u64(object, "downtime_ns", holder->downtime_ns);
	if (holder->incoming_fd >= 0)
		json_set_u64(object, "incoming_fd", holder->incoming_fd);
	json_set_string(object, "message", holder->message);
	return object;
}

int holder_write(struct luoctl *ctl, const struct holder *holder)
{
	struct json_object *object = holder_to_json(holder);
	char path[PATH_MAX], temp[PATH_MAX];
	const char *text;
	FILE *file;
	int fd, r = 0;

	if (!object)
		return -ENOMEM;
	json_set_u64(object, "version", 1);
	text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN);
	if (!text || !holder_path(ctl, holder->session, ".json", path, sizeof(path)) ||
	    !holder_path(ctl, holder->session, ".new", temp, sizeof(temp))) {
		json_object_put(object);
		return -ENOMEM;
	}
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!file) {
		r = -errno;
		if (fd >= 0)
			close(fd);
	} else {
		fprintf(file, "%s\n", text);
		if (fclose(file) || rename(temp, path) < 0)
			r = -errno;
	}
	/* Better none than an old one that says that we are ready. */
	if (r < 0) {
		unlink(temp);
		unlink(path);
	}
	json_object_put(object);
	return r;
}
