// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * luoctl: live updates by hand. One file and one row of the table below for
 * each subcommand.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "luoctl.h"

static const struct command *const commands[] = {
	&cmd_check,  &cmd_status, &cmd_list,  &cmd_show, &cmd_monitor, &cmd_load,
	&cmd_unload, &cmd_kexec,  &cmd_report, &cmd_exec, &cmd_session,
};

static int show_usage(FILE *to)
{
	fputs("Usage: luoctl COMMAND [OPTION]...\n"
	      "Replace the running kernel while memory stays where it is.\n\n"
	      "Commands:\n",
	      to);
	for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(to, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\n'luoctl COMMAND --help' says more about one of them.\n"
	      "Exit status: 0 done, 1 failed, 2 wrong usage.\n",
	      to);
	return to == stdout ? finish_output(EXIT_DONE) : EXIT_USAGE;
}

/*
 * If a standard descriptor is closed the next file gets its number: messages
 * would be written into the memory that is to be preserved.
 */
static int open_standard(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return -EBADF;
	return 0;
}

int main(int argc, char **argv)
{
	struct luo_system_options options = { .size = sizeof(options) };
	struct luoctl ctl = { .root = "" };
	int r, code;

	r = open_standard();
	if (r < 0)
		return EXIT_FAILED;
	argc--;
	argv++;
	/* For tests: a directory in place of "/". */
	if (argc >= 2 && !strcmp(argv[0], "--root")) {
		ctl.root = options.root = argv[1];
		argc -= 2;
		argv += 2;
	}
	if (!argc)
		return show_usage(stderr);
	if (!strcmp(argv[0], "--help") || !strcmp(argv[0], "-h") || !strcmp(argv[0], "help"))
		return show_usage(stdout);
	if (!strcmp(argv[0], "--version")) {
		printf("luoctl %s\n", luo_version());
		return finish_output(EXIT_DONE);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(argv[0], commands[i]->name))
			continue;
		r = luo_system_new(&options, &ctl.system);
		if (r < 0)
			return fail("starting: %s", strerror(-r));
		code = commands[i]->run(&ctl, commands[i], argc, argv);
		luo_system_free(ctl.system);
		return code;
	}
	return usage(NULL, "there is no command '%s'", argv[0]);
}
