// SPDX-License-Identifier: GPL-2.0-only
/* See luo_plat.h next to this file. */
#include "luo_plat.h"

unsigned long shim_fail_at, shim_chances, shim_probes;
long shim_live;
unsigned int shim_warnings;
char shim_log[256];
bool shim_killed;
struct module shim_module;
struct file *shim_fds[SHIM_MAX_FDS];

static const char shim_reserved[1];	/* its address marks an fd without a file */
static struct file *shim_dead;

bool shim_fail(void)
{
	return ++shim_chances == shim_fail_at;
}

void shim_warn(const char *what, const char *file, int line)
{
	shim_warnings++;
	if (getenv("SHIM_VERBOSE"))
		fprintf(stderr, "%s:%d: warning: %s\n", file, line, what);
}

int shim_printk(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(shim_log, sizeof(shim_log), fmt, args);
	va_end(args);
	if (getenv("SHIM_VERBOSE"))
		fprintf(stderr, "log: %s", shim_log);
	return 0;
}

/* ----------------------------------------------------------------------- locks */

#define SHIM_CLASSES 16

static const char *shim_class[SHIM_CLASSES];
static bool shim_before[SHIM_CLASSES][SHIM_CLASSES];
static int shim_held[SHIM_CLASSES];
static int shim_nr_held;
jmp_buf *shim_blocked;

/* What this task holds is no business of the next. */
void shim_switch_task(void)
{
	static int held[SHIM_CLASSES], nr;
	int i, tmp;

	for (i = 0; i < SHIM_CLASSES; i++)
		tmp = held[i], held[i] = shim_held[i], shim_held[i] = tmp;
	tmp = nr, nr = shim_nr_held, shim_nr_held = tmp;
}

static int shim_class_of(const struct shim_lock *lock)
{
	int i;

	for (i = 0; shim_class[i] && strcmp(shim_class[i], lock->class); i++)
		assert(i < SHIM_CLASSES - 1);
	shim_class[i] = lock->class;
	return i;
}

void shim_lock(struct shim_lock *lock, bool write)
{
	int class = shim_class_of(lock), i;

	/* One thread: what would wait would wait for ever. */
	if (shim_blocked && lock->writer) {
		/* The task never comes back, so what it reserved is free again. */
		for (i = 0; i < SHIM_MAX_FDS; i++)
			if ((void *)shim_fds[i] == shim_reserved)
				shim_fds[i] = NULL;
		longjmp(*shim_blocked, 1);
	}
	assert(!lock->writer && (!write || !lock->readers));
	for (i = 0; i < shim_nr_held; i++) {
		assert(shim_held[i] != class);
		assert(!shim_before[class][shim_held[i]]);
		shim_before[shim_held[i]][class] = true;
	}
	shim_held[shim_nr_held++] = class;
	if (write)
		lock->writer = true;
	else
		lock->readers++;
}

void shim_unlock(struct shim_lock *lock, bool write)
{
	int class = shim_class_of(lock), i;

	for (i = shim_nr_held - 1; i >= 0 && shim_held[i] != class; i--)
		;
	assert(i >= 0);
	memmove(&shim_held[i], &shim_held[i + 1], (--shim_nr_held - i) * sizeof(int));
	if (write) {
		assert(lock->writer);
		lock->writer = false;
	} else {
		assert(lock->readers > 0);
		lock->readers--;
	}
}

/* ------------------------------------------------------------- memory and bits */

void *shim_alloc(size_t n, size_t size)
{
	void *p = shim_fail() ? NULL : calloc(n, size);

	shim_live += !!p;
	return p;
}

void shim_free(void *p)
{
	shim_live -= !!p;
	free(p);
}

unsigned long shim_next_bit(const unsigned long *bits, unsigned long size,
			    unsigned long from, unsigned long invert)
{
	unsigned long word;

	while (from < size) {
		word = (bits[from / BITS_PER_LONG] ^ invert) >> (from % BITS_PER_LONG);
		if (word)
			return min(from + __builtin_ctzl(word), size);
		from += BITS_PER_LONG - from % BITS_PER_LONG;
	}
	return size;
}

