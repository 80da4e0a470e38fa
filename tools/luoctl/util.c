// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Messages, numbers and JSON.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "luoctl.h"

static void vsay(const char *format, va_list args) PRINTF(1, 0);

static void vsay(const char *format, va_list args)
{
	char line[4096];
	int n;

	/* One write(2), so that lines of several programs do not mix. */
	n = snprintf(line, sizeof(line), "luoctl: ");
	vsnprintf(line + n, sizeof(line) - n - 1, format, args);
	/* Paths may contain anything: one line, and nothing for terminals. */
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	strcat(line, "\n");
	fputs(line, stderr);
}

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsay(format, args);
	va_end(args);
}

int fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsay(format, args);
	va_end(args);
	return EXIT_FAILED;
}

int fail_off(void)
{
	return fail("live update is off: the liveupdate module is not loaded ('luoctl check' says "
		    "more)");
}

int usage_hint(const struct command *self)
{
	fprintf(stderr, "Try 'luoctl %s%s--help'.\n", self ? self->name : "", self ? " " : "");
	return EXIT_USAGE;
}

int usage(const struct command *self, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsay(format, args);
	va_end(args);
	return usage_hint(self);
}

void show_help(const struct command *self)
{
	printf("Usage: luoctl %s", self->help);
}

const char *format_size(uint64_t bytes, char buf[32])
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	unsigned int unit = 0;
	uint64_t whole = bytes, rest = 0;

	while (whole >= 1024 && unit + 1 < ARRAY_SIZE(units)) {
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

const char *const state_names[4] = { "unknown", "normal", "frozen", "updated" };
const char *const image_names[4] = { "unknown", "none", "armed", "foreign" };

const struct moment moments[LUO_BLACKOUT_COUNT] = {
	{ "freeze", "freezing begins" },
	{ "frozen", "everything is frozen" },
	{ "jump", "the old kernel lets go" },
	{ "kernel", "the new kernel's clock runs" },
	{ "module", "the module is loaded" },
	{ "ready", "sessions can be retrieved" },
	{ "retrieved", "the first file is retrieved" },
};

const char *format_sum(uint64_t sessions, uint64_t files, uint64_t bytes, char buf[96])
{
	char size[32];

	if (!sessions && !files)
		return "nothing";
	snprintf(buf, 96, "%llu session%s, %llu file%s, %s", (unsigned long long)sessions,
		 sessions == 1 ? "" : "s", (unsigned long long)files, files == 1 ? "" : "s",
		 format_size(bytes, size));
	return buf;
}

struct json_object *sum_to_json(uint64_t sessions, uint64_t files, uint64_t bytes)
{
	struct json_object *object = json_object_new_object();

	json_set_u64(object, "sessions", sessions);
	json_set_u64(object, "files", files);
	json_set_u64(object, "bytes", bytes);
	return object;
}

const char *format_ns(uint64_t ns, char buf[32])
{
	if (ns < 1000000)
		snprintf(buf, 32, "%.1f us", ns / 1e3);
	else if (ns < 1000000000)
		snprintf(buf, 32, "%.1f ms", ns / 1e6);
	else
		snprintf(buf, 32, "%.2f s", ns / 1e9);
	return buf;
}

bool parse_size(const char *text, uint64_t *ret)
{
	unsigned long long value;
	unsigned int shift = 0;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno)
		return false;
	switch (*end) {
	case 'K':
	case 'k':
		shift = 10;
		break;
	case 'M':
	case 'm':
		shift = 20;
		break;
	case 'G':
	case 'g':
		shift = 30;
		break;
	case 'T':
	case 't':
		shift = 40;
		break;
	}
	if (shift)
		end++;
	if (shift && *end == 'i')
		end++;
	if (shift && *end == 'B')
		end++;
	/* Files have signed sizes. */
	if (*end || !value || value > (uint64_t)INT64_MAX >> shift)
		return false;
	*ret = value << shift;
	return true;
}

bool parse_signal(const char *text, int *ret)
{
	char *end;
	long number;

	if (*text >= '0' && *text <= '9') {
		number = strtol(text, &end, 10);
		if (*end || number < 1 || number > SIGRTMAX)
			return false;
		*ret = number;
		return true;
	}
	if (!strncmp(text, "SIG", 3))
		text += 3;
	for (int i = 1; i < SIGRTMIN; i++) {
		const char *name = sigabbrev_np(i);

		if (name && !strcmp(name, text)) {
			*ret = i;
			return true;
		}
	}
	return false;
}

const char *signal_name(int number, char buf[32])
{
	const char *name = sigabbrev_np(number);

	if (name)
		snprintf(buf, 32, "SIG%s", name);
	else
		snprintf(buf, 32, "signal %d", number);
	return buf;
}

uint64_t realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

int finish_output(int code)
{
	if (fflush(stdout) || ferror(stdout))
		return fail("writing the output: %s", strerror(errno));
	return code;
}

int print_json(struct json_object *object)
{
	const char *text = json_object_to_json_string_ext(
		object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
				JSON_C_TO_STRING_NOSLASHESCAPE);

	if (text)
		puts(text);
	json_object_put(object);
	return finish_output(text ? EXIT_DONE : fail("out of memory"));
}

void json_set(struct json_object *object, const char *key, struct json_object *value)
{
	if (json_object_object_add(object, key, value) < 0)
		json_object_put(value);
}

size_t utf8_length(const unsigned char *p)
{
	size_t n = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : *p < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* Too long, a surrogate, behind the last code point. */
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] >= 0xa0) ||
	    (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] >= 0x90))
		return 0;
	return n;
}

bool is_utf8(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p;) {
		size_t n = utf8_length(p);

		if (!n)
			return false;
		p += n;
	}
	return true;
}

/*
 * JSON is UTF-8. Names and paths need not be, and what is not ASCII there is
 * passed through only if it is valid, else the byte becomes U+FFFD.
 */
void json_set_string(struct json_object *object, const char *key, const char *value)
{
	char *clean = malloc(3 * strlen(value) + 1), *to = clean;

	if (!clean)
		return;
	for (const unsigned char *p = (const unsigned char *)value; *p;) {
		size_t n = utf8_length(p);

		memcpy(to, n ? (const char *)p : "\xef\xbf\xbd", n ? n : 3);
		to += n ? n : 3;
		p += n ? n : 1;
	}
	*to = '\0';
	json_set(object, key, json_object_new_string(clean));
	free(clean);
}

void json_set_u64(struct json_object *object, const char *key, uint64_t value)
{
	json_set(object, key, json_object_new_uint64(value));
}

void json_set_bool(struct json_object *object, const char *key, bool value)
{
	json_set(object, key, json_object_new_boolean(value));
}

bool json_get_string(struct json_object *object, const char *key, const char **ret)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return false;
	/* A NUL within would make it two strings. */
	if (strlen(json_object_get_string(value)) != (size_t)json_object_get_string_len(value))
		return false;
	*ret = json_object_get_string(value);
	return true;
}

bool json_get_u64(struct json_object *object, const char *key, uint64_t *ret)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value) ||
	    !json_object_is_type(value, json_type_int))
		return false;
	if (json_object_get_int64(value) < 0)
		return false;
	*ret = json_object_get_uint64(value);
	return true;
}

bool json_get_bool(struct json_object *object, const char *key, bool *ret)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value) ||
	    !json_object_is_type(value, json_type_boolean))
		return false;
	*ret = json_object_get_boolean(value);
	return true;
}
