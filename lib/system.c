// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The machine: where its files are, and what the module says in sysfs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "luo-private.h"

#define SYSFS "/sys/kernel/liveupdate"

const char *luo_version(void)
{
	return LUO_VERSION;
}

int luo_fail(struct luo_text *text, int error, const char *format, ...)
{
	va_list args;

	if (text && text->buf && text->size) {
		va_start(args, format);
		vsnprintf(text->buf, text->size, format, args);
		va_end(args);
	}
	return error;
}

const char *luo_format_size(uint64_t bytes, char buf[32])
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	unsigned int unit = 0;
	uint64_t whole = bytes, rest = 0;

	while (whole >= 1024 && unit + 1 < LUO_ARRAY_SIZE(units)) {
		rest = whole % 1024;
		whole /= 1024;
		unit++;
	}
	if (whole < 10 && rest)
		snprintf(buf, 32, "%llu.%llu %s", (unsigned long long)whole,
			 (unsigned long long)(rest * 10 / 1024), units[unit]);
	else
		snprintf(buf, 32, "%llu %s", (unsigned long long)whole, units[unit]);
	return buf;
}

int luo_system_new(const struct luo_system_options *options, struct luo_system **ret_system)
{
	struct luo_system *system;
	const char *root = "";
	size_t len;

	if (options) {
		if (options->size < sizeof(options->size) + sizeof(options->root))
			return -EINVAL;
		if (options->root)
			root = options->root;
	}
	if (*root && *root != '/')
		return -EINVAL;

	system = calloc(1, sizeof(*system));
	if (!system)
		return -ENOMEM;
	system->root = strdup(root);
	if (!system->root) {
		free(system);
		return -ENOMEM;
	}
	len = strlen(system->root);
	while (len && system->root[len - 1] == '/')
		system->root[--len] = '\0';
	*ret_system = system;
	return 0;
}

void luo_system_free(struct luo_system *system)
{
	if (!system)
		return;
	free(system->root);
	free(system);
}

int luo_system_path(struct luo_system *system, char ret_path[PATH_MAX], const char *format, ...)
{
	int n, m;
	va_list args;

	n = snprintf(ret_path, PATH_MAX, "%s", system ? system->root : "");
	if (n < 0 || n >= PATH_MAX)
		return -ENAMETOOLONG;
	va_start(args, format);
	m = vsnprintf(ret_path + n, PATH_MAX - n, format, args);
	va_end(args);
	if (m < 0 || m >= PATH_MAX - n)
		return -ENAMETOOLONG;
	return 0;
}

ssize_t luo_read_full(int fd, void *buf, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = read(fd, (char *)buf + done, size - done);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (!n)
			break;
		done += n;
	}
	return done;
}

ssize_t luo_read_text(const char *path, char *buf, size_t size)
{
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	n = luo_read_full(fd, buf, size - 1);
	close(fd);
	if (n < 0)
		return n;
	/* A NUL in it would make two readers see two things. */
	n = strnlen(buf, n);
	while (n && strchr(" \t\r\n", buf[n - 1]))
		n--;
	buf[n] = '\0';
	return n;
}

ssize_t luo_system_read(struct luo_system *system, const char *name, char *buf, size_t size)
{
	char path[PATH_MAX];
	int r;

	r = luo_system_path(system, path, "%s", name);
	if (r < 0)
		return r;
	return luo_read_text(path, buf, size);
}

bool luo_system_exists(struct luo_system *system, const char *name)
{
	char path[PATH_MAX];

	return !luo_system_path(system, path, "%s", name) && !access(path, F_OK);
}

int luo_open_regular(const char *path, uint64_t *ret_size)
{
	struct stat st;
	int fd;

	/* O_NONBLOCK: a FIFO in this place must not make us wait. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return S_ISDIR(st.st_mode) ? -EISDIR : -ENOEXEC;
	}
	*ret_size = st.st_size;
	return fd;
}

int luo_open_said(const char *path, uint64_t *ret_size, struct luo_text *error)
{
	int fd = luo_open_regular(path, ret_size);

	if (fd < 0)
		return luo_fail(error, fd, "%s: %s", path,
				fd == -ENOEXEC ? "not a regular file" : strerror(-fd));
	return fd;
}

/* Of /proc/cpuinfo of many CPUs the beginning is enough. */
#define WORDS_LIMIT (256 * 1024)

bool luo_system_has_word(struct luo_system *system, const char *name, const char *word)
{
	size_t len = strlen(word);
	char *text, *p;
	bool found = false;

	text = malloc(WORDS_LIMIT);
	if (!text)
		return false;
	if (luo_system_read(system, name, text, WORDS_LIMIT) > 0) {
		for (p = text; (p = strstr(p, word)); p += len) {
			if (p != text && !strchr(" \t\n/", p[-1]))
				continue;
			if (p[len] && !strchr(" \t\n:.", p[len]))
				continue;
			found = true;
			break;
		}
	}
	free(text);
	return found;
}

int luo_system_release(struct luo_system *system, char ret_release[LUO_RELEASE_SIZE])
{
	char buf[LUO_RELEASE_SIZE];
	ssize_t n;

	n = luo_system_read(system, "/proc/sys/kernel/osrelease", buf, sizeof(buf));
	if (n < 0)
		return n;
	memcpy(ret_release, buf, sizeof(buf));
	return 0;
}

int luo_system_get_provider(struct luo_system *system)
{
	if (luo_system_exists(system, SYSFS "/state") || luo_system_exists(system, SYSFS "/abi"))
		return LUO_PROVIDER_MODULE;
	if (luo_system_exists(system, "/dev/liveupdate"))
		return LUO_PROVIDER_KERNEL;
	return LUO_PROVIDER_NONE;
}

int luo_is_available(struct luo_system *system, char *ret_reason, size_t reason_size)
{
	struct luo_text text = { ret_reason, reason_size };
	char path[PATH_MAX];
	int r;

	r = luo_system_path(system, path, "/dev/liveupdate");
	if (r < 0)
		return luo_fail(&text, r, "the path of the system's root is too long");
	if (!access(path, R_OK | W_OK))
		return 0;
	switch (errno) {
	case EACCES:
	case EPERM:
		return luo_fail(&text, -EACCES,
				"/dev/liveupdate is there, but this user may not open it: run as "
				"root, or get a session from an agent");
	case ENOENT:
		if (luo_system_get_provider(system) == LUO_PROVIDER_MODULE)
			return luo_fail(&text, -ENODEV,
					"the liveupdate module is loaded, but /dev/liveupdate is "
					"missing: mount devtmpfs on /dev, or make the node with mknod "
					"as /sys/class/misc/liveupdate/dev says");
		return luo_fail(&text, -ENODEV,
				"the liveupdate module is not loaded and this kernel has no live "
				"update of its own: run 'modprobe liveupdate'");
	default:
		r = -errno;
		return luo_fail(&text, r, "/dev/liveupdate: %s", strerror(-r));
	}
}

uint64_t luo_system_number(struct luo_system *system, const char *name)
{
	unsigned long long value;
	char buf[64], *end;

	if (luo_system_read(system, name, buf, sizeof(buf)) <= 0)
		return 0;
	if (buf[0] < '0' || buf[0] > '9')
		return 0;
	errno = 0;
	value = strtoull(buf, &end, 10);
	if (errno || *end)
		return 0;
	return value;
}

uint64_t luo_system_meminfo(struct luo_system *system, const char *key)
{
	size_t len = strlen(key);
	char text[8192], *line;

	if (luo_system_read(system, "/proc/meminfo", text, sizeof(text)) <= 0)
		return 0;
	for (line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, len) && line[len] == ':')
			return strtoull(line + len + 1, NULL, 10) * 1024;
	}
	return 0;
}

