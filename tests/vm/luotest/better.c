// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files with which the orchestrator in Linux has its troubles: sparse ones of any
 * size, changes while preserved, files of a tmpfs that have lost their name.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "luotest.h"

#define TIB (1ULL << 40)

/* Where the file of 1 TiB has a page. */
static const uint64_t places[] = { 0, 512ULL << 30, TIB - PAGE };

enum { SPARSE_TIB = 1, PUNCHED, TMPFILE, UNLINKED };

static void put(int fd, uint64_t offset, uint64_t seed)
{
	char page[PAGE];

	fill_page(page, seed, offset / PAGE);
	if (pwrite(fd, page, PAGE, offset) != PAGE)
		die("write at %llu", (unsigned long long)offset);
}

static bool holds(int fd, uint64_t offset, uint64_t seed)
{
	char page[PAGE], got[PAGE];

	fill_page(page, seed, offset / PAGE);
	return pread(fd, got, PAGE, offset) == PAGE && !memcmp(page, got, PAGE);
}

static bool is_hole(int fd, uint64_t from, uint64_t to)
{
	return lseek(fd, from, SEEK_HOLE) == (off_t)from &&
	       lseek(fd, from, SEEK_DATA) == (off_t)to;
}

static void preserve(int session, int fd, uint64_t token)
{
	int rc = luo_preserve_fd(session, fd, token);

	errno = -rc;
	if (rc)
		die("preserve %llu", (unsigned long long)token);
}

int cmd_better_hold(int argc, char **argv)
{
	int dev = luo_open(), session, fd;

	session = dev < 0 ? -1 : luo_create(dev, "better");
	if (session < 0)
		die("device %d, session %d", dev, session);
	close(dev);

	fd = memfd_create("tib", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, TIB))
		die("a file of 1 TiB");
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		put(fd, places[i], 1);
	preserve(session, fd, SPARSE_TIB);

	/* What in-tree answers EPERM, while it is preserved. */
	fd = memfd_create("punched", MFD_CLOEXEC);
	for (uint64_t i = 0; i < 8; i++)
		put(fd, i * PAGE, 2);
	preserve(session, fd, PUNCHED);
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2 * PAGE, 2 * PAGE) ||
	    fallocate(fd, 0, 8 * PAGE, 8 * PAGE) || ftruncate(fd, 12 * PAGE))
		die("changes while preserved");
	put(fd, 9 * PAGE, 3);

	fd = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0640);
	if (fd < 0)
		die("O_TMPFILE");
	put(fd, 0, 4);
	put(fd, 2 * PAGE, 4);
	preserve(session, fd, TMPFILE);

	fd = open("/dev/shm/unlinked", O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 || unlink("/dev/shm/unlinked"))
		die("a file of /dev/shm");
	put(fd, 0, 5);
	preserve(session, fd, UNLINKED);
	stay_behind("better");
	return 0;
}

static int point(const char *text, bool is)
{
	printf("%s %s\n", is ? "ok" : "not ok", text);
	return 0;
}

static int get(int session, uint64_t token)
{
	int fd = luo_retrieve_fd(session, token);

	errno = fd < 0 ? -fd : 0;
	if (fd < 0)
		die("retrieve %llu", (unsigned long long)token);
	return fd;
}

int cmd_better_check(int argc, char **argv)
{
	int dev = luo_open(), session, fd;
	bool good = true;
	struct stat st;
	char page[PAGE];

	session = dev < 0 ? -1 : luo_retrieve(dev, "better");
	if (session < 0)
		die("device %d, session %d", dev, session);
	close(dev);

	fd = get(session, SPARSE_TIB);
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		good &= holds(fd, places[i], 1);
	point("a file of 1 TiB has its three pages", good);
	point("... and its size", !fstat(fd, &st) && (uint64_t)st.st_size == TIB);
	point("... and nothing else", st.st_blocks == 3 * PAGE / 512 &&
		is_hole(fd, PAGE, places[1]) && is_hole(fd, places[1] + PAGE, places[2]));

	fd = get(session, PUNCHED);
	good = holds(fd, PAGE, 2) && holds(fd, 4 * PAGE, 2) && holds(fd, 9 * PAGE, 3);
	point("what was written before and after it was preserved is there", good);
	point("a hole that was punched while preserved is one", is_hole(fd, 2 * PAGE, 4 * PAGE));
	point("the size is the last one", !fstat(fd, &st) && st.st_size == 12 * PAGE);
	memset(page, 1, sizeof(page));
	good = pread(fd, page, PAGE, 10 * PAGE) == PAGE;
	for (size_t i = 0; i < PAGE; i++)
		good &= !page[i];
	point("what was allocated and never written is zero", good);

	fd = get(session, TMPFILE);
	point("a nameless file of a tmpfs is there",
	      holds(fd, 0, 4) && holds(fd, 2 * PAGE, 4) && is_hole(fd, PAGE, 2 * PAGE));
	point("... with its mode", !fstat(fd, &st) && (st.st_mode & 07777) == 0640);
	fd = get(session, UNLINKED);
	point("one that was unlinked is there", holds(fd, 0, 5) && !fstat(fd, &st) &&
		st.st_size == PAGE);
	point("all can be finished", !luo_finish(session));
	return 0;
}
