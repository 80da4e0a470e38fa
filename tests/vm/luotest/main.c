// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * luotest: raw access to the live update ABI, for the cases in the VM. Static,
 * so that it needs nothing from the guest.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/reboot.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "luotest.h"

void die(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	fprintf(stderr, "luotest: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, err ? ": %s\n" : "\n", strerror(err));
	exit(1);
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* drain TTY: wait until all that was written has gone out. */
static int cmd_drain(int argc, char **argv)
{
	int fd;

	if (argc != 2)
		return 2;
	fd = open(argv[1], O_WRONLY | O_NOCTTY);
	return fd < 0 || tcdrain(fd);
}

/* memcpy SIZE: what the machine needs to copy so much; microseconds. */
static int cmd_memcpy(int argc, char **argv)
{
	uint64_t size, t;
	char *from, *to;

	if (argc != 2)
		return 2;
	size = number(argv[1]);
	from = malloc(size);
	to = malloc(size);
	if (!from || !to)
		die("no memory");
	memset(from, 1, size);
	memset(to, 2, size);
	t = now_ns();
	memcpy(to, from, size);
	/* Or it might not happen at all. */
	__asm__ volatile("" : : "r"(to) : "memory");
	printf("%llu\n", (unsigned long long)(now_ns() - t) / 1000);
	free(from);
	free(to);
	return 0;
}

/* kexec [ERRNO]: reboot(2) into the loaded kernel; success when it fails with
 * that errno.
 */
static int cmd_kexec(int argc, char **argv)
{
	int want = argc > 1 ? atoi(argv[1]) : 0;

	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
		LINUX_REBOOT_CMD_KEXEC, NULL);
	if (want && errno == want)
		return 0;
	die("reboot(2) came back, wanted errno %d", want);
}

/* run-as UID COMMAND...: without groups and capabilities. */
static int cmd_run_as(int argc, char **argv)
{
	int uid;

	if (argc < 3)
		return 2;
	uid = atoi(argv[1]);
	if (setgroups(0, NULL) || setresgid(uid, uid, uid) ||
	    setresuid(uid, uid, uid))
		die("cannot become %d", uid);
	execvp(argv[2], argv + 2);
	die("cannot run %s", argv[2]);
}

static uint64_t scan_bytes;
static unsigned int scan_files, scan_hits;

/* Every test page starts with this (files.c); so do those that leak. */
static void scan_file(int fd, const char *path)
{
	static const char magic[] = "LUOTEST page";
	static char buf[1 << 20];
	ssize_t n;
	size_t len;

	scan_files++;
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		len = n;
		scan_bytes += n;
		if (memmem(buf, len, magic, sizeof(magic) - 1)) {
			scan_hits++;
			fprintf(stderr, "test data is readable in %s\n", path);
			return;
		}
	}
}

