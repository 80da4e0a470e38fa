// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: an image of a hostile previous kernel.
 *
 * The input is a program: it takes a sample that the core itself has written,
 * changes it here and there, puts the checksums right if it likes, and says how
 * what arrives is used. A book of its own says of each frame whose it is, and
 * with it whether the core ever
 *  - believes a frame that is not in the ranges, or twice,
 *  - gives a frame to two owners, or frees one that has an owner, or twice,
 *  - frees anything at all when the image is damaged,
 *  - keeps something back when it is not, and all sessions are over,
 *  - frees or hands out what the next kernel has been promised, or carries over
 *    what that kernel does not find sound.
 */
#include "fuzz.h"
#include "image.h"
#include <sys/mman.h>

/* CARRIED is claimed, and promised to the next kernel. */
enum owner { NOBODY, CLAIMED, CARRIED, WITHHELD, GIVEN, RELEASED };

static u8 book[ARENA_FRAMES];

/* Frames that this kernel does not have, or has for itself. */
static struct luo_range wall;

static bool in_arena(u64 pfn, u64 nr)
{
	return pfn >= ARENA_PFN && nr <= ARENA_FRAMES && pfn - ARENA_PFN <= ARENA_FRAMES - nr;
}

static int book_claim(u64 pfn, u64 nr, enum owner owner)
{
	bool taken = false;
	int err;
	u64 i;

	if (in_arena(pfn, nr)) {
		for (i = pfn; i < pfn + nr; i++) {
			taken |= book[i - ARENA_PFN] != NOBODY;
			if (arena_state(i) != FRAME_RESERVED ||
			    (i >= wall.start && i < wall.end))
				return -ERANGE;
		}
	}
	err = arena_ops.claim(pfn, nr);
	if (err == -ERANGE)
		check(!nr || !in_arena(pfn, nr));
	else if (err == -EBUSY)
		check(taken);
	else
		check(!err);
	if (err)
		return err;
	check(nr && in_arena(pfn, nr) && !taken);
	memset(&book[pfn - ARENA_PFN], owner, nr);
	return 0;
}

static int fuzz_claim(u64 pfn, u64 nr)
{
	return book_claim(pfn, nr, CLAIMED);
}

static int fuzz_withhold(u64 pfn, u64 nr)
{
	int err = book_claim(pfn, nr, WITHHELD);

	return err == -ERANGE ? 0 : err;
}

static void book_change(u64 pfn, u64 nr, enum owner from, enum owner to)
{
	u64 i;

	check(in_arena(pfn, nr));
	for (i = pfn - ARENA_PFN; i < pfn - ARENA_PFN + nr; i++) {
		check(book[i] == from);
		book[i] = to;
	}
}

static void fuzz_release(u64 pfn, u64 nr)
{
	book_change(pfn, nr, CLAIMED, RELEASED);
	arena_ops.release(pfn, nr);
	/* Whoever still looks at it shall notice. */
	memset(arena_virt(pfn), 0xdb, nr * LUO_BLOCK_SIZE);
}

static void fuzz_carry(u64 pfn, u64 nr)
{
	book_change(pfn, nr, CLAIMED, CARRIED);
	arena_ops.carry(pfn, nr);
}

static void fuzz_uncarry(u64 pfn, u64 nr)
{
	book_change(pfn, nr, CARRIED, CLAIMED);
	arena_ops.uncarry(pfn, nr);
}

static void *fuzz_block_virt(u64 phys)
{
	u64 pfn = phys / LUO_BLOCK_SIZE;

	check(in_arena(pfn, 1));
	check(book[pfn - ARENA_PFN] == CLAIMED || book[pfn - ARENA_PFN] == CARRIED ||
	      arena_state(pfn) == FRAME_BLOCK);
	return arena_ops.block_virt(phys);
}

static struct luo_mem_ops fuzz_mem;
static struct liveupdate_file_ops fuzz_ops;
static const struct liveupdate_file_ops *model_ops;

/* A file that is retrieved owns its frames. */
static void give(struct luo_pages *pages, enum owner from, enum owner to)
{
	struct luo_extent ext;
	unsigned int i;
	void *b;

	for (b = luo_pages_first(pages); b; b = luo_pages_next(b)) {
		for (i = 0; i < luo_block_nr_extents(b); i++) {
			luo_block_extent(b, i, &ext);
			book_change(ext.pfn, luo_extent_pages(&ext), from, to);
		}
	}
}

static u8 refusals;	/* coming retrievals that fail, one bit each */

