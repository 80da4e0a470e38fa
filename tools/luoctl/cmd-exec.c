// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * luoctl exec: the arguments.
 */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exec.h"

/* Relative paths would mean another file after the update. */
static char *absolute(const char *path)
{
	char cwd[PATH_MAX], *ret;

	if (*path == '/')
		return strdup(path);
	if (!getcwd(cwd, sizeof(cwd)) || asprintf(&ret, "%s/%s", cwd, path) < 0)
		return NULL;
	return ret;
}

static bool path_taken(const struct exec_manifest *files, const char *path)
{
	for (unsigned int i = 0; i < files->memfd_count; i++)
		if (!strcmp(files->memfds[i].path, path))
			return true;
	for (unsigned int i = 0; i < files->keep_count; i++)
		if (!strcmp(files->keeps[i].path, path))
			return true;
	return false;
}

static int add_memfd(const struct command *self, struct exec_manifest *files, char *arg)
{
	struct exec_memfd m = { .fd = -1 };
	char *colon = strrchr(arg, ':');

	if (!colon || colon == arg || !parse_size(colon + 1, &m.size))
		return usage(self, "--memfd wants PATH:SIZE, such as /run/cache:1G, not '%s'", arg);
	*colon = '\0';
	if (files->memfd_count == EXEC_FILES_MAX)
		return usage(self, "more than %d memfds", EXEC_FILES_MAX);
	m.path = absolute(arg);
	if (!m.path)
		return fail("%s: %s", arg, strerror(errno));
	if (path_taken(files, m.path)) {
		free(m.path);
		return usage(self, "%s is given twice", arg);
	}
	files->memfds[files->memfd_count++] = m;
	return EXIT_DONE;
}

static int add_keep(const struct command *self, struct exec_manifest *files, const char *arg)
{
	struct exec_keep keep = { .fd = -1 };

	if (!*arg || arg[strlen(arg) - 1] == '/')
		return usage(self, "--keep wants a file, not '%s'", arg);
	if (files->keep_count == EXEC_FILES_MAX)
		return usage(self, "more than %d kept files", EXEC_FILES_MAX);
	keep.path = absolute(arg);
	if (!keep.path)
		return fail("%s: %s", arg, strerror(errno));
	/* Restoring needs a temporary name; too late to notice it then. */
	if (strlen(keep.path) + sizeof(EXEC_TEMP_SUFFIX) > PATH_MAX ||
	    strlen(strrchr(keep.path, '/') + 1) + sizeof(EXEC_TEMP_SUFFIX) - 1 > NAME_MAX) {
		free(keep.path);
		return usage(self, "the name of --keep %s is too long", arg);
	}
	if (path_taken(files, keep.path)) {
		free(keep.path);
		return usage(self, "%s is given twice", arg);
	}
	files->keeps[files->keep_count++] = keep;
	return EXIT_DONE;
}

static bool parse_id(const char *text, unsigned int *ret)
{
	unsigned long value;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || value >= UINT_MAX)
		return false;
	*ret = value;
	return true;
}

static int set_owner(const struct command *self, struct exec *exec, char *arg)
{
	char *colon = strchr(arg, ':');
	const struct passwd *user;
	const struct group *group;
	unsigned int id;

	if (colon)
		*colon = '\0';
	user = getpwnam(arg);
	if (user) {
		exec->uid = user->pw_uid;
		exec->gid = user->pw_gid;
	} else if (parse_id(arg, &id)) {
		exec->uid = exec->gid = id;
	} else {
		return usage(self, "there is no user '%s'", arg);
	}
	if (colon) {
		group = getgrnam(colon + 1);
		if (group)
			exec->gid = group->gr_gid;
		else if (parse_id(colon + 1, &id))
			exec->gid = id;
		else
			return usage(self, "there is no group '%s'", colon + 1);
	}
	exec->own = true;
	return EXIT_DONE;
}

