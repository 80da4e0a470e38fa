/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The orchestrator's portable core: what its parts and the rest of the module
 * may ask of it.
 */
#ifndef LUO_CORE_H
#define LUO_CORE_H

#include "luo_plat.h"
#include "luo_format.h"

struct file;
struct liveupdate_file_handler;

/*
 * ---------------------------------------------------------------- memory
 */

/**
 * struct luo_extent - &struct luo_extent_ser, unpacked
 * @index: in pages from the start of the file
 * @pfn:   page frame number of the first folio
 * @count: number of folios, 1 to LUO_EXTENT_MAX_COUNT
 * @order: of each folio
 * @flags: LUO_EXTENT_*
 */
struct luo_extent {
	u64 index;
	u64 pfn;
	u32 count;
	u8 order;
	u8 flags;
};

static inline u64 luo_extent_pages(const struct luo_extent *ext)
{
	return (u64)ext->count << ext->order;
}

/**
 * struct luo_mem_ops - the keeper of physical memory, as the core sees it
 * @block_alloc: a zeroed block that will survive; NULL without memory. May
 *               sleep.
 * @block_free:  gives one back.
 * @block_phys:  its physical address.
 * @block_virt:  the reverse; only for addresses that @block_phys returned or
 *               @claim has accepted.
 * @track:       keep these page frames for the next kernel. -EBUSY when one
 *               of them is kept already, -EOPNOTSUPP when one is not memory
 *               that the next kernel will have, -ENOMEM above the limit; then
 *               none of them is. Called once per block of extents.
 * @untrack:     the reverse.
 * @claim:       in the new kernel: these frames belong to what is being read.
 *               -ERANGE when one lies outside the covering ranges, or in the
 *               chain; -EBUSY when one is claimed already; then none is.
 * @withhold:    as @claim, for frames that nobody may ever have.
 * @release:     in the new kernel: claimed frames that nobody wants; they go
 *               to the allocator.
 * @carry:       claimed frames that nobody has taken out yet are to be kept for
 *               the next kernel, too. Not refused: they are there, so no limit
 *               can make them fewer.
 * @uncarry:     the reverse; before they are taken out or released.
 */
struct luo_mem_ops {
	void *(*block_alloc)(void);
	void (*block_free)(void *block);
	u64 (*block_phys)(const void *block);
	void *(*block_virt)(u64 phys);
	int (*track)(u64 pfn, u64 nr);
	void (*untrack)(u64 pfn, u64 nr);
	int (*claim)(u64 pfn, u64 nr);
	int (*withhold)(u64 pfn, u64 nr);
	void (*release)(u64 pfn, u64 nr);
	void (*carry)(u64 pfn, u64 nr);
	void (*uncarry)(u64 pfn, u64 nr);
};

/*
 * ------------------------------------------------- pages of one file (luo_pages.c)
 */

/**
 * struct luo_pages - the extents of one preserved file, and its blob
 * @head:      first block, or NULL while nothing is in it
 * @tail:      last block
 * @nr_pages:  4 KiB pages in all extents
 * @nr_blocks: blocks
 * @renumber:  blocks were put in between; luo_pages_seal() counts them anew
 *
 * Serialised by whoever owns the file. Blocks other than the last may be
 * partly filled; extents are in order of their index and do not overlap.
 *
 * A handler finds one in &struct liveupdate_file_op_args. Before preserve() it
 * is empty; a handler that wants it calls luo_pages_init(). The core frees the
 * blocks after unpreserve(), and after a preserve() that failed; a handler may
 * do so earlier. In the next kernel it arrives filled and read-only, validated
 * and claimed; finish() decides what becomes of the frames, and the core gives
 * back the blocks after it.
 */
struct luo_pages {
	void *head;
	void *tail;
	u64 nr_pages;
	u64 nr_blocks;
	bool renumber;
};

/**
 * luo_pages_init() - allocate the first block
 * @pages: what becomes ready for use
 *
 * Context: May sleep, like all functions that allocate or free blocks.
 * Return: 0, -ENOMEM.
 */
int luo_pages_init(struct luo_pages *pages);

/**
 * luo_pages_blob() - what the handler keeps of the file itself
 * @pages: initialised, or received
 *
 * Return: LUO_BLOB_SIZE bytes, zero at first, aligned to 8; whoever changes
 * them calls luo_pages_seal_blob(). NULL when there is none.
 */
