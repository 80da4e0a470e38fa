/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the core share with each other and with nobody else.
 *
 * Lock order, outermost first:
 *
 *   luo_freeze_sem      read: whatever looks at or changes sessions and files;
 *                       write: from freeze to thaw. Never held while user
 *                       memory is copied, which may take as long as a user
 *                       likes and would stop the reboot for as long.
 *   luo_session.lock    files of one session; handlers' callbacks run under it
 *   luo_sessions_lock   lists and names of sessions, room for their records
 *   luo_handlers_sem    file handlers and FLBs that are registered;
 *                       can_preserve() and preserve() of an FLB run under it
 *   luo_flb_out.lock    an FLB and its outgoing side; its preserve() and
 *                       unpreserve() run under it
 *   luo_flb_in.lock     an FLB that came; its retrieve() runs under it
 *   luo_flb_records_lock  room for the records of FLBs
 *   luo_memory_lock     outgoing memory of handlers
 *   luo_memory_in_lock  incoming memory of handlers, a spinlock
 *
 * Handlers and others may ask for FLBs with any of the locks above these held,
 * and for memory with any lock. The hash tables lock for themselves, inside of
 * all these.
 *
 * The lists for those who only want to know (luo_core_list_sessions() and
 * luo_core_list_files()) do without luo_freeze_sem: a freeze changes nothing that
 * they show, and they must neither wait for one nor let one wait.
 */
#ifndef LUO_INTERNAL_H
#define LUO_INTERNAL_H

#include "luo_core.h"

/* ---------------------------------------------------- blocks (luo_pages.c) */

/* The keeper of memory, and the nonce in every block; set by luo_core_init(). */
extern const struct luo_mem_ops *luo_mem;
extern u64 luo_nonce;

void *luo_block_new(u32 magic, u32 seq);
void luo_block_seal(void *block);
bool luo_block_sound(const void *block);
void *luo_block_next(const void *block);
void luo_block_list_free(void *block);

/* Where the extents of a block of pages or extents start, and how many fit. */
struct luo_extent_ser *luo_block_extents(const void *block);
unsigned int luo_block_max_extents(const void *block);

void luo_extent_pack(const struct luo_extent *ext, struct luo_extent_ser *ser);
void luo_extent_unpack(const struct luo_extent_ser *ser, struct luo_extent *ext);
bool luo_extent_fits(const struct luo_extent *ext);

/* ----------------------------------------------------- image (luo_image.c) */

/**
 * struct luo_records - room for records of one kind, allocated ahead
 * @head:     first block, which is also the newest
 * @nr:       records that fit
 * @magic:    kind of the blocks
 * @size:     of one record
 * @last:     while frozen: last block that is in use
 * @cut:      while frozen: what followed @last
 */
struct luo_records {
	void *head;
	u64 nr;
	u32 magic;
	u32 size;
	void *last;
	__le64 cut;
};

int luo_records_resize(struct luo_records *records, u64 nr);
void luo_records_begin(struct luo_records *records);
void *luo_records_add(struct luo_records *records);
u64 luo_records_end(struct luo_records *records);
void luo_records_thaw(struct luo_records *records);

int luo_image_init(void);
void luo_image_exit(void);
int luo_image_write(struct luo_root_ser **ret_root);
void luo_image_thaw(void);

/**
 * struct luo_outcome - how the last freeze went
 * @session:  first session that could not be frozen, or empty
 * @err:      what it said
 * @sessions: in the image
 * @files:    of these
 * @pages:    of these
 * @dropped:  sessions that are not in it, damaged ones too
 * @carried:  of @sessions, those that came from the previous kernel
 */
struct luo_outcome {
	char session[LIVEUPDATE_SESSION_NAME_LENGTH];
	int err;
	u64 sessions, files, pages, dropped, carried;
};

/* Written and read with luo_freeze_sem held. */
extern struct luo_outcome luo_outcome;
int luo_rehearse(struct luo_outcome *ret);

struct luo_reader;

/* ------------------------------------------------- sessions (luo_session.c) */

/**
 * struct luo_session - a named set of files
 * @name:       padded with zeros, a key of luo_names
 * @node:       in luo_names, if @named
 * @list:       in luo_sessions, when published
 * @id:         number in lists for users, grows along luo_sessions; 0: not in
 *              there. A recycled session has another. Protected by
 *              luo_sessions_lock, as are @list, @named, @namesakes and @refs
 * @serial:     first @id that it had, for good
 * @refs:       of the session's life, and of cursors that stand on it
 * @incoming:   came from the previous kernel
 * @named:      can be found by name
 * @namesakes:  incoming: the others of this name, the newest of which is @named
 * @claimed:    has a struct file
 * @pinned:     holds the module: an incoming session always, an outgoing one
 *              when no struct file does
 * @err:        -EIO: its record or list of files is damaged
 * @generation: of the update that first carried it; outgoing: not yet known
 * @carry_err:  why it cannot go on to the next kernel; written and read with
 *              luo_freeze_sem held for writing
 * @lock:       protects all that follows, and @incoming together with
 *              luo_sessions_lock
 * @flags:      LIVEUPDATE_SESSION_*, as the user has set them
 * @files:      in order of preservation
 * @nr_files:   in @files
 * @last_file:  number of the file that came last
 * @nr_pages:   4 KiB pages in their extents
 * @early:      LIVEUPDATE_SESSION_FREEZE: its files stay the same
 * @frozen:     its files are, by an update
 * @records:    room for them in the image
 */
