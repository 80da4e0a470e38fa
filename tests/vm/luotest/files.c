// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files made and checked from a description. Each byte follows from seed and
 * place, so a page that comes back at another index is seen too.
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

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

static const char *const layouts[] = {
	[DENSE] = "dense",	   [SPARSE] = "sparse",
	[HOLE] = "hole",	   [FALLOC] = "falloc",
	[FALLMIX] = "fallmix",	   [SCATTER] = "scatter",
	[HUGE_PAGES] = "huge",
};

uint64_t number(const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 0);

	switch (*end) {
	case 'K':
		n <<= 10;
		end++;
		break;
	case 'M':
		n <<= 20;
		end++;
		break;
	case 'G':
		n <<= 30;
		end++;
		break;
	}
	errno = 0;
	if (*end || end == text)
		die("not a number: %s", text);
	return n;
}

void spec_parse(struct spec *s, const char *text)
{
	char *copy = strdup(text), *save = NULL, *word, *value;
	int field = 0;
	size_t i;

	*s = (struct spec){ .mode = -1, .uid = -1, .gid = -1, .seed = 1 };
	for (word = strtok_r(copy, ":", &save); word;
	     word = strtok_r(NULL, ":", &save), field++) {
		errno = 0;
		if (field == 0) {
			s->token = number(word);
			snprintf(s->name, sizeof(s->name), "luotest-%llu",
				 (unsigned long long)s->token);
			continue;
		}
		if (field == 1) {
			for (i = 0; i < sizeof(layouts) / sizeof(*layouts); i++)
				if (!strcmp(word, layouts[i]))
					break;
			if (i == sizeof(layouts) / sizeof(*layouts))
				die("unknown layout '%s'", word);
			s->layout = i;
			continue;
		}
		if (field == 2) {
			s->size = number(word);
			continue;
		}
		value = strchr(word, '=');
		if (value)
			*value++ = 0;
		if (!strcmp(word, "append"))
			s->append = true;
		else if (!strcmp(word, "ro"))
			s->read_only = true;
		else if (!strcmp(word, "noexec"))
			s->noexec = true;
		else if (!value)
			die("option '%s' needs a value, or does not exist", word);
		else if (!strcmp(word, "seed"))
			s->seed = number(value);
		else if (!strcmp(word, "pos"))
			s->pos = number(value);
		else if (!strcmp(word, "seals"))
			s->seals = number(value);
		else if (!strcmp(word, "mode"))
			s->mode = number(value);
		else if (!strcmp(word, "uid"))
			s->uid = number(value);
		else if (!strcmp(word, "gid"))
			s->gid = number(value);
		else if (!strcmp(word, "beyond"))
			s->beyond = number(value);
		else if (!strcmp(word, "name"))
			snprintf(s->name, sizeof(s->name), "%s", value);
		else if (!strcmp(word, "path"))
			snprintf(s->path, sizeof(s->path), "%s", value);
		else if (!strcmp(word, "then-size")) {
			s->post_size_set = true;
			s->post_size = number(value);
		} else if (!strcmp(word, "then-seed"))
			s->rewrite = number(value);
		else if (!strcmp(word, "then-seals"))
			s->post_seals = number(value);
		else
			die("unknown option '%s'", word);
	}
	if (field < 3)
		die("want TOKEN:LAYOUT:SIZE, got '%s'", text);
	free(copy);
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 31;
	x *= 0x7fb5d329728ea185ULL;
	x ^= x >> 27;
	x *= 0x81dadef4bc2dd44dULL;
	x ^= x >> 33;
	return x;
}

void fill_page(void *page, uint64_t seed, uint64_t index)
{
	uint64_t *w = page, x = mix(seed * 0x9e3779b97f4a7c15ULL + index);

	for (size_t i = 2; i < PAGE / 8; i++) {
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		w[i] = x;
	}
	/* Recognisable, for the search of leaks (cmd_scan). */
	memcpy(page, "LUOTEST page ...", 16);
	w[1] ^= x;
}