static int fuzz_retrieve(struct liveupdate_file_op_args *args)
{
	int err = refusals & 1 ? (refusals & 2 ? -EIO : -ENOMEM) : 0;

	refusals >>= 1;
	if (!err)
		err = model_ops->retrieve(args);
	if (!err)
		give(args->pages, CLAIMED, GIVEN);
	return err;
}

static void fuzz_finish(struct liveupdate_file_op_args *args)
{
	/* The file goes too, and then its frames are free. */
	if (args->retrieve_status > 0)
		give(args->pages, GIVEN, CLAIMED);
	model_ops->finish(args);
}

/* --------------------------------------------------------------- samples */

#define SAMPLES 4
static struct image samples[SAMPLES], image;

/* More sessions than fit in a block, more files than fit in a block. */
static void sample_many(struct image *ret)
{
	char name[16];
	int fd, i, s;

	for (s = 0; s < 45; s++) {
		sprintf(name, "session %d", s);
		fd = session_create(name);
		check(fd >= 0);
		models[s].runs = s < 3;
		for (i = 0; s == 1 && i < 44; i++)
			check(!session_preserve_model(fd, i, 3 + i));
		if (s == 44)
			check(!session_preserve_model(fd, ~0ULL, 0));
	}
	image_take(ret, NULL, 0);
	stop();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int i;

	setenv("CMOCKA_TEST_ABORT", "1", 1);
	for (i = 0; i < SAMPLES; i++) {
		check(!setup(NULL));
		switch (i) {
		case 0:
			image_sample(&samples[i], 3);
			break;
		case 1:
			image_sample(&samples[i], LUO_EXTENTS_FIRST + 3);
			break;
		case 2:
			sample_many(&samples[i]);
			break;
		default:
			image_take(&samples[i], NULL, 0);
			stop();
		}
		luo_claims_destroy(&arena_claims);
	}
	check(!shim_live && !shim_warnings);

	fuzz_mem = arena_ops;
	fuzz_mem.claim = fuzz_claim;
	fuzz_mem.withhold = fuzz_withhold;
	fuzz_mem.release = fuzz_release;
	fuzz_mem.block_virt = fuzz_block_virt;
	fuzz_mem.carry = fuzz_carry;
	fuzz_mem.uncarry = fuzz_uncarry;
	arena_mem = &fuzz_mem;

	model_ops = model_handler.ops;
	fuzz_ops = *model_ops;
	fuzz_ops.retrieve = fuzz_retrieve;
	fuzz_ops.finish = fuzz_finish;
	model_handler.ops = &fuzz_ops;
	models_hostile = true;
	return 0;
}

/* ---------------------------------------------------------------- damage */

static const u64 values[] = {
	0, 1, 2, 3, 7, 41, 42, 43, 62, 63, 64, 0xff, 0xfff, 0x1000, ~0ULL, ~0U, 1ULL << 63,
	1ULL << 40, 1ULL << 52, 1ULL << 58, ARENA_PFN, ARENA_DATA, ARENA_DATA + 3,
	ARENA_PFN + ARENA_FRAMES - 1, (u64)ARENA_PFN * LUO_BLOCK_SIZE,
};

#define FIELDS(s, ...) { sizeof(struct s), { __VA_ARGS__ } }
#define F(s, f) offsetof(struct s, f)

/* Where it hurts: the head of every block, then records by kind of block. */
static const uint16_t head_fields[] = {
	F(luo_block_ser, magic), F(luo_block_ser, nonce), F(luo_block_ser, next),
	F(luo_block_ser, nr), F(luo_block_ser, seq),
};

static const uint16_t root_fields[] = {
	F(luo_root_ser, format), F(luo_root_ser, generation), F(luo_root_ser, sessions),
	F(luo_root_ser, nr_sessions), F(luo_root_ser, nr_files), F(luo_root_ser, nr_pages),
	F(luo_root_ser, holes), F(luo_root_ser, nr_holes), F(luo_root_ser, flbs),
	F(luo_root_ser, nr_flbs), F(luo_root_ser, memory), F(luo_root_ser, nr_memory),
};

