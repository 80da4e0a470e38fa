// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/liveupdate/: which sessions and files there are.
 */
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string_helpers.h>

#include "luo_core.h"
#include "glue.h"

/**
 * DOC: Lists
 *
 * Two tables of text, a line for each session and for each file, described in
 * docs/sysfs.md. They are not in sysfs: that has one value in a file, which for
 * 10,000 sessions would be 100,000 of them, made and removed with the session,
 * and names of sessions are no names of files: they may be ".." or have a slash.
 * A table for root to read is what /proc/allocinfo, slabinfo and modules are,
 * too. It is not an ioctl of the device, because that has one opener, who need
 * not be the one who asks.
 *
 * A reader has a cursor into the core's lists and a buffer of a few entries,
 * which is filled again when it is used up; no lock is held in between. So a
 * reader may take as long as it likes, and the table is no snapshot.
 *
 * Names of sessions and kinds of files are any bytes: what is not printable
 * ASCII, and the space and the backslash, are octal, as in /proc/mounts.
 */
#define LIST_ROOM	32

struct list {
	struct luo_cursor cursor;
	loff_t index;		/* of the first entry in the buffer */
	int nr;			/* entries in it */
	union {
		struct luo_session_entry sessions[LIST_ROOM];
		struct luo_file_entry files[LIST_ROOM];
	};
};

/* Position 0 is the heading; entry n is at n + 1. */
static void *list_at(struct list *list, loff_t pos, size_t size,
		     int (*fill)(struct list *list))
{
	if (!pos || pos <= list->index) {
		luo_cursor_reset(&list->cursor);
		list->index = 0;
		list->nr = 0;
	}
	if (!pos)
		return SEQ_START_TOKEN;
	while (pos > list->index + list->nr) {
		list->index += list->nr;
		list->nr = fill(list);
		if (list->nr <= 0) {
			int err = list->nr;

			list->nr = 0;
			return err ? ERR_PTR(err) : NULL;
		}
	}
	return (char *)&list->sessions + (pos - 1 - list->index) * size;
}

static void list_stop(struct seq_file *m, void *v)
{
}

static void show_escaped(struct seq_file *m, const char *text)
{
	seq_escape_str(m, text, ESCAPE_OCTAL | ESCAPE_NAP | ESCAPE_APPEND, " \\");
	seq_putc(m, '\n');
}

/* ---------------------------------------------------------------- sessions */

static int sessions_fill(struct list *list)
{
	return luo_core_list_sessions(&list->cursor, list->sessions, LIST_ROOM);
}

static void *sessions_start(struct seq_file *m, loff_t *pos)
{
	return list_at(m->private, *pos, sizeof(struct luo_session_entry), sessions_fill);
}

static void *sessions_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return sessions_start(m, pos);
}

static int sessions_show(struct seq_file *m, void *v)
{
	const struct luo_session_entry *s = v;

	if (v == SEQ_START_TOKEN) {
		seq_puts(m, "# id direction state generation flags files bytes serial name\n");
		return 0;
	}
	seq_printf(m, "%llu %s %s %llu %#x %llu %llu %llu ", s->id, s->incoming ? "in" : "out",
		   s->damaged ? "damaged" : s->claimed ? "open" : "waiting", s->generation,
		   s->flags, s->files, s->pages << PAGE_SHIFT, s->serial);
	show_escaped(m, s->name);
	return 0;
}

static const struct seq_operations sessions_ops = {
	.start	= sessions_start,
	.next	= sessions_next,
	.stop	= list_stop,
	.show	= sessions_show,
};

/* ------------------------------------------------------------------- files */

static int files_fill(struct list *list)
{
	return luo_core_list_files(&list->cursor, list->files, LIST_ROOM);
}

static void *files_start(struct seq_file *m, loff_t *pos)
{
	return list_at(m->private, *pos, sizeof(struct luo_file_entry), files_fill);
}

static void *files_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return files_start(m, pos);
}

static int files_show(struct seq_file *m, void *v)
{
	static const char * const states[] = {
		[LIVEUPDATE_FILE_PRESERVED] = "preserved",
		[LIVEUPDATE_FILE_WAITING] = "waiting",
		[LIVEUPDATE_FILE_RETRIEVED] = "retrieved",
		[LIVEUPDATE_FILE_FAILED] = "failed",
		[LIVEUPDATE_FILE_UNKNOWN] = "unknown",
	};
	const struct luo_file_entry *f = v;

	if (v == SEQ_START_TOKEN) {
		seq_puts(m, "# session token state error bytes kind\n");
		return 0;
	}
	seq_printf(m, "%llu %#llx %s %u %llu ", f->session, f->info.token,
		   states[f->info.state], f->info.error, f->info.bytes);
	show_escaped(m, (const char *)f->info.compatible);
	return 0;
}

static const struct seq_operations files_ops = {
	.start	= files_start,
	.next	= files_next,
	.stop	= list_stop,
	.show	= files_show,
};

/* ---------------------------------------------------------------- the files */

static int sessions_open(struct inode *inode, struct file *file)
{
	return seq_open_private(file, &sessions_ops, sizeof(struct list));
}

static int files_open(struct inode *inode, struct file *file)
{
	return seq_open_private(file, &files_ops, sizeof(struct list));
}

static int list_release(struct inode *inode, struct file *file)
{
	struct seq_file *m = file->private_data;
	struct list *list = m->private;

	luo_cursor_reset(&list->cursor);
	return seq_release_private(inode, file);
}

static const struct proc_ops sessions_proc_ops = {
	.proc_open	= sessions_open,
	.proc_read	= seq_read,
	.proc_lseek	= seq_lseek,
	.proc_release	= list_release,
};

static const struct proc_ops files_proc_ops = {
	.proc_open	= files_open,
	.proc_read	= seq_read,
	.proc_lseek	= seq_lseek,
	.proc_release	= list_release,
};

static struct proc_dir_entry *dir;

/* Returns when nobody reads any more. */
void luo_list_exit(void)
{
	proc_remove(dir);
}

int luo_list_init(void)
{
	dir = proc_mkdir("liveupdate", NULL);
	if (!dir)
		return -ENOMEM;
	/* Names and sizes of other people's sessions are for root. */
	if (!proc_create("sessions", 0400, dir, &sessions_proc_ops) ||
	    !proc_create("files", 0400, dir, &files_proc_ops)) {
		luo_list_exit();
		return -ENOMEM;
	}
	return 0;
}
