// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: State bound to the life of files (FLB)
 *
 * Some kinds of files share one piece of global state: all files of vfio that
 * of the IOMMU, for example. Such state (&struct liveupdate_flb) is registered
 * with every handler whose files depend on it. It is preserved with the first
 * of these files, of whatever session, and given up with the last.
 *
 * A place in a table belongs to each registered FLB; a set of FLBs is one u64.
 * A file remembers the set that it was counted for, so registering an FLB with
 * a handler that has files already does not change what these take along. The
 * image lists FLBs that are in use, and each file's record says which of them
 * are its own. So the next kernel counts right from the arrival on, also for
 * files that nobody there knows how to restore.
 *
 * Life, outgoing: preserve() with the first file - any number of
 * liveupdate_flb_get_outgoing() and _put_outgoing() - unpreserve() when the
 * last file and the last reference are gone; or the machine jumps. References
 * do not travel: an FLB without files is not in the image.
 *
 * Life, incoming: counted while the image is read - retrieve() when somebody
 * first asks - finish() when the last file and the last reference are gone; or
 * the machine jumps (luo_carry.c): one that nobody has asked for goes on as it
 * came, with the files that wait. One that was retrieved is in use here, so
 * what depends on it, retrieved or not, goes on with the outgoing one of its
 * owner, which counts those files as well.
 * One that nobody has asked for is retrieved then, so that finish() can free
 * what belongs to it. The entry is found by name; nothing need be registered
 * when it arrives.
 *
 * Unhappy ways:
 *  - preserve() fails: the FLBs before it are put back, the file is not
 *    preserved.
 *  - retrieve() fails: errors of the data stick, all others may be tried again.
 *  - the count in the image is not the number of files that were found: the
 *    missing ones might need it, so it is never finished.
 *  - the session of its last file is left behind by the freeze: it is in the
 *    image with no files, and ENODATA to whoever asks.
 *  - somebody wants to ask for it while a live update is under way: -EAGAIN, as
 *    the next kernel has been promised it as it came.
 *  - it waits, and another of its name is preserved here: the image can hold one,
 *    so files that wait for it cannot go on.
 *  - nobody knows it when its last file goes: a line in the log, and what its
 *    number stands for stays reserved.
 *
 * Order: FLBs are preserved in the order of their first registration and
 * given up in reverse, before and after the file itself.
 *
 * Locks: see luo_internal.h. Callbacks but finish() run under a lock of the
 * FLB, and must not ask for the same FLB in the same direction. finish() needs
 * none: with the last user gone nobody can find the entry any more.
 */
#include "luo_internal.h"

/**
 * struct luo_flb_out - a registered FLB, and what it is to the next kernel
 * @lock:     protects all that follows; callbacks run under it
 * @flb:      NULL: free
 * @handlers: with so many it is registered
 * @files:    so many outgoing files use it
 * @refs:     from liveupdate_flb_get_outgoing()
 * @data:     of preserve(), for the next kernel
 * @obj:      of preserve(), for this one
 */
struct luo_flb_out {
	struct mutex lock;
	struct liveupdate_flb *flb;
	unsigned int handlers;
	u64 files;
	u64 refs;
	u64 data;
	void *obj;
};

/**
 * struct luo_flb_in - what came from the previous kernel
 * @lock:       protects all that follows; retrieve() runs under it
 * @compatible: who can make something of it
 * @data:       for retrieve()
 * @promised:   files that use it, as the record says
 * @files:      as have been found, and are not finished
 * @refs:       from liveupdate_flb_get_incoming()
 * @status:     0: nobody has asked for it; 1: retrieved; else an errno that sticks
 * @damaged:    its record is
 * @carried:    while frozen: the next kernel gets it as it came
 * @place:      while frozen: its place in the image, or an errno
 * @flb:        who has retrieved it; pinned
 * @obj:        of retrieve()
 *
 * Without files and references it is finished, or about to be.
 */
struct luo_flb_in {
	struct mutex lock;
	char compatible[LIVEUPDATE_FLB_COMPAT_LENGTH];
	u64 data;
	u64 promised;
	u64 files;
	u64 refs;
	int status;
	bool damaged;
	bool carried;
	int place;
	struct liveupdate_flb *flb;
	void *obj;
};