struct luo_session {
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];
	struct rhash_head node;
	struct list_head list;
	struct list_head namesakes;
	u64 id;
	u64 serial;
	unsigned int refs;
	bool incoming;
	bool named;
	bool claimed;
	bool pinned;
	int err;
	u64 generation;
	int carry_err;

	struct mutex lock;
	u32 flags;
	struct list_head files;
	u64 nr_files;
	u64 last_file;
	u64 nr_pages;
	bool early;
	bool frozen;
	struct luo_records records;
};

#define LUO_SESSION_FLAGS \
	(LIVEUPDATE_SESSION_KEEP_ON_CLOSE | LIVEUPDATE_SESSION_DROP_ON_FAILURE)

/* As users see them. Whoever looks on has not locked the session. */
static inline u32 luo_session_shown_flags(const struct luo_session *session)
{
	return READ_ONCE(session->flags) |
	       (READ_ONCE(session->early) ? LIVEUPDATE_SESSION_FROZEN : 0);
}

extern struct mutex luo_sessions_lock;
extern struct list_head luo_sessions[2];	/* 0: outgoing, 1: incoming */

int luo_sessions_init(void);
void luo_sessions_exit(void);

int luo_session_create(const u8 *name, u64 generation, struct file **ret_file);
int luo_session_claim(const u8 *name, u64 generation, struct file **ret_file);
int luo_session_reopen(const u8 *name, u64 generation, struct file **ret_file);
void luo_session_publish(struct file *file, u32 flags);
void luo_session_abort(struct file *file);
int luo_session_give_up(const u8 *name, u64 generation);
void luo_session_put(struct luo_session *session);
int luo_session_recycle(struct luo_session *session, bool keep_files);

struct luo_session *luo_session_receive(const struct luo_session_ser *ser, u64 newest);
int luo_sessions_carry(void);
int luo_sessions_freeze(struct luo_root_ser *root);
void luo_sessions_unfreeze(void);
void luo_sessions_drop_incoming(void);

/* -------------------------------------------------------- files (luo_file.c) */

struct luo_file_key {
	struct luo_session *session;
	u64 token;
};

/**
 * struct luo_file - one file of a session
 * @key:        what it is found by
 * @token_node: in luo_tokens, if @has_token
 * @id:         identity of the file
 * @id_node:    in luo_ids, if @has_id
 * @list:       in the session's list of files
 * @nr:         grows along that list
 * @handler:    pinned; NULL: not looked for yet
 * @file:       the file itself; NULL: not retrieved
 * @data:       serialized_data of the handler
 * @private:    private_data of the handler
 * @status:     0: nobody has asked for it; 1: retrieved; else an errno that sticks
 * @has_token:  false for a damaged file whose token is another's
 * @has_id:     see @id_node
 * @damaged:    does not check out
 * @carried:    waits, and is ready to go on to the next kernel as it came
 * @again:      retrieved: the same file, preserved anew for the next kernel; in
 *              no list and no table
 * @shadow:     it is some other file's @again
 * @flbs:       set of FLBs that count it: outgoing ones for what is preserved
 *              here, incoming ones for what came
 * @flbs_out:   set of outgoing FLBs that count it because it is carried
 * @packed:     while frozen: set of FLBs that its record names
 * @pages:      what the handler keeps in the image
 * @counted:    pages of it that are in luo_stats
 * @rcu:        to free it by
 * @compatible: name of the handler
 */
struct luo_file {
	struct luo_file_key key;
	struct rhash_head token_node;
	unsigned long id;
	struct rhash_head id_node;
	struct list_head list;
	u64 nr;
	struct liveupdate_file_handler *handler;
	struct file *file;
	u64 data;
	void *private;
	int status;
	bool has_token;
	bool has_id;
	bool damaged;
	bool carried;
	bool shadow;
	struct luo_file *again;
	u64 flbs;
	u64 flbs_out;
	u64 packed;
	struct luo_pages pages;
	u64 counted;
	struct rcu_head rcu;
	char compatible[LIVEUPDATE_HNDL_COMPAT_LENGTH];
};

