// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Many sessions, and many files in one: what the first costs, and what the last.
 * Prints "curve WHAT AT NANOSECONDS": the mean of some calls around number AT.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "luotest.h"

/* Calls that a point of a curve is the mean of. */
#define WINDOW 64

struct curve {
	const char *what;
	uint64_t total;		/* of calls that will come */
	uint64_t at;		/* where the window begins */
	uint64_t next;		/* number of the point */
	uint64_t spent;
	unsigned int calls;
};

static struct curve curve_new(const char *what, uint64_t total)
{
	return (struct curve){ .what = what, .total = total, .next = 1 };
}

/* Call number @i (from 0) has taken @ns. Points: 1, 10, 100, ... and the last. */
static void curve_add(struct curve *c, uint64_t i, uint64_t ns)
{
	if (i < c->at || !c->next)
		return;
	c->spent += ns;
	if (++c->calls < WINDOW && i + 1 < c->total)
		return;
	printf("curve %s %llu %llu\n", c->what, (unsigned long long)c->next,
	       (unsigned long long)(c->spent / c->calls));
	c->spent = 0;
	c->calls = 0;
	c->next *= 10;
	if (c->next > c->total)
		c->next = 0;
	/* Up to and with that call, or the first ones if there are too few. */
	c->at = c->next < WINDOW ? i + 1 : c->next - WINDOW;
}

static void limits(void)
{
	struct rlimit r = { 1 << 20, 1 << 20 };

	if (setrlimit(RLIMIT_NOFILE, &r))
		die("setrlimit");
}

static int open_device(void)
{
	int dev = luo_open();

	errno = dev < 0 ? -dev : 0;
	if (dev < 0)
		die("/dev/liveupdate");
	return dev;
}

static int tiny(uint64_t number)
{
	int fd = memfd_create("tiny", MFD_CLOEXEC);

	if (fd < 0 || pwrite(fd, &number, sizeof(number), 0) != sizeof(number))
		die("memfd %llu", (unsigned long long)number);
	return fd;
}

/* Tokens that differ in high bits, too. */
static uint64_t token_of(uint64_t i)
{
	return i * 0x9e3779b97f4a7c15ULL;
}

static uint64_t preserve_tiny(int session, uint64_t i)
{
	int fd = tiny(i), rc;
	uint64_t t = now_ns();

	rc = luo_preserve_fd(session, fd, token_of(i));
	t = now_ns() - t;
	errno = -rc;
	if (rc)
		die("preserve file %llu", (unsigned long long)i);
	close(fd);
	return t;
}

/* The mean of looking for tokens that are there: EEXIST comes before the fd. */
static void look_up(int session, uint64_t files)
{
	uint64_t t = now_ns();

	for (uint64_t i = 0; i < WINDOW; i++)
		if (luo_preserve_fd(session, -1, token_of(i * 7919 % files)) != -EEXIST)
			die("look up");
	printf("curve lookup %llu %llu\n", (unsigned long long)files,
	       (unsigned long long)(now_ns() - t) / WINDOW);
}

/* ------------------------------------------------------- two at the same time */

#define TOGETHER 4000

struct thread {
	pthread_t id;
	int session;
	uint64_t first;
	int fds[TOGETHER];
};

static pthread_barrier_t barrier;

static void *preserve_many(void *arg)
{
	struct thread *t = arg;

	pthread_barrier_wait(&barrier);
	for (int i = 0; i < TOGETHER; i++)
		if (luo_preserve_fd(t->session, t->fds[i], i))
			die("preserve in a thread");
	return NULL;
}