void *luo_pages_blob(struct luo_pages *pages);
void luo_pages_seal_blob(struct luo_pages *pages);

/**
 * luo_pages_append() - add a run behind all others
 * @pages: initialised
 * @ext:   the run; begins where the last one ends, or later
 *
 * Joins it to the last extent where both fit together. Does not track: the
 * caller has pinned and tracked the frames. Blocks that become full are
 * sealed; luo_pages_seal() seals the last one.
 *
 * Return: 0, -ENOMEM; -EINVAL for a run that the image cannot express.
 */
int luo_pages_append(struct luo_pages *pages, const struct luo_extent *ext);

/**
 * luo_pages_seal() - make the list ready for the next kernel
 * @pages: any
 *
 * Cheap unless blocks were inserted. The core calls it for every file after
 * its freeze; a handler need not.
 */
void luo_pages_seal(struct luo_pages *pages);

/**
 * luo_pages_destroy() - free the blocks
 * @pages: any; empty afterwards
 *
 * What the extents name is the caller's business.
 */
void luo_pages_destroy(struct luo_pages *pages);

/**
 * luo_pages_first() - the blocks one by one
 * @pages: any
 *
 * For the freeze that rewrites only those that changed::
 *
 *	for (b = luo_pages_first(p); b; b = luo_pages_next(b))
 *
 * Return: the first block, NULL when there is none.
 */
void *luo_pages_first(struct luo_pages *pages);
void *luo_pages_next(const void *block);

/**
 * luo_block_nr_extents() - how much a block holds
 * @block: of a &struct luo_pages
 *
 * Return: number of extents in it.
 */
unsigned int luo_block_nr_extents(const void *block);

/**
 * luo_block_extent() - one extent of a block
 * @block: of a &struct luo_pages
 * @i:     below luo_block_nr_extents()
 * @ret:   the extent
 */
void luo_block_extent(const void *block, unsigned int i, struct luo_extent *ret);

/**
 * luo_pages_replace() - give a block other extents
 * @pages: initialised
 * @block: one of @pages
 * @ext:   what it shall hold from now on, in order
 * @nr:    number of them, may be 0
 *
 * New blocks are put behind @block where one is not enough; an empty block
 * stays in the list. All blocks touched are sealed. On failure nothing has
 * changed.
 *
 * Return: the last block written (to go on with its successor), or
 * ERR_PTR(-ENOMEM); ERR_PTR(-EINVAL) for a run that the image cannot express.
 */
void *luo_pages_replace(struct luo_pages *pages, void *block,
			const struct luo_extent *ext, unsigned long nr);

/*
 * ------------------------------------------------- covering ranges (luo_cover.c)
 */

/**
 * struct luo_range - page frames [start, end)
 * @start: the first
 * @end:   the first that is not in it any more
 */
struct luo_range {
	u64 start;
	u64 end;
};

/* A frame that is lost until the next cold boot weighs as much as so many delayed ones. */
#define LUO_HOLE_WEIGHT		16

/**
 * luo_cover() - cover all set bits by few ranges
 * @bits:      bit n is page frame n
 * @nbits:     size of the bitmap in bits
 * @walls:     frames that no range may contain, sorted, disjoint; none of
 *             their bits is set
 * @nr_walls:  number of them
 * @holes:     frames that would be lost inside a range, sorted, disjoint;
 *             their bits may be clear only
 * @nr_holes:  number of them
 * @ret:       the ranges, sorted and disjoint; each starts and ends with a
 *             set bit
 * @max:       room in @ret
 *
 * Leaves out the heaviest gaps between set bits: the weight of a gap is its
 * number of frames, each hole in it counting LUO_HOLE_WEIGHT, and a gap with
 * a wall always goes first. Allocates nothing; linear in words of the bitmap
 * plus gaps worth a look, plus walls and holes.
 *
 * Return: number of ranges, 0 for an empty bitmap, -E2BIG when @max is too
 * small for the walls.
 */
int luo_cover(const unsigned long *bits, u64 nbits,
	      const struct luo_range *walls, unsigned int nr_walls,
	      const struct luo_range *holes, unsigned int nr_holes,
	      struct luo_range *ret, unsigned int max);

/*
 * ------------------------------------------------- claims (luo_claim.c)
 */

/**
 * struct luo_claims - which frames of the covering ranges belong to whom
 * @ranges: the covering ranges, sorted, disjoint
 * @bits:   one bitmap for each; bit 0 is its first frame
 * @nr:     number of ranges
 *
 * One bit a frame; filled while the image is read, and then the exact set of
 * what may not be freed.
 */
