/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The other side of module/luo_plat.h: as much of a kernel as the portable
 * core needs, in one process and one thread. It is stricter than a kernel:
 * locks check their order, user memory must not be touched under one, and
 * everything that can fail can be told to (shim_fail_at).
 */
#ifndef LUO_PLAT_H
#define LUO_PLAT_H

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/ioctl.h>
#include <linux/types.h>

typedef __u8 u8;
typedef __u32 u32;
typedef __s32 s32;
typedef __u64 u64;

#define __packed		__attribute__((packed))
#define __printf(a, b)		__attribute__((format(printf, a, b)))
#define __user
#define THIS_MODULE		(&shim_module)
#define EXPORT_SYMBOL_GPL(x)	static_assert(sizeof(&x), "exported")
#define U64_MAX			UINT64_MAX
#define BITS_PER_LONG		(8 * (int)sizeof(long))
#define BITS_TO_LONGS(n)	(((n) + BITS_PER_LONG - 1) / BITS_PER_LONG)
#define BIT_ULL(n)		(1ULL << (n))
#define GENMASK_ULL(h, l)	((~0ULL << (l)) & (~0ULL >> (63 - (h))))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define sizeof_field(t, m)	sizeof(((t *)0)->m)
#define offsetofend(t, m)	(offsetof(t, m) + sizeof_field(t, m))
#define container_of(p, t, m)	((t *)((char *)(p) - offsetof(t, m)))
#define min(a, b)		({ __auto_type a_ = (a); __auto_type b_ = (b); a_ < b_ ? a_ : b_; })
#define max(a, b)		({ __auto_type a_ = (a); __auto_type b_ = (b); a_ > b_ ? a_ : b_; })
#define swap(a, b) do { typeof(a) t_ = (a); (a) = (b); (b) = t_; } while (0)
#define min_t(t, a, b)		min((t)(a), (t)(b))
#define cond_resched()		do { } while (0)
#define READ_ONCE(x)		(x)
#define WRITE_ONCE(x, v)	((x) = (v))
#define u64_to_user_ptr(x)	((void __user *)(uintptr_t)(x))

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the shim does not swap");
#define cpu_to_le32(x)		((__le32)(x))
#define cpu_to_le64(x)		((__le64)(x))
#define le32_to_cpu(x)		((u32)(x))
#define le64_to_cpu(x)		((u64)(x))

#define MAX_ERRNO		4095
#define ERR_PTR(e)		((void *)(long)(e))
#define PTR_ERR(p)		((long)(p))
#define IS_ERR(p)		((unsigned long)(p) >= (unsigned long)-MAX_ERRNO)

/* ------------------------------------------------------------- what tests see */

extern unsigned long shim_fail_at;	/* this one of the coming chances fails; 0: none */
extern unsigned long shim_chances;	/* so many there have been */
extern long shim_live;			/* allocations and files that exist */
extern unsigned int shim_warnings;
extern unsigned long shim_probes;	/* entries of hash tables looked at */
extern char shim_log[256];		/* last line */
extern bool shim_killed;		/* killable waits end with -EINTR */
extern jmp_buf *shim_blocked;		/* where to go instead of waiting for ever */

bool shim_fail(void);
void shim_warn(const char *what, const char *file, int line);
extern void (*shim_user_hook)(void);	/* before the next copy to user memory */
void shim_user_deny(const void *start, size_t size, bool read, bool write);
void shim_switch_task(void);		/* between two, each with locks of its own */
void shim_task_work(void);		/* what happens on the way to user space */

#define WARN_ON_ONCE(c) ({						\
	bool c_ = (c);							\
	if (c_)								\
		shim_warn(#c, __FILE__, __LINE__);			\
	c_; })

/* ---------------------------------------------------------------------- lists */

struct list_head {
	struct list_head *next, *prev;
};

#define LIST_HEAD_INIT(h)	{ &(h), &(h) }
#define LIST_HEAD(h)		struct list_head h = LIST_HEAD_INIT(h)
#define list_entry(p, t, m)	container_of(p, t, m)
#define list_last_entry(h, t, m) list_entry((h)->prev, t, m)
#define shim_step(e, dir, m)	list_entry((e)->m.dir, __typeof__(*(e)), m)
#define shim_walk(e, from, dir, h, m) \
	for (e = from; &(e)->m != (h); e = shim_step(e, dir, m))