u32 luo_crc32c(u32 crc, const void *p, size_t len)
{
	const u8 *b = p;

#ifdef __SSE4_2__
	for (; len >= 8; len -= 8, b += 8) {
		unsigned long long v;

		memcpy(&v, b, 8);
		crc = __builtin_ia32_crc32di(crc, v);
	}
#endif
	for (; len; len--) {
		crc ^= *b++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc;
}

/* ------------------------------------------------------------------ hash tables */

int rhashtable_init(struct rhashtable *ht, const struct rhashtable_params *params)
{
	(void)params;
	*ht = (struct rhashtable){ .size = 4 };
	ht->bucket = shim_alloc(ht->size, sizeof(*ht->bucket));
	return ht->bucket ? 0 : -ENOMEM;
}

void rhashtable_destroy(struct rhashtable *ht)
{
	assert(!ht->nr);
	shim_free(ht->bucket);
}

static struct rhash_head **shim_bucket(struct rhashtable *ht, const void *key, size_t len)
{
	return &ht->bucket[(luo_crc32c(~0U, key, len) * 0x9e3779b97f4a7c15ULL >> 32) % ht->size];
}

static const void *shim_key(const struct rhash_head *h, const struct rhashtable_params *p)
{
	return (const char *)h - p->head_offset + p->key_offset;
}

void *rhashtable_lookup_fast(struct rhashtable *ht, const void *key,
			     const struct rhashtable_params params)
{
	struct rhash_head *h = *shim_bucket(ht, key, params.key_len);

	for (; h; h = h->next) {
		shim_probes++;
		if (!memcmp(shim_key(h, &params), key, params.key_len))
			return (char *)h - params.head_offset;
	}
	return NULL;
}

static void shim_link(struct rhashtable *ht, struct rhash_head *head,
		      const struct rhashtable_params *p)
{
	struct rhash_head **b = shim_bucket(ht, shim_key(head, p), p->key_len);

	head->next = *b;
	*b = head;
}

int rhashtable_lookup_insert_fast(struct rhashtable *ht, struct rhash_head *head,
				  const struct rhashtable_params params)
{
	struct rhashtable old = *ht;
	unsigned long i;

	if (rhashtable_lookup_fast(ht, shim_key(head, &params), params))
		return -EEXIST;
	if (shim_fail())
		return -E2BIG;

	if (ht->nr++ == ht->size) {
		ht->size *= 4;
		ht->bucket = calloc(ht->size, sizeof(*ht->bucket));
		for (i = 0; i < old.size; i++) {
			while (old.bucket[i]) {
				struct rhash_head *h = old.bucket[i];

				old.bucket[i] = h->next;
				shim_link(ht, h, &params);
			}
		}
		free(old.bucket);
	}
	shim_link(ht, head, &params);
	return 0;
}

int rhashtable_remove_fast(struct rhashtable *ht, struct rhash_head *head,
			   const struct rhashtable_params params)
{
	struct rhash_head **b = shim_bucket(ht, shim_key(head, &params), params.key_len);

	for (; *b; b = &(*b)->next) {
		if (*b == head) {
			*b = head->next;
			ht->nr--;
			return 0;
		}
	}
	assert(!"removed what is not in the table");
	return -ENOENT;
}

int rhashtable_replace_fast(struct rhashtable *ht, struct rhash_head *old,
			    struct rhash_head *new, const struct rhashtable_params params)
{
	int err = rhashtable_remove_fast(ht, old, params);

	assert(!memcmp(shim_key(old, &params), shim_key(new, &params), params.key_len));
	shim_link(ht, new, &params);
	ht->nr++;
	return err;
}

/* ----------------------------------------------------------------- files, modules */

bool try_module_get(struct module *m)
{
	if (m && m->going)
		return false;
	if (m)
		m->refs++;
	return true;
}

void module_put(struct module *m)
{
	if (m)
		assert(--m->refs >= 0);
}

struct file *anon_inode_getfile(const char *name, const struct file_operations *fops,
				void *priv, int flags)
{
	struct file *file = shim_fail() ? NULL : calloc(1, sizeof(*file));

	if (!file)
		return ERR_PTR(-ENFILE);
	assert(try_module_get(fops->owner));
	shim_live++;
	file->f_op = fops;
	file->private_data = priv;
	file->refs = 1;
	file->flags = flags;
	snprintf(file->name, sizeof(file->name), "anon_inode:%s", name);
	return file;
}

struct file *fget(unsigned int fd)
{
	if (fd >= SHIM_MAX_FDS || !shim_fds[fd] || (void *)shim_fds[fd] == shim_reserved)
		return NULL;
	return get_file(shim_fds[fd]);
}

struct file *get_file(struct file *file)
{
	assert(file->refs > 0);
	file->refs++;
	return file;
}

/* As in the kernel, the release itself comes later. */
void fput(struct file *file)
{
	assert(file->refs > 0);
	if (!--file->refs) {
		file->dead = shim_dead;
		shim_dead = file;
	}
}

void shim_task_work(void)
{
	struct file *file;

	assert(!shim_nr_held);
	while ((file = shim_dead)) {
		shim_dead = file->dead;
		if (file->f_op && file->f_op->release)
			file->f_op->release(NULL, file);
		if (file->f_op)
			module_put(file->f_op->owner);
		free(file);
		shim_live--;
	}
}

int get_unused_fd_flags(unsigned int flags)
{
	static int next = 3;
	int tries, fd;

	assert(flags == O_CLOEXEC);
	if (shim_fail())
		return -EMFILE;
	for (tries = 0; tries < SHIM_MAX_FDS; tries++) {
		fd = next;
		next = next + 1 < SHIM_MAX_FDS ? next + 1 : 3;
		if (!shim_fds[fd]) {
			shim_fds[fd] = (struct file *)shim_reserved;
			return fd;
		}
	}
	return -EMFILE;
}

void put_unused_fd(unsigned int fd)
{
	assert((void *)shim_fds[fd] == shim_reserved);
	shim_fds[fd] = NULL;
}

void fd_install(unsigned int fd, struct file *file)
{
	assert((void *)shim_fds[fd] == shim_reserved && file->refs > 0);
	shim_fds[fd] = file;
}

long compat_ptr_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return file->f_op->unlocked_ioctl(file, cmd, (u32)arg);
}