static_assert(LUO_COMPAT_SER == LIVEUPDATE_FLB_COMPAT_LENGTH);
static_assert(LUO_FLBS_MAX < 64);

/* Both tables have the same size; the places in them have nothing in common. */
static struct luo_flb_out luo_flbs_out[LUO_FLBS_MAX];
static struct luo_flb_in luo_flbs_in[LUO_FLBS_MAX];
static unsigned int luo_nr_flbs_in;
static bool luo_flbs_lost;	/* some came, and cannot be read */

/* One block, from the first file that has an FLB on. */
static DEFINE_MUTEX(luo_flb_records_lock);
static struct luo_records luo_flb_records = {
	.magic = LUO_MAGIC_FLBS,
	.size = sizeof(struct luo_flb_ser),
};
static u64 luo_flbs_frozen;	/* outgoing ones that are in the image */
static unsigned int luo_nr_flbs_frozen;	/* all that are */

static struct luo_flb_out *luo_flb_out(const struct liveupdate_flb *flb)
{
	return flb->place ? &luo_flbs_out[flb->place - 1] : NULL;
}

void luo_flbs_init(void)
{
	unsigned int i;

	for (i = 0; i < LUO_FLBS_MAX; i++) {
		mutex_init(&luo_flbs_out[i].lock);
		mutex_init(&luo_flbs_in[i].lock);
	}
}

/* What arrived is forgotten, and what it owns stays as it is. */
void luo_flbs_drop_incoming(void)
{
	unsigned int i;

	for (i = 0; i < luo_nr_flbs_in; i++) {
		struct luo_flb_in *in = &luo_flbs_in[i];

		if (in->flb)
			module_put(in->flb->ops->owner);
		*in = (struct luo_flb_in){};
		mutex_init(&in->lock);
	}
	luo_nr_flbs_in = 0;
	luo_flbs_lost = false;
}

void luo_flbs_exit(void)
{
	luo_flbs_drop_incoming();
	luo_records_resize(&luo_flb_records, 0);
}

/* ------------------------------------------------------------ registration */

/*
 * Behind the last one that is in use, so that the order is that of
 * registration. Called with luo_handlers_sem held for writing; so what is free
 * stays free, and @lock need not be held for longer than a look.
 */
static struct luo_flb_out *luo_flb_free_place(void)
{
	struct luo_flb_out *found = NULL;
	unsigned int i;

	for (i = LUO_FLBS_MAX; i--; ) {
		struct luo_flb_out *out = &luo_flbs_out[i];
		bool taken;

		mutex_lock(&out->lock);
		taken = out->flb;
		mutex_unlock(&out->lock);
		if (!taken)
			found = out;
		else if (found)
			break;
	}
	return found;
}

/*
 * Who has this name? One that is unregistered has it for as long as files need
 * it, since the image can hold it once. Called with luo_handlers_sem held.
 */
static struct liveupdate_flb *luo_flb_find(const char *compatible)
{
	struct liveupdate_flb *found = NULL;
	unsigned int i;

	for (i = 0; i < LUO_FLBS_MAX && !found; i++) {
		struct luo_flb_out *out = &luo_flbs_out[i];

		mutex_lock(&out->lock);
		if (out->flb && !strcmp(out->flb->compatible, compatible))
			found = out->flb;
		mutex_unlock(&out->lock);
	}
	return found;
}

/* Called with @out->lock held. */
static void luo_flb_leave_place(struct luo_flb_out *out)
{
	if (out->handlers || out->files || out->refs)
		return;
	out->flb->place = 0;
	out->flb = NULL;
}

/**
 * liveupdate_register_flb() - files of this kind depend on some global state
 * @fh:  a registered handler
 * @flb: the state; belongs to the core until it is unregistered everywhere
 *
 * Files that are preserved already do not depend on it.
 *
 * Return: 0; -EINVAL when a callback is missing, @flb->compatible is empty or
 * not terminated, or @fh is not registered; -EEXIST when it is registered with
 * @fh already, or another one has its name; -ENOSPC when there are too many.
 */
