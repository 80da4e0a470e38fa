// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * luoctl list and luoctl show: sessions, and the files of one. Both read the
 * module's tables, so nobody who holds the device is disturbed.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "luoctl.h"

#define PAGE 4096

static const char *const direction_names[] = { "outgoing", "incoming" };
static const char *const state_words[] = { "open", "waiting", "damaged" };
static const char *const file_state_names[] = {
	"preserved", "waiting", "retrieved", "failed", "unknown",
};

struct shown {
	struct luo_listed_session session;
	struct luo_file_info *files;
	size_t count, room;
};

struct list {
	struct shown *items;
	size_t count, room;
	/* which sessions: all, of this name, of this number */
	const char *name;
	uint64_t id;
};

static void *grow(void *items, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return items;
	*room = *room ? 2 * *room : 64;
	return reallocarray(items, *room, size);
}

static int add_session(const struct luo_listed_session *session, void *userdata)
{
	struct list *list = userdata;
	struct shown *items;

	if ((list->name && strcmp(session->name, list->name)) ||
	    (list->id && session->id != list->id))
		return 0;
	items = grow(list->items, list->count, &list->room, sizeof(*items));
	if (!items)
		return -ENOMEM;
	list->items = items;
	items[list->count++] = (struct shown){ .session = *session };
	return 0;
}

static int add_file(uint64_t session, const struct luo_file_info *file, void *userdata)
{
	struct list *list = userdata;

	for (size_t i = 0; i < list->count; i++) {
		struct shown *item = &list->items[i];
		struct luo_file_info *files;

		if (item->session.id != session)
			continue;
		files = grow(item->files, item->count, &item->room, sizeof(*files));
		if (!files)
			return -ENOMEM;
		item->files = files;
		files[item->count++] = *file;
	}
	return 0;
}

static void free_list(struct list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].files);
	free(list->items);
}

static int fail_reading(struct luoctl *ctl, int r)
{
	if (r != -ENOENT)
		return fail("reading the module's list: %s%s", strerror(-r),
			    r == -EACCES ? "; only root may see what others preserve" : "");
	switch (luo_system_get_provider(ctl->system)) {
	case LUO_PROVIDER_MODULE:
		return fail("the loaded module has no list of sessions: is it an older one?");
	case LUO_PROVIDER_KERNEL:
		return fail("this kernel's own live update has no list of sessions");
	default:
		return fail_off();
	}
}

/* One word, and nothing that a terminal would act upon. */
static const char *print_name(const char *name, char buf[4 * LUO_SESSION_NAME_SIZE])
{
	bool utf8 = is_utf8(name);
	char *to = buf;

	if (!*name)
		return "(none)";
	for (const unsigned char *c = (const unsigned char *)name; *c; c++) {
		if (*c <= ' ' || *c == '\\' || *c == 0x7f || (*c >= 0x80 && !utf8))
			to += sprintf(to, "\\%03o", *c);
		else
			*to++ = *c;
	}
	*to = '\0';
	return buf;
}

static struct json_object *session_to_json(const struct luo_listed_session *session)
{
	struct json_object *object = json_object_new_object();

	json_set_string(object, "name", session->name);
	json_set_u64(object, "id", session->id);
	json_set_u64(object, "serial", session->serial);
	json_set_string(object, "direction", direction_names[session->direction]);
	json_set_string(object, "state", state_words[session->state]);
	json_set_u64(object, "generation", session->generation);
	json_set_bool(object, "keep_on_close",
		      session->flags & LUO_SESSION_KEEP_ON_CLOSE);
	json_set_bool(object, "drop_on_failure",
		      session->flags & LUO_SESSION_DROP_ON_FAILURE);
	json_set_bool(object, "frozen", session->flags & LUO_SESSION_FROZEN);
	json_set_u64(object, "files", session->files);
	json_set_u64(object, "bytes", session->bytes);
	return object;
}

static struct json_object *file_to_json(const struct luo_file_info *file)
{
	struct json_object *object = json_object_new_object();

	json_set_u64(object, "token", file->token);
	json_set_string(object, "kind", file->compatible);
	json_set_string(object, "state", file_state_names[file->state]);
	if (file->error)
		json_set_string(object, "error", strerror(-file->error));
	json_set_u64(object, "bytes", file->bytes);
	json_set_u64(object, "pages", file->bytes / PAGE);
	return object;
}

static int show_json(const struct list *list, bool files)
{
	struct json_object *root = json_object_new_object(), *array, *object, *inner;

	array = json_object_new_array();
	for (size_t i = 0; i < list->count; i++) {
		object = session_to_json(&list->items[i].session);
		if (files) {
			inner = json_object_new_array();
			for (size_t j = 0; j < list->items[i].count; j++)
				json_object_array_add(inner,
						      file_to_json(&list->items[i].files[j]));
			json_set(object, "list", inner);
		}
		json_object_array_add(array, object);
	}
	json_set(root, "sessions", array);
	return print_json(root);
}

