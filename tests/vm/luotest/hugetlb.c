// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files of huge pages: hugetlb memfds before an update, what they have become
 * after it, and again after the next one. Prints one line per point, as abi.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "luotest.h"

#define HUGE (2UL << 20)
#define GIANT (1UL << 30)

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

/*
 * What is in a page of 2 MiB after so many updates: 0 for a hole, 1 for zeros,
 * else the seed of what was written.
 */
struct shape {
	uint64_t token;
	const char *name;
	uint64_t pages; /* of 2 MiB; as it arrives after the first update */
	uint64_t page; /* size of its pages before that */
	uint64_t (*seed)(uint64_t page, int updates);
	int seals, mode, uid, gid;
	off_t pos;
	int flags;
};

static uint64_t seed_plain(uint64_t page, int updates)
{
	return page == 3 && updates > 1 ? 77 : 11;
}

static uint64_t seed_holes(uint64_t page, int updates)
{
	if (page == 1 && updates > 1)
		return 78;
	return page % 3 ? 0 : 12;
}

/* Holes punched, made anew, a size changed after PRESERVE_FD. */
static uint64_t seed_late(uint64_t page, int updates)
{
	switch (page) {
	case 0:
		return 14;
	case 1:
	case 6:
		return 0;
	case 2:
		return updates > 1 ? 0 : 13;
	case 7:
		return 15;
	}
	return 13;
}

static uint64_t seed_sealed(uint64_t page, int updates)
{
	return 16;
}

static uint64_t seed_zero(uint64_t page, int updates)
{
	return 1;
}

static uint64_t seed_empty(uint64_t page, int updates)
{
	return 0;
}

/* Mostly zeros, which are sooner written and looked at. */
static uint64_t seed_giant(uint64_t page, int updates)
{
	if (page == 1 && updates > 1)
		return 79;
	return page < 4 || page % 64 == 63 ? 17 : 1;
}

static const struct shape shapes[] = {
	{ 1, "plain", 8, HUGE, seed_plain, 0, 0777, 0, 0, 0, O_RDWR },
	{ 2, "holes", 16, HUGE, seed_holes, 0, 0777, 0, 0, 5, O_RDWR },
	{ 3, "late", 8, HUGE, seed_late, 0, 0777, 0, 0, 0, O_RDWR | O_APPEND },
	{ 4, "sealed", 2, HUGE, seed_sealed,
	  F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE, 0640, 5, 6, 0, O_RDWR },
	{ 5, "zero", 2, HUGE, seed_zero, 0, 0777, 0, 0, 4097, O_RDONLY },
	{ 6, "empty", 4, HUGE, seed_empty, 0, 0777, 0, 0, 0, O_RDWR },
};

static const struct shape giant = { 7, "giant", GIANT / HUGE, GIANT, seed_giant,
				    0, 0777, 0, 0, 0, O_RDWR };

#define NR_SHAPES (sizeof(shapes) / sizeof(*shapes))

static int updates;

