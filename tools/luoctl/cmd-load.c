// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * luoctl load and luoctl unload.
 */
#include <getopt.h>
#include <stdlib.h>

#include "luoctl.h"

static int run_load(struct luoctl *ctl, const struct command *self, int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "kernel", required_argument, NULL, 'k' },
		{ "initrd", required_argument, NULL, 'i' },
		{ "cmdline", required_argument, NULL, 'c' },
		{ "reuse-cmdline", no_argument, NULL, 'r' },
		{ "append", required_argument, NULL, 'a' },
		{ "force", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct luo_kexec_options options = { .size = sizeof(options) };
	char error[LUO_ERROR_SIZE], *kernel, *initrd;
	int c;

	while ((c = getopt_long(argc, argv, "k:i:c:ra:h", long_options, NULL)) != -1) {
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
		case 'r':
			options.flags |= LUO_KEXEC_REUSE_CMDLINE;
			break;
		case 'a':
			options.append = optarg;
			break;
		case 'f':
			options.flags |= LUO_KEXEC_FORCE;
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
	if (options.cmdline && options.flags & LUO_KEXEC_REUSE_CMDLINE)
		return usage(self, "--cmdline and --reuse-cmdline exclude each other");

	if (luo_kexec_load(ctl->system, &options, error, sizeof(error)) < 0)
		return fail("%s", error);
	if (*error)
		say("loaded in spite of this: %s", error);
	if (luo_kexec_find_target(ctl->system, &options, &kernel, &initrd, NULL) < 0) {
		say("loaded");
		return EXIT_DONE;
	}
	say("loaded %s with %s; 'luoctl kexec' starts it", kernel, initrd ? initrd : "no initrd");
	free(kernel);
	free(initrd);
	return EXIT_DONE;
}

static int run_unload(struct luoctl *ctl, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	char error[LUO_ERROR_SIZE];
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c != 'h')
			return usage_hint(self);
		show_help(self);
		return finish_output(EXIT_DONE);
	}
	if (optind < argc)
		return usage(self, "'%s' is one argument too many", argv[optind]);
	if (luo_kexec_unload(ctl->system, error, sizeof(error)) < 0)
		return fail("%s", error);
	say("no kernel is loaded any more");
	return EXIT_DONE;
}

const struct command cmd_load = {
	.name = "load",
	.summary = "load the kernel to update to",
	.help = "load [OPTION]... [KERNEL]\n"
		"Check the kernel to update to, and load it.\n"
		"\n"
		"  -k, --kernel KERNEL   bzImage (default: the newest /boot/vmlinuz-VERSION)\n"
		"  -i, --initrd INITRD   initrd (default: the one next to the kernel)\n"
		"  -c, --cmdline TEXT    command line of the new kernel\n"
		"  -r, --reuse-cmdline   that of the running kernel (default)\n"
		"  -a, --append TEXT     add this to the command line\n"
		"      --force           load although a check fails\n"
		"  -h, --help            show this\n",
	.run = run_load,
};

const struct command cmd_unload = {
	.name = "unload",
	.summary = "forget the loaded kernel",
	.help = "unload\n"
		"Forget the kernel that 'luoctl load' has loaded.\n"
		"\n"
		"  -h, --help  show this\n",
	.run = run_unload,
};