enum state { IS_HOLE, IS_ZERO, IS_DATA };

/* What page @index was when the file was made. */
static enum state page_state(const struct spec *s, uint64_t index)
{
	switch (s->layout) {
	case DENSE:
	case SCATTER:
	case HUGE_PAGES:
		return IS_DATA;
	case SPARSE:
		return mix(s->seed ^ (index << 8)) % 5 == 0 ? IS_DATA : IS_HOLE;
	case HOLE:
		return IS_HOLE;
	case FALLOC:
		return IS_ZERO;
	case FALLMIX:
		return index % 3 == 0 ? IS_DATA : IS_ZERO;
	}
	return IS_HOLE;
}

static uint64_t pages_of(uint64_t bytes)
{
	return (bytes + PAGE - 1) / PAGE;
}

static void write_all(int fd, const void *buf, size_t len, uint64_t off)
{
	ssize_t n = pwrite(fd, buf, len, off);

	if (n != (ssize_t)len)
		die("pwrite of %zu at %llu gave %zd", len,
		    (unsigned long long)off, n);
}

/* Writes every page that is data, up to @size. */
static void write_data(const struct spec *s, int fd, uint64_t seed,
		       uint64_t size, int decoy)
{
	static uint8_t page[PAGE];
	uint64_t i, n = pages_of(size);

	for (i = 0; i < n; i++) {
		if (page_state(s, i) != IS_DATA)
			continue;
		fill_page(page, seed, i);
		write_all(fd, page, size - i * PAGE < PAGE ? size - i * PAGE : PAGE,
			  i * PAGE);
		if (decoy >= 0)
			write_all(decoy, page, 1, i * PAGE);
	}
}

static void write_huge(const struct spec *s, int fd)
{
	uint8_t *p = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		die("mmap");
	if (madvise(p, s->size, MADV_HUGEPAGE))
		die("MADV_HUGEPAGE");
	for (uint64_t i = 0; i < s->size / PAGE; i++)
		fill_page(p + i * PAGE, s->seed, i);
	munmap(p, s->size);
}

/* The number of physically contiguous pieces that the file consists of. */
static uint64_t extents_of(int fd, uint64_t size)
{
	uint64_t entry, prev = 0, extents = 0, n = size / PAGE;
	int map = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	volatile uint8_t *p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

	if (map < 0 || p == MAP_FAILED)
		die("pagemap");
	for (uint64_t i = 0; i < n; i++) {
		(void)p[i * PAGE];
		if (pread(map, &entry, 8, ((uintptr_t)p / PAGE + i) * 8) != 8)
			die("pagemap");
		entry &= (1ULL << 55) - 1;
		if (!entry)
			die("pagemap shows no address");
		if (entry != prev + 1)
			extents++;
		prev = entry;
	}
	munmap((void *)p, size);
	close(map);
	return extents;
}