struct luo_claims {
	struct luo_range *ranges;
	unsigned long **bits;
	unsigned int nr;
};

/**
 * luo_claims_init() - nothing is claimed yet
 * @c:      what becomes ready for use
 * @ranges: the covering ranges, sorted, disjoint, none empty; copied
 * @nr:     number of them, may be 0
 *
 * Return: 0; -EINVAL for ranges that are not as described; -ENOMEM.
 */
int luo_claims_init(struct luo_claims *c, const struct luo_range *ranges,
		    unsigned int nr);
void luo_claims_destroy(struct luo_claims *c);

/**
 * luo_claim() - these frames now belong to somebody
 * @c:   the claims
 * @pfn: first frame
 * @nr:  frames, at least 1
 *
 * Return: 0; -ERANGE when one of them lies outside the ranges; -EBUSY when one
 * is claimed already. Then none is claimed by this call.
 */
int luo_claim(struct luo_claims *c, u64 pfn, u64 nr);

/**
 * luo_claimed() - does a frame belong to somebody?
 * @c:   the claims
 * @pfn: the frame
 *
 * Return: true if so; false also outside the ranges.
 */
bool luo_claimed(const struct luo_claims *c, u64 pfn);

/**
 * luo_claims_next_free() - find frames that nobody claimed
 * @c:   the claims
 * @pfn: where to begin
 * @ret: the next run of them at or after @pfn, inside one range
 *
 * Return: false when there is none.
 */
bool luo_claims_next_free(const struct luo_claims *c, u64 pfn, struct luo_range *ret);

/*
 * ------------------------------------------------- memory of handlers (luo_memory.c)
 */

/**
 * luo_memory_preserve() - a piece of memory goes to the next kernel
 * @pfn:   its first frame
 * @order: of the folio; 0 for single pages
 * @count: of single pages; 1 for a folio
 *
 * Context: May sleep; any lock of the core but its own may be held.
 * Return: 0; -EINVAL for what is no piece; -E2BIG when there are too many
 * pages; -EBUSY between freeze and thaw; -ENOMEM; the error of
 * &luo_mem_ops.track.
 */
int luo_memory_preserve(u64 pfn, unsigned int order, u64 count);

/**
 * luo_memory_unpreserve() - the reverse
 * @pfn:   as for luo_memory_preserve()
 * @order: the same
 * @count: the same
 *
 * Return: false when no such piece is preserved.
 */
bool luo_memory_unpreserve(u64 pfn, unsigned int order, u64 count);

/**
 * luo_memory_take() - somebody wants a piece that came
 * @pfn:   its first frame
 * @pages: how much it must be; 0: a folio, whatever its order
 * @ret:   the piece
 *
 * It is the caller's until luo_memory_settle() or luo_memory_put_back(). None
 * of the three sleeps.
 *
 * Return: 0; -ENOENT when no such piece came, or somebody has it; -EAGAIN while
 * it is promised to the next kernel.
 */
int luo_memory_take(u64 pfn, u64 pages, struct luo_extent *ret);
/* Its frames are ordinary memory now. */
void luo_memory_settle(u64 pfn);
/* They are as they were. */
void luo_memory_put_back(u64 pfn);

/*
 * ------------------------------------------------- the whole
 */

/**
 * luo_core_init() - before everything else
 * @mem:   the keeper of memory, ready to give blocks
 * @nonce: of this boot, never 0
 *
 * Return: 0, -EINVAL, -ENOMEM.
 */
int luo_core_init(const struct luo_mem_ops *mem, u64 nonce);

/**
 * struct luo_kexec_ops - who jumps, as the core sees it
 * @ready:    waits until what is preserved from now on will be noticed by a
 *            kexec. 0, or why it will not.
 * @rehearse: what a kexec does from luo_core_freeze() to the jump, and then
 *            luo_core_thaw(). Returns what reboot(2) would; -EALREADY when a
 *            kexec is under way, which it must exclude. Whatever else it finds,
 *            it comes behind luo_core_freeze().
 */
struct luo_kexec_ops {
	int (*ready)(void);
	int (*rehearse)(void);
};

/* As soon as it is there. */
void luo_core_set_kexec(const struct luo_kexec_ops *ops);

/**
 * luo_core_exit() - after everything else
 *
 * Incoming sessions that are still there are forgotten, and their memory
 * stays reserved. There must be no outgoing ones, and no freeze.
 */
