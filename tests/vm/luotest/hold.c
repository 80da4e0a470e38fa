// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hold and check: the two halves of an update, seen from a program. What took
 * how long is printed as "time WHAT TOKEN MICROSECONDS".
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "luotest.h"

int luo_open(void)
{
	int fd = open("/dev/liveupdate", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int luo_create(int dev, const char *name)
{
	struct liveupdate_ioctl_create_session a = { .size = sizeof(a), .fd = -1 };

	memcpy(a.name, name, strnlen(name, sizeof(a.name)));
	return ioctl(dev, LIVEUPDATE_IOCTL_CREATE_SESSION, &a) ? -errno : a.fd;
}

int luo_retrieve(int dev, const char *name)
{
	struct liveupdate_ioctl_retrieve_session a = { .size = sizeof(a), .fd = -1 };

	memcpy(a.name, name, strnlen(name, sizeof(a.name)));
	return ioctl(dev, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &a) ? -errno : a.fd;
}

int luo_preserve_fd(int session, int fd, uint64_t token)
{
	struct liveupdate_session_preserve_fd a = {
		.size = sizeof(a), .fd = fd, .token = token
	};

	return ioctl(session, LIVEUPDATE_SESSION_PRESERVE_FD, &a) ? -errno : 0;
}

int luo_retrieve_fd(int session, uint64_t token)
{
	struct liveupdate_session_retrieve_fd a = {
		.size = sizeof(a), .fd = -1, .token = token
	};

	return ioctl(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &a) ? -errno : a.fd;
}

int luo_finish(int session)
{
	struct liveupdate_session_finish a = { .size = sizeof(a) };

	return ioctl(session, LIVEUPDATE_SESSION_FINISH, &a) ? -errno : 0;
}

static void took(const char *what, uint64_t token, uint64_t since)
{
	printf("time %s %llu %llu\n", what, (unsigned long long)token,
	       (unsigned long long)(now_ns() - since) / 1000);
}

static void many_fds(void)
{
	struct rlimit r = { 1 << 20, 1 << 20 };

	setrlimit(RLIMIT_NOFILE, &r);
}

/* For a moment uses @bytes more than is available, so that others make room. */
static void squeeze(uint64_t bytes)
{
	uint64_t available;
	char line[128];
	FILE *f;
	char *p;

	if (!bytes)
		return;
	available = 0;
	f = fopen("/proc/meminfo", "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %" SCNu64, &available) == 1)
			break;
	if (!available)
		die("cannot tell how much memory is available");
	fclose(f);
	bytes += available * 1024;
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		die("mmap of %llu bytes", (unsigned long long)bytes);
	for (uint64_t i = 0; i < bytes; i += 4096)
		p[i] = 1;
	munmap(p, bytes);
}

/*
 * Leaves a child behind that keeps all fds, until it is killed (its pid is in
 * /run/luotest-NAME.pid). The parent's part of the program ends here.
 */
void stay_behind(const char *name)
{
	char path[128];
	FILE *f;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid) {
		snprintf(path, sizeof(path), "/run/luotest-%s.pid", name);
		f = fopen(path, "w");
		if (!f || fprintf(f, "%d\n", pid) < 0 || fclose(f))
			die("cannot write %s", path);
		exit(0);
	}
	setsid();
	/* Whoever waits for our output must not wait for the child. */
	if (!freopen("/dev/null", "r", stdin) ||
	    !freopen("/dev/null", "w", stdout) ||
	    !freopen("/dev/null", "w", stderr))
		_exit(1);
	for (;;)
		pause();
}

int cmd_hold(int argc, char **argv)
{
	struct spec s;
	int dev, session = -1, fd, rc;
	const char *name = NULL, *first = NULL;
	uint64_t t, press = 0;

	many_fds();
	errno = 0;
	dev = luo_open();
	if (dev < 0) {
		errno = -dev;
		die("/dev/liveupdate");
	}
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--session") && i + 1 < argc) {
			name = argv[++i];
			first = first ? first : name;
			session = luo_create(dev, name);
			errno = session < 0 ? -session : 0;
			if (session < 0)
				die("create session '%s'", name);
			continue;
		}
		if (!strcmp(argv[i], "--squeeze") && i + 1 < argc) {
			press = number(argv[++i]);
			continue;
		}
		if (!strcmp(argv[i], "--file"))
			continue;
		if (session < 0)
			die("a file before any --session: %s", argv[i]);
		spec_parse(&s, argv[i]);
		fd = spec_make(&s);
		squeeze(press);
		t = now_ns();
		rc = luo_preserve_fd(session, fd, s.token);
		took("preserve", s.token, t);
		errno = -rc;
		if (rc)
			die("preserve %s", argv[i]);
		spec_post(&s, fd);
		/* The session keeps a reference of its own; every other file
		 * is left to it alone, to see that this is enough.
		 */
		if (s.token & 1)
			close(fd);
	}
	close(dev);
	if (!first)
		die("no --session");
	stay_behind(first);
	return 0;
}