int spec_make(const struct spec *s)
{
	int fd, decoy = -1, again, flags = 0;
	char path[64];

	errno = 0;
	if (s->path[0])
		fd = open(s->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	else
		fd = memfd_create(s->name, MFD_CLOEXEC | MFD_ALLOW_SEALING |
						   (s->noexec ? MFD_NOEXEC_SEAL : 0));
	if (fd < 0)
		die("cannot make %s", s->path[0] ? s->path : s->name);
	if (ftruncate(fd, s->size))
		die("ftruncate to %llu", (unsigned long long)s->size);
	if ((s->layout == FALLOC || s->layout == FALLMIX) && s->size &&
	    fallocate(fd, 0, 0, s->size))
		die("fallocate");
	if (s->beyond && fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, s->beyond))
		die("fallocate beyond the size");
	if (s->layout == SCATTER) {
		/* Every second page goes to somebody else, who then leaves. */
		decoy = memfd_create("decoy", MFD_CLOEXEC);
		if (decoy < 0 || ftruncate(decoy, s->size))
			die("decoy");
	}
	if (s->layout == HUGE_PAGES)
		write_huge(s, fd);
	else
		write_data(s, fd, s->seed, s->size, decoy);
	if (decoy >= 0) {
		uint64_t extents = extents_of(fd, s->size);

		printf("extents %llu\n", (unsigned long long)extents);
		errno = 0;
		if (extents < s->size / PAGE * 5 / 8)
			die("only %llu extents", (unsigned long long)extents);
		close(decoy);
	}
	if (s->mode >= 0 && fchmod(fd, s->mode))
		die("fchmod");
	if ((s->uid >= 0 || s->gid >= 0) && fchown(fd, s->uid, s->gid))
		die("fchown");
	if (s->seals && fcntl(fd, F_ADD_SEALS, s->seals))
		die("F_ADD_SEALS %#x", s->seals);
	if (s->read_only) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		again = open(path, O_RDONLY | O_CLOEXEC);
		if (again < 0)
			die("reopen read-only");
		close(fd);
		fd = again;
	}
	if (s->append) {
		flags = fcntl(fd, F_GETFL);
		if (flags < 0 || fcntl(fd, F_SETFL, flags | O_APPEND))
			die("O_APPEND");
	}
	if (lseek(fd, s->pos, SEEK_SET) != (off_t)s->pos)
		die("lseek");
	return fd;
}

static uint64_t final_size(const struct spec *s)
{
	return s->post_size_set ? s->post_size : s->size;
}

void spec_post(const struct spec *s, int fd)
{
	uint64_t size = final_size(s) < s->size ? final_size(s) : s->size;

	errno = 0;
	if (s->post_size_set && ftruncate(fd, s->post_size))
		die("ftruncate after preserve");
	if (s->rewrite)
		write_data(s, fd, s->rewrite, size, -1);
	if (s->post_seals && fcntl(fd, F_ADD_SEALS, s->post_seals))
		die("F_ADD_SEALS after preserve");
}

static int differences;

#define DIFFERENT(s, fmt, ...)                                                  \
	do {                                                                    \
		if (differences++ < 8)                                          \
			fprintf(stderr, "token %llu: " fmt "\n",                \
				(unsigned long long)(s)->token, ##__VA_ARGS__); \
	} while (0)

static void check_contents(const struct spec *s, int fd, uint64_t *allocated)
{
	static uint8_t want[PAGE];
	uint64_t size = final_size(s), old = s->size < size ? s->size : size;
	uint64_t i, n = pages_of(size), seed = s->rewrite ? s->rewrite : s->seed;
	uint64_t len, bad = 0;
	enum state state;
	uint8_t *p;

	if (!size)
		return;
	if (s->layout == HOLE) {
		/* May be far larger than memory. */
		if (lseek(fd, 0, SEEK_DATA) != -1 || errno != ENXIO)
			DIFFERENT(s, "was one hole, and has data now");
		return;
	}
	/* Private: a shared mapping of a write-sealed file fails before 6.7. */
	p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED) {
		DIFFERENT(s, "cannot be mapped: %s", strerror(errno));
		return;
	}
	for (i = 0; i < n; i++) {
		state = i * PAGE < old ? page_state(s, i) : IS_HOLE;
		if (state != IS_HOLE)
			++*allocated;
		if (state == IS_DATA) {
			fill_page(want, seed, i);
			/* Beyond what was ever written there are zeros. */
			len = old - i * PAGE;
			if (len < PAGE)
				memset(want + len, 0, PAGE - len);
		} else {
			/*
			 * Reading a hole through a mapping fills it: ask, unless
			 * zeros lie there anyway.
			 */
			if (state == IS_HOLE &&
			    lseek(fd, i * PAGE, SEEK_DATA) == (off_t)(i * PAGE)) {
				DIFFERENT(s, "page %llu was a hole",
					  (unsigned long long)i);
				continue;
			}
			memset(want, 0, PAGE);
			if (state == IS_HOLE)
				continue;
		}
		len = size - i * PAGE < PAGE ? size - i * PAGE : PAGE;
		if (memcmp(p + i * PAGE, want, len) && !bad++)
			DIFFERENT(s, "page %llu has wrong contents",
				  (unsigned long long)i);
	}
	munmap(p, size);
	if (bad > 1)
		DIFFERENT(s, "%llu pages of %llu have wrong contents",
			  (unsigned long long)bad, (unsigned long long)n);
}