static uint64_t read_number(struct luo_system *system, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), SYSFS "/%s", name);
	return luo_system_number(system, path);
}

static int read_word(struct luo_system *system, const char *name, const char *const words[],
		     unsigned int count)
{
	char path[128], buf[64];

	snprintf(path, sizeof(path), SYSFS "/%s", name);
	if (luo_system_read(system, path, buf, sizeof(buf)) <= 0)
		return 0;
	for (unsigned int i = 1; i < count; i++)
		if (!strcmp(buf, words[i]))
			return i;
	return 0;
}

bool luo_format_parse(const char *text, uint32_t *ret_min, uint32_t *ret_max)
{
	unsigned long min, max;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	min = max = strtoul(text, &end, 10);
	if (*end == '-' && end[1] >= '0' && end[1] <= '9')
		max = strtoul(end + 1, &end, 10);
	if (errno || *end || min > max || max > UINT32_MAX || !min)
		return false;
	*ret_min = min;
	*ret_max = max;
	return true;
}

int luo_system_get_status(struct luo_system *system, struct luo_status *status)
{
	static const char *const states[] = { "unknown", "normal", "frozen", "updated" };
	static const char *const images[] = { "unknown", "none", "armed", "foreign" };
	static const char *const moments[LUO_BLACKOUT_COUNT] = {
		"freeze", "frozen", "jump", "kernel", "module", "ready", "retrieved",
	};
	struct luo_status known = { .size = sizeof(known) };
	char buf[64], name[64];

	if (status->size < offsetof(struct luo_status, state))
		return -EINVAL;

	known.provider = luo_system_get_provider(system);
	if (known.provider == LUO_PROVIDER_MODULE) {
		known.state = read_word(system, "state", states, LUO_ARRAY_SIZE(states));
		known.image = read_word(system, "image", images, LUO_ARRAY_SIZE(images));
		known.abi = read_number(system, "abi");
		if (luo_system_read(system, SYSFS "/format", buf, sizeof(buf)) > 0)
			luo_format_parse(buf, &known.format_min, &known.format_max);
		known.generation = read_number(system, "generation");
		known.scratch = read_number(system, "scratch");
		known.reserved = read_number(system, "reserved");
		known.sessions_out = read_number(system, "sessions_out");
		known.files_out = read_number(system, "files_out");
		known.bytes_out = read_number(system, "bytes_out");
		known.sessions_in = read_number(system, "sessions_in");
		known.files_in = read_number(system, "files_in");
		known.bytes_in = read_number(system, "bytes_in");
		known.limit = read_number(system, "limit");
		known.kept = read_number(system, "kept");
		/* Counted at each read, so only where there can be any. */
		if (known.sessions_in) {
			known.sessions_damaged = read_number(system, "orphans/sessions_damaged");
			known.files_failed = read_number(system, "orphans/files_failed");
			known.files_unknown = read_number(system, "orphans/files_unknown");
		}
		for (unsigned int i = 0; i < LUO_BLACKOUT_COUNT; i++) {
			snprintf(name, sizeof(name), "blackout/%s", moments[i]);
			known.blackout[i] = read_number(system, name);
		}
		if (luo_system_read(system, SYSFS "/last_error", known.last_error,
				    sizeof(known.last_error)) < 0)
			known.last_error[0] = '\0';
		/* One line, and nothing that a terminal would act upon. */
		for (char *c = known.last_error; *c; c++)
			if ((unsigned char)*c < ' ' || *c == 0x7f)
				*c = ' ';
	}

	luo_copy_sized(status, &known, sizeof(known));
	return 0;
}