static void __attribute__((format(printf, 2, 3))) point(bool is, const char *fmt, ...)
{
	va_list ap;

	printf("%s ", is ? "ok" : "not ok");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

/* @rc: of a system call; @want: 0 or an errno. */
static void gives(const char *text, long rc, int want)
{
	int got = rc < 0 ? errno : 0;

	if (got == want)
		printf("ok %s: %s\n", text, want ? strerrorname_np(want) : "success");
	else
		printf("not ok %s: %s, not %s\n", text, got ? strerror(got) : "success",
		       want ? strerrorname_np(want) : "success");
}

static void fill_huge(uint8_t *p, uint64_t seed, uint64_t page)
{
	for (uint64_t i = 0; i < HUGE / PAGE; i++)
		fill_page(p + i * PAGE, seed, page * (HUGE / PAGE) + i);
}

/* Is the page of 2 MiB at @p what @seed says? */
static bool is_huge(const uint8_t *p, uint64_t seed, uint64_t page)
{
	static uint8_t want[PAGE];

	for (uint64_t i = 0; i < HUGE / PAGE; i++) {
		if (seed > 1)
			fill_page(want, seed, page * (HUGE / PAGE) + i);
		else
			memset(want, 0, PAGE);
		if (memcmp(p + i * PAGE, want, PAGE))
			return false;
	}
	return true;
}

static uint8_t *map(int fd, uint64_t size, int prot, int flags)
{
	uint8_t *p = mmap(NULL, size, prot, flags, fd, 0);

	if (p == MAP_FAILED)
		die("mmap of %llu bytes", (unsigned long long)size);
	return p;
}

/* ------------------------------------------------------------- before */

static int make(const struct shape *s)
{
	uint64_t size = s->pages * HUGE;
	unsigned int log2 = s->page == GIANT ? 30 : 21;
	char path[64];
	uint8_t *p;
	int fd;

	fd = memfd_create(s->name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB |
					   log2 << 26);
	if (fd < 0)
		die("memfd_create %s", s->name);
	/* "late" has its final size later. */
	if (s->token == 3)
		size -= 2 * HUGE;
	if (ftruncate(fd, size))
		die("ftruncate %s", s->name);
	if (s->token == 5 && fallocate(fd, 0, 0, size))
		die("fallocate %s", s->name);
	p = map(fd, size, PROT_READ | PROT_WRITE, MAP_SHARED);
	for (uint64_t i = 0; i < size / HUGE; i++) {
		uint64_t seed = s->token == 3 ? 13 : s->seed(i, 0);

		if (seed > 1)
			fill_huge(p + i * HUGE, seed, i);
	}
	munmap(p, size);
	if (fchmod(fd, s->mode) || fchown(fd, s->uid, s->gid))
		die("mode and owner of %s", s->name);
	if (s->seals && fcntl(fd, F_ADD_SEALS, s->seals))
		die("seals of %s", s->name);
	if (s->flags == O_RDONLY) {
		int again;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		again = open(path, O_RDONLY | O_CLOEXEC);
		if (again < 0)
			die("reopen %s", s->name);
		close(fd);
		fd = again;
	}
	if (s->flags & O_APPEND && fcntl(fd, F_SETFL, O_APPEND))
		die("O_APPEND");
	if (lseek(fd, s->pos, SEEK_SET) != s->pos)
		die("lseek");
	return fd;
}

/* After PRESERVE_FD. */
static void change_late(int fd)
{
	uint8_t *p;

	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, HUGE, HUGE))
		die("punch");
	if (ftruncate(fd, 8 * HUGE))
		die("ftruncate");
	p = map(fd, 8 * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	fill_huge(p, 14, 0);
	fill_huge(p + 7 * HUGE, 15, 7);
	munmap(p, 8 * HUGE);
}

static int open_device(void)
{
	int dev = luo_open();

	errno = dev < 0 ? -dev : 0;
	if (dev < 0)
		die("/dev/liveupdate");
	return dev;
}

static int new_session(int dev, const char *name)
{
	int session = luo_create(dev, name);

	errno = session < 0 ? -session : 0;
	if (session < 0)
		die("create session '%s'", name);
	return session;
}

static void preserve(int session, int fd, const struct shape *s)
{
	int rc = luo_preserve_fd(session, fd, s->token);

	errno = -rc;
	if (rc)
		die("preserve %s", s->name);
}

/* huge-hold NAME [giant] */
int cmd_huge_hold(int argc, char **argv)
{
	int dev, session, fd;

	if (argc < 2)
		return 2;
	errno = 0;
	dev = open_device();
	session = new_session(dev, argv[1]);
	if (argc > 2) {
		fd = make(&giant);
		preserve(session, fd, &giant);
	}
	for (size_t i = 0; i < NR_SHAPES && argc == 2; i++) {
		fd = make(&shapes[i]);
		preserve(session, fd, &shapes[i]);
		if (shapes[i].token == 3)
			change_late(fd);
		if (i & 1)
			close(fd);
	}
	close(dev);
	stay_behind(argv[1]);
	return 0;
}

/* ------------------------------------------------------------- after */

/* Bytes of the mapping at @p that are mapped by entries of 2 MiB. */
static uint64_t pmd_mapped(const void *p)
{
	char line[512], start[32];
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long long kib = 0;
	bool here = false;

	if (!f)
		die("smaps");
	snprintf(start, sizeof(start), "%lx-", (unsigned long)p);
	while (fgets(line, sizeof(line), f)) {
		if (strchr(line, '-') && strchr("0123456789abcdef", *line))
			here = !strncmp(line, start, strlen(start));
		if (here && sscanf(line, "FilePmdMapped: %llu", &kib) == 1)
			break;
	}
	fclose(f);
	return kib << 10;
}

static long faults(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return r.ru_minflt + r.ru_majflt;
}