void luo_core_exit(void);

/**
 * luo_core_receive() - read the image of the previous kernel
 * @root:  physical address of its root
 * @nonce: what the chain says
 *
 * Validates and claims everything in one pass, and makes incoming sessions of
 * it. A damaged session or file is kept, and answers EIO; what cannot be
 * reached because of it stays reserved.
 *
 * The root block stays claimed, and can be read (for its stamps) for as long as
 * the module lives. Other blocks of records are given back through
 * &luo_mem_ops.release at the end, when all is well; their claims remain.
 *
 * Context: Once, after luo_core_init() and before luo_device_open(). File
 * handlers may be registered before or later.
 * Return: 0 when every frame that belongs to somebody is claimed, so that the
 * rest may be freed. -EUCLEAN when parts are damaged (what is sound can be
 * retrieved; free nothing). -EINVAL, -EPROTONOSUPPORT (format): nothing can
 * be used. -ENOMEM: nothing was made of it, all stays reserved.
 */
int luo_core_receive(u64 root, u64 nonce);

/**
 * luo_core_carry() - what came and is not finished gets ready to go on
 *
 * Marks the memory of files that nobody has retrieved, preserves those anew that
 * somebody has, and makes room for all of them in the image. luo_core_freeze()
 * does it once more, and then there is little left to do; before that, the memory
 * to be kept is known only if this was called.
 *
 * A session that fails now fails the next freeze, if nothing changes; here it is
 * only in the log.
 *
 * Context: May sleep, and allocate. Not between freeze and thaw.
 * Return: 0, -ENOMEM; -EINTR when killed while waiting for an ioctl.
 */
int luo_core_carry(void);

/**
 * luo_core_freeze() - stop the sessions and write the image
 * @ret_root: the root block, for the chain and for stamps; valid until
 *            luo_core_thaw(). @tsc_khz is the caller's to fill, before
 *            luo_core_seal_root().
 *
 * Incoming sessions that nobody has finished are part of the image (see
 * luo_core_carry()), but for what is damaged; the log says so.
 *
 * Afterwards every ioctl and close blocks until luo_core_thaw(). On failure
 * everything is as before. Room for the image has been allocated when
 * sessions and files came, and by luo_core_carry(); none is once the first
 * session is frozen (but a file handler may).
 *
 * Return: 0, or the error of the handler that said no; the reason is in the
 * log and in luo_last_error(). -EINTR when killed while waiting for an ioctl.
 */
int luo_core_freeze(struct luo_root_ser **ret_root);

/**
 * luo_core_thaw() - the jump did not happen
 *
 * By the task that froze.
 */
void luo_core_thaw(void);

/**
 * luo_core_reserve_holes() - room for the list of holes, ahead of the freeze
 * @nr: records; a number below an earlier one changes nothing
 *
 * Context: May sleep. Not between freeze and thaw.
 * Return: 0, -ENOMEM.
 */
int luo_core_reserve_holes(unsigned int nr);

/**
 * luo_core_set_holes() - what nobody may ever free
 * @holes: runs of frames inside the covering ranges that this kernel does not
 *         manage; sorted, disjoint
 * @nr:    number of them, may be 0
 *
 * Between luo_core_freeze() and luo_core_seal_root(). Allocates nothing.
 *
 * Return: 0; -ENOSPC when more than luo_core_reserve_holes() was told of.
 */
int luo_core_set_holes(const struct luo_range *holes, unsigned int nr);

/**
 * luo_core_seal_root() - the image is complete
 *
 * After luo_core_set_holes(). Stamps can be written later.
 */
void luo_core_seal_root(void);

/**
 * struct luo_counts - how much there is of everything
 * @sessions_out: outgoing sessions
 * @files_out:    their files
 * @pages_out:    4 KiB pages in the extents of these, as of the end of
 *                preserve() or the last freeze
 * @sessions_in:  incoming sessions that are not finished, damaged ones too
 * @files_in:     their files
 * @pages_in:     4 KiB pages of these, sound files only
 * @memory_out:   pages that handlers have preserved besides
 * @memory_in:    such pages that came, and that nobody has asked for yet
 * @generation:   live updates since the machine was started
 */
struct luo_counts {
	u64 sessions_out, files_out, pages_out;
	u64 sessions_in, files_in, pages_in;
	u64 memory_out, memory_in;
	u64 generation;
};