static void show_sessions(const struct list *list)
{
	char name[4 * LUO_SESSION_NAME_SIZE], size[32], generation[32];

	if (!list->count) {
		printf("no sessions\n");
		return;
	}
	printf("%-9s %-8s %6s %8s %9s  %s\n", "DIRECTION", "STATE", "UPDATE", "FILES", "SIZE",
	       "NAME");
	for (size_t i = 0; i < list->count; i++) {
		const struct luo_listed_session *s = &list->items[i].session;

		snprintf(generation, sizeof(generation), "%llu", (unsigned long long)s->generation);
		printf("%-9s %-8s %6s %8llu %9s  %s\n", direction_names[s->direction],
		       s->state == LUO_LISTED_OPEN && s->flags & LUO_SESSION_FROZEN ?
			       "frozen" : state_words[s->state],
		       s->generation ? generation : "-",
		       (unsigned long long)s->files, format_size(s->bytes, size),
		       print_name(s->name, name));
	}
}

static void show_session(const struct shown *shown)
{
	const struct luo_listed_session *s = &shown->session;
	char name[4 * LUO_SESSION_NAME_SIZE], size[32];

	printf("%-11s %s\n", "session:", print_name(s->name, name));
	printf("%-11s %llu\n", "id:", (unsigned long long)s->id);
	printf("%-11s %s, %s", "state:", direction_names[s->direction], state_words[s->state]);
	if (s->generation)
		printf(", first carried by live update %llu", (unsigned long long)s->generation);
	printf("%s%s%s\n", s->flags & LUO_SESSION_FROZEN ? ", frozen ahead" : "",
	       s->flags & LUO_SESSION_KEEP_ON_CLOSE ? ", kept when it is closed" : "",
	       s->flags & LUO_SESSION_DROP_ON_FAILURE ?
		       ", dropped when it cannot be frozen" : "");
	printf("%-11s %llu, %s\n", "files:", (unsigned long long)s->files,
	       format_size(s->bytes, size));
	if (shown->count)
		printf("%-18s %-9s %9s %9s  %s\n", "TOKEN", "STATE", "SIZE", "PAGES", "KIND");
	for (size_t i = 0; i < shown->count; i++) {
		const struct luo_file_info *f = &shown->files[i];

		printf("%#-18llx %-9s %9s %9llu  %s", (unsigned long long)f->token,
		       file_state_names[f->state], format_size(f->bytes, size),
		       (unsigned long long)f->bytes / PAGE, print_name(f->compatible, name));
		if (f->error)
			printf(" (%s)", strerror(-f->error));
		printf("\n");
	}
}

static int run(struct luoctl *ctl, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		/* show only */
		{ "id", required_argument, NULL, 'i' },
		{ NULL, 0, NULL, 0 },
	};
	bool json = false, show = self == &cmd_show;
	struct list list = { 0 };
	unsigned long long id;
	int c, r, code;
	char *end;

	while ((c = getopt_long(argc, argv, show ? "jhi:" : "jh", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			json = true;
			break;
		case 'h':
			show_help(self);
			return finish_output(EXIT_DONE);
		case 'i':
			if (!show)
				return usage(self, "--id is for 'luoctl show'");
			errno = 0;
			id = strtoull(optarg, &end, 10);
			if (errno || *end || *optarg < '0' || *optarg > '9' || !id)
				return usage(self, "--id wants a number, not '%s'", optarg);
			list.id = id;
			break;
		default:
			return usage_hint(self);
		}
	}
	if (show && !list.id) {
		if (optind == argc)
			return usage(self, "the name of the session is missing");
		list.name = argv[optind++];
	}
	if (optind < argc)
		return usage(self, "'%s' is one argument too many", argv[optind]);

	r = luo_system_list_sessions(ctl->system, add_session, &list);
	if (!r && show && list.count)
		r = luo_system_list_files(ctl->system, add_file, &list);
	if (r < 0)
		code = fail_reading(ctl, r);
	else if (show && !list.count)
		code = list.name ? fail("there is no session '%s'", list.name) :
				   fail("there is no session with number %llu",
					(unsigned long long)list.id);
	else if (json)
		code = show_json(&list, show);
	else if (!show)
		code = (show_sessions(&list), finish_output(EXIT_DONE));
	else {
		for (size_t i = 0; i < list.count; i++) {
			if (i)
				printf("\n");
			show_session(&list.items[i]);
		}
		code = finish_output(EXIT_DONE);
	}
	free_list(&list);
	return code;
}

const struct command cmd_list = {
	.name = "list",
	.summary = "sessions, outgoing and incoming",
	.help = "list [OPTION]...\n"
		"List the sessions that are preserved (outgoing) and those that came from the\n"
		"previous kernel (incoming). Root only; needs nothing that others hold.\n"
		"\n"
		"  -j, --json  as JSON\n"
		"  -h, --help  show this\n",
	.run = run,
};

const struct command cmd_show = {
	.name = "show",
	.summary = "a session and its files",
	.help = "show [OPTION]... NAME | --id NUMBER\n"
		"Show each session of this name, and its files. Exit status 1 when there is none.\n"
		"\n"
		"  -i, --id NUMBER  the session of this number ('luoctl list --json' tells it)\n"
		"  -j, --json       as JSON\n"
		"  -h, --help       show this\n",
	.run = run,
};