static uint64_t allocated(const struct shape *s, int after)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < s->pages; i++)
		n += s->seed(i, after) != 0;
	return n;
}

static void check_meta(const struct shape *s, int fd)
{
	char path[64], link[128] = "", want[128];
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (fstat(fd, &st))
		die("fstat");
	point(S_ISREG(st.st_mode) && st.st_size == (off_t)(s->pages * HUGE) &&
		      st.st_blksize == (long)HUGE && !st.st_nlink,
	      "%s: %lld bytes in blocks of %ld", s->name, (long long)st.st_size,
	      (long)st.st_blksize);
	point((uint64_t)st.st_blocks * 512 == allocated(s, updates) * HUGE,
	      "%s: occupies %lld KiB", s->name, (long long)st.st_blocks / 2);
	point((st.st_mode & 07777) == (mode_t)s->mode && (int)st.st_uid == s->uid &&
		      (int)st.st_gid == s->gid,
	      "%s: mode and owner", s->name);
	point(lseek(fd, 0, SEEK_CUR) == s->pos &&
		      (flags & (O_ACCMODE | O_APPEND)) == s->flags,
	      "%s: position and flags", s->name);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	snprintf(want, sizeof(want), "/memfd:%s (deleted)", s->name);
	point(readlink(path, link, sizeof(link) - 1) > 0 && !strcmp(link, want),
	      "%s: is called %s", s->name, link);
}

/* Holes are not touched through the mapping: that would fill them. */
static void check_contents(const struct shape *s, int fd)
{
	static uint8_t buf[HUGE];
	uint64_t bad_read = 0, bad_map = 0, mapped = 0, size = s->pages * HUGE;
	uint8_t *p = map(fd, size, PROT_READ, MAP_SHARED);
	long before = faults(), used;

	for (uint64_t i = 0; i < s->pages; i++) {
		uint64_t seed = s->seed(i, updates);

		if (!seed)
			continue;
		mapped++;
		bad_map += !is_huge(p + i * HUGE, seed, i);
	}
	used = faults() - before;
	for (uint64_t i = 0; i < s->pages; i++)
		bad_read += pread(fd, buf, HUGE, i * HUGE) != (ssize_t)HUGE ||
			    !is_huge(buf, s->seed(i, updates), i);
	point(!bad_map, "%s: every byte by mmap", s->name);
	point(!bad_read, "%s: every byte by read", s->name);
	point(pmd_mapped(p) == mapped * HUGE, "%s: %llu KiB are mapped by huge entries",
	      s->name, (unsigned long long)pmd_mapped(p) >> 10);
	/* The test's own buffers may be touched for the first time. */
	point(used <= (long)mapped + 8, "%s: that took a fault for each huge page", s->name);
	munmap(p, size);
}

static int in_child(int (*run)(void *), void *arg)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		signal(SIGBUS, SIG_DFL);
		signal(SIGSEGV, SIG_DFL);
		_exit(run(arg));
	}
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	return status;
}

static int touch(void *p)
{
	*(volatile uint8_t *)p = 1;
	return 0;
}

static int look_and_write(void *arg)
{
	uint8_t *p = arg;

	if (!is_huge(p, 11, 0))
		return 1;
	p[HUGE + 5] ^= 0xff;
	return 0;
}