int luo_files_init(void);
void luo_files_exit(void);

int luo_file_preserve(struct luo_session *session, u64 token, int fd);
int luo_file_retrieve(struct luo_session *session, u64 token, struct file **ret_file);
int luo_file_describe(struct luo_session *session, u64 token,
		      struct liveupdate_file_model *ret);
int luo_file_retrieve_into(struct luo_session *session, u64 token, int fd);
int luo_file_unpreserve_token(struct luo_session *session, u64 token);
void luo_files_unpreserve(struct luo_session *session);
int luo_files_finish(struct luo_session *session);

int luo_files_preserve_again(struct luo_session *session);
void luo_files_stay(struct luo_session *session);
void luo_files_turn(struct luo_session *session);

int luo_files_freeze(struct luo_session *session, struct luo_session_ser *ser, u64 *ret_pages);
void luo_files_unfreeze(struct luo_session *session);
int luo_files_prefreeze(struct luo_session *session);
void luo_files_drop(struct luo_session *session);

int luo_file_receive(struct luo_session *session, const struct luo_file_ser *ser,
		     const struct luo_pages *pages, bool damaged);

bool luo_error_is_final(int err);

/* For luo_list.c. */
struct luo_file *luo_file_find(struct luo_session *session, u64 token);

/* For luo_carry.c. */
struct luo_file *luo_file_alloc(struct luo_session *session, u64 token);
void luo_file_free(struct luo_file *file);
int luo_file_begin(struct luo_file *file);
void luo_file_end(struct luo_file *file);
int luo_file_make(struct luo_file *file);

/* --------------------------------------------------- handlers (luo_handler.c) */

struct liveupdate_file_handler *luo_handler_for(struct file *file);
struct liveupdate_file_handler *luo_handler_of(struct luo_file *file);
bool luo_handler_known(const char *compatible);

/* Under luo_handlers_sem. */
extern struct rw_semaphore luo_handlers_sem;
bool luo_handler_registered(const struct liveupdate_file_handler *fh);

/* ----------------------------------------------------------- lists (luo_list.c) */

u32 luo_files_list(struct luo_session *session, u64 first,
		   struct liveupdate_file_info *info, u32 room);

/* ------------------------------------------------ on to the next (luo_carry.c) */

int luo_files_carry(struct luo_session *session);
struct luo_file *luo_file_goes(struct luo_file *file);
void luo_file_stay(struct luo_file *file);
int luo_file_preserve_again(struct luo_file *file);

/* ----------------------------------------- state that files share (luo_flb.c) */

void luo_flbs_init(void);
void luo_flbs_exit(void);
void luo_flbs_drop_incoming(void);

void luo_flbs_unregister(struct liveupdate_file_handler *fh);

int luo_flbs_preserve(struct liveupdate_file_handler *fh, u64 *ret_flbs);
void luo_flbs_unpreserve(u64 flbs);
int luo_flbs_begin(void);
u64 luo_flbs_pack(u64 flbs);
int luo_flbs_carry(u64 in, u64 *out);
int luo_flbs_pack_carried(u64 in, u64 out, u64 *ret_packed);
void luo_flbs_count(u64 packed, int n);
void luo_flbs_end(struct luo_root_ser *root);
void luo_flbs_thaw(void);

bool luo_flb_receive(const struct luo_flb_ser *ser);
void luo_flbs_receive_lost(void);
bool luo_flbs_receive_file(u64 *flbs);
bool luo_flbs_receive_end(void);
void luo_flbs_finish(u64 flbs);

/* ---------------------------------------- memory of handlers (luo_memory.c) */

int luo_memory_init(void);
void luo_memory_exit(void);
void luo_memory_drop_incoming(void);

int luo_memory_carry(void);
int luo_memory_freeze(struct luo_root_ser *root);
void luo_memory_thaw(void);

int luo_memory_receive(const struct luo_extent_ser *ser);
void luo_memory_report(void);

/* --------------------------------------------------------- the whole (luo_core.c) */

/**
 * struct luo_stats - how much there is of everything, readable without a lock
 * @sessions: index 0 is outgoing, 1 incoming
 * @files:    the same
 * @pages:    the same
 * @memory:   pages of handlers' own memory; incoming: not yet asked for
 */
struct luo_stats {
	atomic64_t sessions[2];
	atomic64_t files[2];
	atomic64_t pages[2];
	atomic64_t memory[2];
};

extern struct luo_stats luo_stats;
void luo_state_changed(void);
extern const struct luo_kexec_ops *luo_kexec;	/* NULL: none yet */
extern u64 luo_generation;	/* of this kernel; changed by luo_core_receive() only */
extern struct rw_semaphore luo_freeze_sem;

#endif /* LUO_INTERNAL_H */
