// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * failnth: every allocation of the module fails in its turn. Needs a module that
 * was built with LUO_FAULTS=1 (compat/luo_faults.h).
 *
 * A sweep does one thing again and again, while the first allocation of it fails,
 * then the second, and so on until none is left to fail. A failure must be
 * ENOMEM and leave nothing behind that sysfs counts; what succeeds is undone,
 * or goes on (retrieval), and is the same as ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/liveupdate_ext.h>

#include "luotest.h"

#define PARAMETER "/sys/module/liveupdate/parameters/"

static void fail_nth(unsigned long n)
{
	FILE *f = fopen(PARAMETER "fail_nth", "w");

	if (!f || fprintf(f, "%lu\n", n) < 0 || fclose(f))
		die("fail_nth cannot be set: was the module built with LUO_FAULTS=1?");
}

static unsigned long fail_left(void)
{
	unsigned long n = ~0UL;
	FILE *f = fopen(PARAMETER "fail_nth", "r");

	if (!f || fscanf(f, "%lu", &n) != 1)
		die("fail_nth cannot be read");
	fclose(f);
	return n;
}

static const char *fail_where(void)
{
	static char where[64];
	FILE *f = fopen(PARAMETER "fail_where", "r");

	if (!f || fscanf(f, "%63s", where) != 1)
		snprintf(where, sizeof(where), "?");
	if (f)
		fclose(f);
	return where;
}

/* All that sysfs counts, as one text. */
static void counters(char *text, size_t size)
{
	static const char *const names[] = {
		"sessions_out", "files_out", "bytes_out", "sessions_in", "files_in",
		"bytes_in", "kept", "state", "image",
	};
	size_t len = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char path[96], value[32] = "?";
		FILE *f;

		snprintf(path, sizeof(path), "/sys/kernel/liveupdate/%s", names[i]);
		f = fopen(path, "r");
		if (!f || fscanf(f, "%31s", value) != 1)
			die("%s", path);
		fclose(f);
		len += snprintf(text + len, size - len, "%s=%s ", names[i], value);
	}
}

static int device, session = -1, file = -1;
static uint64_t token;
static struct spec spec;
static char **command;
static unsigned int sites;
static char site[64][64];

/* Each kind of failure comes from somewhere. */
static void note_site(void)
{
	const char *where = fail_where();

	for (unsigned int i = 0; i < sites; i++)
		if (!strcmp(site[i], where))
			return;
	if (sites < 64)
		snprintf(site[sites++], sizeof(site[0]), "%s", where);
}

/* 0, or -errno; an fd in @ret if there is one. */
struct sweep {
	const char *name;
	int (*run)(int *ret);
	void (*undo)(int ret);
	bool goes_on;		/* success is the end of it */
	bool may_grow;		/* what is kept changes also when it works */
};

static int run_create(int *ret)
{
	*ret = luo_create(device, "sweep");
	return *ret < 0 ? *ret : 0;
}

static void undo_close(int ret)
{
	close(ret);
}

static int run_preserve(int *ret)
{
	return luo_preserve_fd(session, file, 1);
}

static void undo_preserve(int ret)
{
	struct liveupdate_session_unpreserve_fd arg = { .size = sizeof(arg), .token = 1 };

	if (ioctl(session, LIVEUPDATE_SESSION_UNPRESERVE_FD, &arg))
		die("unpreserve");
}

static int run_rehearse(int *ret)
{
	struct liveupdate_ioctl_rehearse arg = { .size = sizeof(arg) };
	static char page[PAGE];
	static unsigned int nth;

	/*
	 * More single pages than a block has room for, so that there is something to
	 * allocate; but not for ever, or there would be no end.
	 */
	for (unsigned int i = 0; nth < 8 && i < 600; i++)
		if (pwrite(file, page, PAGE, (1600 + (nth * 600 + i) * 2) * PAGE) != (ssize_t)PAGE)
			die("pwrite");
	nth++;
	if (ioctl(device, LIVEUPDATE_IOCTL_REHEARSE, &arg))
		return -errno;
	return -(int)arg.error;
}

static int run_list(int *ret)
{
	struct liveupdate_file_info info[4];
	struct liveupdate_session_list_files arg = {
		.size = sizeof(arg), .nr = 4, .files = (uintptr_t)info,
	};

	return ioctl(session, LIVEUPDATE_SESSION_LIST_FILES, &arg) ? -errno : 0;
}

static int run_reopen(int *ret)
{
	struct liveupdate_session_set_flags flags = {
		.size = sizeof(flags), .flags = LIVEUPDATE_SESSION_KEEP_ON_CLOSE,
	};
	struct liveupdate_ioctl_reopen_session arg = { .size = sizeof(arg), .name = "swept" };

	if (session >= 0) {
		if (ioctl(session, LIVEUPDATE_SESSION_SET_FLAGS, &flags))
			return -errno;
		close(session);
		session = -1;
	}
	if (ioctl(device, LIVEUPDATE_IOCTL_REOPEN_SESSION, &arg))
		return -errno;
	session = arg.fd;
	return 0;
}