static int check_name(const struct command *self, const char *name)
{
	size_t len = strlen(name);

	if (!len || len >= LUO_SESSION_NAME_SIZE)
		return usage(self, "a session's name has 1 to %d bytes", LUO_SESSION_NAME_SIZE - 1);
	for (const unsigned char *p = (const unsigned char *)name; *p; p++)
		if (*p < ' ' || *p == 0x7f)
			return usage(self, "a session's name has no control characters");
	/* The state file is JSON, and luoctl kexec finds the session by it. */
	if (!is_utf8(name))
		return usage(self, "a session's name is UTF-8");
	return EXIT_DONE;
}

static int run(struct luoctl *ctl, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = {
		{ "session", required_argument, NULL, 's' },
		{ "memfd", required_argument, NULL, 'm' },
		{ "keep", required_argument, NULL, 'k' },
		{ "stop-signal", required_argument, NULL, 'S' },
		{ "owner", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct exec exec = { .ctl = ctl, .stop_signal = SIGTERM };
	int c, code = EXIT_DONE;

	exec.files.memfds = calloc(EXEC_FILES_MAX, sizeof(*exec.files.memfds));
	exec.files.keeps = calloc(EXEC_FILES_MAX, sizeof(*exec.files.keeps));
	if (!exec.files.memfds || !exec.files.keeps) {
		code = fail("out of memory");
		goto out;
	}
	/* "+": what follows the command is the command's. */
	while (code == EXIT_DONE && (c = getopt_long(argc, argv, "+s:m:k:h", options, NULL)) != -1) {
		switch (c) {
		case 's':
			code = check_name(self, optarg);
			exec.session = optarg;
			break;
		case 'm':
			code = add_memfd(self, &exec.files, optarg);
			break;
		case 'k':
			code = add_keep(self, &exec.files, optarg);
			break;
		case 'S':
			if (!parse_signal(optarg, &exec.stop_signal))
				code = usage(self, "there is no signal '%s'", optarg);
			break;
		case 'o':
			code = set_owner(self, &exec, optarg);
			break;
		case 'h':
			show_help(self);
			code = finish_output(EXIT_DONE);
			goto out;
		default:
			code = usage_hint(self);
		}
	}
	if (code != EXIT_DONE)
		goto out;
	if (!exec.session)
		code = usage(self, "--session NAME is missing");
	else if (optind >= argc)
		code = usage(self, "the command is missing");
	else if (!exec.files.memfd_count && !exec.files.keep_count)
		code = usage(self, "nothing to preserve: give --memfd or --keep");
	if (code != EXIT_DONE)
		goto out;
	exec.argv = argv + optind;
	code = exec_run(&exec);
out:
	manifest_free(&exec.files);
	return code;
}

const struct command cmd_exec = {
	.name = "exec",
	.summary = "run a command whose files survive",
	.help = "exec --session NAME [OPTION]... -- COMMAND [ARGUMENT]...\n"
		"Run a command with files that survive a live update.\n"
		"\n"
		"  -s, --session NAME       name of the session; the same after the update\n"
		"  -m, --memfd PATH:SIZE    memory that the command opens as file PATH;\n"
		"                           SIZE in bytes or with K, M, G, T\n"
		"  -k, --keep FILE          regular file, stored when the command has stopped\n"
		"                           and restored before it is started again\n"
		"      --stop-signal SIG    what makes the command stop (default TERM)\n"
		"      --owner USER[:GROUP] owner of the memory, for a command that changes\n"
		"                           its user: PATH leads to the descriptor that the\n"
		"                           command inherits\n"
		"  -h, --help               show this\n"
		"\n"
		"After a live update the same call finds what the last one has preserved.\n"
		"The command has to stay in the foreground.\n"
		"\n"
		"SIGTERM, SIGINT  stop the command, store, hold the session for the kexec;\n"
		"                 the second one releases it: what is preserved is lost\n"
		"SIGHUP           stop the command, store, hold the session\n"
		"SIGUSR1          the same ('luoctl kexec' sends this)\n"
		"SIGUSR2          start the command again\n"
		"SIGKILL          what is preserved waits for the next kernel; 'luoctl session\n"
		"                 drop --outgoing NAME' gives it up\n",
	.run = run,
};