/* What mm can do to mappings. */
static void check_mappings(int fd)
{
	static uint8_t want[PAGE];
	uint64_t size = 8 * HUGE;
	uint8_t *p, *q, *r, old;
	bool same;
	int status;

	p = map(fd, size, PROT_READ | PROT_WRITE, MAP_SHARED);
	point(!((uintptr_t)p & (HUGE - 1)), "mmap gives aligned addresses");
	q = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_HUGETLB, fd, 0);
	gives("mmap with MAP_HUGETLB", q == MAP_FAILED ? -1 : 0, EINVAL);
	old = p[HUGE + 5];
	status = in_child(look_and_write, p);
	point(!status && p[HUGE + 5] != old, "a forked child shares it");
	p[HUGE + 5] = old;

	gives("mprotect of 4 KiB in a huge page", mprotect(p + 8192, PAGE, PROT_READ), 0);
	status = in_child(touch, p + 8192);
	point(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "it is read-only then");
	point(!in_child(touch, p + PAGE), "its neighbours are not");
	fill_page(p + PAGE, 11, 1);
	mprotect(p + 8192, PAGE, PROT_READ | PROT_WRITE);
	point(is_huge(p, 11, 0), "nothing has changed");

	gives("munmap of 4 KiB in a huge page", munmap(p + 2 * HUGE + PAGE, PAGE), 0);
	fill_page(want, 11, 2 * HUGE / PAGE);
	same = !memcmp(p + 2 * HUGE, want, PAGE);
	for (uint64_t i = 2; i < HUGE / PAGE; i++) {
		fill_page(want, 11, 2 * HUGE / PAGE + i);
		same &= !memcmp(p + 2 * HUGE + i * PAGE, want, PAGE);
	}
	point(same, "the rest of it is there");
	point(WIFSIGNALED(in_child(touch, p + 2 * HUGE + PAGE)), "the part is not");
	/* Onto a place that does not fit huge entries. */
	r = map(-1, 6 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);
	q = mremap(p + 4 * HUGE, 4 * HUGE, 4 * HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, r + PAGE);
	point(q != MAP_FAILED && is_huge(q, 11, 4) && is_huge(q + 3 * HUGE, 11, 7),
	      "mremap moves it");
	munmap(r, 6 * HUGE);
	munmap(p, size);

	/* To where no huge entry fits. */
	r = mmap(NULL, 6 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	r = (uint8_t *)(((uintptr_t)r + HUGE - 1) & ~(HUGE - 1)) + PAGE;
	q = mmap(r, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	point(q == r && is_huge(q, 11, 0) && is_huge(q + HUGE, 11, 1) && !pmd_mapped(q),
	      "at other addresses small entries map it");
	munmap(q, 2 * HUGE);

	p = map(fd, size, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	p[5] ^= 0xff;
	q = map(fd, size, PROT_READ, MAP_SHARED);
	point(is_huge(q, 11, 0) && p[5] != q[5] && !memcmp(p + PAGE, q + PAGE, PAGE),
	      "a private mapping copies on write");
	munmap(p, size);

	/* What moves, drops and reclaims pages. */
	madvise(q, size, MADV_PAGEOUT);
	for (int i = 0; i < 8; i++)
		(void)((volatile uint8_t *)q)[i * HUGE];
	for (int i = 0; i < 2; i++) {
		int f = open(i ? "/proc/sys/vm/compact_memory" : "/proc/sys/vm/drop_caches",
			     O_WRONLY);

		if (f < 0 || write(f, "1", 1) != 1)
			die("drop_caches, compact_memory");
		close(f);
	}
	for (int i = 0; i < 8; i++)
		(void)((volatile uint8_t *)q)[i * HUGE];
	point(pmd_mapped(q) == size, "neither pageout, compaction nor drop_caches split it");
	point(is_huge(q, 11, 0) && is_huge(q + 2 * HUGE, 11, 2), "... or change it");
	munmap(q, size);
}

/* get_user_pages(): pipes that refer to pages, and direct I/O. */
static void check_gup(int fd)
{
	static uint8_t want[64 << 10] __attribute__((aligned(4096))), buf[PAGE];
	struct iovec iov;
	uint8_t *p;
	int pipes[2], disk, again;
	bool same = true;

	p = map(fd, 8 * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	if (pipe(pipes))
		die("pipe");
	iov = (struct iovec){ p + HUGE, 8 * PAGE };
	gives("vmsplice", vmsplice(pipes[1], &iov, 1, 0), 0);
	for (int i = 0; i < 8; i++) {
		fill_page(want, 11, HUGE / PAGE + i);
		same &= read(pipes[0], buf, PAGE) == PAGE && !memcmp(buf, want, PAGE);
	}
	point(same, "what comes out of the pipe is what is in the page");

	disk = open("/dev/nvme0n1", O_RDONLY | O_DIRECT | O_CLOEXEC);
	again = open("/dev/nvme0n1", O_RDONLY | O_CLOEXEC);
	if (disk < 0 || again < 0)
		die("/dev/nvme0n1");
	gives("direct I/O into it", pread(disk, p + 5 * HUGE + 3 * PAGE, sizeof(want), 0), 0);
	point(pread(again, want, sizeof(want), 0) == sizeof(want) &&
		      !memcmp(want, p + 5 * HUGE + 3 * PAGE, sizeof(want)),
	      "that is what is on the disk");
	for (size_t i = 0; i < sizeof(want) / PAGE; i++)
		fill_page(p + 5 * HUGE + (3 + i) * PAGE, 11, 5 * HUGE / PAGE + 3 + i);
	close(disk);
	close(again);

	/* A page that somebody holds outlives its place in the file. */
	fill_huge(p + 3 * HUGE, 99, 3);
	iov = (struct iovec){ p + 3 * HUGE, PAGE };
	gives("vmsplice of a page", vmsplice(pipes[1], &iov, 1, 0), 0);
	gives("which is punched out then",
	      fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3 * HUGE, HUGE), 0);
	point(p[3 * HUGE] == 0 && p[4 * HUGE - 1] == 0, "there are zeros in its place");
	fill_huge(p + 3 * HUGE, 98, 3);
	fill_page(want, 99, 3 * HUGE / PAGE);
	point(read(pipes[0], buf, PAGE) == PAGE && !memcmp(buf, want, PAGE),
	      "the pipe has it still");
	close(pipes[0]);
	close(pipes[1]);
	munmap(p, 8 * HUGE);
}

static uint64_t kib_of(const char *key)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128], name[64];
	unsigned long long n;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63[^:]: %llu", name, &n) == 2 && !strcmp(name, key)) {
			fclose(f);
			return n;
		}
	}
	die("no %s in meminfo", key);
}

