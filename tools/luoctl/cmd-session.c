// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * luoctl session: what is to be done by hand with sessions that nobody holds.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "luoctl.h"

static const char *explain_drop(int error, bool outgoing)
{
	switch (error) {
	case -ENOENT:
		return outgoing ? "there is no outgoing session of this name" :
				  "no session of this name has arrived, or it is finished (--outgoing "
				  "is for one that waits for the next kernel)";
	case -EBUSY:
		return outgoing ? "a program holds it: stop that" :
				  "a program holds it, or a file of it cannot be given up yet";
	case -EINVAL:
		return "no session has such a name: it has 1 to 63 bytes";
	case -ENOSYS:
		return "this kernel has live update of its own, and no such command there";
	default:
		return strerror(-error);
	}
}

/* It ends as its holder would end it. */
static int drop_outgoing(struct luo_device *device, const char *name)
{
	struct luo_session *session;
	int r;

	r = luo_session_reopen(device, name, &session);
	if (r < 0)
		return r;
	/* Whoever opens it has it no longer kept. */
	luo_session_close(session);
	return 0;
}

static int drop(struct luoctl *ctl, const char *name, bool outgoing, uint64_t generation)
{
	struct luo_device *device;
	int r;

	if (open_device(ctl, name, &device) < 0)
		return EXIT_FAILED;
	r = outgoing ? drop_outgoing(device, name) : luo_session_drop(device, name, generation);
	luo_device_close(device);
	if (r < 0)
		return fail("%s: %s", name, explain_drop(r, outgoing));
	say("%s: given up", name);
	return EXIT_DONE;
}

static int run(struct luoctl *ctl, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = {
		{ "generation", required_argument, NULL, 'g' },
		{ "outgoing", no_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned long long generation = 0;
	bool outgoing = false;
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "g:oh", options, NULL)) != -1) {
		switch (c) {
		case 'g':
			errno = 0;
			generation = strtoull(optarg, &end, 10);
			if (*optarg < '1' || *optarg > '9' || errno || *end)
				return usage(self, "--generation wants a number from 1 on, not '%s'",
					     optarg);
			break;
		case 'o':
			outgoing = true;
			break;
		case 'h':
			show_help(self);
			return finish_output(EXIT_DONE);
		default:
			return usage_hint(self);
		}
	}
	if (optind >= argc)
		return usage(self, "say what to do: drop");
	if (strcmp(argv[optind], "drop"))
		return usage(self, "there is no 'session %s'", argv[optind]);
	if (++optind >= argc)
		return usage(self, "the name of the session is missing");
	if (optind + 1 < argc)
		return usage(self, "'%s' is one argument too many", argv[optind + 1]);
	if (outgoing && generation)
		return usage(self, "--outgoing and --generation exclude each other");
	return drop(ctl, argv[optind], outgoing, generation);
}

const struct command cmd_session = {
	.name = "session",
	.summary = "give up a session that nobody holds",
	.help = "session drop [OPTION]... NAME\n"
		"Give up a session that has arrived and that nobody has claimed: what is in it\n"
		"is lost, and its memory is free. One that a program holds is left alone.\n"
		"\n"
		"  -g, --generation N  of several with this name the one that live update N\n"
		"                      since the machine was started has brought first\n"
		"                      (default: the newest)\n"
		"  -o, --outgoing      one that waits for the next kernel, such as that of a\n"
		"                      'luoctl exec' which was killed\n"
		"  -h, --help          show this\n",
	.run = run,
};