int liveupdate_register_flb(struct liveupdate_file_handler *fh, struct liveupdate_flb *flb)
{
	const struct liveupdate_flb_ops *ops = flb->ops;
	size_t len = strnlen(flb->compatible, sizeof(flb->compatible));
	struct liveupdate_flb *same;
	struct luo_flb_out *out;
	int err = 0;

	if (!ops || !ops->preserve || !ops->unpreserve || !ops->retrieve || !ops->finish ||
	    !len || len == sizeof(flb->compatible))
		return -EINVAL;

	down_write(&luo_handlers_sem);
	if (!luo_handler_registered(fh)) {
		err = -EINVAL;
		goto out_unlock;
	}
	same = luo_flb_find(flb->compatible);
	if (same && same != flb) {
		err = -EEXIST;
		goto out_unlock;
	}
	/* One that is unregistered, but still in use, gets back its place. */
	out = luo_flb_out(flb) ?: luo_flb_free_place();
	if (!out) {
		err = -ENOSPC;
		goto out_unlock;
	}
	if (fh->flbs & BIT_ULL(out - luo_flbs_out)) {
		err = -EEXIST;
		goto out_unlock;
	}

	mutex_lock(&out->lock);
	out->flb = flb;
	out->handlers++;
	flb->place = out - luo_flbs_out + 1;
	mutex_unlock(&out->lock);
	fh->flbs |= BIT_ULL(out - luo_flbs_out);
out_unlock:
	up_write(&luo_handlers_sem);
	return err;
}
EXPORT_SYMBOL_GPL(liveupdate_register_flb);

/* Called with luo_handlers_sem held for writing. */
static void luo_flb_unregister(struct liveupdate_file_handler *fh, struct luo_flb_out *out)
{
	mutex_lock(&out->lock);
	out->handlers--;
	luo_flb_leave_place(out);
	mutex_unlock(&out->lock);
	fh->flbs &= ~BIT_ULL(out - luo_flbs_out);
}

/**
 * liveupdate_unregister_flb() - files to come do not depend on it any more
 * @fh:  the handler
 * @flb: registered with it
 *
 * Files that are preserved keep it, and its module.
 */
void liveupdate_unregister_flb(struct liveupdate_file_handler *fh, struct liveupdate_flb *flb)
{
	struct luo_flb_out *out;

	down_write(&luo_handlers_sem);
	out = luo_flb_out(flb);
	if (!WARN_ON_ONCE(!out || !(fh->flbs & BIT_ULL(out - luo_flbs_out))))
		luo_flb_unregister(fh, out);
	up_write(&luo_handlers_sem);
}
EXPORT_SYMBOL_GPL(liveupdate_unregister_flb);

/* The handler goes. Called with luo_handlers_sem held for writing. */
void luo_flbs_unregister(struct liveupdate_file_handler *fh)
{
	unsigned int i;

	for (i = LUO_FLBS_MAX; i--; )
		if (fh->flbs & BIT_ULL(i))
			luo_flb_unregister(fh, &luo_flbs_out[i]);
}

/* ---------------------------------------------------------------- outgoing */

static int luo_flb_preserve(struct luo_flb_out *out)
{
	struct liveupdate_flb_op_args args = { .flb = out->flb };
	int err = 0;

	mutex_lock(&out->lock);
	if (out->files || out->refs)
		goto out_count;

	if (!try_module_get(out->flb->ops->owner)) {
		err = -ENODEV;
		goto out_unlock;
	}
	err = out->flb->ops->preserve(&args);
	if (err) {
		module_put(out->flb->ops->owner);
		goto out_unlock;
	}
	out->data = args.data;
	out->obj = args.obj;
out_count:
	out->files++;
out_unlock:
	mutex_unlock(&out->lock);
	return err;
}

/* A user of @out goes: @count is one of its two counters. */
static void luo_flb_put_out(struct luo_flb_out *out, u64 *count)
{
	struct module *owner;

	mutex_lock(&out->lock);
	if (WARN_ON_ONCE(!*count))
		goto out_unlock;
	(*count)--;
	if (!out->files && !out->refs) {
		struct liveupdate_flb_op_args args = {
			.flb = out->flb,
			.data = out->data,
			.obj = out->obj,
		};

		owner = out->flb->ops->owner;
		out->flb->ops->unpreserve(&args);
		out->data = 0;
		out->obj = NULL;
		luo_flb_leave_place(out);
		module_put(owner);
	}
out_unlock:
	mutex_unlock(&out->lock);
}