static uint64_t blocks(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		die("fstat");
	return st.st_blocks * 512;
}

/*
 * Pages come and go, mapped and pinned too, more of them than there is memory: no
 * counter of the kernel's shows a reference too many, but this runs dry.
 */
static bool many_come_and_go(int fd)
{
	uint64_t times = kib_of("MemTotal") / (HUGE >> 10) + 1;
	uint8_t *p = map(fd, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED), buf[PAGE];
	struct iovec iov = { p, PAGE };
	bool good = true;
	int pipes[2];

	if (pipe(pipes))
		die("pipe");
	for (uint64_t i = 0; i < times && good; i++) {
		good = !fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, HUGE);
		if (!good)
			break;
		p[0] = i | 1;
		good = vmsplice(pipes[1], &iov, 1, 0) == PAGE &&
		       !fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, HUGE) &&
		       read(pipes[0], buf, PAGE) == PAGE && buf[0] == (uint8_t)(i | 1) &&
		       !buf[1];
	}
	close(pipes[0]);
	close(pipes[1]);
	munmap(p, HUGE);
	return good && !blocks(fd);
}

/* What one can do to the file itself; leaves "empty" as it was. */
static void check_file(int fd)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	uint64_t huge = kib_of("FileHugePages");
	char path[64], buf[16] = "huge";
	struct stat st;
	uint8_t *p;
	int again, status;

	gives("a size that is no multiple of 2 MiB", ftruncate(fd, HUGE + PAGE), EINVAL);
	gives("fallocate of two pages", fallocate(fd, 0, HUGE + PAGE, HUGE), 0);
	point(blocks(fd) == 2 * HUGE && kib_of("FileHugePages") == huge + 4096,
	      "they are huge");
	gives("write across both", pwrite(fd, buf, 16, 2 * HUGE - 8), 0);
	memset(buf, 0, sizeof(buf));
	point(pread(fd, buf, 16, 2 * HUGE - 8) == 16 && !strcmp(buf, "huge"),
	      "read gives it back");
	gives("fallocate in another mode", fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, HUGE),
	      EOPNOTSUPP);
	gives("part of a page punched out", fallocate(fd, punch, 2 * HUGE - PAGE, PAGE), 0);
	point(pread(fd, buf, 16, 2 * HUGE - 8) == 16 && !buf[0] && blocks(fd) == 2 * HUGE,
	      "is zeroed, and stays");
	gives("both punched out", fallocate(fd, punch, HUGE, 2 * HUGE), 0);
	point(!blocks(fd) && kib_of("FileHugePages") == huge, "their memory is back");

	point(many_come_and_go(fd), "more pages come and go than there is memory");

	gives("write at the end", pwrite(fd, "x", 1, 4 * HUGE), ENOSPC);
	point(pwrite(fd, buf, 16, 4 * HUGE - 4) == 4, "write across the end stops there");
	gives("a larger size", ftruncate(fd, 6 * HUGE), 0);
	p = map(fd, 6 * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	p[5 * HUGE] = 1;
	gives("a smaller size", ftruncate(fd, 4 * HUGE), 0);
	status = in_child(touch, p + 5 * HUGE);
	point(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS,
	      "a mapping beyond the end gives SIGBUS");
	munmap(p, 6 * HUGE);
	point(blocks(fd) == HUGE, "only the page before the end is left");
	gives("fallocate of the last page that an offset can say",
	      fallocate(fd, FALLOC_FL_KEEP_SIZE, INT64_MAX - PAGE, PAGE), EFBIG);
	gives("allocated beyond the end",
	      fallocate(fd, FALLOC_FL_KEEP_SIZE, 4 * HUGE, HUGE), 0);
	gives("emptied", ftruncate(fd, 0), 0);
	point(!blocks(fd) && !fstat(fd, &st) && !st.st_size, "nothing is left");
	gives("and grown", ftruncate(fd, 4 * HUGE), 0);
	gives("fsync", fsync(fd), 0);
	gives("seals cannot be asked for", fcntl(fd, F_GET_SEALS), EINVAL);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	gives("opened again through /proc", again, 0);
	gives("read-only, so no write", pwrite(again, "x", 1, 0), EBADF);
	close(again);
}