long noop_llseek(struct file *file, long offset, int whence)
{
	(void)file; (void)offset; (void)whence;
	return 0;
}

/* ------------------------------------------------------------ user memory, strings */

static struct {
	const char *start, *end;
	bool read, write;
} shim_denied;

void shim_user_deny(const void *start, size_t size, bool read, bool write)
{
	shim_denied.start = start;
	shim_denied.end = start ? shim_denied.start + size : NULL;
	shim_denied.read = read;
	shim_denied.write = write;
}

static bool shim_user_ok(const void *p, unsigned long n, bool write)
{
	const char *c = p;

	/* A fault may take for ever: nobody else may have to wait for it. */
	assert(!shim_nr_held);
	if (!p || !(write ? shim_denied.write : shim_denied.read))
		return p;
	return c >= shim_denied.end || c + n <= shim_denied.start;
}

unsigned long copy_from_user(void *to, const void __user *from, unsigned long n)
{
	if (!shim_user_ok(from, n, false))
		return n;
	memcpy(to, from, n);
	return 0;
}

void (*shim_user_hook)(void);

unsigned long copy_to_user(void __user *to, const void *from, unsigned long n)
{
	void (*hook)(void) = shim_user_hook;

	shim_user_hook = NULL;
	if (hook)
		hook();
	if (!shim_user_ok(to, n, true))
		return n;
	memcpy(to, from, n);
	return 0;
}

int copy_struct_from_user(void *dst, size_t ksize, const void __user *src, size_t usize)
{
	const u8 *b = src;
	size_t i;

	if (usize > ksize && !shim_user_ok(b + ksize, usize - ksize, false))
		return -EFAULT;
	for (i = ksize; i < usize; i++)
		if (b[i])
			return -E2BIG;
	memset(dst, 0, ksize);
	return copy_from_user(dst, src, min(ksize, usize)) ? -EFAULT : 0;
}

void strscpy_pad(char *dst, const char *src, size_t size)
{
	size_t len = strnlen(src, size - 1);

	memset(dst, 0, size);
	memcpy(dst, src, len);
}

const struct new_utsname *init_utsname(void)
{
	static const struct new_utsname name = { "6.1.0-shim" };

	return &name;
}
