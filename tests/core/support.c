// SPDX-License-Identifier: GPL-2.0-only
#include "support.h"
#include <sys/mman.h>
#include <time.h>

/* ---------------------------------------------------------------- arena */

struct luo_claims arena_claims;
unsigned long arena_blocks;

static u8 *arena;
static u8 state[ARENA_FRAMES];
static unsigned long arena_hint;
static u64 data_next;
/* What the kernel before has kept for this one; all else may be anybody's. */
static bool kept[ARENA_FRAMES], kept_known;
static u64 boot_nonce, image_nonce;
static unsigned long parity;	/* of the kernels: where their own blocks are */

void *arena_virt(u64 pfn)
{
	return arena + (pfn - ARENA_PFN) * LUO_BLOCK_SIZE;
}

enum frame_state arena_state(u64 pfn)
{
	return state[pfn - ARENA_PFN];
}

unsigned long arena_count(enum frame_state wanted)
{
	unsigned long i, n = 0;

	for (i = 0; i < ARENA_FRAMES; i++)
		n += state[i] == wanted;
	return n;
}

void arena_reset(void)
{
	if (!arena)
		arena = mmap(NULL, ARENA_FRAMES * LUO_BLOCK_SIZE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert(arena != MAP_FAILED);
	memset(state, FRAME_FREE, sizeof(state));
	luo_claims_destroy(&arena_claims);
	arena_blocks = 0;
	arena_hint = 0;
	data_next = ARENA_DATA;
	boot_nonce = TEST_NONCE;
	parity = 0;
	arena_trust();
}

void arena_trust(void)
{
	kept_known = false;
	image_nonce = TEST_NONCE;
}

void arena_next_kernel(void)
{
	/* Two ranges that touch, so that runs may lie in both. */
	struct luo_range ranges[] = {
		{ ARENA_PFN, ARENA_DATA + 3 },
		{ ARENA_DATA + 3, ARENA_PFN + ARENA_FRAMES },
	};

	memset(state, FRAME_RESERVED, sizeof(state));
	luo_claims_destroy(&arena_claims);
	assert(!luo_claims_init(&arena_claims, ranges, ARRAY_SIZE(ranges)));
	arena_blocks = 0;
}

static void *block_alloc(void)
{
	unsigned long i;

	if (shim_fail())
		return NULL;
	/* A new kernel takes its blocks from what it released, or from above. */
	for (i = arena_hint; i < ARENA_FRAMES; i++)
		if (state[i] == FRAME_FREE)
			break;
	if (i == ARENA_FRAMES)
		return NULL;
	arena_hint = i + 1;
	state[i] = FRAME_BLOCK;
	arena_blocks++;
	return memset(arena + i * LUO_BLOCK_SIZE, 0, LUO_BLOCK_SIZE);
}

static u64 block_phys(const void *block)
{
	unsigned long offset = (const u8 *)block - arena;

	assert(offset < ARENA_FRAMES * LUO_BLOCK_SIZE && !(offset % LUO_BLOCK_SIZE));
	return (u64)ARENA_PFN * LUO_BLOCK_SIZE + offset;
}

static void *block_virt(u64 phys)
{
	u64 pfn = phys / LUO_BLOCK_SIZE;

	assert(!(phys % LUO_BLOCK_SIZE) && pfn >= ARENA_PFN && pfn < ARENA_PFN + ARENA_FRAMES);
	assert(arena_state(pfn) == FRAME_BLOCK || luo_claimed(&arena_claims, pfn));
	return arena_virt(pfn);
}

static void block_free(void *block)
{
	unsigned long i = block_phys(block) / LUO_BLOCK_SIZE - ARENA_PFN;

	assert(state[i] == FRAME_BLOCK);
	state[i] = FRAME_FREE;
	arena_hint = min(arena_hint, i);
	arena_blocks--;
	/* Whoever still looks at it shall notice. */
	memset(block, 0xdb, LUO_BLOCK_SIZE);
}

static int track(u64 pfn, u64 nr)
{
	u64 i;

	for (i = 0; i < nr; i++)
		if (arena_state(pfn + i) != FRAME_FREE &&
		    (arena_state(pfn + i) != FRAME_RESERVED ||
		     luo_claimed(&arena_claims, pfn + i)))
			return -EBUSY;
	for (i = 0; i < nr; i++)
		state[pfn + i - ARENA_PFN] = FRAME_TRACKED;
	return 0;
}

static void untrack(u64 pfn, u64 nr)
{
	u64 i;

	for (i = 0; i < nr; i++) {
		assert(arena_state(pfn + i) == FRAME_TRACKED);
		state[pfn + i - ARENA_PFN] = FRAME_FREE;
	}
	data_next = min(data_next, pfn);
}

static int claim(u64 pfn, u64 nr)
{
	u64 i;

	for (i = 0; kept_known && i < nr; i++)
		if (pfn + i < ARENA_PFN || pfn + i >= ARENA_PFN + ARENA_FRAMES ||
		    !kept[pfn + i - ARENA_PFN])
			return -ERANGE;
	return luo_claim(&arena_claims, pfn, nr);
}

static int withhold(u64 pfn, u64 nr)
{
	return luo_claim(&arena_claims, pfn, nr);
}

static void move_frames(u64 pfn, u64 nr, enum frame_state from, enum frame_state to)
{
	u64 i;

	for (i = 0; i < nr; i++) {
		assert(luo_claimed(&arena_claims, pfn + i));
		assert(arena_state(pfn + i) == from);
		state[pfn + i - ARENA_PFN] = to;
	}
}

static void carry(u64 pfn, u64 nr)
{
	move_frames(pfn, nr, FRAME_RESERVED, FRAME_CARRIED);
}

static void uncarry(u64 pfn, u64 nr)
{
	move_frames(pfn, nr, FRAME_CARRIED, FRAME_RESERVED);
}

static void release(u64 pfn, u64 nr)
{
	move_frames(pfn, nr, FRAME_RESERVED, FRAME_RELEASED);
}

const struct luo_mem_ops arena_ops = {
	.block_alloc = block_alloc,
	.block_free = block_free,
	.block_phys = block_phys,
	.block_virt = block_virt,
	.track = track,
	.untrack = untrack,
	.claim = claim,
	.withhold = withhold,
	.release = release,
	.carry = carry,
	.uncarry = uncarry,
};

const struct luo_mem_ops *arena_mem = &arena_ops;

/* ------------------------------------------------------- a kind of file */

struct model models[MODELS];
bool models_hostile;
char events[1024];
struct module model_module;

static const struct file_operations model_fops, foreign_fops;
static const struct liveupdate_file_ops model_ops;
static const struct liveupdate_flb_ops flb_ops;
struct model_flb model_flbs[MODEL_FLBS];

void models_reset(void)
{
	int n;

	memset(models, 0, sizeof(models));
	memset(model_flbs, 0, sizeof(model_flbs));
	for (n = 0; n < MODEL_FLBS; n++) {
		model_flbs[n].flb.ops = &flb_ops;
		sprintf((char *)model_flbs[n].flb.compatible, "state-%d", n);
	}
	models_hostile = false;
	model_handler.ops = &model_ops;
	events[0] = '\0';
}

static void event(char what, int model)
{
	size_t len = strlen(events);

	if (len + 8 < sizeof(events))
		sprintf(events + len, "%c%d ", what, model);
}

static int model_of(const struct file *file)
{
	return (struct model *)file->private_data - models;
}

static bool model_can_preserve(struct liveupdate_file_handler *fh, struct file *file)
{
	(void)fh;
	return file->f_op == &model_fops && !models[model_of(file)].foreign;
}

static void model_untrack(struct luo_pages *pages)
{
	struct luo_extent ext;
	unsigned int i;
	void *b;

	for (b = luo_pages_first(pages); b; b = luo_pages_next(b)) {
		for (i = 0; i < luo_block_nr_extents(b); i++) {
			luo_block_extent(b, i, &ext);
			luo_mem->untrack(ext.pfn, luo_extent_pages(&ext));
		}
	}
}

static struct luo_extent model_extent(u64 index)
{
	struct luo_extent ext = {
		.index = index,
		.count = 1,
		.flags = LUO_EXTENT_UPTODATE,
	};

	/* What came from the previous kernel may lie there still. */
	while (assert(data_next < ARENA_PFN + ARENA_FRAMES),
	       arena_state(data_next) != FRAME_FREE)
		data_next += 2;
	ext.pfn = data_next;
	data_next += 2;
	return ext;
}

static int model_preserve(struct liveupdate_file_op_args *args)
{
	int m = model_of(args->file), err;
	struct model *model = &models[m];
	unsigned int i;

	event('P', m);
	if (model->preserve_err)
		return model->preserve_err;
	args->serialized_data = m;
	if (!model->runs)
		return 0;

	err = luo_pages_init(args->pages);
	if (err)
		return err;
	memset(luo_pages_blob(args->pages), 'A' + m, 16);
	luo_pages_seal_blob(args->pages);
	for (i = 0; i < model->runs; i++) {
		struct luo_extent ext = model_extent(4 * i);

		err = luo_pages_append(args->pages, &ext);
		if (err) {
			model_untrack(args->pages);
			return err;
		}
		assert(!luo_mem->track(ext.pfn, 1));
	}
	return 0;
}

static void model_unpreserve(struct liveupdate_file_op_args *args)
{
	event('U', model_of(args->file));
	model_untrack(args->pages);
}

static int model_freeze(struct liveupdate_file_op_args *args)
{
	int m = model_of(args->file);
	struct model *model = &models[m];
	unsigned int i, nr = 0;
	struct luo_extent *ext;
	void *b;

	event('F', m);
	if (model->freeze_err)
		return model->freeze_err;
	args->serialized_data = m + 1000;
	if (!model->added)
		return 0;

	/* The holes behind the first extents get filled. */
	b = luo_pages_first(args->pages);
	ext = calloc(luo_block_nr_extents(b) + model->added, sizeof(*ext));
	for (i = 0; i < luo_block_nr_extents(b); i++) {
		luo_block_extent(b, i, &ext[nr++]);
		if (i < model->added)
			ext[nr++] = model_extent(4 * i + 2);
	}
	b = luo_pages_replace(args->pages, b, ext, nr);
	for (i = 0; !IS_ERR(b) && i < model->added; i++)
		assert(!luo_mem->track(ext[2 * i + 1].pfn, 1));
	free(ext);
	if (IS_ERR(b))
		return PTR_ERR(b);
	model->added = 0;
	return 0;
}

static int model_prefreeze(struct liveupdate_file_op_args *args)
{
	int m = model_of(args->file);

	event('E', m);
	return models[m].prefreeze_err;
}

static void model_unfreeze(struct liveupdate_file_op_args *args)
{
	event('u', model_of(args->file));
	assert(args->serialized_data == (u64)model_of(args->file) + 1000);
	args->serialized_data -= 1000;
}

static int model_incoming(const struct liveupdate_file_op_args *args)
{
	u64 m = args->serialized_data - 1000;
	char blob[16];

	if (models_hostile)
		m %= MODELS;
	assert(m < MODELS);
	if (args->pages->head && !models_hostile) {
		memset(blob, 'A' + m, sizeof(blob));
		assert(!memcmp(luo_pages_blob(args->pages), blob, sizeof(blob)));
	}
	models[m].pages_seen = args->pages->nr_pages;
	return m;
}

static int model_retrieve(struct liveupdate_file_op_args *args)
{
	int m = model_incoming(args), fd;

	event('R', m);
	/* A failure leaves something behind, as a handler with half a file does. */
	assert(args->private_data == (models[m].begun ? &models[m] : NULL));
	if (models[m].retrieve_err) {
		models[m].begun = !models[m].clean;
		args->private_data = models[m].begun ? &models[m] : NULL;
		return models[m].retrieve_err;
	}
	models[m].begun = false;
	args->private_data = NULL;
	if (models[m].no_file)
		return 0;
	if (shim_fail())
		return -ENOMEM;
	fd = file_open(m);
	args->file = models[m].file = shim_fds[fd];
	shim_fds[fd] = NULL;
	return 0;
}

static int model_describe(struct liveupdate_file_op_args *args,
			  struct liveupdate_file_model *ret)
{
	int m = model_incoming(args);

	event('D', m);
	*ret = (struct liveupdate_file_model){
		.value = 0x100000000ULL + m, .flags = m, .mode = 0600 + m,
		.uid = 1000 + m, .gid = 2000 + m,
	};
	return models[m].describe_err;
}

static int model_retrieve_into(struct liveupdate_file_op_args *args)
{
	int m = model_incoming(args);

	event('I', m);
	assert(args->private_data == (models[m].begun ? &models[m] : NULL));
	if (args->file->f_op != &model_fops)
		return -EINVAL;
	if (models[m].into_err) {
		models[m].begun |= models[m].into_begins;
		args->private_data = models[m].begun ? &models[m] : NULL;
		return models[m].into_err;
	}
	models[m].begun = false;
	args->private_data = NULL;
	models[m].file = args->file;
	return 0;
}

static bool model_can_finish(struct liveupdate_file_op_args *args)
{
	int m = model_incoming(args);

	event('C', m);
	return !models[m].busy;
}

static void model_finish(struct liveupdate_file_op_args *args)
{
	int m = model_incoming(args);
	struct luo_extent ext;
	unsigned int i;
	void *b;

	event('X', m);
	models[m].finish_status = args->retrieve_status;
	assert(args->private_data == (models[m].begun ? &models[m] : NULL));
	assert(!!args->file == (args->retrieve_status > 0));
	for (b = luo_pages_first(args->pages); b; b = luo_pages_next(b)) {
		for (i = 0; i < luo_block_nr_extents(b); i++) {
			luo_block_extent(b, i, &ext);
			luo_mem->release(ext.pfn, luo_extent_pages(&ext));
		}
	}
}

static unsigned long model_id(struct file *file)
{
	return models_hostile ? (unsigned long)file : (unsigned long)file->private_data;
}

static const struct liveupdate_file_ops model_ops = {
	.can_preserve = model_can_preserve,
	.preserve = model_preserve,
	.unpreserve = model_unpreserve,
	.freeze = model_freeze,
	.unfreeze = model_unfreeze,
	.retrieve = model_retrieve,
	.can_finish = model_can_finish,
	.finish = model_finish,
	.get_id = model_id,
	.prefreeze = model_prefreeze,
	.owner = &model_module,
};

const struct liveupdate_file_ops model_into_ops = {
	.can_preserve = model_can_preserve,
	.preserve = model_preserve,
	.unpreserve = model_unpreserve,
	.freeze = model_freeze,
	.unfreeze = model_unfreeze,
	.retrieve = model_retrieve,
	.can_finish = model_can_finish,
	.finish = model_finish,
	.get_id = model_id,
	.owner = &model_module,
	.describe = model_describe,
	.retrieve_into = model_retrieve_into,
};

struct liveupdate_file_handler model_handler = {
	.ops = &model_ops,
	.compatible = "model-v1",
};

/* -------------------------------------------------- a kind of shared state */

static int flb_of(const struct liveupdate_flb *flb)
{
	return container_of(flb, struct model_flb, flb) - model_flbs;
}

static int flb_preserve(struct liveupdate_flb_op_args *args)
{
	int n = flb_of(args->flb);

	event('p', n);
	assert(!args->data && !args->obj);
	if (model_flbs[n].preserve_err)
		return model_flbs[n].preserve_err;
	if (shim_fail())
		return -ENOMEM;
	args->data = 500 + n;
	args->obj = &model_flbs[n];
	return 0;
}

static void flb_unpreserve(struct liveupdate_flb_op_args *args)
{
	int n = flb_of(args->flb);

	event('q', n);
	assert(args->data == 500 + (u64)n && args->obj == &model_flbs[n]);
}

static int flb_retrieve(struct liveupdate_flb_op_args *args)
{
	int n = flb_of(args->flb);

	event('r', n);
	assert((args->data == 500 + (u64)n || models_hostile) && !args->obj);
	if (model_flbs[n].retrieve_err)
		return model_flbs[n].retrieve_err;
	if (shim_fail())
		return -ENOMEM;
	args->obj = &model_flbs[n];
	return 0;
}

static void flb_finish(struct liveupdate_flb_op_args *args)
{
	int n = flb_of(args->flb);

	event('x', n);
	assert(args->obj == &model_flbs[n]);
}

static const struct liveupdate_flb_ops flb_ops = {
	.preserve = flb_preserve,
	.unpreserve = flb_unpreserve,
	.retrieve = flb_retrieve,
	.finish = flb_finish,
	.owner = &model_module,
};

int flb_register(int n)
{
	return liveupdate_register_flb(&model_handler, &model_flbs[n].flb);
}

static int flb_got(int n, int err, void *obj)
{
	if (err)
		assert(!obj);
	else
		assert(obj == &model_flbs[n]);
	return err;
}

int flb_get_incoming(int n)
{
	void *obj = NULL;
	int err = liveupdate_flb_get_incoming(&model_flbs[n].flb, &obj);

	return flb_got(n, err, obj);
}

int flb_get_outgoing(int n)
{
	void *obj = NULL;
	int err = liveupdate_flb_get_outgoing(&model_flbs[n].flb, &obj);

	return flb_got(n, err, obj);
}

/* ------------------------------------------------------------ user space */

int start(void)
{
	int err = luo_core_init(arena_mem, boot_nonce);

	if (!err)
		assert(!liveupdate_register_file_handler(&model_handler));
	return err;
}

void (*stop_hook)(void);

void stop(void)
{
	int fd;

	for (fd = 0; fd < SHIM_MAX_FDS; fd++)
		if (shim_fds[fd])
			fd_close(fd);
	if (stop_hook)
		stop_hook();
	luo_core_exit();
	shim_task_work();
	if (model_handler.list.next)
		liveupdate_unregister_file_handler(&model_handler);
	assert_int_equal(model_module.refs, 0);
	assert_int_equal(shim_module.refs, 0);
	assert_int_equal(arena_blocks, 0);
	assert_int_equal(arena_count(FRAME_TRACKED), 0);
	assert_int_equal(arena_count(FRAME_CARRIED), 0);
}

int setup(void **state_)
{
	(void)state_;
	shim_user_deny(NULL, 0, false, false);
	shim_fail_at = 0;
	shim_killed = false;
	shim_warnings = 0;
	arena_reset();
	models_reset();
	return start();
}

int teardown(void **state_)
{
	(void)state_;
	shim_fail_at = 0;
	shim_user_deny(NULL, 0, false, false);
	stop();
	luo_claims_destroy(&arena_claims);
	assert_int_equal(shim_live, 0);
	assert_int_equal(shim_warnings, 0);
	return 0;
}

static int file_open_as(const struct file_operations *fops, void *priv)
{
	unsigned long fail_at = shim_fail_at, chances = shim_chances;
	struct file *file;
	int fd;

	shim_fail_at = 0;
	fd = get_unused_fd_flags(O_CLOEXEC);
	assert(fd >= 0);
	file = anon_inode_getfile("file", fops, priv, O_RDWR);
	assert(!IS_ERR(file));
	fd_install(fd, file);
	shim_fail_at = fail_at;
	shim_chances = chances;
	return fd;
}

int file_open(int model)
{
	return file_open_as(&model_fops, &models[model]);
}

int file_open_foreign(void)
{
	return file_open_as(&foreign_fops, NULL);
}

void fd_close(int fd)
{
	struct file *file = shim_fds[fd];

	shim_fds[fd] = NULL;
	fput(file);
	shim_task_work();
}

long dev_ioctl(unsigned int cmd, void *arg)
{
	long ret = luo_device_ioctl(cmd, (unsigned long)arg);

	shim_task_work();
	return ret;
}

long fd_ioctl(int fd, unsigned int cmd, void *arg)
{
	struct file *file = fget(fd);
	long ret;

	assert(file);
	ret = file->f_op->unlocked_ioctl(file, cmd, (unsigned long)arg);
	fput(file);
	shim_task_work();
	return ret;
}

static int session_open(unsigned int cmd, const char *name)
{
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg), .fd = -1 };
	long ret;

	strncpy((char *)arg.name, name, sizeof(arg.name));
	ret = dev_ioctl(cmd, &arg);
	if (ret)
		assert(arg.fd == -1);
	return ret ? ret : arg.fd;
}

