/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests of the core share: physical memory, a kind of file, a reboot. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include "luo_internal.h"
#include <cmocka.h>	/* wants the headers of the seam first */

/* ---------------------------------------------------------------- arena */

#define ARENA_PFN	0x1000		/* first frame */
#define ARENA_FRAMES	16384
#define ARENA_DATA	(ARENA_PFN + 8192)	/* from here on frames of files */

enum frame_state {
	FRAME_FREE,
	FRAME_BLOCK,		/* handed out by block_alloc() */
	FRAME_TRACKED,
	FRAME_RESERVED,		/* came from the previous kernel */
	FRAME_CARRIED,		/* and is kept for the next one */
	FRAME_RELEASED,
};

extern const struct luo_mem_ops arena_ops;
extern const struct luo_mem_ops *arena_mem;	/* what start() gives the core */
extern struct luo_claims arena_claims;
extern unsigned long arena_blocks;	/* handed out now */

void arena_reset(void);			/* a cold boot */
void *arena_virt(u64 pfn);
enum frame_state arena_state(u64 pfn);
unsigned long arena_count(enum frame_state state);
void arena_next_kernel(void);		/* all is reserved, nothing is claimed */
void arena_trust(void);			/* all may be claimed, whoever kept it */

/* ------------------------------------------------------- a kind of file */

/**
 * struct model - script of one file
 *
 * Its data in the image is its index. A negative errno in *_err is what the
 * callback returns.
 */
struct model {
	unsigned int runs;		/* extents, of 1 page each and not mergeable */
	unsigned int added;		/* extents that the freeze adds to the first block */
	int preserve_err, freeze_err, prefreeze_err, retrieve_err;
	int describe_err, into_err;
	bool into_begins;		/* a failed retrieve_into() leaves something */
	bool busy;			/* cannot finish */
	bool foreign;			/* cannot be preserved (again) */
	bool clean;			/* a failed retrieve() leaves nothing */
	bool no_file;			/* retrieve() forgets the file */
	bool begun;			/* a failed retrieve() has left something */
	struct file *file;		/* what retrieve() made */
	int finish_status;		/* what finish() was told */
	u64 pages_seen;			/* that retrieve() or finish() found */
};

#define MODELS 64
extern struct model models[MODELS];
extern bool models_hostile;		/* what arrives may be anything */
extern char events[1024];		/* "P1 F1 u1 U1 R1 D1 I1 C1 X1 ": what was called */
extern struct module model_module;
extern struct liveupdate_file_handler model_handler;
/* The same kind where user space brings files: D and I. */
extern const struct liveupdate_file_ops model_into_ops;

void models_reset(void);

/**
 * struct model_flb - script of one piece of shared state, number n
 *
 * Its data in the image is n + 500; events are "pn qn rn xn ": preserve,
 * unpreserve, retrieve, finish.
 */
struct model_flb {
	struct liveupdate_flb flb;
	int preserve_err, retrieve_err;
};

#define MODEL_FLBS 70
extern struct model_flb model_flbs[MODEL_FLBS];

/* With model_handler. Returns what the core says. */
int flb_register(int n);
int flb_get_incoming(int n);
int flb_get_outgoing(int n);

/* ------------------------------------------------------------ user space */

#define TEST_NONCE	0x1122334455667788ULL

int start(void);			/* core and handler */
void stop(void);			/* closes all, asserts that nothing is left */
extern void (*stop_hook)(void);		/* when all is closed: a driver that goes */
int setup(void **state);
int teardown(void **state);

int file_open(int model);		/* an fd */
int file_open_foreign(void);		/* one that no handler takes */
void fd_close(int fd);
long dev_ioctl(unsigned int cmd, void *arg);
long fd_ioctl(int fd, unsigned int cmd, void *arg);
int session_create(const char *name);	/* an fd or an errno */
int session_retrieve(const char *name);
int session_preserve(int fd, u64 token, int file);
int session_preserve_model(int fd, u64 token, int model);
int session_retrieve_fd(int fd, u64 token);
int session_finish(int fd);
int session_set_flags(int fd, u32 flags);
int session_reopen(const char *name);
int session_freeze(int fd);
int session_thaw(int fd);
int session_drop(const char *name, u64 generation);
int session_retrieve_generation(const char *name, u64 generation);

/* Freezes and keeps the image, ends this kernel; the image lies in the arena. */
u64 kexec_away(void);
/* The next kernel comes up. Returns what luo_core_receive() says. */
int kexec_arrive(u64 root);
int kexec_do(void);			/* both */

/* Repeatable numbers: xorshift; the seed comes from SEED or the clock. */
u64 rnd(void);
u64 rnd_seed(void);
#define rnd_below(n) (rnd() % (n))

#endif /* SUPPORT_H */
