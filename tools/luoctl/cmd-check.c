// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * luoctl check: can this machine do a live update now?
 */
#include <getopt.h>
#include <string.h>

#include "luoctl.h"

static const char *const verdict_names[] = { "ok", "warn", "FAIL", "unknown" };

struct report {
	struct json_object *checks; /* NULL: print as text */
	unsigned int failed, warned, unknown;
};

static void report(const struct luo_check_result *result, void *userdata)
{
	struct report *report = userdata;
	struct json_object *object;

	report->failed += result->verdict == LUO_VERDICT_FAIL;
	report->warned += result->verdict == LUO_VERDICT_WARN;
	report->unknown += result->verdict == LUO_VERDICT_UNKNOWN;
	if (!report->checks) {
		printf("%-7s  %s%s%s\n", verdict_names[result->verdict], result->text,
		       result->hint ? ": " : "", result->hint ? result->hint : "");
		return;
	}
	object = json_object_new_object();
	json_set_string(object, "id", result->id);
	json_set_string(object, "verdict",
			result->verdict == LUO_VERDICT_FAIL ? "fail" :
							      verdict_names[result->verdict]);
	json_set_string(object, "text", result->text);
	if (result->hint)
		json_set_string(object, "hint", result->hint);
	json_object_array_add(report->checks, object);
}

static int run(struct luoctl *ctl, const struct command *self, int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "kernel", required_argument, NULL, 'k' },
		{ "initrd", required_argument, NULL, 'i' },
		{ "cmdline", required_argument, NULL, 'c' },
		{ "append", required_argument, NULL, 'a' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct luo_kexec_options options = { .size = sizeof(options) };
	struct report result = { 0 };
	struct json_object *root;
	bool json = false;
	int c, r;

	while ((c = getopt_long(argc, argv, "k:i:c:a:jh", long_options, NULL)) != -1) {
		switch (c) {
		case 'k':
			options.kernel = optarg;
			break;
		case 'i':
			options.initrd = optarg;
			break;
		case 'c':
			options.cmdline = optarg;
			break;
		case 'a':
			options.append = optarg;
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
	if (optind < argc && !options.kernel)
		options.kernel = argv[optind++];
	if (optind < argc)
		return usage(self, "'%s' is one argument too many", argv[optind]);

	if (json)
		result.checks = json_object_new_array();
	r = luo_check_machine(ctl->system, report, &result);
	if (r >= 0)
		r = luo_check_target(ctl->system, &options, report, &result);
	if (r < 0) {
		json_object_put(result.checks);
		return fail("checking: %s", strerror(-r));
	}
	if (json) {
		root = json_object_new_object();
		json_set_bool(root, "possible", !result.failed);
		json_set_u64(root, "failed", result.failed);
		json_set_u64(root, "warnings", result.warned);
		json_set_u64(root, "unknown", result.unknown);
		json_set(root, "checks", result.checks);
		r = print_json(root);
		return r == EXIT_DONE && result.failed ? EXIT_FAILED : r;
	}
	if (result.failed)
		printf("\nA live update is not possible now: %u requirement%s not met.\n",
		       result.failed, result.failed == 1 ? " is" : "s are");
	else
		printf("\nA live update is possible now.\n");
	return finish_output(result.failed ? EXIT_FAILED : EXIT_DONE);
}

const struct command cmd_check = {
	.name = "check",
	.summary = "can this machine do a live update now?",
	.help = "check [OPTION]... [KERNEL]\n"
		"Check, line by line, what a live update needs of this machine and of the\n"
		"kernel to update to. Changes nothing. Exit status 1 when a line says FAIL.\n"
		"\n"
		"  -k, --kernel KERNEL  bzImage (default: the newest /boot/vmlinuz-VERSION)\n"
		"  -i, --initrd INITRD  initrd (default: the one next to the kernel)\n"
		"  -c, --cmdline TEXT   command line of the new kernel\n"
		"  -a, --append TEXT    add this to the command line\n"
		"  -j, --json           as JSON\n"
		"  -h, --help           show this\n",
	.run = run,
};
