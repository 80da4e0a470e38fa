// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * luotest family WORD...: makes, links, preserves and retrieves files of the
 * sample module (samples/family), as a script of words:
 *
 *   new V KIND PAGES SEED      a member, its memory filled from SEED
 *   link V W                   V refers to W
 *   session S NAME             create
 *   claim S NAME               retrieve
 *   preserve S V TOKEN         with TOKEN
 *   get V S TOKEN              retrieve the file
 *   lost S TOKEN ERRNO         ... must fail with ERRNO
 *   check V KIND PAGES SEED    what it is, and every byte
 *   refers V W                 the partner of V is W; "-": it has none
 *   finish S ERRNO             must answer so, 0: success
 *   close V
 *   kexec ERRNO                reboot(2) must fail with ERRNO
 *   run COMMAND                of the shell
 *   stay                       the rest of this process's life in the background
 *
 * V, W, S are names for file descriptors. Ends at the first word that does not do
 * what it should.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "luotest.h"
#include "luo_family.h"

static int dev;		/* one opener at a time, so not for longer than needed */
static struct { const char *name; int fd; } vars[64];
static unsigned int nr_vars;

static int *var(const char *name)
{
	for (unsigned int i = 0; i < nr_vars; i++)
		if (!strcmp(vars[i].name, name))
			return &vars[i].fd;
	errno = 0;
	if (nr_vars == sizeof(vars) / sizeof(*vars))
		die("too many names");
	vars[nr_vars].name = name;
	vars[nr_vars].fd = -1;
	return &vars[nr_vars++].fd;
}

static unsigned int kind(const char *name)
{
	static const char *const names[] = { "machine", "domain", "device" };

	for (unsigned int i = 0; i < FAMILY_NR_KINDS; i++)
		if (!strcmp(names[i], name))
			return i;
	errno = 0;
	die("no kind '%s'", name);
}

/* Results of luo_*() are negative errnos. */
static int must(int ret, const char *what, const char *name)
{
	errno = ret < 0 ? -ret : 0;
	if (ret < 0)
		die("%s %s", what, name);
	return ret;
}

static void fails(int ret, const char *want, const char *what, const char *name)
{
	errno = ret < 0 ? -ret : 0;
	if (-(ret < 0 ? ret : 0) != atoi(want))
		die("%s %s, wanted errno %s", what, name, want);
}

static void fill(int fd, unsigned int pages, uint64_t seed)
{
	char page[PAGE];

	for (unsigned int i = 0; i < pages; i++) {
		fill_page(page, seed, i);
		if (pwrite(fd, page, PAGE, i * PAGE) != (ssize_t)PAGE)
			die("cannot write page %u", i);
	}
}

static struct family_info info(const char *name)
{
	struct family_info info;

	if (ioctl(*var(name), FAMILY_INFO, &info))
		die("cannot ask %s what it is", name);
	return info;
}

static void check(const char *name, unsigned int want, unsigned int pages, uint64_t seed)
{
	struct family_info is = info(name);
	char page[PAGE], got[PAGE];

	errno = 0;
	if (is.kind != want || is.pages != pages)
		die("%s: kind %u with %u pages", name, is.kind, is.pages);
	for (unsigned int i = 0; i < pages; i++) {
		fill_page(page, seed, i);
		if (pread(*var(name), got, PAGE, i * PAGE) != (ssize_t)PAGE ||
		    memcmp(page, got, PAGE))
			die("%s: page %u is not what it was", name, i);
	}
}

static void new(const char *name, const char *what, unsigned int pages, uint64_t seed)
{
	struct family_new arg = { .kind = kind(what), .pages = pages };
	int family = open("/dev/luo_family", O_RDWR | O_CLOEXEC), fd;

	if (family < 0)
		die("/dev/luo_family");
	fd = ioctl(family, FAMILY_NEW, &arg);
	if (fd < 0)
		die("new %s", name);
	*var(name) = fd;
	fill(fd, pages, seed);
	close(family);
}

static void stay(void)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		_exit(0);
	setsid();
	close(dev);
	/* ok() waits for all that might still write to its pipe. */
	for (int fd = 0, null = open("/dev/null", O_RDWR); fd < 3; fd++)
		dup2(null, fd);
	for (;;)
		pause();
}

/* Number of arguments that the word took, or -1. */
static int word(int n, char **w)
{
	struct family_info a, b;

#define IS(name, args) (!strcmp(w[0], name) && n > (args))
	if (IS("new", 4)) {
		new(w[1], w[2], atoi(w[3]), number(w[4]));
		return 4;
	}
	if (IS("link", 2)) {
		if (ioctl(*var(w[1]), FAMILY_LINK, *var(w[2])))
			die("link %s %s", w[1], w[2]);
		return 2;
	}
	if (IS("session", 2)) {
		*var(w[1]) = must(luo_create(dev, w[2]), "create", w[2]);
		return 2;
	}
	if (IS("claim", 2)) {
		*var(w[1]) = must(luo_retrieve(dev, w[2]), "retrieve", w[2]);
		return 2;
	}
	if (IS("preserve", 3)) {
		must(luo_preserve_fd(*var(w[1]), *var(w[2]), number(w[3])), "preserve", w[2]);
		return 3;
	}
	if (IS("get", 3)) {
		*var(w[1]) = must(luo_retrieve_fd(*var(w[2]), number(w[3])), "get", w[1]);
		return 3;
	}
	if (IS("lost", 3)) {
		fails(luo_retrieve_fd(*var(w[1]), number(w[2])), w[3], "get token", w[2]);
		return 3;
	}
	if (IS("check", 4)) {
		check(w[1], kind(w[2]), atoi(w[3]), number(w[4]));
		return 4;
	}
	if (IS("refers", 2)) {
		a = info(w[1]);
		b.id = strcmp(w[2], "-") ? info(w[2]).id : 0;
		errno = 0;
		if (a.partner != b.id)
			die("%s refers to %llu, not to %s", w[1],
			    (unsigned long long)a.partner, w[2]);
		return 2;
	}
	if (IS("finish", 2)) {
		fails(luo_finish(*var(w[1])), w[2], "finish", w[1]);
		return 2;
	}
	if (IS("close", 1)) {
		if (close(*var(w[1])))
			die("close %s", w[1]);
		return 1;
	}
	if (IS("kexec", 1)) {
		syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
			LINUX_REBOOT_CMD_KEXEC, NULL);
		fails(-errno, w[1], "reboot(2)", "");
		return 1;
	}
	if (IS("run", 1)) {
		errno = 0;
		if (system(w[1]))
			die("%s", w[1]);
		return 1;
	}
	if (IS("stay", 0))
		stay();
	return -1;
}

int cmd_family(int argc, char **argv)
{
	int i, n;

	dev = must(luo_open(), "open", "/dev/liveupdate");
	for (i = 1; i < argc; i += n + 1) {
		n = word(argc - i, argv + i);
		errno = 0;
		if (n < 0)
			die("what is '%s' here?", argv[i]);
	}
	return 0;
}
