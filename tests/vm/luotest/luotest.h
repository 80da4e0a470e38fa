/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LUOTEST_H
#define LUOTEST_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>
#include <linux/liveupdate_ext.h>

#define PAGE 4096UL

/* Says what went wrong, with errno if it is set, and ends the program. */
void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...);

uint64_t now_ns(void);

/*
 * ---- files: what a file shall look like is a text, the same before and after
 * the update, so that nothing has to be remembered in between ----
 */
enum layout { DENSE, SPARSE, HOLE, FALLOC, FALLMIX, SCATTER, HUGE_PAGES };

struct spec {
	uint64_t token;
	enum layout layout;
	uint64_t size;
	uint64_t seed;
	uint64_t pos;
	unsigned int seals;
	bool append;
	bool read_only;
	bool noexec;
	int mode; /* -1: as it comes */
	int uid, gid; /* -1: as it comes */
	uint64_t beyond; /* allocated up to here, beyond the size */
	char name[64];
	char path[64]; /* of a tmpfs, and not a memfd; else empty */
	/* done after PRESERVE_FD */
	bool post_size_set;
	uint64_t post_size;
	uint64_t rewrite; /* seed, 0: not */
	unsigned int post_seals;
	bool post_unchanged_layout;
};

uint64_t number(const char *text);	/* with K, M, G */
void spec_parse(struct spec *s, const char *text);
/* Makes the file; the fd that is to be preserved comes back. */
int spec_make(const struct spec *s);
/* What happens between preserve and freeze. */
void spec_post(const struct spec *s, int fd);
/* Number of differences; each is told on stderr. */
int spec_check(const struct spec *s, int fd);

void fill_page(void *page, uint64_t seed, uint64_t index);

/* ---- the raw ABI; each gives 0 or an fd, or -errno ---- */
int luo_open(void);
int luo_create(int dev, const char *name);
int luo_retrieve(int dev, const char *name);
int luo_preserve_fd(int session, int fd, uint64_t token);
int luo_retrieve_fd(int session, uint64_t token);
int luo_finish(int session);
/* A file of a tmpfs gets its name, by libluo. */
int luo_retrieve_path(int session, uint64_t token, const char *path);

/*
 * Leaves a child behind that keeps all fds, until it is killed (its pid is in
 * /run/luotest-NAME.pid). The parent's part of the program ends here.
 */
void stay_behind(const char *name);

/* ---- points on stdout: "ok TEXT", "not ok TEXT" (abi.c) ---- */
/* @got and @want: 0 or an errno. */
void expect(const char *text, int got, int want);
void expect_true(const char *text, bool is);
/* 0 or an errno. */
int call(int fd, unsigned long cmd, void *arg);
/* Two pages, the second of which cannot be read; edge_make() comes first. */
extern uint8_t *edge;
void edge_make(void);
/*
 * The sizes that every command must tell apart. @arg is a valid argument of
 * @size bytes, @again makes it valid again after each success.
 */
void sizes(const char *what, int fd, unsigned long cmd, const void *arg,
	   uint32_t size, void (*again)(void *arg, int *fd));

/* ---- subcommands ---- */
int cmd_hold(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_self(int argc, char **argv);
int cmd_hold_path(int argc, char **argv);
int cmd_check_path(int argc, char **argv);
int cmd_family(int argc, char **argv);
int cmd_keep(int argc, char **argv);
int cmd_change(int argc, char **argv);
int cmd_check_generation(int argc, char **argv);
int cmd_drop(int argc, char **argv);
int cmd_dry_run(int argc, char **argv);
int cmd_hold_frozen(int argc, char **argv);
int cmd_abi(int argc, char **argv);
int cmd_abi_incoming(int argc, char **argv);
int cmd_ext(int argc, char **argv);
int cmd_ext_incoming(int argc, char **argv);
int cmd_ext_recycle(int argc, char **argv);
int cmd_ext_fill(int argc, char **argv);
int cmd_ext_flags(int argc, char **argv);
int cmd_rehearse(int argc, char **argv);
int cmd_kinds_hold(int argc, char **argv);
int cmd_kinds_check(int argc, char **argv);
int cmd_huge_hold(int argc, char **argv);
int cmd_huge_check(int argc, char **argv);
int cmd_hammer(int argc, char **argv);
int cmd_failnth(int argc, char **argv);
int cmd_better_hold(int argc, char **argv);
int cmd_better_check(int argc, char **argv);
int cmd_many(int argc, char **argv);
int cmd_many_check(int argc, char **argv);

#endif