static int luo_flb_reserve_records(void)
{
	int err = 0;

	mutex_lock(&luo_flb_records_lock);
	if (!luo_flb_records.nr)
		err = luo_records_resize(&luo_flb_records, 1);
	mutex_unlock(&luo_flb_records_lock);
	return err;
}

/**
 * luo_flbs_preserve() - a file is about to be preserved
 * @fh:       its handler
 * @ret_flbs: the set that the file now holds, for luo_flbs_unpreserve()
 *
 * Return: 0; -ENOMEM; -ENODEV when the owner of an FLB is going; the error of
 * preserve(). Then nothing has happened.
 */
int luo_flbs_preserve(struct liveupdate_file_handler *fh, u64 *ret_flbs)
{
	u64 done = 0;
	unsigned int i;
	int err = 0;

	/* Registered ones stay registered, and so does the place of each. */
	down_read(&luo_handlers_sem);
	if (fh->flbs)
		err = luo_flb_reserve_records();
	for (i = 0; i < LUO_FLBS_MAX && !err; i++) {
		if (!(fh->flbs & BIT_ULL(i)))
			continue;
		err = luo_flb_preserve(&luo_flbs_out[i]);
		if (!err)
			done |= BIT_ULL(i);
	}
	up_read(&luo_handlers_sem);
	if (err) {
		luo_flbs_unpreserve(done);
		return err;
	}
	*ret_flbs = done;
	return 0;
}

/* A file that held @flbs is preserved no more. */
void luo_flbs_unpreserve(u64 flbs)
{
	unsigned int i;

	for (i = LUO_FLBS_MAX; i--; )
		if (flbs & BIT_ULL(i))
			luo_flb_put_out(&luo_flbs_out[i], &luo_flbs_out[i].files);
}

/**
 * liveupdate_flb_get_outgoing() - the state as it is preserved now
 * @flb:  registered
 * @objp: what its preserve() has returned
 *
 * The reference keeps it until liveupdate_flb_put_outgoing(), in this kernel.
 *
 * Return: 0; -ENOENT when no file needs it.
 */
int liveupdate_flb_get_outgoing(struct liveupdate_flb *flb, void **objp)
{
	struct luo_flb_out *out = luo_flb_out(flb);
	int err = -ENOENT;

	if (!out)
		return err;

	mutex_lock(&out->lock);
	if (out->files || out->refs) {
		out->refs++;
		*objp = out->obj;
		err = 0;
	}
	mutex_unlock(&out->lock);
	return err;
}
EXPORT_SYMBOL_GPL(liveupdate_flb_get_outgoing);

/**
 * liveupdate_flb_put_outgoing() - the reference is not needed any more
 * @flb: as for liveupdate_flb_get_outgoing()
 */
void liveupdate_flb_put_outgoing(struct liveupdate_flb *flb)
{
	struct luo_flb_out *out = luo_flb_out(flb);

	if (!WARN_ON_ONCE(!out))
		luo_flb_put_out(out, &out->refs);
}
EXPORT_SYMBOL_GPL(liveupdate_flb_put_outgoing);

/* ------------------------------------------------------------------ freeze */

/* The owner has asked for @in: what depends on it needs his outgoing one. */
static int luo_flb_carry(struct luo_flb_in *in, u64 *held)
{
	struct liveupdate_flb *flb;
	struct luo_flb_out *out;
	bool registered = false;
	int err;

	mutex_lock(&in->lock);
	flb = in->status > 0 ? in->flb : NULL;
	mutex_unlock(&in->lock);
	if (!flb)
		return 0;

	out = luo_flb_out(flb);
	if (out && *held & BIT_ULL(out - luo_flbs_out))
		return 0;
	if (out) {
		mutex_lock(&out->lock);
		registered = out->handlers;
		mutex_unlock(&out->lock);
	}
	if (!registered) {
		luo_error("global state '%s' is in use, but not registered: it cannot be preserved",
			  in->compatible);
		return -ENODEV;
	}
	err = luo_flb_preserve(out);
	if (!err)
		*held |= BIT_ULL(out - luo_flbs_out);
	return err;
}

/**
 * luo_flbs_carry() - a file that waits here goes on to the next kernel
 * @in:  set of incoming FLBs that it depends on
 * @out: set of outgoing ones that count it; grows
 *
 * Return: 0, or why not; @out is right in any case.
 */