#define list_for_each_entry(e, h, m) \
	shim_walk(e, list_entry((h)->next, __typeof__(*e), m), next, h, m)
#define list_for_each_entry_continue(e, h, m) \
	shim_walk(e, shim_step(e, next, m), next, h, m)
#define list_for_each_entry_reverse(e, h, m) \
	shim_walk(e, list_entry((h)->prev, __typeof__(*e), m), prev, h, m)
#define list_for_each_entry_continue_reverse(e, h, m) \
	shim_walk(e, shim_step(e, prev, m), prev, h, m)
#define list_for_each_entry_safe(e, t, h, m)				\
	for (e = list_entry((h)->next, __typeof__(*e), m), t = shim_step(e, next, m); \
	     &(e)->m != (h); e = t, t = shim_step(t, next, m))

static inline void INIT_LIST_HEAD(struct list_head *h)
{
	h->next = h->prev = h;
}

static inline bool list_empty(const struct list_head *h)
{
	return h->next == h;
}

static inline void list_add_tail(struct list_head *new, struct list_head *h)
{
	*new = (struct list_head){ h, h->prev };
	h->prev = h->prev->next = new;
}

static inline void list_del_init(struct list_head *e)
{
	e->prev->next = e->next;
	e->next->prev = e->prev;
	INIT_LIST_HEAD(e);
}
#define list_del(e) list_del_init(e)

/* ----------------------------------------------------------------------- locks */

struct shim_lock {
	const char *class;
	int readers;
	bool writer;
};

void shim_lock(struct shim_lock *lock, bool write);
void shim_unlock(struct shim_lock *lock, bool write);

struct mutex { struct shim_lock l; };
struct rw_semaphore { struct shim_lock l; };
typedef struct { struct shim_lock l; } spinlock_t;
#define DEFINE_MUTEX(x)		struct mutex x = { { #x, 0, false } }
#define DECLARE_RWSEM(x)	struct rw_semaphore x = { { #x, 0, false } }
#define DEFINE_SPINLOCK(x)	spinlock_t x = { { #x, 0, false } }
#define mutex_init(x)		((x)->l = (struct shim_lock){ #x, 0, false })
#define mutex_destroy(x)	assert(!(x)->l.writer)
#define mutex_lock(x)		shim_lock(&(x)->l, true)
#define mutex_unlock(x)		shim_unlock(&(x)->l, true)
#define mutex_lock_killable(x)	(shim_killed ? -EINTR : (mutex_lock(x), 0))
#define spin_lock(x)		shim_lock(&(x)->l, true)
#define spin_unlock(x)		shim_unlock(&(x)->l, true)
#define down_read(x)		shim_lock(&(x)->l, false)
#define up_read(x)		shim_unlock(&(x)->l, false)
#define down_write(x)		shim_lock(&(x)->l, true)
#define up_write(x)		shim_unlock(&(x)->l, true)
#define down_read_killable(x)	(shim_killed ? -EINTR : (down_read(x), 0))
#define down_write_killable(x)	(shim_killed ? -EINTR : (down_write(x), 0))

typedef struct { int v; } atomic_t;
typedef struct { long long v; } atomic64_t;
#define ATOMIC_INIT(n)		{ n }
#define atomic_set(a, n)	((a)->v = (n))
#define atomic_cmpxchg(a, o, n)	({ int v_ = (a)->v; if (v_ == (o)) (a)->v = (n); v_; })
#define atomic64_read(a)	((a)->v)
#define atomic64_add(n, a)	((a)->v += (long long)(n))
#define atomic64_inc(a)		((a)->v++)
#define atomic64_dec(a)		((a)->v--)
#define atomic64_dec_and_test(a) (!--(a)->v)

/* ------------------------------------------------------------- memory and bits */

#define GFP_KERNEL		0
#define GFP_KERNEL_ACCOUNT	0

void *shim_alloc(size_t n, size_t size);
void shim_free(void *p);
#define kzalloc(size, gfp)	shim_alloc(1, size)
#define kvcalloc(n, size, gfp)	shim_alloc(n, size)
#define kfree(p)		shim_free(p)
#define kvfree(p)		shim_free(p)
#define kfree_rcu(p, m)		shim_free(p)