int session_create(const char *name)
{
	return session_open(LIVEUPDATE_IOCTL_CREATE_SESSION, name);
}

int session_retrieve(const char *name)
{
	return session_open(LIVEUPDATE_IOCTL_RETRIEVE_SESSION, name);
}

int session_preserve(int fd, u64 token, int file)
{
	struct liveupdate_session_preserve_fd arg = {
		.size = sizeof(arg), .fd = file, .token = token,
	};

	return fd_ioctl(fd, LIVEUPDATE_SESSION_PRESERVE_FD, &arg);
}

int session_preserve_model(int fd, u64 token, int model)
{
	int file = file_open(model), ret = session_preserve(fd, token, file);

	fd_close(file);
	return ret;
}

int session_retrieve_fd(int fd, u64 token)
{
	struct liveupdate_session_retrieve_fd arg = {
		.size = sizeof(arg), .fd = -1, .token = token,
	};
	long ret = fd_ioctl(fd, LIVEUPDATE_SESSION_RETRIEVE_FD, &arg);

	if (ret)
		assert(arg.fd == -1);
	return ret ? ret : arg.fd;
}

int session_finish(int fd)
{
	struct liveupdate_session_finish arg = { .size = sizeof(arg) };

	return fd_ioctl(fd, LIVEUPDATE_SESSION_FINISH, &arg);
}