int luo_flbs_carry(u64 in, u64 *out)
{
	unsigned int i;
	int err;

	if (!in)
		return 0;
	err = luo_flb_reserve_records();
	down_read(&luo_handlers_sem);
	for (i = 0; i < luo_nr_flbs_in && !err; i++)
		if (in & BIT_ULL(i))
			err = luo_flb_carry(&luo_flbs_in[i], out);
	up_read(&luo_handlers_sem);
	return err;
}

/* The list is one block. */
static struct luo_flb_ser *luo_flbs_ser(void)
{
	return (struct luo_flb_ser *)((struct luo_block_ser *)luo_flb_records.head + 1);
}

/* One that waits goes to the next kernel as it came. */
static void luo_flb_begin_in(struct luo_flb_in *in)
{
	struct luo_flb_ser *ser;
	unsigned int i;

	mutex_lock(&in->lock);
	in->place = -ENODATA;
	if (!in->files || in->status > 0 || in->damaged)
		goto out_unlock;

	for (i = 0; i < luo_nr_flbs_frozen; i++) {
		if (!strcmp(luo_flbs_ser()[i].compatible, in->compatible)) {
			in->place = -EBUSY;
			goto out_unlock;
		}
	}
	ser = luo_records_add(&luo_flb_records);
	if (!ser) {
		in->place = -ENOSPC;
		goto out_unlock;
	}
	strscpy(ser->compatible, in->compatible, sizeof(ser->compatible));
	ser->data = cpu_to_le64(in->data);
	in->place = luo_nr_flbs_frozen++;
	in->carried = true;
out_unlock:
	mutex_unlock(&in->lock);
}

/**
 * luo_flbs_begin() - find out which ones have files
 *
 * Before the files are written down, whose records refer to the list. Called
 * with luo_freeze_sem held for writing, so files neither come nor go.
 *
 * Return: 0; -ENOSPC can only be a bug.
 */
int luo_flbs_begin(void)
{
	struct luo_flb_ser *ser;
	unsigned int i;
	int err = 0;

	luo_flbs_frozen = 0;
	luo_nr_flbs_frozen = 0;
	luo_records_begin(&luo_flb_records);
	for (i = 0; i < LUO_FLBS_MAX && !err; i++) {
		struct luo_flb_out *out = &luo_flbs_out[i];

		mutex_lock(&out->lock);
		if (out->files) {
			ser = luo_records_add(&luo_flb_records);
			if (WARN_ON_ONCE(!ser)) {
				err = -ENOSPC;
			} else {
				strscpy(ser->compatible, out->flb->compatible,
					sizeof(ser->compatible));
				ser->data = cpu_to_le64(out->data);
				luo_flbs_frozen |= BIT_ULL(i);
				luo_nr_flbs_frozen++;
			}
		}
		mutex_unlock(&out->lock);
	}
	if (err)
		luo_records_thaw(&luo_flb_records);
	for (i = 0; i < luo_nr_flbs_in && !err; i++)
		luo_flb_begin_in(&luo_flbs_in[i]);
	return err;
}

/* A set of places in our table as a set of places in the image. */
u64 luo_flbs_pack(u64 flbs)
{
	unsigned int i, nr = 0;
	u64 set = 0;

	for (i = 0; flbs >> i; i++) {
		if (flbs & BIT_ULL(i))
			set |= BIT_ULL(nr);
		nr += luo_flbs_frozen >> i & 1;
	}
	return set;
}

/**
 * luo_flbs_pack_carried() - the same for a file that waits
 * @in:         set of incoming FLBs that it depends on
 * @out:        as luo_flbs_carry() has left it
 * @ret_packed: set of places in the image
 *
 * Return: 0; -EBUSY when one of its FLBs waits, too, and another of the same name
 * is preserved here; -ENOSPC when there are too many; -EAGAIN when somebody has
 * asked for one since luo_flbs_carry().
 */