static const struct records {
	u32 magic;
	uint16_t start, size, fields;
	uint16_t field[8];
} records[] = {
	{ LUO_MAGIC_SESSIONS, sizeof(struct luo_block_ser), sizeof(struct luo_session_ser), 5,
	  { F(luo_session_ser, name), F(luo_session_ser, files), F(luo_session_ser, nr_files),
	    F(luo_session_ser, flags), F(luo_session_ser, generation) } },
	{ LUO_MAGIC_FILES, sizeof(struct luo_block_ser), sizeof(struct luo_file_ser), 7,
	  { F(luo_file_ser, compatible), F(luo_file_ser, token), F(luo_file_ser, data),
	    F(luo_file_ser, pages), F(luo_file_ser, nr_pages), F(luo_file_ser, nr_blocks),
	    F(luo_file_ser, flbs) } },
	{ LUO_MAGIC_FLBS, sizeof(struct luo_block_ser), sizeof(struct luo_flb_ser), 3,
	  { F(luo_flb_ser, compatible), F(luo_flb_ser, data), F(luo_flb_ser, count) } },
	{ LUO_MAGIC_PAGES, sizeof(struct luo_pages_ser), sizeof(struct luo_extent_ser), 2,
	  { F(luo_extent_ser, index), F(luo_extent_ser, where) } },
	{ LUO_MAGIC_EXTENTS, sizeof(struct luo_extents_ser), sizeof(struct luo_extent_ser), 2,
	  { F(luo_extent_ser, index), F(luo_extent_ser, where) } },
	{ LUO_MAGIC_MEMORY, sizeof(struct luo_block_ser), sizeof(struct luo_extent_ser), 2,
	  { F(luo_extent_ser, index), F(luo_extent_ser, where) } },
	{ LUO_MAGIC_HOLES, sizeof(struct luo_block_ser), sizeof(struct luo_extent_ser), 2,
	  { F(luo_extent_ser, index), F(luo_extent_ser, where) } },
};

/* A place in a block that means something. */
static unsigned int some_field(struct input *in, const u8 *block)
{
	const struct luo_block_ser *hdr = (const void *)block;
	unsigned int i, place = input_number(in, 1), offset;

	if (place < 64)
		return head_fields[place % ARRAY_SIZE(head_fields)];
	if (hdr->magic == LUO_MAGIC_ROOT)
		return root_fields[place % ARRAY_SIZE(root_fields)];
	for (i = 0; i < ARRAY_SIZE(records); i++) {
		const struct records *r = &records[i];

		if (hdr->magic != r->magic)
			continue;
		/* Mostly one that is there. */
		offset = r->start + input_number(in, 1) % max(min(hdr->nr, 250U), 1U) * r->size +
			 r->field[place % r->fields];
		return min(offset, LUO_BLOCK_SIZE - 8U);
	}
	return 8 * place;
}

static void damage(struct input *in)
{
	u8 *block = image.block[input_below(in, image.nr)];
	unsigned int how = input_number(in, 1), offset;
	u64 v;

	offset = how & 0x80 ? input_number(in, 2) % (LUO_BLOCK_SIZE - 8) & ~3U :
			      some_field(in, block);
	memcpy(&v, block + offset, 8);
	switch (how & 7) {
	case 0:
		v ^= 1ULL << input_below(in, 64);
		break;
	case 1:
		v = values[input_below(in, ARRAY_SIZE(values))];
		break;
	case 2:
		v = image.pfn[input_below(in, image.nr)] * LUO_BLOCK_SIZE;
		break;
	case 3:	/* an extent in a block of the image */
		v = image.pfn[input_below(in, image.nr)] | 1ULL << LUO_EXTENT_PFN_BITS;
		break;
	case 4:
		memcpy(&v, &image.block[input_below(in, image.nr)][offset], 8);
		break;
	case 5:
		v += (signed char)input_number(in, 1);
		break;
	case 6:	/* the record next to it, whole */
		if (offset >= 96 && offset + 96 <= LUO_BLOCK_SIZE)
			memmove(block + offset - 96, block + offset, 96);
		return;
	case 7:
		v = input_number(in, 8);
		break;
	}
	memcpy(block + offset, &v, how & 0x40 ? 4 : 8);
}

/* ------------------------------------------------------------------- use */

static long by_name(unsigned int cmd, const char *name, u64 generation)
{
	struct liveupdate_ioctl_retrieve_generation arg = {
		.size = sizeof(arg), .generation = generation,
	};
	struct liveupdate_ioctl_drop_session drop = {
		.size = sizeof(drop), .generation = generation,
	};
	long ret;

	memcpy(arg.name, name, sizeof(arg.name));
	memcpy(drop.name, name, sizeof(drop.name));
	if (cmd == LIVEUPDATE_IOCTL_DROP_SESSION)
		return dev_ioctl(cmd, &drop);
	ret = dev_ioctl(cmd, &arg);
	return ret ? ret : arg.fd;
}

/* Of two files with one token the later is damaged, and cannot be asked for. */
static bool is_unknown(const struct liveupdate_file_info *info, u32 nr, u64 token)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if (info[i].token == token && info[i].state == LIVEUPDATE_FILE_UNKNOWN)
			return true;
	return false;
}

