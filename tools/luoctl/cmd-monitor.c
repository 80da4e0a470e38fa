// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * luoctl monitor: a line at each change of the module's state.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "luoctl.h"

static int print_line(const struct luo_status *status, bool json)
{
	char out[96], in[96];
	struct json_object *root;

	if (!json) {
		printf("state %s, image %s, outgoing: %s; incoming: %s\n",
		       state_names[status->state], image_names[status->image],
		       format_sum(status->sessions_out, status->files_out, status->bytes_out, out),
		       format_sum(status->sessions_in, status->files_in, status->bytes_in, in));
		return finish_output(EXIT_DONE);
	}
	root = json_object_new_object();
	json_set_string(root, "state", state_names[status->state]);
	json_set_string(root, "image", image_names[status->image]);
	json_set_u64(root, "generation", status->generation);
	json_set(root, "outgoing",
		 sum_to_json(status->sessions_out, status->files_out, status->bytes_out));
	json_set(root, "incoming",
		 sum_to_json(status->sessions_in, status->files_in, status->bytes_in));
	puts(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN));
	json_object_put(root);
	return finish_output(EXIT_DONE);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* What makes a line of its own. */
static bool differs(const struct luo_status *a, const struct luo_status *b)
{
	return a->state != b->state || a->image != b->image;
}

/* Prints until @until (NULL: for ever), or @deadline (-1: none). */
static int monitor(struct luoctl *ctl, struct luo_watch *watch, const char *until, bool json,
		   int64_t deadline)
{
	struct luo_status status, last = { 0 };
	int64_t left = -1;
	bool first = true;
	int r;

	for (;;) {
		memset(&status, 0, sizeof(status));
		status.size = sizeof(status);
		r = luo_system_get_status(ctl->system, &status);
		if (r < 0)
			return fail("reading the module's status: %s", strerror(-r));
		if (status.provider != LUO_PROVIDER_MODULE)
			return fail("the liveupdate module was unloaded");
		if ((first || differs(&status, &last)) && print_line(&status, json) != EXIT_DONE)
			return EXIT_FAILED;
		first = false;
		last = status;
		if (until && !strcmp(until, state_names[status.state]))
			return EXIT_DONE;
		if (deadline >= 0) {
			left = deadline - now_ms();
			if (left <= 0)
				return until ? fail("the state is still '%s'",
						    state_names[status.state]) : EXIT_DONE;
		}
		r = luo_watch_wait(watch, left > INT_MAX ? INT_MAX : left);
		if (r == -ENODEV)
			return fail("the liveupdate module was unloaded");
		if (r < 0)
			return fail("waiting for the module: %s", strerror(-r));
	}
}

static int run(struct luoctl *ctl, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = {
		{ "until", required_argument, NULL, 'u' },
		{ "timeout", required_argument, NULL, 't' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct luo_watch *watch;
	const char *until = NULL;
	int64_t deadline = -1;
	bool json = false;
	long seconds;
	char *end;
	int c, r;

	while ((c = getopt_long(argc, argv, "u:t:jh", options, NULL)) != -1) {
		switch (c) {
		case 'u':
			until = optarg;
			if (strcmp(until, "normal") && strcmp(until, "updated") &&
			    strcmp(until, "frozen"))
				return usage(self, "--until wants normal, updated or frozen, not '%s'",
					     until);
			break;
		case 't':
			errno = 0;
			seconds = strtol(optarg, &end, 10);
			if (errno || *end || end == optarg || seconds < 0 || seconds > INT_MAX)
				return usage(self, "--timeout wants seconds, not '%s'", optarg);
			deadline = now_ms() + seconds * 1000LL;
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			show_help(self);
			return finish_output(EXIT_DONE);
		default:
			return usage_hint(self);
		}
	}
	if (optind < argc)
		return usage(self, "'%s' is one argument too many", argv[optind]);

	/* Before the first look, or a change in between would be missed. */
	r = luo_watch_new(ctl->system, &watch);
	if (r == -ENOENT && luo_system_get_provider(ctl->system) == LUO_PROVIDER_KERNEL)
		return fail("this kernel's own live update tells no status");
	if (r == -ENOENT)
		return fail_off();
	if (r < 0)
		return fail("watching the module: %s", strerror(-r));
	r = monitor(ctl, watch, until, json, deadline);
	luo_watch_free(watch);
	return r;
}

const struct command cmd_monitor = {
	.name = "monitor",
	.summary = "a line at each change of the state",
	.help = "monitor [OPTION]...\n"
		"Print the state of live update, and again whenever it or the loaded image\n"
		"changes.\n"
		"\n"
		"  -u, --until STATE      end when the state is normal, updated or frozen\n"
		"  -t, --timeout SECONDS  end after so long; with --until that is a failure\n"
		"  -j, --json             a JSON object in each line\n"
		"  -h, --help             show this\n",
	.run = run,
};