int luo_flbs_pack_carried(u64 in, u64 out, u64 *ret_packed)
{
	u64 packed = luo_flbs_pack(out);
	struct luo_flb_out *place;
	unsigned int i;

	for (i = 0; i < luo_nr_flbs_in; i++) {
		struct luo_flb_in *flb = &luo_flbs_in[i];

		/* Nobody could make anything of a damaged one here, either. */
		if (!(in & BIT_ULL(i)) || flb->damaged)
			continue;
		if (flb->carried) {
			packed |= BIT_ULL(flb->place);
			continue;
		}
		if (flb->place == -EBUSY || flb->place == -ENOSPC) {
			luo_error("global state '%s' cannot go to the next kernel: %s",
				  flb->compatible, flb->place == -EBUSY ?
				  "what came waits for somebody, and this kernel's own is preserved, too" :
				  "there is too much of it");
			return flb->place;
		}
		/* In use here: the file goes with the outgoing one. */
		place = luo_flb_out(flb->flb);
		if (!place || !(out & BIT_ULL(place - luo_flbs_out)))
			return -EAGAIN;
	}
	*ret_packed = packed;
	return 0;
}

/* @n files more in the image depend on these. */
void luo_flbs_count(u64 packed, int n)
{
	struct luo_flb_ser *ser;

	for (ser = packed ? luo_flbs_ser() : NULL; packed; packed >>= 1, ser++)
		if (packed & 1)
			ser->count = cpu_to_le64(le64_to_cpu(ser->count) + n);
}

/* All files have been counted. */
void luo_flbs_end(struct luo_root_ser *root)
{
	root->flbs = cpu_to_le64(luo_records_end(&luo_flb_records));
	root->nr_flbs = cpu_to_le64(luo_nr_flbs_frozen);
}

void luo_flbs_thaw(void)
{
	unsigned int i;

	for (i = 0; i < luo_nr_flbs_in; i++) {
		struct luo_flb_in *in = &luo_flbs_in[i];

		mutex_lock(&in->lock);
		in->carried = false;
		mutex_unlock(&in->lock);
	}
	luo_records_thaw(&luo_flb_records);
}

/* ---------------------------------------------------------------- incoming */

static struct luo_flb_in *luo_flb_in(const char *compatible)
{
	unsigned int i;

	for (i = 0; i < luo_nr_flbs_in; i++)
		if (!strcmp(luo_flbs_in[i].compatible, compatible))
			return &luo_flbs_in[i];
	return NULL;
}

/**
 * luo_flb_receive() - one came
 * @ser: its record
 *
 * Return: false when it is damaged. It keeps its place all the same.
 */
bool luo_flb_receive(const struct luo_flb_ser *ser)
{
	size_t len = strnlen(ser->compatible, sizeof(ser->compatible));
	bool sound = len && len < sizeof(ser->compatible);
	struct luo_flb_in *in = &luo_flbs_in[luo_nr_flbs_in];

	in->data = le64_to_cpu(ser->data);
	in->promised = le64_to_cpu(ser->count);
	if (len < sizeof(in->compatible)) {
		/* The first of two has the name. */
		if (luo_flb_in(ser->compatible))
			sound = false;
		memcpy(in->compatible, ser->compatible, len);
	}
	in->damaged = !sound;
	if (!sound) {
		in->status = -EIO;
		luo_error("incoming global state '%s' is damaged", in->compatible);
	}
	luo_nr_flbs_in++;
	return sound;
}

/* Their list is damaged: what is not known may well have come. */
void luo_flbs_receive_lost(void)
{
	luo_flbs_lost = true;
	luo_error("incoming global state cannot be reached");
}

/**
 * luo_flbs_receive_file() - a file came
 * @flbs: from its record; what nobody knows is cleared
 *
 * Return: false when there was such.
 */
bool luo_flbs_receive_file(u64 *flbs)
{
	u64 known = *flbs & (BIT_ULL(luo_nr_flbs_in) - 1);
	bool sound = known == *flbs;
	unsigned int i;

	for (i = 0; i < luo_nr_flbs_in; i++)
		luo_flbs_in[i].files += known >> i & 1;
	*flbs = known;
	return sound;
}

/**
 * luo_flbs_receive_end() - all files have come that will
 *
 * Return: false when these are not as many as were promised.
 */
bool luo_flbs_receive_end(void)
{
	bool sound = true;
	unsigned int i;

	for (i = 0; i < luo_nr_flbs_in; i++) {
		struct luo_flb_in *in = &luo_flbs_in[i];

		if (in->files == in->promised)
			continue;
		/* For ever: the others are somewhere, and count on it. */
		in->files++;
		sound = false;
	}
	return sound;
}