static void scan_dir(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	struct stat st;
	char path[4096];
	int fd;

	if (!d)
		return;
	while ((e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (lstat(path, &st))
			continue;
		if (S_ISDIR(st.st_mode)) {
			scan_dir(path);
		} else if (S_ISREG(st.st_mode)) {
			fd = open(path, O_RDONLY | O_CLOEXEC);
			if (fd < 0)
				continue;
			scan_file(fd, path);
			close(fd);
		}
	}
	closedir(d);
}

/* scan DIR: reads all that can be read; fails if test data is among it. */
static int cmd_scan(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	scan_dir(argv[1]);
	printf("files=%u bytes=%llu hits=%u\n", scan_files,
	       (unsigned long long)scan_bytes, scan_hits);
	errno = 0;
	if (!scan_files)
		die("found no readable file in %s", argv[1]);
	return scan_hits != 0;
}

static int cmd_help(int argc, char **argv);

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{ "hold", cmd_hold, "(--session NAME FILE...)...: make, preserve, stay behind" },
	{ "check", cmd_check, "--session NAME FILE... [--finish] [--hold NAME]: retrieve, compare" },
	{ "hold-path", cmd_hold_path, "--session NAME TOKEN PATH BYTE,...: any file, eight bytes written to it" },
	{ "check-path", cmd_check_path, "--session NAME TOKEN BYTE,...: retrieve, compare eight bytes, finish" },
	{ "keep", cmd_keep, "--session NAME FILE...: retrieve, compare, leave unfinished" },
	{ "change", cmd_change, "--session NAME FILE...: write to files that were kept so" },
	{ "check-generation", cmd_check_generation, "NAME GENERATION FILE...: retrieve, compare, finish" },
	{ "drop", cmd_drop, "NAME: give up an incoming session" },
	{ "dry-run", cmd_dry_run, "ERRNO SESSIONS: a rehearsal has to end so" },
	{ "hold-frozen", cmd_hold_frozen, "--session NAME FILE...: freeze, then write; stay behind" },
	{ "self", cmd_self, "[--damage OFFSET] FILE...: make and check without an update" },
	{ "abi", cmd_abi, "what every command does with every kind of argument" },
	{ "abi-incoming", cmd_abi_incoming, "the same after an update from 'hold --session abi ...'" },
	{ "ext", cmd_ext, "the commands of liveupdate_ext.h with every kind of argument" },
	{ "ext-incoming", cmd_ext_incoming, "the same after an update from 'ext' and 'hold --session ext-in ...'" },
	{ "ext-recycle", cmd_ext_recycle, "NAME SIZE SEED: recycle with all files, write the first anew, leave it" },
	{ "ext-fill", cmd_ext_fill, "PATH SIZE SEED: write the pages of such a file" },
	{ "ext-same", cmd_ext_fill, "PATH SIZE SEED: are they there?" },
	{ "ext-flags", cmd_ext_flags, "PID FLAGS: set the flags of the session that process has" },
	{ "rehearse", cmd_rehearse, "[TIMES]: ERROR SESSION_ERROR SESSIONS FILES BYTES DROPPED SESSION" },
	{ "kinds-hold", cmd_kinds_hold, "eventfds and files of a tmpfs are held" },
	{ "kinds-check", cmd_kinds_check, "the same after an update, with all that is refused" },
	{ "family", cmd_family, "WORD...: a script for files of the sample module, see family.c" },
	{ "huge-hold", cmd_huge_hold, "NAME [giant]: hugetlb memfds, preserved" },
	{ "huge-check", cmd_huge_check, "UPDATES NAME [NEXT] [giant]: what they have become; preserved again" },
	{ "hammer", cmd_hammer, "SEED ROUND [last]: check what the round before has left, then go on" },
	{ "failnth", cmd_failnth, "out | in FILE | run COMMAND...: every allocation of the module fails" },
	{ "better-hold", cmd_better_hold, "files with which others have their troubles" },
	{ "better-check", cmd_better_check, "the same after an update" },
	{ "many", cmd_many, "SESSIONS FILES [together]: preserve, measure each, stay behind" },
	{ "many-check", cmd_many_check, "SESSIONS FILES: retrieve, compare, measure each" },
	{ "kexec", cmd_kexec, "[ERRNO]: reboot(2); must it fail, then with ERRNO" },
	{ "run-as", cmd_run_as, "UID COMMAND...: as an unprivileged user" },
	{ "scan", cmd_scan, "DIR: is any test data readable in there?" },
	{ "memcpy", cmd_memcpy, "SIZE: how long a copy takes" },
	{ "drain", cmd_drain, "TTY: wait until all has gone out" },
	{ "help", cmd_help, "this" },
};

static int cmd_help(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		printf("luotest %s %s\n", commands[i].name, commands[i].help);
	printf("FILE: TOKEN:LAYOUT:SIZE[:option=value]..., see tests/vm/README.md\n");
	return 0;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1)
		for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
			if (!strcmp(commands[i].name, argv[1]))
				return commands[i].run(argc - 1, argv + 1);
	cmd_help(0, NULL);
	return 2;
}