static void use_session(struct input *in, int fd)
{
	static struct liveupdate_file_info info[64];
	struct liveupdate_session_list_files list = {
		.size = sizeof(list), .nr = ARRAY_SIZE(info), .files = (uintptr_t)info,
	};
	struct liveupdate_session_get_state state = { .size = sizeof(state) };
	struct liveupdate_session_recycle recycle = { .size = sizeof(recycle) };
	u32 i;
	u8 how = input_number(in, 1);
	int file;

	check(!fd_ioctl(fd, LIVEUPDATE_SESSION_LIST_FILES, &list));
	check(!fd_ioctl(fd, LIVEUPDATE_SESSION_GET_STATE, &state));
	check(list.total == state.files);
	for (i = 0; i < list.nr && !(how & 1); i++) {
		file = session_retrieve_fd(fd, info[i].token);
		check(file >= 0 || file == -EIO || file == -ENOMEM ||
		      (file == -ENOENT && is_unknown(info, list.nr, info[i].token)));
		if (file >= 0 && how & 2)
			fd_close(file);
	}
	if (how & 4 && !session_finish(fd) && how & 8) {
		file = fd_ioctl(fd, LIVEUPDATE_SESSION_RECYCLE, &recycle);
		check(!file || file == -EEXIST);
	} else if (how & 16) {
		check(!session_set_flags(fd, LIVEUPDATE_SESSION_KEEP_ON_CLOSE));
	}
	if (how & 32)
		fd_close(fd);
}

/* Asks for all sessions that stand in the image, sound or not. */
static void for_all_sessions(struct input *in, bool last)
{
	const struct luo_session_ser *ser;
	unsigned int b, i;
	long fd;

	for (b = 0; b < image.nr; b++) {
		const struct luo_block_ser *hdr = (void *)image.block[b];

		if (hdr->magic != LUO_MAGIC_SESSIONS)
			continue;
		ser = (void *)(hdr + 1);
		for (i = 0; i < LUO_SESSIONS_PER_BLOCK; i++) {
			if (last) {
				by_name(LIVEUPDATE_IOCTL_DROP_SESSION, ser[i].name, ser[i].generation);
				by_name(LIVEUPDATE_IOCTL_DROP_SESSION, ser[i].name, 0);
				continue;
			}
			fd = by_name(LIVEUPDATE_IOCTL_RETRIEVE_GENERATION, ser[i].name,
				     i % 2 ? 0 : ser[i].generation);
			if (fd >= 0)
				use_session(in, fd);
		}
	}
}

/* A handler asks for its memory; @last: and frees it. */
static void use_piece(struct input *in, const struct luo_extent *ext, bool last)
{
	u64 pages = luo_extent_pages(ext);
	struct luo_extent piece, again;
	u8 how = last ? 0 : input_number(in, 1) % 4;

	if (how == 1)
		return;
	if (luo_memory_take(ext->pfn, ext->count == 1 ? 0 : pages, &piece))
		return;
	check(piece.pfn == ext->pfn && luo_extent_pages(&piece) == pages);
	book_change(piece.pfn, pages, CLAIMED, GIVEN);
	check(luo_memory_take(ext->pfn, pages, &again) == -ENOENT);
	if (how >= 2) {
		/* While somebody has it, it is not for the next kernel. */
		check(how == 2 || !luo_core_carry());
		book_change(piece.pfn, pages, GIVEN, CLAIMED);
		luo_memory_put_back(piece.pfn);
		return;
	}
	luo_memory_settle(piece.pfn);
	check(luo_memory_take(ext->pfn, pages, &again) == -ENOENT);
	book_change(piece.pfn, pages, GIVEN, CLAIMED);
	luo_mem->release(piece.pfn, pages);
}

/* Asks for all pieces that stand in the image, sound or not. */
static void for_all_pieces(struct input *in, bool last)
{
	struct luo_extent ext;
	unsigned int b, i;

	for (b = 0; b < image.nr; b++) {
		const struct luo_block_ser *hdr = (void *)image.block[b];
		const struct luo_extent_ser *ser = (void *)(hdr + 1);

		for (i = 0; hdr->magic == LUO_MAGIC_MEMORY && i < LUO_EXTENTS_FURTHER; i++) {
			if (i >= hdr->nr && i > 4)
				break;
			luo_extent_unpack(&ser[i], &ext);
			if (luo_extent_fits(&ext))
				use_piece(in, &ext, last);
		}
	}
}

