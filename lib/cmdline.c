// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Kernel command lines.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "luo-private.h"

/* x86 allows 2 KiB; other kernels and bootconfig a few times that. */
#define CMDLINE_READ (64 * 1024)

const char *luo_cmdline_next(const char **cursor, size_t *ret_len)
{
	const char *p = *cursor, *start;
	bool quoted = false;

	while (*p == ' ' || *p == '\t' || *p == '\n')
		p++;
	if (!*p)
		return NULL;
	start = p;
	for (; *p; p++) {
		if (*p == '"')
			quoted = !quoted;
		else if (!quoted && (*p == ' ' || *p == '\t' || *p == '\n'))
			break;
	}
	*ret_len = p - start;
	*cursor = p;
	return start;
}

const char *luo_cmdline_find(const char *cmdline, const char *name)
{
	const char *cursor = cmdline, *param;
	size_t len, n = strlen(name);

	while ((param = luo_cmdline_next(&cursor, &len))) {
		/* The kernel takes "mem=1G" in quotes, too. */
		if (len && *param == '"') {
			param++;
			len--;
		}
		if (len >= n && !memcmp(param, name, n))
			return param + n;
	}
	return NULL;
}

int luo_cmdline_running(struct luo_system *system, char **ret_cmdline)
{
	const char *cursor, *param;
	char *text, *out, *to;
	ssize_t n;
	size_t len;

	text = malloc(CMDLINE_READ);
	if (!text)
		return -ENOMEM;
	n = luo_system_read(system, "/proc/cmdline", text, CMDLINE_READ);
	if (n < 0) {
		free(text);
		return n;
	}
	out = to = malloc(n + 1);
	if (!out) {
		free(text);
		return -ENOMEM;
	}
	cursor = text;
	while ((param = luo_cmdline_next(&cursor, &len))) {
		/* These name what the boot loader started, not what we load. */
		if ((len >= 11 && !memcmp(param, "BOOT_IMAGE=", 11)) ||
		    (len >= 7 && !memcmp(param, "initrd=", 7)))
			continue;
		if (to != out)
			*to++ = ' ';
		memcpy(to, param, len);
		to += len;
	}
	*to = '\0';
	free(text);
	*ret_cmdline = out;
	return 0;
}
