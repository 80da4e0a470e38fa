// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * luoctl status.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "holder.h"

static const char *const provider_names[] = { "none", "module", "kernel" };

static int show_json(const struct luo_status *status, const struct holder_list *holders)
{
	struct json_object *root = json_object_new_object(), *array, *object;

	json_set_string(root, "provider", provider_names[status->provider]);
	if (status->provider == LUO_PROVIDER_MODULE) {
		json_set_string(root, "state", state_names[status->state]);
		json_set_u64(root, "generation", status->generation);
		json_set_string(root, "image", image_names[status->image]);
		json_set_u64(root, "abi", status->abi);
		json_set_u64(root, "format_min", status->format_min);
		json_set_u64(root, "format_max", status->format_max);
		json_set_u64(root, "scratch", status->scratch);
		json_set_u64(root, "limit", status->limit);
		json_set_u64(root, "kept", status->kept);
		json_set_u64(root, "reserved", status->reserved);
		json_set(root, "outgoing",
			 sum_to_json(status->sessions_out, status->files_out, status->bytes_out));
		json_set(root, "incoming",
			 sum_to_json(status->sessions_in, status->files_in, status->bytes_in));
		object = json_object_new_object();
		json_set_u64(object, "sessions_damaged", status->sessions_damaged);
		json_set_u64(object, "files_failed", status->files_failed);
		json_set_u64(object, "files_unknown", status->files_unknown);
		json_set(root, "orphans", object);
		json_set_string(root, "last_error", status->last_error);
		object = json_object_new_object();
		for (unsigned int i = 0; i < LUO_BLACKOUT_COUNT; i++)
			json_set_u64(object, moments[i].name, status->blackout[i]);
		json_set(root, "blackout_ns", object);
	}
	array = json_object_new_array();
	for (unsigned int i = 0; i < holders->count; i++)
		json_object_array_add(array, holder_to_json(&holders->items[i]));
	json_set(root, "exec", array);
	return print_json(root);
}

static void show_orphans(const struct luo_status *status)
{
	if (status->sessions_damaged || status->files_failed)
		printf("%-13s %llu session%s and %llu file%s that arrived cannot be retrieved\n",
		       "damaged:", (unsigned long long)status->sessions_damaged,
		       status->sessions_damaged == 1 ? "" : "s",
		       (unsigned long long)status->files_failed,
		       status->files_failed == 1 ? "" : "s");
	if (status->files_unknown)
		printf("%-13s %llu file%s that arrived: nobody here can restore %s kind; is a "
		       "module missing?\n",
		       "unknown:", (unsigned long long)status->files_unknown,
		       status->files_unknown == 1 ? "" : "s",
		       status->files_unknown == 1 ? "its" : "their");
}

static void show_module(const struct luo_status *status)
{
	static const char *const image_texts[] = {
		"unknown",
		"no kernel is loaded",
		"a kernel is loaded and carries over what is preserved",
		"a kernel is loaded that would LOSE what is preserved",
	};
	char text[32], sum[96];
	bool any = false;

	printf("%-13s %s", "state:", state_names[status->state]);
	if (status->generation)
		printf(", %llu live update%s since the machine was started",
		       (unsigned long long)status->generation, status->generation == 1 ? "" : "s");
	printf("\n%-13s ABI %u, handover formats %u to %u\n", "module:", status->abi,
	       status->format_min, status->format_max);
	printf("%-13s %s\n", "image:", image_texts[status->image]);
	printf("%-13s %s\n", "scratch:", format_size(status->scratch, text));
	printf("%-13s %s\n", "outgoing:",
	       format_sum(status->sessions_out, status->files_out, status->bytes_out, sum));
	printf("%-13s %s\n", "incoming:",
	       format_sum(status->sessions_in, status->files_in, status->bytes_in, sum));
	show_orphans(status);
	if (status->reserved)
		printf("%-13s %s, because what arrived was not understood\n", "out of use:",
		       format_size(status->reserved, text));
	printf("%-13s %s\n", "last error:", *status->last_error ? status->last_error : "none");

	for (unsigned int i = 0; i < LUO_BLACKOUT_COUNT; i++) {
		if (!status->blackout[i])
			continue;
		printf("%-13s %10s  %s\n", any ? "" : "blackout:",
		       format_ns(status->blackout[i], text), moments[i].text);
		any = true;
	}
}

static void show_time(const char *label, uint64_t ns)
{
	time_t seconds = ns / 1000000000;
	struct tm tm;
	char text[64];

	if (!ns || !gmtime_r(&seconds, &tm))
		return;
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	printf("%-13s %s %s.%03u UTC\n", "", label, text,
	       (unsigned int)(ns / 1000000 % 1000));
}

static void show_holder(const struct holder *holder)
{
	char text[32];

	printf("%-13s %s: process %d, %s%s%s%s\n", "exec:", holder->session, holder->pid,
	       holder_state_names[holder->state], holder->preserved ? "" : ", NOT preserved",
	       *holder->message ? ", " : "", holder->message);
	printf("%-13s %llu memfd%s (%s), %llu kept file%s\n", "",
	       (unsigned long long)holder->memfds, holder->memfds == 1 ? "" : "s",
	       format_size(holder->bytes, text), (unsigned long long)holder->kept,
	       holder->kept == 1 ? "" : "s");
	show_time("stopped before the update", holder->previous_stopped_ns);
	show_time("started", holder->started_ns);
	show_time("stopped", holder->stopped_ns);
	if (holder->downtime_ns)
		printf("%-13s down for %s at the last update\n", "",
		       format_ns(holder->downtime_ns, text));
}

static int run(struct luoctl *ctl, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct luo_status status = { .size = sizeof(status) };
	struct holder_list holders;
	bool json = false;
	int c, code, r;

	while ((c = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
		switch (c) {
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

	r = luo_system_get_status(ctl->system, &status);
	if (r < 0)
		return fail("reading the module's status: %s", strerror(-r));
	r = holder_list(ctl, &holders);
	if (r < 0)
		return fail("looking for running 'luoctl exec': %s", strerror(-r));
	code = status.provider == LUO_PROVIDER_NONE ? EXIT_FAILED : EXIT_DONE;
	if (json) {
		if (show_json(&status, &holders) != EXIT_DONE)
			code = EXIT_FAILED;
	} else {
		if (status.provider == LUO_PROVIDER_MODULE)
			show_module(&status);
		else if (status.provider == LUO_PROVIDER_KERNEL)
			printf("%-13s this kernel's own live update, which tells no status\n",
			       "state:");
		else
			printf("%-13s off: the liveupdate module is not loaded ('luoctl check' says "
			       "more)\n",
			       "state:");
		for (unsigned int i = 0; i < holders.count; i++)
			show_holder(&holders.items[i]);
		code = finish_output(code);
	}
	free(holders.items);
	return code;
}

const struct command cmd_status = {
	.name = "status",
	.summary = "what is preserved, loaded and running",
	.help = "status [OPTION]...\n"
		"Show what is preserved, which kernel is loaded, how the last update went,\n"
		"and what 'luoctl exec' runs. Exit status 1 when live update is off.\n"
		"\n"
		"  -j, --json  as JSON; times in nanoseconds, sizes in bytes\n"
		"  -h, --help  show this\n",
	.run = run,
};