static void use(struct input *in)
{
	int fd, i;

	for (i = 0; i < 2; i++) {
		flb_register(i);
		if (input_number(in, 1) % 4 && !flb_get_incoming(i))
			liveupdate_flb_put_incoming(&model_flbs[i].flb);
	}
	refusals = input_number(in, 1);
	for_all_sessions(in, false);
	for_all_pieces(in, false);

	/* Whatever came, this kernel works. */
	fd = session_create("of this kernel");
	check(fd >= 0);
	check(!session_preserve_model(fd, 1, MODELS - 1));
}

#define MAX_KERNELS 4

/* All is over; says what must be true then. @root: of the image that came. */
static void end(struct input *in, u64 root, int err)
{
	struct luo_counts counts;
	int fd, i;

	for (fd = 0; fd < SHIM_MAX_FDS; fd++)
		if (shim_fds[fd])
			fd_close(fd);
	for_all_sessions(in, true);
	luo_core_counts(&counts);
	for (i = 0; i < MAX_KERNELS; i++)
		session_drop("of this kernel", counts.generation - i);
	for_all_pieces(in, true);
	luo_core_counts(&counts);
	check(!counts.sessions_out && !counts.files_out && !counts.pages_out &&
	      !counts.memory_out);
	for (i = 0; i < ARENA_FRAMES; i++)
		check(book[i] != GIVEN);
	if (err)
		return;
	/* The root is all that anybody still has. */
	check(!counts.sessions_in && !counts.files_in && !counts.pages_in && !counts.memory_in);
	for (i = 0; i < ARENA_FRAMES; i++)
		check(book[i] != CARRIED &&
		      (book[i] != CLAIMED || ARENA_PFN + (u64)i == root / LUO_BLOCK_SIZE));
}

/* What is not over goes on, and is sound there, whatever it was here. */
static void use_and_carry(struct input *in, int err)
{
	u8 kernels = input_number(in, 1) % MAX_KERNELS;
	u64 root = image.root;
	struct luo_counts counts;
	int refusal;

	for (;;) {
		use(in);
		refusal = luo_rehearse(&(struct luo_outcome){});
		/* State that waits and state of this kernel, or too much of it. */
		check(!refusal || refusal == -EBUSY || refusal == -ENOSPC);
		luo_core_counts(&counts);
		/* The number of updates has an end, if only for who invents it. */
		if (refusal || !kernels-- || counts.generation > LUO_MAX_GENERATION - MAX_KERNELS)
			break;
		root = kexec_away();
		memset(book, NOBODY, sizeof(book));
		wall.start = 0;
		wall.end = 0;
		err = kexec_arrive(root);
		check(!err);
	}
	end(in, root, err);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, data + size };
	unsigned int i, n;
	u8 flags;
	int err;

	flags = input_number(&in, 1);
	image = samples[flags % SAMPLES];
	wall.start = 0;
	wall.end = 0;
	if (flags & 0x10) {
		wall.start = ARENA_PFN + input_number(&in, 2) % ARENA_FRAMES;
		wall.end = wall.start + input_number(&in, 1);
	}
	if (flags & 0x20)
		image.root = values[input_below(&in, ARRAY_SIZE(values))];
	shim_chances = 0;
	shim_fail_at = flags & 0x40 ? input_number(&in, 1) : 0;
	for (n = input_number(&in, 1) % 16; n--; )
		damage(&in);
	/* Now and then as it is, else a writer who means it. */
	if (!(flags & 0x80))
		image_seal(&image);

	arena_reset();
	memset(book, NOBODY, sizeof(book));
	models_hostile = true;
	/* What is preserved anew is small, since there may be many of it. */
	for (i = 0; i < MODELS; i++)
		models[i].runs = i % 3;
	err = image_receive(&image);
	check(!err || err == -EUCLEAN || err == -EINVAL || err == -EPROTONOSUPPORT ||
	      (err == -ENOMEM && shim_fail_at));
	shim_fail_at = 0;
	for (i = 0; err && i < ARENA_FRAMES; i++)
		check(book[i] != RELEASED);
	if (err && err != -EUCLEAN)
		check(luo_core_idle());
	else
		use_and_carry(&in, err);

	luo_core_exit();
	shim_task_work();
	liveupdate_unregister_file_handler(&model_handler);
	luo_claims_destroy(&arena_claims);
	check(!shim_live && !shim_warnings && !model_module.refs && !shim_module.refs);
	check(!arena_blocks);

	/* The next input shall not find what this one left. */
	madvise(arena_virt(ARENA_PFN), ARENA_FRAMES * LUO_BLOCK_SIZE, MADV_DONTNEED);
	return 0;
}