static void check_sealed(int fd)
{
	uint8_t *p;

	gives("sealed: write", pwrite(fd, "x", 1, 0), EPERM);
	gives("sealed: smaller", ftruncate(fd, HUGE), EPERM);
	gives("sealed: larger", ftruncate(fd, 8 * HUGE), EPERM);
	gives("sealed: fallocate beyond", fallocate(fd, 0, 2 * HUGE, HUGE), EPERM);
	gives("sealed: punch", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, HUGE),
	      EPERM);
	p = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	gives("sealed: a writable mapping", p == MAP_FAILED ? -1 : 0, EPERM);
	p = mmap(NULL, HUGE, PROT_READ, MAP_SHARED, fd, 0);
	gives("sealed: a readable one", p == MAP_FAILED ? -1 : 0, 0);
	gives("sealed: made writable", mprotect(p, HUGE, PROT_READ | PROT_WRITE), EACCES);
	munmap(p, HUGE);
}

/* What the update after this one shall carry. */
static void change(const struct shape *s, int fd)
{
	static uint8_t buf[HUGE];
	uint8_t *p;

	if (s->token == 1) {
		fill_huge(buf, 77, 3);
		if (pwrite(fd, buf, HUGE, 3 * HUGE) != (ssize_t)HUGE)
			die("write");
	} else if (s->token == 2) {
		p = map(fd, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED);
		fill_huge(p + HUGE, 78, 1);
		munmap(p, 2 * HUGE);
	} else if (s->token == 3) {
		if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2 * HUGE, HUGE))
			die("punch");
	} else if (s->token == 7) {
		p = map(fd, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED);
		fill_huge(p + HUGE, 79, 1);
		munmap(p, 2 * HUGE);
	}
}

/*
 * huge-check UPDATES NAME [NEXT] [giant]: retrieves, checks, finishes; with NEXT
 * preserves all of it again, changes some of it, and stays behind.
 */
int cmd_huge_check(int argc, char **argv)
{
	bool large = argc > 2 && !strcmp(argv[argc - 1], "giant");
	const struct shape *s = large ? &giant : shapes;
	size_t n = large ? 1 : NR_SHAPES;
	int dev, session, next = -1, fds[NR_SHAPES];

	argc -= large;
	if (argc < 3)
		return 2;
	errno = 0;
	updates = atoi(argv[1]);
	dev = open_device();
	session = luo_retrieve(dev, argv[2]);
	errno = session < 0 ? -session : 0;
	if (session < 0)
		die("retrieve session '%s'", argv[2]);
	for (size_t i = 0; i < n; i++) {
		fds[i] = luo_retrieve_fd(session, s[i].token);
		errno = fds[i] < 0 ? -fds[i] : 0;
		if (fds[i] < 0)
			die("retrieve %s", s[i].name);
		check_meta(&s[i], fds[i]);
		check_contents(&s[i], fds[i]);
	}
	if (luo_finish(session))
		die("finish");
	if (!large && updates == 1) {
		check_mappings(fds[0]);
		check_gup(fds[0]);
		check_sealed(fds[3]);
		check_file(fds[5]);
	}
	if (argc < 4)
		return 0;
	next = new_session(dev, argv[3]);
	for (size_t i = 0; i < n; i++) {
		preserve(next, fds[i], &s[i]);
		change(&s[i], fds[i]);
	}
	point(luo_preserve_fd(next, fds[0], 99) == -EBUSY, "nobody preserves it twice");
	close(dev);
	stay_behind(argv[3]);
	return 0;
}
