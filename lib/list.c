// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The module's tables of sessions and files: lines of words with one space
 * between them, described in docs/sysfs.md. The last word is a name, escaped;
 * words that later versions put before it are passed over.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "luo-private.h"

#define TABLES "/proc/liveupdate"

/* Words before the name. */
#define SESSION_WORDS 8
#define FILE_WORDS    5

static const char *const file_states[] = {
	[LUO_FILE_PRESERVED] = "preserved", [LUO_FILE_WAITING] = "waiting",
	[LUO_FILE_RETRIEVED] = "retrieved", [LUO_FILE_FAILED] = "failed",
	[LUO_FILE_UNKNOWN] = "unknown",
};

static const char *const session_states[] = {
	[LUO_LISTED_OPEN] = "open",
	[LUO_LISTED_WAITING] = "waiting",
	[LUO_LISTED_DAMAGED] = "damaged",
};

static const char *const directions[] = {
	[LUO_DIRECTION_OUTGOING] = "out",
	[LUO_DIRECTION_INCOMING] = "in",
};

static bool number(const char *word, uint64_t *ret)
{
	char *end;

	if (*word < '0' || *word > '9')
		return false;
	errno = 0;
	*ret = strtoull(word, &end, 0);
	return !errno && !*end;
}

static int word_of(const char *word, const char *const words[], int count)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(word, words[i]))
			return i;
	return -1;
}

static bool octal(const char *text)
{
	return text[0] >= '0' && text[0] <= '3' && text[1] >= '0' && text[1] <= '7' &&
	       text[2] >= '0' && text[2] <= '7';
}

static bool unescape(const char *word, char *ret, size_t size)
{
	size_t len = 0;

	while (*word) {
		unsigned char c = *word++;

		if (c == '\\') {
			if (!octal(word))
				return false;
			c = (word[0] - '0') << 6 | (word[1] - '0') << 3 | (word[2] - '0');
			word += 3;
		}
		if (!c || len + 1 >= size)
			return false;
		ret[len++] = c;
	}
	memset(ret + len, 0, size - len);
	return true;
}

/* Cuts @line into words: the first @count, and the last. */
static bool split(char *line, char *words[], int count, char **ret_last)
{
	*ret_last = strrchr(line, ' ');
	for (int i = 0; i < count; i++) {
		char *end = strchr(line, ' ');

		if (!end)
			return false;
		words[i] = line;
		line = end + 1;
		*end = '\0';
	}
	if (*ret_last)
		(*ret_last)++;
	return true;
}

struct reader {
	int (*row)(struct reader *reader, char *line);
	luo_listed_session_cb session_cb;
	luo_listed_file_cb file_cb;
	void *userdata;
};

static int session_row(struct reader *reader, char *line)
{
	struct luo_listed_session session = { .size = sizeof(session) };
	char *words[SESSION_WORDS], *name;
	uint64_t flags;

	if (!split(line, words, SESSION_WORDS, &name))
		return -EBADMSG;
	session.direction = word_of(words[1], directions, LUO_ARRAY_SIZE(directions));
	session.state = word_of(words[2], session_states, LUO_ARRAY_SIZE(session_states));
	if (session.direction < 0 || session.state < 0 || !number(words[0], &session.id) ||
	    !number(words[3], &session.generation) || !number(words[4], &flags) ||
	    !number(words[5], &session.files) || !number(words[6], &session.bytes) ||
	    !number(words[7], &session.serial) ||
	    !unescape(name, session.name, sizeof(session.name)))
		return -EBADMSG;
	session.flags = flags;
	return reader->session_cb(&session, reader->userdata);
}

static int file_row(struct reader *reader, char *line)
{
	struct luo_file_info file = { 0 };
	char *words[FILE_WORDS], *kind;
	uint64_t session, error;
	int state;

	if (!split(line, words, FILE_WORDS, &kind))
		return -EBADMSG;
	state = word_of(words[2], file_states, LUO_ARRAY_SIZE(file_states));
	if (state < 0 || !number(words[0], &session) || !number(words[1], &file.token) ||
	    !number(words[3], &error) || error > INT32_MAX || !number(words[4], &file.bytes) ||
	    !unescape(kind, file.compatible, sizeof(file.compatible)))
		return -EBADMSG;
	file.state = state;
	file.error = -(int32_t)error;
	return reader->file_cb(session, &file, reader->userdata);
}

static int read_table(struct luo_system *system, const char *name, struct reader *reader)
{
	char path[PATH_MAX], *line = NULL;
	size_t room = 0;
	ssize_t len;
	FILE *file;
	int r;

	r = luo_system_path(system, path, TABLES "/%s", name);
	if (r < 0)
		return r;
	file = fopen(path, "re");
	if (!file)
		return -errno;
	/* What one read(2) gives at most is more than stdio would ask for. */
	setvbuf(file, NULL, _IOFBF, 64 * 1024);
	errno = 0;
	while (!r && (len = getline(&line, &room, file)) >= 0) {
		/* The heading, and what is cut off. */
		if (*line == '#')
			continue;
		if (!len || line[len - 1] != '\n' || strlen(line) != (size_t)len) {
			r = -EBADMSG;
			break;
		}
		line[len - 1] = '\0';
		r = reader->row(reader, line);
		errno = 0;
	}
	if (!r && !feof(file))
		r = errno ? -errno : -EIO;
	free(line);
	fclose(file);
	return r;
}

int luo_system_list_sessions(struct luo_system *system, luo_listed_session_cb callback,
			     void *userdata)
{
	struct reader reader = {
		.row = session_row, .session_cb = callback, .userdata = userdata,
	};

	return read_table(system, "sessions", &reader);
}

int luo_system_list_files(struct luo_system *system, luo_listed_file_cb callback, void *userdata)
{
	struct reader reader = { .row = file_row, .file_cb = callback, .userdata = userdata };

	return read_table(system, "files", &reader);
}