/* These three never wait, not even for a freeze. */
void luo_core_counts(struct luo_counts *ret);
int luo_core_state(void);	/* LIVEUPDATE_STATE_* */
bool luo_core_idle(void);	/* nothing preserved, nothing incoming: may unload */

/**
 * luo_core_set_notify() - somebody wants to know when the state changes
 * @notify: called after each change, and now and then without one; must not
 *          sleep. NULL: nobody any more, when nothing can happen any more.
 */
void luo_core_set_notify(void (*notify)(void));

/*
 * ------------------------------------------------- lists for those who look on
 */

/**
 * struct luo_cursor - how far somebody has come in a list
 * @session:  where it stands, with a reference; NULL: nowhere
 * @id:       of @session when it came there
 * @incoming: which list
 * @inside:   @session has more files
 * @nr:       of the file where it stands
 * @token:    the same
 *
 * Zeroed it is at the start. What comes or goes meanwhile may be in the list or
 * not; everything else is in it once, in order: outgoing sessions first.
 */
struct luo_cursor {
	struct luo_session *session;
	u64 id;
	bool incoming;
	bool inside;
	u64 nr;
	u64 token;
};

/* Gives back the reference. The cursor is at the start then. */
void luo_cursor_reset(struct luo_cursor *cursor);

/**
 * struct luo_session_entry - a session in a list
 * @name:       as its user gave it; a damaged one may have none
 * @id:         its number in the list, until the module is unloaded
 * @serial:     its number wherever it is: it stays when the session is recycled
 * @incoming:   came from the previous kernel
 * @claimed:    somebody has it
 * @damaged:    cannot be retrieved
 * @flags:      LIVEUPDATE_SESSION_*
 * @generation: of the update that first carried it; 0: none has yet
 * @files:      number of files
 * @pages:      4 KiB pages of these
 */
struct luo_session_entry {
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];
	u64 id;
	u64 serial;
	bool incoming;
	bool claimed;
	bool damaged;
	u32 flags;
	u64 generation;
	u64 files;
	u64 pages;
};

/**
 * luo_core_list_sessions() - the next sessions
 * @cursor: goes on behind them
 * @entry:  the sessions
 * @room:   in @entry
 *
 * Waits for no freeze and no session, and holds a lock as long as it takes to
 * copy @room entries.
 *
 * Return: number of entries; less than @room at the end.
 */
unsigned int luo_core_list_sessions(struct luo_cursor *cursor,
				    struct luo_session_entry *entry, unsigned int room);

/**
 * struct luo_file_entry - a file in a list
 * @session: id of its session
 * @info:    as LIVEUPDATE_SESSION_LIST_FILES tells it
 */
struct luo_file_entry {
	u64 session;
	struct liveupdate_file_info info;
};

/**
 * luo_core_list_files() - the next files, of all sessions
 * @cursor: goes on behind them
 * @entry:  the files, in order of preservation
 * @room:   in @entry
 *
 * Waits for no freeze, but for a command that is at work in a session. Holds that
 * session as long as it takes to copy @room entries.
 *
 * Return: number of entries; 0 at the end. -EINTR when killed.
 */
int luo_core_list_files(struct luo_cursor *cursor, struct luo_file_entry *entry,
			unsigned int room);

/**
 * struct luo_orphans - what arrived and may never be used
 * @sessions_damaged: sessions that answer EIO
 * @files_failed:     files that cannot be retrieved
 * @files_unknown:    files that nobody here can restore (yet)
 */
struct luo_orphans {
	u64 sessions_damaged, files_failed, files_unknown;
};

/* Looks at each incoming file. 0, -EINTR; see luo_core_list_files(). */
int luo_core_orphans(struct luo_orphans *ret);

/* A reason for the user: goes to the log, and is what last_error shows. No newline. */
__printf(1, 2) void luo_error(const char *fmt, ...);
void luo_last_error(char *buf, size_t size);

/*
 * ------------------------------------------------- front end
 */

/* file_operations of the device call these; compat_ioctl is compat_ptr_ioctl(). */
int luo_device_open(void);		/* -EBUSY */
void luo_device_release(void);
long luo_device_ioctl(unsigned int cmd, unsigned long arg);

/* file_operations of a session (luo_session.c) call these. */
struct luo_session;
long luo_session_ioctl(struct luo_session *session, unsigned int cmd, unsigned long arg);
void luo_session_release(struct luo_session *session);

#endif /* LUO_CORE_H */
