// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Kernel configurations: the file that distributions put next to the kernel,
 * or for the running kernel /proc/config.gz.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "luo-private.h"

/* Configurations have 300 KiB today. */
#define CONFIG_LIMIT (4u << 20)

struct reader {
	char *text;
	size_t len;
};

static int collect(void *userdata, const uint8_t *data, size_t len)
{
	struct reader *reader = userdata;

	if (len > CONFIG_LIMIT - 1 - reader->len)
		return -EFBIG;
	memcpy(reader->text + reader->len, data, len);
	reader->len += len;
	return 0;
}

static int read_config(const char *path, struct luo_config *config)
{
	struct reader reader = { 0 };
	struct luo_source source;
	ssize_t n;
	int fd, r;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	r = luo_source_open(&source, fd);
	if (r < 0)
		goto close_fd;
	reader.text = malloc(CONFIG_LIMIT);
	if (!reader.text) {
		r = -ENOMEM;
		goto close_source;
	}
	n = luo_source_peek(&source, 2);
	if (n < 0) {
		r = n;
	} else if (luo_packing_detect(source.data, n) == LUO_PACKING_GZIP) {
		r = luo_unpack(&source, LUO_PACKING_GZIP, collect, &reader, NULL);
	} else {
		while (!r && (n = luo_source_peek(&source, 1)) > 0) {
			r = collect(&reader, source.data, n);
			luo_source_consume(&source, n);
		}
		if (!r && n < 0)
			r = n;
	}
	if (r) {
		free(reader.text);
		goto close_source;
	}
	reader.text[reader.len] = '\0';
	config->text = reader.text;
	config->found = true;
close_source:
	luo_source_close(&source);
close_fd:
	close(fd);
	return r;
}

int luo_config_load(struct luo_system *system, const char *kernel, const char *release,
		    bool running, struct luo_config *config)
{
	const char *base, *version;
	char path[PATH_MAX];
	int r = -ENOENT;

	config->found = false;
	config->text = NULL;

	/* /some/where/vmlinuz-VERSION has /some/where/config-VERSION. */
	base = kernel ? strrchr(kernel, '/') : NULL;
	base = base ? base + 1 : kernel;
	version = base ? strchr(base, '-') : NULL;
	if (version && snprintf(path, sizeof(path), "%.*sconfig%s", (int)(base - kernel), kernel,
				version) < (int)sizeof(path))
		r = read_config(path, config);
	if (r == -ENOENT && *release && !luo_system_path(system, path, "/boot/config-%s", release))
		r = read_config(path, config);
	if (r == -ENOENT && *release &&
	    !luo_system_path(system, path, "/lib/modules/%s/config", release))
		r = read_config(path, config);
	if (r == -ENOENT && running && !luo_system_path(system, path, "/proc/config.gz"))
		r = read_config(path, config);
	return r;
}

void luo_config_free(struct luo_config *config)
{
	free(config->text);
	config->text = NULL;
	config->found = false;
}

/* What follows the "=" of an option, or NULL. */
static const char *config_value(const struct luo_config *config, const char *option)
{
	size_t len = strlen(option);
	const char *line;

	for (line = config->text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, option, len) && line[len] == '=')
			return line + len + 1;
	}
	return NULL;
}

enum luo_config_value luo_config_get(const struct luo_config *config, const char *option)
{
	const char *value;

	if (!config->found)
		return LUO_CONFIG_MISSING;
	value = config_value(config, option);
	if (!value)
		return LUO_CONFIG_NO;
	if (*value == 'y')
		return LUO_CONFIG_YES;
	if (*value == 'm')
		return LUO_CONFIG_MODULE;
	return *value == 'n' ? LUO_CONFIG_NO : LUO_CONFIG_OTHER;
}

long luo_config_number(const struct luo_config *config, const char *option)
{
	const char *value = config->found ? config_value(config, option) : NULL;

	return value && *value >= '0' && *value <= '9' ? strtol(value, NULL, 0) : -1;
}