int cmd_check(int argc, char **argv)
{
	struct spec s;
	int dev, session = -1, again = -1, fd, rc, bad = 0, files = 0;
	const char *name = NULL, *hold = NULL;
	bool finish = false;
	uint64_t t, press = 0, tokens[64], count = 0;
	int fds[64];

	many_fds();
	errno = 0;
	dev = luo_open();
	if (dev < 0) {
		errno = -dev;
		die("/dev/liveupdate");
	}
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--session") && i + 1 < argc) {
			name = argv[++i];
			t = now_ns();
			session = luo_retrieve(dev, name);
			took("session", 0, t);
			errno = session < 0 ? -session : 0;
			if (session < 0)
				die("retrieve session '%s'", name);
			continue;
		}
		if (!strcmp(argv[i], "--finish")) {
			finish = true;
			continue;
		}
		if (!strcmp(argv[i], "--hold") && i + 1 < argc) {
			hold = argv[++i];
			continue;
		}
		if (!strcmp(argv[i], "--squeeze") && i + 1 < argc) {
			press = number(argv[++i]);
			continue;
		}
		if (!strcmp(argv[i], "--file"))
			continue;
		if (session < 0)
			die("a file before --session: %s", argv[i]);
		spec_parse(&s, argv[i]);
		t = now_ns();
		fd = luo_retrieve_fd(session, s.token);
		took("retrieve", s.token, t);
		errno = fd < 0 ? -fd : 0;
		if (fd < 0)
			die("retrieve token %llu", (unsigned long long)s.token);
		errno = 0;
		squeeze(press);
		bad += spec_check(&s, fd);
		files++;
		if (count < 64) {
			tokens[count] = s.token;
			fds[count++] = fd;
		}
	}
	if (!files && !finish)
		die("nothing to check");
	if (finish) {
		t = now_ns();
		rc = luo_finish(session);
		took("finish", 0, t);
		errno = -rc;
		if (rc)
			die("finish");
	}
	/* Pass on what came, to the kernel after this one. */
	if (hold) {
		again = luo_create(dev, hold);
		errno = again < 0 ? -again : 0;
		if (again < 0)
			die("create session '%s'", hold);
		for (uint64_t i = 0; i < count; i++) {
			rc = luo_preserve_fd(again, fds[i], tokens[i]);
			errno = -rc;
			if (rc)
				die("preserve token %llu again",
				    (unsigned long long)tokens[i]);
		}
	}
	if (bad) {
		fprintf(stderr, "%d differences\n", bad);
		return 1;
	}
	close(dev);
	if (hold)
		stay_behind(hold);
	return 0;
}

/* Do making and checking agree, and is damage seen? */
int cmd_self(int argc, char **argv)
{
	uint64_t damage = UINT64_MAX;
	int fd, bad = 0;
	struct spec s;
	char c;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--damage") && i + 1 < argc) {
			damage = strtoull(argv[++i], NULL, 0);
			continue;
		}
		spec_parse(&s, argv[i]);
		fd = spec_make(&s);
		spec_post(&s, fd);
		if (damage != UINT64_MAX) {
			if (pread(fd, &c, 1, damage) != 1)
				die("nothing to damage");
			c ^= 1;
			if (pwrite(fd, &c, 1, damage) != 1)
				die("cannot damage");
		}
		bad += spec_check(&s, fd);
		close(fd);
	}
	return bad != 0;
}

static void parse_bytes(const char *text, uint8_t bytes[8])
{
	char *end;

	for (int i = 0; i < 8; i++) {
		bytes[i] = strtoul(text, &end, 0);
		text = *end == ',' ? end + 1 : end;
	}
}

/* For files of handlers other than the one for memfds. */
int cmd_hold_path(int argc, char **argv)
{
	uint8_t bytes[8];
	int dev, session, fd, rc;

	if (argc != 6)
		return 2;
	errno = 0;
	dev = luo_open();
	session = luo_create(dev, argv[2]);
	fd = open(argv[4], O_RDWR | O_CLOEXEC);
	if (dev < 0 || session < 0 || fd < 0)
		die("device %d, session %d, %s %d", dev, session, argv[4], fd);
	parse_bytes(argv[5], bytes);
	if (write(fd, bytes, sizeof(bytes)) != sizeof(bytes))
		die("write %s", argv[4]);
	rc = luo_preserve_fd(session, fd, strtoull(argv[3], NULL, 0));
	errno = -rc;
	if (rc)
		die("preserve %s", argv[4]);
	close(dev);
	stay_behind(argv[2]);
	return 0;
}

int cmd_check_path(int argc, char **argv)
{
	uint8_t bytes[8], got[8];
	int dev, session, fd, rc;

	if (argc != 5)
		return 2;
	errno = 0;
	dev = luo_open();
	session = luo_retrieve(dev, argv[2]);
	errno = session < 0 ? -session : 0;
	if (session < 0)
		die("retrieve session '%s'", argv[2]);
	fd = luo_retrieve_fd(session, strtoull(argv[3], NULL, 0));
	errno = fd < 0 ? -fd : 0;
	if (fd < 0)
		die("retrieve token %s", argv[3]);
	parse_bytes(argv[4], bytes);
	if (pread(fd, got, sizeof(got), 0) != sizeof(got) ||
	    memcmp(got, bytes, sizeof(got)))
		die("it holds other bytes");
	rc = luo_finish(session);
	errno = -rc;
	if (rc)
		die("finish");
	return 0;
}
