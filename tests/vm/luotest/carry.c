// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sessions that are not finished when the next kernel comes, and what is done to
 * sessions ahead of an update.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/liveupdate_ext.h>

#include "luotest.h"

static int open_device(void)
{
	int dev = luo_open();

	errno = dev < 0 ? -dev : 0;
	if (dev < 0)
		die("/dev/liveupdate");
	return dev;
}

/* Closing it does not finish it. */
static int retrieve_kept(int dev, const char *name)
{
	struct liveupdate_session_set_flags a = {
		.size = sizeof(a), .flags = LIVEUPDATE_SESSION_KEEP_ON_CLOSE
	};
	int session = luo_retrieve(dev, name);

	errno = session < 0 ? -session : 0;
	if (session < 0)
		die("retrieve session '%s'", name);
	if (ioctl(session, LIVEUPDATE_SESSION_SET_FLAGS, &a))
		die("SET_FLAGS");
	return session;
}

static int retrieve_fd(int session, const struct spec *s)
{
	int fd = luo_retrieve_fd(session, s->token);

	errno = fd < 0 ? -fd : 0;
	if (fd < 0)
		die("retrieve token %llu", (unsigned long long)s->token);
	return fd;
}

/* keep --session NAME FILE...: retrieved, compared, and left unfinished. */
int cmd_keep(int argc, char **argv)
{
	struct spec s;
	int session, bad = 0;

	if (argc < 4 || strcmp(argv[1], "--session"))
		return 2;
	session = retrieve_kept(open_device(), argv[2]);
	for (int i = 3; i < argc; i++) {
		spec_parse(&s, argv[i]);
		bad += spec_check(&s, retrieve_fd(session, &s));
	}
	return bad != 0;
}

/* change --session NAME FILE...: does what FILE says about after PRESERVE_FD. */
int cmd_change(int argc, char **argv)
{
	struct spec s;
	int session;

	if (argc < 4 || strcmp(argv[1], "--session"))
		return 2;
	session = retrieve_kept(open_device(), argv[2]);
	for (int i = 3; i < argc; i++) {
		spec_parse(&s, argv[i]);
		spec_post(&s, retrieve_fd(session, &s));
	}
	return 0;
}

/* check-generation NAME GENERATION FILE...: of several of one name; finishes. */
int cmd_check_generation(int argc, char **argv)
{
	struct liveupdate_ioctl_retrieve_generation a = { .size = sizeof(a) };
	struct spec s;
	int rc, bad = 0;

	if (argc < 4)
		return 2;
	memcpy(a.name, argv[1], strnlen(argv[1], sizeof(a.name)));
	a.generation = number(argv[2]);
	if (ioctl(open_device(), LIVEUPDATE_IOCTL_RETRIEVE_GENERATION, &a))
		die("retrieve session '%s' of update %s", argv[1], argv[2]);
	for (int i = 3; i < argc; i++) {
		spec_parse(&s, argv[i]);
		bad += spec_check(&s, retrieve_fd(a.fd, &s));
	}
	rc = luo_finish(a.fd);
	errno = -rc;
	if (rc)
		die("finish");
	return bad != 0;
}

/* drop NAME: give up an incoming session. */
int cmd_drop(int argc, char **argv)
{
	struct liveupdate_ioctl_drop_session a = { .size = sizeof(a) };

	if (argc != 2)
		return 2;
	memcpy(a.name, argv[1], strnlen(argv[1], sizeof(a.name)));
	if (ioctl(open_device(), LIVEUPDATE_IOCTL_DROP_SESSION, &a))
		die("drop session '%s'", argv[1]);
	return 0;
}

/* dry-run ERRNO SESSIONS: so a rehearsal must end. */
int cmd_dry_run(int argc, char **argv)
{
	struct liveupdate_ioctl_rehearse a = { .size = sizeof(a) };

	if (argc != 3)
		return 2;
	if (ioctl(open_device(), LIVEUPDATE_IOCTL_REHEARSE, &a))
		die("REHEARSE");
	printf("error %u (session '%s': %u), %llu sessions, %llu files, %llu bytes, %llu dropped\n",
	       a.error, (char *)a.session, a.session_error, (unsigned long long)a.sessions,
	       (unsigned long long)a.files, (unsigned long long)a.bytes,
	       (unsigned long long)a.dropped);
	return a.error != number(argv[1]) || a.sessions != number(argv[2]);
}

static void freeze_session(int session)
{
	struct liveupdate_session_freeze a = { .size = sizeof(a) };

	if (ioctl(session, LIVEUPDATE_SESSION_FREEZE, &a))
		die("FREEZE");
}

/* Every other page through a mapping, the others by write(2). */
static void copy_pages(int from, int to, uint64_t size)
{
	uint8_t *src = mmap(NULL, size, PROT_READ, MAP_PRIVATE, from, 0);
	uint8_t *dst = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, to, 0);

	if (src == MAP_FAILED || dst == MAP_FAILED)
		die("mmap");
	for (uint64_t i = 0; i < size; i += PAGE) {
		if (i / PAGE % 2)
			memcpy(dst + i, src + i, PAGE);
		else if (pwrite(to, src + i, PAGE, i) != (ssize_t)PAGE)
			die("pwrite");
	}
	munmap(src, size);
	munmap(dst, size);
}

/*
 * hold-frozen --session NAME FILE...: the session is frozen while its files (dense,
 * of whole pages) are empty; only then they are written. A program that had to
 * wait for the thaw would never come to an end here.
 */
int cmd_hold_frozen(int argc, char **argv)
{
	struct liveupdate_session_thaw thaw = { .size = sizeof(thaw) };
	int dev, session, fds[16], from, rc, n = 0;
	struct spec s[16];

	if (argc < 4 || argc - 3 > 16 || strcmp(argv[1], "--session"))
		return 2;
	errno = 0;
	dev = open_device();
	session = luo_create(dev, argv[2]);
	errno = session < 0 ? -session : 0;
	if (session < 0)
		die("create session '%s'", argv[2]);
	for (; n < argc - 3; n++) {
		spec_parse(&s[n], argv[3 + n]);
		fds[n] = memfd_create(s[n].name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
		if (fds[n] < 0 || ftruncate(fds[n], s[n].size))
			die("memfd");
		rc = luo_preserve_fd(session, fds[n], s[n].token);
		errno = -rc;
		if (rc)
			die("preserve %s", argv[3 + n]);
	}
	freeze_session(session);
	errno = 0;
	if (luo_preserve_fd(session, fds[0], 1000) != -EBUSY)
		die("a file could be preserved in a session that is frozen");
	for (int i = 0; i < n; i++) {
		from = spec_make(&s[i]);
		copy_pages(from, fds[i], s[i].size);
		close(from);
		/* Catch up with half of it. */
		if (i % 2)
			freeze_session(session);
	}
	if (ioctl(session, LIVEUPDATE_SESSION_THAW, &thaw))
		die("THAW");
	from = memfd_create("more", MFD_CLOEXEC);
	rc = luo_preserve_fd(session, from, 1000);
	errno = -rc;
	if (rc)
		die("preserve after the thaw");
	freeze_session(session);
	close(dev);
	stay_behind(argv[2]);
	return 0;
}