/* Loads a kernel: any program, which fails in its own way. */
static int run_command(int *ret)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid) {
		dup2(open("/dev/null", O_WRONLY), 2);
		execvp(command[0], command);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) == 127)
		die("%s", command[0]);
	return WEXITSTATUS(status) ? -ENOMEM : 0;
}

static int run_retrieve_session(int *ret)
{
	*ret = luo_retrieve(device, "swept");
	session = *ret;
	return *ret < 0 ? *ret : 0;
}

static int run_retrieve(int *ret)
{
	*ret = luo_retrieve_fd(session, token);
	file = *ret;
	return *ret < 0 ? *ret : 0;
}

static int run_recycle(int *ret)
{
	struct liveupdate_session_recycle arg = { .size = sizeof(arg) };

	return ioctl(session, LIVEUPDATE_SESSION_RECYCLE, &arg) ? -errno : 0;
}

static int sweep(const struct sweep *s)
{
	char before[512], after[512];
	unsigned long n, failed = 0, harmless = 0;
	int err, ret = -1;
	bool fired;

	for (n = 1; ; n++) {
		if (n > 100000)
			die("%s: does not come to an end", s->name);
		counters(before, sizeof(before));
		fail_nth(n);
		err = s->run(&ret);
		fired = !fail_left();
		fail_nth(0);
		errno = 0;
		if (fired)
			note_site();
		if (err && (!fired || err != -ENOMEM))
			die("%s: allocation %lu (%s): error %d", s->name, n,
			    fired ? fail_where() : "none", -err);
		if (err) {
			failed++;
			counters(after, sizeof(after));
			if (!s->may_grow && strcmp(before, after))
				die("%s: allocation %lu (%s) failed, and left\n%s\ninstead of\n%s",
				    s->name, n, fail_where(), after, before);
			continue;
		}
		if (s->goes_on || !fired)
			break;
		harmless++;
		if (s->undo)
			s->undo(ret);
		counters(after, sizeof(after));
		if (!s->may_grow && strcmp(before, after))
			die("%s: allocation %lu (%s) left\n%s\ninstead of\n%s", s->name, n,
			    fail_where(), after, before);
	}
	if (!failed)
		die("%s: no allocation failed", s->name);
	if (!s->goes_on && s->undo)
		s->undo(ret);
	printf("%s: %lu failures, %lu without effect;", s->name, failed, harmless);
	for (unsigned int i = 0; i < sites; i++)
		printf(" %s", site[i]);
	printf("\n");
	sites = 0;
	return 0;
}

static int sweep_out(void)
{
	static const struct sweep create = { .name = "create", .run = run_create, .undo = undo_close };
	static const struct sweep preserve = {
		.name = "preserve", .run = run_preserve, .undo = undo_preserve,
	};
	static const struct sweep list = { .name = "list", .run = run_list };
	static const struct sweep rehearse = {
		.name = "rehearse", .run = run_rehearse, .may_grow = true,
	};
	static const struct sweep reopen = { .name = "reopen", .run = run_reopen, .goes_on = true };

	sweep(&create);
	session = luo_create(device, "swept");
	if (session < 0)
		die("create");
	spec_parse(&spec, "1:scatter:6M:seed=4");
	file = spec_make(&spec);
	sweep(&preserve);
	if (luo_preserve_fd(session, file, 1))
		die("preserve");
	sweep(&list);
	sweep(&rehearse);
	undo_preserve(0);
	close(file);
	sweep(&reopen);
	return 0;
}

static int sweep_in(const char *what)
{
	static const struct sweep claim = {
		.name = "retrieve session", .run = run_retrieve_session, .goes_on = true,
	};
	static const struct sweep retrieve = {
		.name = "retrieve", .run = run_retrieve, .goes_on = true,
	};
	static const struct sweep recycle = { .name = "recycle", .run = run_recycle, .goes_on = true };
	int bad;

	sweep(&claim);
	spec_parse(&spec, what);
	token = spec.token;
	sweep(&retrieve);
	bad = spec_check(&spec, file);
	if (bad)
		die("%d differences", bad);
	close(file);
	if (luo_finish(session))
		die("finish");
	sweep(&recycle);
	return 0;
}

/* failnth out | in FILE | run COMMAND... */
int cmd_failnth(int argc, char **argv)
{
	static const struct sweep run = { .name = "run", .run = run_command, .may_grow = true };

	errno = 0;
	if (argc > 2 && !strcmp(argv[1], "run")) {
		command = argv + 2;
		return sweep(&run);
	}
	device = luo_open();
	if (device < 0)
		die("/dev/liveupdate: %s", strerror(-device));
	if (argc == 2 && !strcmp(argv[1], "out"))
		return sweep_out();
	if (argc == 3 && !strcmp(argv[1], "in"))
		return sweep_in(argv[2]);
	return 2;
}