struct rcu_head { };

#define __ffs(w)		((unsigned int)__builtin_ctzl(w))
#define __fls(w)		((unsigned int)(BITS_PER_LONG - 1 - __builtin_clzl(w)))
unsigned long shim_next_bit(const unsigned long *bits, unsigned long size,
			    unsigned long from, unsigned long invert);
#define find_next_bit(b, n, f)		shim_next_bit(b, n, f, 0)
#define find_next_zero_bit(b, n, f)	shim_next_bit(b, n, f, ~0UL)

u32 luo_crc32c(u32 crc, const void *p, size_t len);

/* ------------------------------------------------------------------ hash tables */

struct rhash_head {
	struct rhash_head *next;
};

struct rhashtable_params {
	size_t key_len, key_offset, head_offset;
	bool automatic_shrinking;
};

struct rhashtable {
	struct rhash_head **bucket;
	unsigned long nr, size;
};

int rhashtable_init(struct rhashtable *ht, const struct rhashtable_params *params);
void rhashtable_destroy(struct rhashtable *ht);
void *rhashtable_lookup_fast(struct rhashtable *ht, const void *key,
			     const struct rhashtable_params params);
int rhashtable_lookup_insert_fast(struct rhashtable *ht, struct rhash_head *head,
				  const struct rhashtable_params params);
int rhashtable_replace_fast(struct rhashtable *ht, struct rhash_head *old,
			    struct rhash_head *new, const struct rhashtable_params params);
int rhashtable_remove_fast(struct rhashtable *ht, struct rhash_head *head,
			   const struct rhashtable_params params);

/* ----------------------------------------------------------------- files, modules */

struct inode;
struct file;

struct module {
	int refs;
	bool going;
};

struct file_operations {
	struct module *owner;
	int (*release)(struct inode *inode, struct file *file);
	long (*unlocked_ioctl)(struct file *file, unsigned int cmd, unsigned long arg);
	long (*compat_ioctl)(struct file *file, unsigned int cmd, unsigned long arg);
	long (*llseek)(struct file *file, long offset, int whence);
};

struct file {
	const struct file_operations *f_op;
	void *private_data;
	int refs;
	int flags;
	char name[96];
	struct file *dead;
};

#ifndef SHIM_MAX_FDS
#define SHIM_MAX_FDS	32768
#endif

extern struct module shim_module;
extern struct file *shim_fds[SHIM_MAX_FDS];

bool try_module_get(struct module *m);
void module_put(struct module *m);

static inline void __module_get(struct module *m)
{
	m->refs++;
}
struct file *anon_inode_getfile(const char *name, const struct file_operations *fops,
				void *priv, int flags);
struct file *fget(unsigned int fd);
struct file *get_file(struct file *file);
void fput(struct file *file);
int get_unused_fd_flags(unsigned int flags);
void put_unused_fd(unsigned int fd);
void fd_install(unsigned int fd, struct file *file);
long compat_ptr_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
long noop_llseek(struct file *file, long offset, int whence);

/* ------------------------------------------------------------ user memory, strings */

unsigned long copy_from_user(void *to, const void __user *from, unsigned long n);
unsigned long copy_to_user(void __user *to, const void *from, unsigned long n);
int copy_struct_from_user(void *dst, size_t ksize, const void __user *src, size_t usize);
#define get_user(x, p)	(copy_from_user(&(x), (p), sizeof(*(p))) ? -EFAULT : 0)

__printf(1, 2) int shim_printk(const char *fmt, ...);
#define pr_err_ratelimited	shim_printk
#define pr_warn			shim_printk
#define pr_info			shim_printk
#define pr_warn_ratelimited	shim_printk
#define scnprintf		snprintf	/* nobody here uses the result */
#define vscnprintf		vsnprintf

void strscpy_pad(char *dst, const char *src, size_t size);
#define strscpy(d, s, n)	strscpy_pad(d, s, n)

struct new_utsname { char release[65]; };
const struct new_utsname *init_utsname(void);

#include "../../../include/linux/liveupdate.h"
#include "../../../include/uapi/linux/liveupdate_ext.h"

#endif /* LUO_PLAT_H */
