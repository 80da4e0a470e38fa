// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: File handlers
 *
 * Modules say what kinds of files they can preserve. An outgoing file gets the
 * first handler that accepts it; an incoming one looks for the handler of the
 * name that it came with when it is first needed, so a handler may be registered
 * later than its files arrive. Either way the handler's module is pinned until
 * the file is gone.
 *
 * Locks: luo_handlers_sem, under the session's lock.
 */
#include "luo_internal.h"

static_assert(LIVEUPDATE_COMPATIBLE_LENGTH == LIVEUPDATE_HNDL_COMPAT_LENGTH);

static LIST_HEAD(luo_handlers);
DECLARE_RWSEM(luo_handlers_sem);

static struct liveupdate_file_handler *luo_handler_find(const char *compatible)
{
	struct liveupdate_file_handler *fh;

	list_for_each_entry(fh, &luo_handlers, list)
		if (!strcmp(fh->compatible, compatible))
			return fh;
	return NULL;
}

bool luo_handler_known(const char *compatible)
{
	bool known;

	down_read(&luo_handlers_sem);
	known = luo_handler_find(compatible);
	up_read(&luo_handlers_sem);
	return known;
}

bool luo_handler_registered(const struct liveupdate_file_handler *fh)
{
	struct liveupdate_file_handler *other;

	list_for_each_entry(other, &luo_handlers, list)
		if (other == fh)
			return true;
	return false;
}

/**
 * liveupdate_register_file_handler() - a kind of file can be preserved
 * @fh: the handler; it belongs to the core until it is unregistered
 *
 * Return: 0; -EINVAL when a required callback is missing, or one of two that
 * belong together, or @fh->compatible is empty or not terminated; -EEXIST when
 * that name is taken.
 */
int liveupdate_register_file_handler(struct liveupdate_file_handler *fh)
{
	const struct liveupdate_file_ops *ops = fh->ops;
	size_t len = strnlen(fh->compatible, sizeof(fh->compatible));
	int err = 0;

	if (!ops || !ops->can_preserve || !ops->preserve || !ops->unpreserve ||
	    !ops->retrieve || !ops->finish || !len || len == sizeof(fh->compatible))
		return -EINVAL;
	if (!ops->describe != !ops->retrieve_into)
		return -EINVAL;

	down_write(&luo_handlers_sem);
	if (luo_handler_find(fh->compatible)) {
		err = -EEXIST;
	} else {
		fh->flbs = 0;
		list_add_tail(&fh->list, &luo_handlers);
	}
	up_write(&luo_handlers_sem);
	return err;
}
EXPORT_SYMBOL_GPL(liveupdate_register_file_handler);

/**
 * liveupdate_unregister_file_handler() - a kind of file cannot be preserved any more
 * @fh: a registered handler
 *
 * Its module is pinned while there are files of it, so at the exit of the
 * module there are none. FLBs that are registered with it are so no more.
 */
void liveupdate_unregister_file_handler(struct liveupdate_file_handler *fh)
{
	down_write(&luo_handlers_sem);
	list_del_init(&fh->list);
	luo_flbs_unregister(fh);
	up_write(&luo_handlers_sem);
}
EXPORT_SYMBOL_GPL(liveupdate_unregister_file_handler);

/* Finds and pins the handler for @file. The first to say yes decides. */
struct liveupdate_file_handler *luo_handler_for(struct file *file)
{
	struct liveupdate_file_handler *fh, *found = NULL;

	down_read(&luo_handlers_sem);
	list_for_each_entry(fh, &luo_handlers, list) {
		if (!fh->ops->can_preserve(fh, file))
			continue;
		if (try_module_get(fh->ops->owner))
			found = fh;
		break;
	}
	up_read(&luo_handlers_sem);
	return found;
}

/* The handler of an incoming file, pinned until the file is gone. NULL: nobody. */
struct liveupdate_file_handler *luo_handler_of(struct luo_file *file)
{
	struct liveupdate_file_handler *fh;

	if (file->handler)
		return file->handler;

	down_read(&luo_handlers_sem);
	fh = luo_handler_find(file->compatible);
	if (fh && try_module_get(fh->ops->owner))
		file->handler = fh;
	up_read(&luo_handlers_sem);
	return file->handler;
}