int session_set_flags(int fd, u32 flags)
{
	struct liveupdate_session_set_flags arg = { .size = sizeof(arg), .flags = flags };

	return fd_ioctl(fd, LIVEUPDATE_SESSION_SET_FLAGS, &arg);
}

int session_reopen(const char *name)
{
	return session_open(LIVEUPDATE_IOCTL_REOPEN_SESSION, name);
}

int session_freeze(int fd)
{
	struct liveupdate_session_freeze arg = { .size = sizeof(arg) };

	return fd_ioctl(fd, LIVEUPDATE_SESSION_FREEZE, &arg);
}

int session_thaw(int fd)
{
	struct liveupdate_session_thaw arg = { .size = sizeof(arg) };

	return fd_ioctl(fd, LIVEUPDATE_SESSION_THAW, &arg);
}

int session_drop(const char *name, u64 generation)
{
	struct liveupdate_ioctl_drop_session arg = {
		.size = sizeof(arg), .generation = generation,
	};

	strcpy((char *)arg.name, name);
	return dev_ioctl(LIVEUPDATE_IOCTL_DROP_SESSION, &arg);
}

int session_retrieve_generation(const char *name, u64 generation)
{
	struct liveupdate_ioctl_retrieve_generation arg = {
		.size = sizeof(arg), .fd = -1, .generation = generation,
	};
	long ret;

	strcpy((char *)arg.name, name);
	ret = dev_ioctl(LIVEUPDATE_IOCTL_RETRIEVE_GENERATION, &arg);
	return ret ? ret : arg.fd;
}