/* Time of @n threads that do the same, each in a session of its own. */
static uint64_t together(int dev, int n)
{
	static struct thread threads[2];
	char name[32];
	uint64_t t;

	pthread_barrier_init(&barrier, NULL, n + 1);
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "together-%d", i);
		threads[i].session = luo_create(dev, name);
		if (threads[i].session < 0)
			die("session %s", name);
		for (int j = 0; j < TOGETHER; j++)
			threads[i].fds[j] = tiny(j);
		if (pthread_create(&threads[i].id, NULL, preserve_many, &threads[i]))
			die("thread");
	}
	pthread_barrier_wait(&barrier);
	t = now_ns();
	for (int i = 0; i < n; i++)
		pthread_join(threads[i].id, NULL);
	t = now_ns() - t;
	for (int i = 0; i < n; i++) {
		close(threads[i].session);
		for (int j = 0; j < TOGETHER; j++)
			close(threads[i].fds[j]);
	}
	pthread_barrier_destroy(&barrier);
	return t;
}

/* ------------------------------------------------------------------ commands */

static void session_name(char name[32], uint64_t i)
{
	snprintf(name, 32, "session-%llu", (unsigned long long)i);
}

/* many SESSIONS FILES [together]: make them, measure, stay behind. */
int cmd_many(int argc, char **argv)
{
	uint64_t sessions, files, t, point = 1;
	struct curve create, preserve;
	int dev, session;
	char name[32];

	if (argc < 3)
		return 2;
	sessions = number(argv[1]);
	files = number(argv[2]);
	create = curve_new("create", sessions);
	preserve = curve_new("preserve", files);
	limits();
	dev = open_device();
	if (argc > 3) {
		together(dev, 1);	/* warm */
		printf("together 1 %llu\n", (unsigned long long)together(dev, 1));
		printf("together 2 %llu\n", (unsigned long long)together(dev, 2));
	}
	for (uint64_t i = 0; i < sessions; i++) {
		session_name(name, i);
		t = now_ns();
		session = luo_create(dev, name);
		t = now_ns() - t;
		if (session < 0)
			die("session %s: %d", name, session);
		curve_add(&create, i, t);
	}
	session = luo_create(dev, "files");
	if (session < 0)
		die("session files: %d", session);
	for (uint64_t i = 0; i < files; i++) {
		curve_add(&preserve, i, preserve_tiny(session, i));
		if (i + 1 == point) {
			look_up(session, point);
			point *= 10;
		}
	}
	close(dev);
	stay_behind("many");
	return 0;
}

/* many-check SESSIONS FILES: retrieve all of them, last ones first. */
int cmd_many_check(int argc, char **argv)
{
	struct curve retrieve_session, retrieve;
	uint64_t sessions, files, t, got;
	int dev, session, fd;
	char name[32];

	if (argc != 3)
		return 2;
	sessions = number(argv[1]);
	files = number(argv[2]);
	retrieve_session = curve_new("retrieve-session", sessions);
	retrieve = curve_new("retrieve", files);
	limits();
	dev = open_device();
	for (uint64_t i = 0; i < sessions; i++) {
		session_name(name, sessions - 1 - i);
		t = now_ns();
		session = luo_retrieve(dev, name);
		t = now_ns() - t;
		if (session < 0)
			die("session %s: %d", name, session);
		curve_add(&retrieve_session, i, t);
		close(session);
	}
	session = luo_retrieve(dev, "files");
	if (session < 0)
		die("session files: %d", session);
	for (uint64_t i = 0; i < files; i++) {
		uint64_t n = files - 1 - i;

		t = now_ns();
		fd = luo_retrieve_fd(session, token_of(n));
		t = now_ns() - t;
		if (fd < 0)
			die("file %llu: %d", (unsigned long long)n, fd);
		curve_add(&retrieve, i, t);
		if (pread(fd, &got, sizeof(got), 0) != sizeof(got) || got != n)
			die("file %llu holds something else", (unsigned long long)n);
		close(fd);
	}
	t = now_ns();
	if (luo_finish(session))
		die("finish");
	printf("curve finish %llu %llu\n", (unsigned long long)files,
	       files ? (unsigned long long)((now_ns() - t) / files) : 0);
	return 0;
}