/* Called with @in->lock held, or by its last user. */
static int luo_flb_retrieve(struct luo_flb_in *in, struct liveupdate_flb *flb)
{
	struct liveupdate_flb_op_args args = { .flb = flb, .data = in->data };
	int err;

	if (in->status)
		return min(in->status, 0);
	if (in->carried)
		return -EAGAIN;

	if (!try_module_get(flb->ops->owner))
		return -ENODEV;
	err = flb->ops->retrieve(&args);
	if (err) {
		module_put(flb->ops->owner);
		if (luo_error_is_final(err))
			in->status = err;
		return err;
	}
	in->flb = flb;
	in->obj = args.obj;
	in->status = 1;
	return 0;
}

/* Nobody has asked for it; without its owner nobody can clean up after it. */
static void luo_flb_retrieve_late(struct luo_flb_in *in)
{
	struct liveupdate_flb *flb;

	down_read(&luo_handlers_sem);
	flb = luo_flb_find(in->compatible);
	if (flb && !try_module_get(flb->ops->owner))
		flb = NULL;
	up_read(&luo_handlers_sem);
	if (!flb)
		return;
	luo_flb_retrieve(in, flb);
	module_put(flb->ops->owner);
}

/* A user of @in goes: @count is one of its two counters. */
static void luo_flb_put_in(struct luo_flb_in *in, u64 *count)
{
	struct liveupdate_flb_op_args args;
	bool last;

	mutex_lock(&in->lock);
	last = !WARN_ON_ONCE(!*count) && !--*count && !in->files && !in->refs;
	mutex_unlock(&in->lock);
	if (!last)
		return;

	if (!in->status)
		luo_flb_retrieve_late(in);
	if (in->status <= 0) {
		pr_warn("nobody could use global state '%s'; what belongs to it stays reserved\n",
			in->compatible);
		return;
	}
	args = (struct liveupdate_flb_op_args){
		.flb = in->flb,
		.data = in->data,
		.obj = in->obj,
	};
	in->flb->ops->finish(&args);
	module_put(in->flb->ops->owner);
	in->flb = NULL;
	in->obj = NULL;
}

/* A file that held @flbs is finished. */
void luo_flbs_finish(u64 flbs)
{
	unsigned int i;

	for (i = LUO_FLBS_MAX; i--; )
		if (flbs & BIT_ULL(i))
			luo_flb_put_in(&luo_flbs_in[i], &luo_flbs_in[i].files);
}

/**
 * liveupdate_flb_get_incoming() - the state that the previous kernel left
 * @flb:  whose retrieve() makes an object of it, if nobody's has yet
 * @objp: the object
 *
 * The reference keeps it until liveupdate_flb_put_incoming(), also when all
 * files are finished.
 *
 * Return: 0; -ENODATA when this kernel was not reached by a live update, or the
 * last file is finished; -ENOENT when others came, but not this one; -EIO when
 * it is damaged; -ENODEV when the owner is going; -EAGAIN when nobody has asked
 * before, and a live update is under way; the error of retrieve(),
 * which sticks if it speaks of the data (see &liveupdate_file_ops.retrieve).
 */
int liveupdate_flb_get_incoming(struct liveupdate_flb *flb, void **objp)
{
	struct luo_flb_in *in = luo_flb_in(flb->compatible);
	int err = -ENODATA;

	if (!in)
		return !luo_generation ? -ENODATA : luo_flbs_lost ? -EIO : -ENOENT;

	mutex_lock(&in->lock);
	if (in->files || in->refs) {
		err = luo_flb_retrieve(in, flb);
		if (!err) {
			in->refs++;
			*objp = in->obj;
		}
	}
	mutex_unlock(&in->lock);
	return err;
}
EXPORT_SYMBOL_GPL(liveupdate_flb_get_incoming);

/**
 * liveupdate_flb_put_incoming() - the reference is not needed any more
 * @flb: as for liveupdate_flb_get_incoming()
 */
void liveupdate_flb_put_incoming(struct liveupdate_flb *flb)
{
	struct luo_flb_in *in = luo_flb_in(flb->compatible);

	if (!WARN_ON_ONCE(!in))
		luo_flb_put_in(in, &in->refs);
}
EXPORT_SYMBOL_GPL(liveupdate_flb_put_incoming);