int spec_check(const struct spec *s, int fd)
{
	unsigned int seals = s->seals | s->post_seals;
	int flags = fcntl(fd, F_GETFL), got;
	uint64_t allocated = 0, beyond;
	char path[64], link[128] = "", want[128];
	struct stat st, named;
	off_t pos;

	differences = 0;
	if (fstat(fd, &st)) {
		DIFFERENT(s, "fstat: %s", strerror(errno));
		return differences;
	}
	if ((uint64_t)st.st_size != final_size(s))
		DIFFERENT(s, "size %llu, not %llu", (unsigned long long)st.st_size,
			  (unsigned long long)final_size(s));
	pos = lseek(fd, 0, SEEK_CUR);
	if (pos != (off_t)s->pos)
		DIFFERENT(s, "position %lld, not %llu", (long long)pos,
			  (unsigned long long)s->pos);
	if (s->mode >= 0 && (st.st_mode & 07777) != (mode_t)s->mode)
		DIFFERENT(s, "mode %o, not %o", st.st_mode & 07777, s->mode);
	if (s->mode < 0 &&
	    (st.st_mode & 07777) != (s->path[0] ? 0600 : s->noexec ? 0666 : 0777))
		DIFFERENT(s, "mode %o, not as a new file has it", st.st_mode & 07777);
	if ((s->uid >= 0 ? s->uid : 0) != (int)st.st_uid ||
	    (s->gid >= 0 ? s->gid : 0) != (int)st.st_gid)
		DIFFERENT(s, "owner %d:%d", st.st_uid, st.st_gid);
	if (st.st_nlink != !!s->path[0])
		DIFFERENT(s, "link count %d", (int)st.st_nlink);
	got = fcntl(fd, F_GET_SEALS);
	if (s->noexec)
		seals |= 0x20;
	if (s->path[0])
		seals |= F_SEAL_SEAL;
	if (got != (int)seals)
		DIFFERENT(s, "seals %#x, not %#x", got, seals);
	if ((flags & O_ACCMODE) != (s->read_only && !s->path[0] ? O_RDONLY : O_RDWR))
		DIFFERENT(s, "access mode %d", flags & O_ACCMODE);
	if (!!(flags & O_APPEND) != s->append)
		DIFFERENT(s, "O_APPEND is %s", flags & O_APPEND ? "set" : "lost");
	if (!(fcntl(fd, F_GETFD) & FD_CLOEXEC))
		DIFFERENT(s, "FD_CLOEXEC is not set");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	snprintf(want, sizeof(want), "/memfd:%s (deleted)", s->name);
	/* What was made without a name shows none here, and has one all the same. */
	if (s->path[0]) {
		if (stat(s->path, &named) || named.st_ino != st.st_ino ||
		    named.st_dev != st.st_dev)
			DIFFERENT(s, "is not %s", s->path);
	} else if (readlink(path, link, sizeof(link) - 1) < 0 || strcmp(link, want)) {
		DIFFERENT(s, "is called '%s', not '%s'", link, want);
	}

	check_contents(s, fd, &allocated);
	lseek(fd, s->pos, SEEK_SET);
	beyond = pages_of(s->beyond) > pages_of(s->size) ?
			 pages_of(s->beyond) - pages_of(s->size) : 0;
	/* Allocated, but what ftruncate() cut off is gone. */
	if (!s->post_size_set || s->post_size > s->size)
		allocated += beyond;
	fstat(fd, &st);
	if (s->layout != HUGE_PAGES && (uint64_t)st.st_blocks != allocated * 8)
		DIFFERENT(s, "occupies %llu pages, not %llu",
			  (unsigned long long)st.st_blocks / 8,
			  (unsigned long long)allocated);
	return differences;
}