/* --------------------------------------------------------------- a reboot */

u64 kexec_away(void)
{
	size_t size = ARENA_FRAMES * LUO_BLOCK_SIZE;
	struct luo_root_ser *root;
	u8 *image;
	u64 phys;

	assert_int_equal(luo_core_freeze(&root), 0);
	luo_core_seal_root();
	phys = block_phys(root);

	/* The sealed image survives; all else of this kernel ends in order. */
	image = mmap(NULL, size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert(image != MAP_FAILED);
	for (unsigned long i = 0; i < ARENA_FRAMES; i++) {
		kept[i] = state[i] == FRAME_BLOCK || state[i] == FRAME_TRACKED ||
			  state[i] == FRAME_CARRIED;
		if (kept[i] && state[i] != FRAME_TRACKED)
			memcpy(image + i * LUO_BLOCK_SIZE, arena + i * LUO_BLOCK_SIZE,
			       LUO_BLOCK_SIZE);
	}
	kept_known = true;
	image_nonce = boot_nonce++;
	luo_core_thaw();
	stop();
	munmap(arena, size);
	arena = image;
	events[0] = '\0';
	return phys;
}

/* A new kernel's own blocks come from the upper end, where the old one has none. */
int kexec_arrive(u64 root)
{
	unsigned long i, fail_at = shim_fail_at, chances = shim_chances;
	struct luo_range gap;
	u64 pfn;
	int err;

	shim_fail_at = 0;
	arena_next_kernel();
	parity = !parity;
	for (i = ARENA_FRAMES - 512 * (1 + parity); i < ARENA_FRAMES - 512 * parity; i++)
		if (!kept_known || !kept[i])
			state[i] = FRAME_FREE;
	arena_hint = 0;
	data_next = ARENA_DATA;
	err = start();
	shim_fail_at = fail_at;
	shim_chances = chances;
	if (!err)
		err = luo_core_receive(root, image_nonce);
	/* The gaps go to the allocator. */
	for (pfn = 0; !err && luo_claims_next_free(&arena_claims, pfn, &gap); pfn = gap.end)
		for (i = gap.start - ARENA_PFN; i < gap.end - ARENA_PFN; i++)
			if (state[i] == FRAME_RESERVED)
				state[i] = FRAME_FREE;
	return err;
}

int kexec_do(void)
{
	return kexec_arrive(kexec_away());
}

/* ---------------------------------------------------------------- numbers */

static u64 rnd_state;

u64 rnd_seed(void)
{
	static u64 seed;

	if (!seed) {
		const char *env = getenv("SEED");

		seed = env ? strtoull(env, NULL, 0) : (u64)time(NULL) | 1;
		rnd_state = seed;
		printf("# SEED=%llu\n", seed);
	}
	return seed;
}

u64 rnd(void)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return rnd_state;
}
