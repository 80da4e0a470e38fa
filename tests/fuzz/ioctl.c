// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: what user space may do, over any number of updates.
 *
 * The input is a list of calls. A model of what must hold follows them: which
 * sessions there are, of which direction, who has them, which files are in
 * them and in which state, and what of it goes on to the next kernel. After each
 * call errno and counts are compared with it; now and then also what the lists say. A call may be made to fail by want
 * of memory, or by user memory that cannot be read or written: then either
 * nothing has happened, or what would have happened anyhow.
 */
#include "fuzz.h"

#define KEEP	LIVEUPDATE_SESSION_KEEP_ON_CLOSE
#define DROP	LIVEUPDATE_SESSION_DROP_ON_FAILURE

#define NAMES		5	/* and two that are none */
#define MAX_SESSIONS	24
#define MAX_FILES	6
#define TOKENS		8
#define MAX_FDS		16
#define FLBS		3

enum file_state { WAITING, HELD, FAILED };

struct mfile {
	u64 token;
	int model;
	enum file_state state;
	int err;		/* of FAILED */
	bool has_id;		/* nobody else may preserve it */
	unsigned int flbs;
	/* Incoming, when it has been made ready for the next kernel: */
	bool again;		/* preserved anew, and holds @flbs_out */
	unsigned int flbs_out;
	bool half;		/* was half made when a freeze began */
};

struct msession {
	bool used;
	int name;
	bool incoming;
	int claims;		/* fds */
	u32 flags;
	u64 generation;
	bool early;		/* LIVEUPDATE_SESSION_FREEZE */
	u64 order;		/* among those of its direction */
	bool goes;		/* the last freeze has written it down */
	int nr;
	struct mfile file[MAX_FILES];
};

static struct msession session[MAX_SESSIONS];
static struct { int fd, s; } fds[MAX_FDS];
static bool handler_known;
static u64 generation, next_order;
static unsigned int flbs_asked;		/* incoming ones that are retrieved */
static int flb_order[FLBS];		/* in which they came */
static unsigned int flbs_registered;	/* with the handler, now */
static int flb_refs_out[FLBS], flb_refs_in[FLBS];
static bool flb_came[FLBS];

static struct input *in;
static int result;	/* of the last call */
static bool no_memory;	/* this call may fail for want of it */
static bool denied;	/* or because its argument cannot be read or written */

/* ------------------------------------------------------------- the model */

static void name_of(int name, u8 ret[LIVEUPDATE_SESSION_NAME_LENGTH])
{
	memset(ret, 0, LIVEUPDATE_SESSION_NAME_LENGTH);
	if (name == NAMES)
		return;
	if (name > NAMES)
		memset(ret, 'x', LIVEUPDATE_SESSION_NAME_LENGTH);
	else
		memset(ret, 'a' + name, 1 + name * 15);
}

static int find_out(int name)
{
	int s;

	for (s = 0; s < MAX_SESSIONS; s++)
		if (session[s].used && !session[s].incoming && session[s].name == name)
			return s;
	return -1;
}

/* @gen 0: the newest of those that are left with that name. */
static int find_in(int name, u64 gen)
{
	int s, found = -1;

	for (s = 0; s < MAX_SESSIONS; s++)
		if (session[s].used && session[s].incoming && session[s].name == name &&
		    (gen ? session[s].generation == gen :
		     found < 0 || session[s].generation > session[found].generation))
			found = s;
	return found;
}

static int find_free(void)
{
	int s;

	for (s = 0; s < MAX_SESSIONS; s++)
		if (!session[s].used)
			return s;
	return -1;
}

static int find_file(int s, u64 token)
{
	int f;

	for (f = 0; f < session[s].nr; f++)
		if (session[s].file[f].token == token)
			return f;
	return -1;
}

/* Files that an FLB is kept for. */
static int flb_files(int n, bool incoming)
{
	int s, f, nr = 0;

	for (s = 0; s < MAX_SESSIONS; s++) {
		for (f = 0; session[s].used && f < session[s].nr; f++) {
			const struct mfile *file = &session[s].file[f];

			if (session[s].incoming == incoming)
				nr += file->flbs >> n & 1;
			else if (!incoming)
				nr += file->flbs_out >> n & 1;
		}
	}
	return nr;
}

/* Sessions of one direction, oldest first. Returns how many. */
static int in_order(bool incoming, int ret[MAX_SESSIONS])
{
	int s, i, nr = 0;

	for (s = 0; s < MAX_SESSIONS; s++) {
		if (!session[s].used || session[s].incoming != incoming)
			continue;
		for (i = nr++; i && session[ret[i - 1]].order > session[s].order; i--)
			ret[i] = ret[i - 1];
		ret[i] = s;
	}
	return nr;
}

/* A handler has begun with it, and has not ended. */
static bool half_made(const struct mfile *file)
{
	return models[file->model].begun;
}

static bool called(char what, int model)
{
	char event[16];

	sprintf(event, "%c%d ", what, model);
	return strstr(events, event);
}

static int fd_free(void)
{
	int i;

	for (i = 0; i < MAX_FDS; i++)
		if (fds[i].fd < 0)
			return i;
	return -1;
}

/* Any descriptor of a session, or -1. */
static int some_fd(void)
{
	int i, n = input_below(in, MAX_FDS);

	for (i = 0; i < MAX_FDS; i++)
		if (fds[(n + i) % MAX_FDS].fd >= 0)
			return (n + i) % MAX_FDS;
	return -1;
}

/* Whom does a model belong to? */
enum { M_FREE, M_TAKEN, M_UNTOUCHABLE };

static int model_use(int m)
{
	int s, f, use = M_FREE;

	for (s = 0; s < MAX_SESSIONS; s++) {
		for (f = 0; session[s].used && f < session[s].nr; f++) {
			if (session[s].file[f].model != m)
				continue;
			/* Two different files, in this kernel, that are called the same. */
			use = session[s].file[f].has_id ? max(use, (int)M_TAKEN) : M_UNTOUCHABLE;
		}
	}
	return use;
}

static void forget_session(int s)
{
	int i;

	for (i = 0; i < MAX_FDS; i++)
		check(fds[i].fd < 0 || fds[i].s != s);
	session[s] = (struct msession){};
}

static bool can_finish(int s)
{
	int f;

	for (f = 0; handler_known && f < session[s].nr; f++)
		if (session[s].file[f].state != FAILED && models[session[s].file[f].model].busy)
			return false;
	return true;
}

/*
 * Compares a result with what must come, and says whether it has happened.
 * @want: 0 or an errno; a positive result counts as 0.
 */
static bool came_true(int want)
{
	int got = min(result, 0);

	if (got == want)
		return !want;
	if (denied && got == -EFAULT)
		return false;
	if (no_memory && (got == -ENOMEM || got == -EMFILE || got == -ENFILE))
		return false;
	fprintf(stderr, "result %d instead of %d\n", result, want);
	abort();
}

/* --------------------------------------------------------------- calling */

static void arm(void *arg, size_t size)
{
	unsigned int how = input_number(in, 1);

	no_memory = denied = false;
	shim_chances = 0;
	shim_fail_at = 0;
	if (how >= 0xe0) {
		shim_fail_at = 1 + (how & 15);
		no_memory = true;
	} else if (how >= 0xc8 && arg) {
		shim_user_deny(arg, size, how & 1, how & 1 ? how & 2 : true);
		denied = true;
	}
}

static void disarm(void)
{
	/* Without that chance, it must not be blamed. */
	if (no_memory && shim_chances < shim_fail_at)
		no_memory = false;
	shim_fail_at = 0;
	shim_user_deny(NULL, 0, false, false);
}

static void call_dev(unsigned int cmd, void *arg, size_t size)
{
	arm(arg, size);
	result = dev_ioctl(cmd, arg);
	disarm();
}

static void call_fd(int i, unsigned int cmd, void *arg, size_t size)
{
	arm(arg, size);
	result = fd_ioctl(fds[i].fd, cmd, arg);
	disarm();
}

static void add_fd(int s, int fd)
{
	int i = fd_free();

	check(fd >= 0 && i >= 0);
	fds[i].fd = fd;
	fds[i].s = s;
	session[s].claims++;
}

/* ----------------------------------------------------------- the commands */

static void do_create(void)
{
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg), .fd = -1 };
	int name = input_below(in, NAMES + 2), s = find_free();

	if (s < 0 || fd_free() < 0)
		return;
	name_of(name, arg.name);
	call_dev(LIVEUPDATE_IOCTL_CREATE_SESSION, &arg, sizeof(arg));
	if (!came_true(name >= NAMES ? -EINVAL : find_out(name) >= 0 ? -EEXIST : 0))
		return;
	session[s] = (struct msession){ .used = true, .name = name, .order = next_order++ };
	add_fd(s, arg.fd);
}

static void do_claim(void)
{
	struct liveupdate_ioctl_retrieve_generation arg = { .size = sizeof(arg), .fd = -1 };
	struct liveupdate_ioctl_retrieve_session old = { .size = sizeof(old), .fd = -1 };
	int name = input_below(in, NAMES + 2), s, want;
	u64 gen = input_below(in, 6);
	bool ext = gen || input_below(in, 2);

	if (ext) {
		arg.flags = input_below(in, 8);
		arg.reserved = input_below(in, 16) == 15;
	}
	if (fd_free() < 0)
		return;
	name_of(name, arg.name);
	name_of(name, old.name);
	arg.generation = gen;
	s = name < NAMES ? find_in(name, gen) : -1;
	if (ext)
		call_dev(LIVEUPDATE_IOCTL_RETRIEVE_GENERATION, &arg, sizeof(arg));
	else
		call_dev(LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &old, sizeof(old));
	if (arg.flags & ~(KEEP | DROP) || arg.reserved)
		want = -EINVAL;
	else
		want = s < 0 ? -ENOENT : session[s].claims ? -EINVAL : 0;
	if (!came_true(want))
		return;
	add_fd(s, ext ? arg.fd : old.fd);
	if (arg.flags)
		session[s].flags = arg.flags;
}

static void do_reopen(void)
{
	struct liveupdate_ioctl_reopen_session arg = { .size = sizeof(arg), .fd = -1 };
	int name = input_below(in, NAMES + 2), s = name < NAMES ? find_out(name) : -1;

	if (fd_free() < 0)
		return;
	name_of(name, arg.name);
	call_dev(LIVEUPDATE_IOCTL_REOPEN_SESSION, &arg, sizeof(arg));
	if (came_true(s < 0 ? -ENOENT : session[s].claims ? -EBUSY : 0))
		add_fd(s, arg.fd);
}

static void do_drop(void)
{
	struct liveupdate_ioctl_drop_session arg = { .size = sizeof(arg) };
	int name = input_below(in, NAMES + 2), s;

	arg.generation = input_below(in, 6);
	arg.reserved = input_below(in, 16) == 15;
	name_of(name, arg.name);
	s = name < NAMES ? find_in(name, arg.generation) : -1;
	call_dev(LIVEUPDATE_IOCTL_DROP_SESSION, &arg, sizeof(arg));
	if (came_true(arg.reserved ? -EINVAL : s < 0 ? -ENOENT :
		      session[s].claims || !can_finish(s) ? -EBUSY : 0))
		forget_session(s);
}

static void do_preserve(void)
{
	struct liveupdate_session_preserve_fd arg = { .size = sizeof(arg) };
	int i = some_fd(), m = input_below(in, MODELS), kind = input_below(in, 16), want = 0, use;
	struct msession *s;

	if (i < 0)
		return;
	s = &session[fds[i].s];
	arg.token = input_below(in, TOKENS) - 1ULL;
	use = model_use(m);
	if (s->nr == MAX_FILES || (kind < 14 && use == M_UNTOUCHABLE))
		return;
	models[m].runs = use == M_FREE ? input_below(in, 8) : models[m].runs;
	models[m].preserve_err = use == M_FREE && kind == 13 ? -EIO : 0;

	arg.fd = kind == 15 ? 31000 : kind == 14 ? file_open_foreign() : file_open(m);
	call_fd(i, LIVEUPDATE_SESSION_PRESERVE_FD, &arg, sizeof(arg));
	if (kind < 15)
		fd_close(arg.fd);
	if (s->incoming)
		want = -EINVAL;
	else if (s->early)
		want = -EBUSY;
	else if (find_file(fds[i].s, arg.token) >= 0)
		want = -EEXIST;
	else if (kind == 15)
		want = -EBADF;
	else if (kind == 14 || !handler_known)
		want = -ENOENT;
	else if (use == M_TAKEN)
		want = -EBUSY;
	else
		want = models[m].preserve_err;
	models[m].preserve_err = 0;
	if (came_true(want))
		s->file[s->nr++] = (struct mfile){
			.token = arg.token, .model = m, .has_id = true, .flbs = flbs_registered,
		};
}

static void remove_file(struct msession *s, int f)
{
	memmove(&s->file[f], &s->file[f + 1], (--s->nr - f) * sizeof(s->file[0]));
}

static void do_unpreserve(void)
{
	struct liveupdate_session_unpreserve_fd arg = { .size = sizeof(arg) };
	int i = some_fd(), f;
	struct msession *s;

	if (i < 0)
		return;
	s = &session[fds[i].s];
	arg.token = input_below(in, TOKENS) - 1ULL;
	arg.reserved = input_below(in, 16) == 15;
	f = find_file(fds[i].s, arg.token);
	call_fd(i, LIVEUPDATE_SESSION_UNPRESERVE_FD, &arg, sizeof(arg));
	if (came_true(s->incoming || arg.reserved ? -EINVAL : s->early ? -EBUSY :
		      f < 0 ? -ENOENT : 0))
		remove_file(s, f);
}

static void look(int i);

static void do_retrieve(void)
{
	struct liveupdate_session_retrieve_fd arg = { .size = sizeof(arg), .fd = -1 };
	static const int errs[] = { 0, 0, 0, 0, 0, 0, -EIO, -ENOMEM, -EINTR, -EOPNOTSUPP };
	int i = some_fd(), f, want = 0, err = errs[input_below(in, ARRAY_SIZE(errs))];
	struct liveupdate_file_info info[MAX_FILES];
	struct mfile *file = NULL;
	struct msession *s;

	if (i < 0)
		return;
	s = &session[fds[i].s];
	arg.token = input_below(in, TOKENS) - 1ULL;
	f = find_file(fds[i].s, arg.token);
	if (s->incoming && f >= 0) {
		file = &s->file[f];
		models[file->model].retrieve_err = err;
		models[file->model].clean = input_below(in, 4) == 3;
		if (file->state == FAILED)
			want = file->err;
		else if (file->state == WAITING)
			want = handler_known ? err : -ENOENT;
	}
	events[0] = '\0';
	call_fd(i, LIVEUPDATE_SESSION_RETRIEVE_FD, &arg, sizeof(arg));
	if (file) {
		models[file->model].retrieve_err = 0;
		/* What was ready to go as it came has been touched. */
		if (called('R', file->model))
			file->flbs_out = 0;
	}
	if (!s->incoming)
		want = -EINVAL;
	else if (f < 0)
		want = -ENOENT;
	if (came_true(want)) {
		fd_close(arg.fd);
		file->state = HELD;
		file->has_id = true;
		return;
	}
	if (!file || !s->incoming)
		return;
	if (min(result, 0) == want) {
		/* What the data are to blame for stays so. */
		if (file->state == WAITING && (want == -EIO || want == -EOPNOTSUPP)) {
			file->state = FAILED;
			file->err = want;
		}
		return;
	}
	/* The file may be there all the same, and only this call without it. */
	if (file->state == WAITING) {
		struct liveupdate_session_list_files list = {
			.size = sizeof(list), .nr = MAX_FILES, .files = (uintptr_t)info,
		};

		check(!fd_ioctl(fds[i].fd, LIVEUPDATE_SESSION_LIST_FILES, &list));
		check(info[f].token == arg.token);
		if (info[f].state == LIVEUPDATE_FILE_RETRIEVED) {
			file->state = HELD;
			/* Either way nobody preserves it meanwhile, see model_use(). */
			file->has_id = denied && !no_memory;
		} else if (info[f].state == LIVEUPDATE_FILE_FAILED) {
			check(want == -(int)info[f].error);
			file->state = FAILED;
			file->err = want;
		}
	}
}

static void do_finish(void)
{
	struct liveupdate_session_finish arg = { .size = sizeof(arg) };
	struct msession *s;
	int i = some_fd();

	if (i < 0)
		return;
	s = &session[fds[i].s];
	arg.reserved = input_below(in, 16) == 15;
	call_fd(i, LIVEUPDATE_SESSION_FINISH, &arg, sizeof(arg));
	if (came_true(!s->incoming || arg.reserved ? -EINVAL : !can_finish(fds[i].s) ? -EBUSY : 0))
		s->nr = 0;
}

static void close_fd(int i)
{
	int n = fds[i].s;
	struct msession *s = &session[n];

	fd_close(fds[i].fd);
	fds[i].fd = -1;
	if (--s->claims)
		return;
	if (s->flags & KEEP && (!s->incoming || s->nr)) {
		s->flags &= ~KEEP;
		return;
	}
	s->flags &= ~KEEP;
	if (s->incoming && !can_finish(n))
		return;
	forget_session(n);
}

static void do_close(void)
{
	int i = some_fd();

	if (i < 0)
		return;
	/* Nothing on this way allocates. */
	shim_chances = 0;
	shim_fail_at = 1;
	close_fd(i);
	check(!shim_chances || handler_known);
	shim_fail_at = 0;
}

static void do_dup(void)
{
	int i = some_fd(), fd;

	if (i < 0 || fd_free() < 0)
		return;
	fd = get_unused_fd_flags(O_CLOEXEC);
	fd_install(fd, get_file(shim_fds[fds[i].fd]));
	add_fd(fds[i].s, fd);
}

static void do_flags(void)
{
	struct liveupdate_session_set_flags arg = { .size = sizeof(arg) };
	int i = some_fd();

	if (i < 0)
		return;
	arg.flags = input_below(in, 5);
	call_fd(i, LIVEUPDATE_SESSION_SET_FLAGS, &arg, sizeof(arg));
	if (came_true(arg.flags & ~(KEEP | DROP) ? -EINVAL : 0))
		session[fds[i].s].flags = arg.flags;
}

static void do_freeze(void)
{
	struct liveupdate_session_freeze arg = { .size = sizeof(arg) };
	struct liveupdate_session_thaw back = { .size = sizeof(back) };
	bool thaw = input_below(in, 2);
	struct msession *s;
	int i = some_fd(), f, want = 0;

	if (i < 0)
		return;
	s = &session[fds[i].s];
	arg.reserved = back.reserved = input_below(in, 16) == 15;
	for (f = 0; f < s->nr && !want && !thaw; f++)
		want = models[s->file[f].model].prefreeze_err;
	if (thaw)
		call_fd(i, LIVEUPDATE_SESSION_THAW, &back, sizeof(back));
	else
		call_fd(i, LIVEUPDATE_SESSION_FREEZE, &arg, sizeof(arg));
	if (came_true(s->incoming || arg.reserved ? -EINVAL : want))
		s->early = !thaw;
}

/* Not ready for the next kernel any more. */
static void stay(struct mfile *file)
{
	file->again = false;
	file->flbs_out = 0;
}

static void do_recycle(void)
{
	struct liveupdate_session_recycle arg = { .size = sizeof(arg) };
	int i = some_fd(), n, f, want = 0;
	struct mfile *file;
	struct msession *s;
	bool keep;

	if (i < 0)
		return;
	n = fds[i].s;
	s = &session[n];
	arg.flags = input_below(in, 8);
	keep = arg.flags & LIVEUPDATE_RECYCLE_KEEP_FILES;
	if (s->nr && !keep)
		want = -EBUSY;
	for (f = 0; f < s->nr; f++)
		if (s->file[f].state != HELD || !s->file[f].has_id)
			want = -EBUSY;
	if (s->nr && !can_finish(n))
		want = -EBUSY;
	if (!want && find_out(s->name) >= 0)
		want = -EEXIST;
	if (!s->incoming || arg.flags & ~LIVEUPDATE_RECYCLE_KEEP_FILES)
		want = -EINVAL;
	events[0] = '\0';
	call_fd(i, LIVEUPDATE_SESSION_RECYCLE, &arg, sizeof(arg));
	if (!came_true(want)) {
		/* Then nothing is preserved anew, if it has come that far. */
		for (f = 0; f < s->nr && s->incoming; f++) {
			file = &s->file[f];
			if (called('U', file->model))
				stay(file);
			else
				check(result != -EEXIST);
		}
		return;
	}
	for (f = 0; f < s->nr; f++) {
		file = &s->file[f];
		file->flbs = file->again ? file->flbs_out : flbs_registered;
		stay(file);
	}
	s->incoming = false;
	s->generation = 0;
	s->order = next_order++;
	if (!keep)
		s->flags = 0;
}

/* What lists and states say, of one session. */
static void look(int i)
{
	struct liveupdate_session_get_state state = { .size = sizeof(state) };
	struct liveupdate_file_info info[MAX_FILES];
	struct liveupdate_session_list_files list = {
		.size = sizeof(list), .nr = MAX_FILES, .files = (uintptr_t)info,
	};
	struct liveupdate_session_get_name name = { .size = sizeof(name) };
	const struct msession *s = &session[fds[i].s];
	u8 want[LIVEUPDATE_SESSION_NAME_LENGTH];
	int f;

	check(!fd_ioctl(fds[i].fd, LIVEUPDATE_SESSION_GET_STATE, &state));
	check(state.direction == (s->incoming ? LIVEUPDATE_SESSION_INCOMING :
				  LIVEUPDATE_SESSION_OUTGOING));
	check(state.flags == (s->flags | (s->early ? LIVEUPDATE_SESSION_FROZEN : 0)) &&
	      state.generation == s->generation &&
	      state.files == (u64)s->nr);
	check(!fd_ioctl(fds[i].fd, LIVEUPDATE_SESSION_GET_NAME, &name));
	name_of(s->name, want);
	check(!memcmp(name.name, want, sizeof(want)));
	check(!fd_ioctl(fds[i].fd, LIVEUPDATE_SESSION_LIST_FILES, &list));
	check(list.nr == (u32)s->nr && list.total == (u64)s->nr);
	for (f = 0; f < s->nr; f++) {
		const struct mfile *file = &s->file[f];
		u32 is = !s->incoming ? LIVEUPDATE_FILE_PRESERVED :
			 file->state == HELD ? LIVEUPDATE_FILE_RETRIEVED :
			 file->state == FAILED ? LIVEUPDATE_FILE_FAILED :
			 LIVEUPDATE_FILE_WAITING;

		check(info[f].token == file->token);
		check(info[f].bytes == models[file->model].runs * (u64)LUO_BLOCK_SIZE);
		check(info[f].state == is ||
		      (is == LIVEUPDATE_FILE_WAITING && info[f].state == LIVEUPDATE_FILE_UNKNOWN &&
		       !handler_known));
		check(info[f].error == (file->state == FAILED ? (u32)-file->err : 0));
	}
}

static void do_look(void)
{
	int i = some_fd();

	if (i >= 0)
		look(i);
}

/* Every size and command word is answered in the order that is promised. */
static void do_odd(void)
{
	static const struct { unsigned int cmd, size; bool dev; int direction; } row[] = {
		{ LIVEUPDATE_IOCTL_CREATE_SESSION, 72, true, -1 },
		{ LIVEUPDATE_IOCTL_RETRIEVE_SESSION, 72, true, -1 },
		{ LIVEUPDATE_IOCTL_DROP_SESSION, sizeof(struct liveupdate_ioctl_drop_session), true, -1 },
		{ LIVEUPDATE_SESSION_PRESERVE_FD, 16, false, 0 },
		{ LIVEUPDATE_SESSION_RETRIEVE_FD, 16, false, 1 },
		{ LIVEUPDATE_SESSION_FINISH, 8, false, 1 },
		{ LIVEUPDATE_SESSION_GET_NAME, 72, false, -1 },
		{ LIVEUPDATE_SESSION_SET_FLAGS, 8, false, -1 },
		{ LIVEUPDATE_SESSION_UNPRESERVE_FD, 16, false, 0 },
		{ LIVEUPDATE_SESSION_RECYCLE, 8, false, 1 },
		{ LIVEUPDATE_SESSION_RETRIEVE_INTO,
		  sizeof(struct liveupdate_session_retrieve_into), false, 1 },
		{ LIVEUPDATE_SESSION_FREEZE, 8, false, 0 },
		{ LIVEUPDATE_SESSION_THAW, 8, false, 0 },
	};
	unsigned int n = input_below(in, ARRAY_SIZE(row)), how = input_below(in, 4);
	unsigned int cmd = row[n].cmd;
	u8 arg[256] = {};
	u32 size = row[n].size;
	int i = row[n].dev ? 0 : some_fd(), want = -EINVAL;

	if (i < 0)
		return;
	if (how == 0) {		/* shorter */
		size = input_below(in, size);
	} else if (how == 1) {	/* longer, and not zero */
		arg[size + input_below(in, 64)] = 1;
		size += 64;
		want = -E2BIG;
	} else if (how == 2) {
		cmd ^= 1u << (16 + input_below(in, 16));
		want = -ENOTTY;
	} else {
		cmd = (cmd & ~0xffu) | (0x60 + input_below(in, 32));
	}
	memcpy(arg, &size, 4);
	if (how < 2 && !row[n].dev && row[n].direction >= 0 &&
	    row[n].direction != (int)session[fds[i].s].incoming)
		want = -EINVAL;
	result = row[n].dev ? dev_ioctl(cmd, arg) : fd_ioctl(fds[i].fd, cmd, arg);
	check(result == want);
}

/* ------------------------------------------------------- freeze and kexec */

struct forecast {
	int err;		/* of the freeze */
	int first, first_err;	/* first session that cannot be frozen, or -1 */
	u64 sessions, files, pages, dropped;
};

/* A handler that is asked to go on with these may make files of them. */
static void mark_half_made(void)
{
	int s, f;

	for (s = 0; s < MAX_SESSIONS; s++) {
		for (f = 0; session[s].used && session[s].incoming && f < session[s].nr; f++) {
			struct mfile *file = &session[s].file[f];

			file->half = file->state == WAITING && half_made(file);
			if (file->half)
				models[file->model].file = NULL;
		}
	}
}

/* Came, waits, and depends on state that may be in use here. */
static int carry_flbs(struct mfile *file)
{
	int i, n;

	for (i = 0; i < FLBS; i++) {
		n = flb_order[i];
		if (!(file->flbs & flbs_asked & ~file->flbs_out & 1 << n))
			continue;
		if (!(flbs_registered & 1 << n))
			return -ENODEV;
		file->flbs_out |= 1 << n;
	}
	return 0;
}

static int carry_file(struct mfile *file, bool faults)
{
	if (file->half) {
		check(!half_made(file));
		check(models[file->model].file || faults);
		if (models[file->model].file)
			file->state = HELD;
	}
	file->half = false;
	if (file->state == FAILED && half_made(file))
		return 0;
	if (file->state != HELD)
		return carry_flbs(file);
	if (!file->again) {
		file->again = true;
		file->flbs_out = flbs_registered;
	}
	return 0;
}

/* What a file says at the freeze, when all are ready. */
static int freeze_file(const struct mfile *file, bool incoming)
{
	int n;

	if (!incoming || file->again)
		return models[file->model].freeze_err;
	if (file->state == FAILED && half_made(file))
		return 0;
	for (n = 0; n < FLBS; n++)
		if (file->flbs & ~flbs_asked & 1 << n && flb_files(n, false))
			return -EBUSY;
	return 0;
}

static bool file_goes(const struct mfile *file, bool incoming)
{
	return !incoming || file->again || file->state == WAITING || !half_made(file);
}

/*
 * What a freeze must have done and said. mark_half_made() comes before it;
 * @faults: an attempt before has met want of memory.
 */
static struct forecast forecast(bool faults)
{
	struct forecast fc = { .first = -1 };
	int carry_err[MAX_SESSIONS] = {};
	int list[MAX_SESSIONS], nr, i, f, incoming, err;

	for (i = 0; i < MAX_SESSIONS; i++)
		session[i].goes = false;
	nr = in_order(true, list);
	for (i = 0; i < nr; i++) {
		struct msession *s = &session[list[i]];

		for (f = 0; f < s->nr && !carry_err[list[i]]; f++)
			carry_err[list[i]] = carry_file(&s->file[f], faults);
	}
	for (incoming = 0; incoming < 2; incoming++) {
		nr = in_order(incoming, list);
		for (i = 0; i < nr; i++) {
			struct msession *s = &session[list[i]];

			/* Finished, and somebody still has it. */
			if (incoming && !s->nr && s->claims)
				continue;
			err = carry_err[list[i]];
			for (f = 0; f < s->nr && !err; f++)
				err = freeze_file(&s->file[f], incoming);
			if (err && fc.first < 0) {
				fc.first = list[i];
				fc.first_err = err;
			}
			if (err && s->flags & DROP) {
				fc.dropped++;
				continue;
			}
			if (err) {
				fc.err = err;
				return fc;
			}
			s->goes = true;
			fc.sessions++;
			for (f = 0; f < s->nr; f++) {
				if (!file_goes(&s->file[f], incoming))
					continue;
				fc.files++;
				fc.pages += models[s->file[f].model].runs;
			}
		}
	}
	return fc;
}

static void do_rehearse(void)
{
	struct liveupdate_ioctl_rehearse arg = { .size = sizeof(arg) };
	u8 name[LIVEUPDATE_SESSION_NAME_LENGTH] = {};
	struct forecast fc;
	bool faults;

	mark_half_made();
	call_dev(LIVEUPDATE_IOCTL_REHEARSE, &arg, sizeof(arg));
	came_true(0);
	/* What an unhappy one has left undone, the next makes up for. */
	faults = no_memory || result;
	if (faults) {
		arg = (struct liveupdate_ioctl_rehearse){ .size = sizeof(arg) };
		check(!dev_ioctl(LIVEUPDATE_IOCTL_REHEARSE, &arg));
	}
	fc = forecast(faults);
	check((int)arg.error == -fc.err && (int)arg.session_error == -fc.first_err);
	if (fc.first >= 0)
		name_of(session[fc.first].name, name);
	check(!memcmp(arg.session, name, sizeof(name)));
	if (fc.err)
		return;
	check(arg.sessions == fc.sessions && arg.files == fc.files &&
	      arg.bytes == fc.pages * LUO_BLOCK_SIZE && arg.dropped == fc.dropped);
}

static void do_script(void)
{
	int m = input_below(in, MODELS), what = input_below(in, 12);

	if (what < 4)
		models[m].freeze_err = what ? -EAGAIN : 0;
	else if (what < 8)
		models[m].busy = what > 5;
	else
		models[m].prefreeze_err = what > 9 ? -EPERM : 0;
}

static void do_handler(void)
{
	/* In a kernel its module would be pinned. */
	if (handler_known && model_module.refs)
		return;
	if (handler_known) {
		liveupdate_unregister_file_handler(&model_handler);
		flbs_registered = 0;
	} else {
		check(!liveupdate_register_file_handler(&model_handler));
	}
	handler_known = !handler_known;
}

static void do_flb(void)
{
	int n = input_below(in, FLBS), what = input_below(in, 5), err;
	bool fault = input_below(in, 8) == 7;

	shim_chances = 0;
	shim_fail_at = fault;
	switch (what) {
	case 0:
		err = flb_register(n);
		check(err == (!handler_known ? -EINVAL :
			      flbs_registered & 1 << n ? -EEXIST : 0));
		if (!err)
			flbs_registered |= 1 << n;
		break;
	case 1:
		if (!(flbs_registered & 1 << n))
			break;
		liveupdate_unregister_flb(&model_handler, &model_flbs[n].flb);
		flbs_registered &= ~(1 << n);
		break;
	case 2:
		err = flb_get_outgoing(n);
		check(err == (flb_files(n, false) || flb_refs_out[n] ? 0 : -ENOENT));
		flb_refs_out[n] += !err;
		break;
	case 3:
		err = flb_get_incoming(n);
		if (err == -ENOMEM && fault)
			break;
		if (!generation)
			check(err == -ENODATA);
		else if (!flb_came[n])
			check(err == -ENOENT);
		else
			check(err == (flb_files(n, true) || flb_refs_in[n] ? 0 : -ENODATA));
		flb_refs_in[n] += !err;
		if (!err)
			flbs_asked |= 1 << n;
		break;
	case 4:
		if (flb_refs_out[n]) {
			liveupdate_flb_put_outgoing(&model_flbs[n].flb);
			flb_refs_out[n]--;
		} else if (flb_refs_in[n]) {
			liveupdate_flb_put_incoming(&model_flbs[n].flb);
			flb_refs_in[n]--;
		}
		break;
	}
	shim_fail_at = 0;
}

/*
 * The end of this kernel. Sessions that nobody has open take part in an update,
 * but the shim's end wants to see them closed.
 */
static void collect(void)
{
	struct liveupdate_session_set_flags flags = { .size = sizeof(flags) };
	struct liveupdate_ioctl_reopen_session arg = { .size = sizeof(arg) };
	int s, i;

	for (s = 0; s < MAX_SESSIONS; s++) {
		if (!session[s].used || session[s].incoming)
			continue;
		if (!session[s].claims) {
			if (fd_free() < 0)
				close_fd(0);
			if (fd_free() < 0 || !session[s].used)
				continue;
			name_of(session[s].name, arg.name);
			check(!dev_ioctl(LIVEUPDATE_IOCTL_REOPEN_SESSION, &arg));
			add_fd(s, arg.fd);
		}
		for (i = 0; i < MAX_FDS; i++) {
			if (fds[i].fd < 0 || fds[i].s != s)
				continue;
			flags.flags = session[s].flags & DROP;
			session[s].flags = flags.flags;
			check(!fd_ioctl(fds[i].fd, LIVEUPDATE_SESSION_SET_FLAGS, &flags));
		}
	}
	for (i = 0; i < FLBS; i++) {
		while (flb_refs_out[i]) {
			liveupdate_flb_put_outgoing(&model_flbs[i].flb);
			flb_refs_out[i]--;
		}
	}
}

static bool all_closed(void)
{
	int s;

	for (s = 0; s < MAX_SESSIONS; s++)
		if (session[s].used && !session[s].incoming && !session[s].claims)
			return false;
	return true;
}

/* Which FLBs come next, and in which order: all of this kernel's, then all that wait. */
static void flbs_go(bool ret_came[FLBS], int ret_order[FLBS])
{
	bool out[FLBS];
	int n, i, nr = 0, place;

	for (n = 0; n < FLBS; n++) {
		out[n] = flb_files(n, false);
		ret_came[n] = out[n] || (flb_files(n, true) && !(flbs_asked & 1 << n));
	}
	for (place = 1; place <= (int)LUO_FLBS_MAX; place++)
		for (n = 0; n < FLBS; n++)
			if (out[n] && (int)model_flbs[n].flb.place == place)
				ret_order[nr++] = n;
	for (i = 0; i < FLBS; i++)
		if (!out[flb_order[i]] && ret_came[flb_order[i]])
			ret_order[nr++] = flb_order[i];
	for (n = 0; n < FLBS; n++)
		if (!ret_came[n])
			ret_order[nr++] = n;
}

/* As it is in the next kernel. */
static struct msession arrived(const struct msession *old)
{
	struct msession s = *old;
	int f;

	if (!s.incoming)
		s.generation = generation + 1;
	s.incoming = true;
	s.order = next_order++;
	s.claims = 0;
	s.flags = 0;
	s.early = false;
	s.nr = 0;
	for (f = 0; f < old->nr; f++) {
		struct mfile file = old->file[f];

		if (!file_goes(&file, old->incoming))
			continue;
		if (file.again)
			file.flbs = file.flbs_out;
		else if (old->incoming)
			file.flbs = file.flbs_out | (file.flbs & ~flbs_asked);
		stay(&file);
		file.state = WAITING;
		file.has_id = false;
		s.file[s.nr++] = file;
	}
	return s;
}

static void do_kexec(void)
{
	struct msession next[MAX_SESSIONS] = {};
	int list[MAX_SESSIONS], order[FLBS], n = 0, i, nr, incoming;
	struct luo_root_ser *root;
	bool came[FLBS];

	mark_half_made();
	result = luo_core_freeze(&root);
	check(result == forecast(false).err);
	if (result)
		return;
	luo_core_seal_root();
	luo_core_thaw();
	collect();
	/* More sessions without a holder than descriptors. */
	if (!all_closed())
		return;
	/* What has been closed for that cannot be in the way of others. */
	mark_half_made();
	check(!forecast(false).err);
	flbs_go(came, order);
	for (incoming = 0; incoming < 2; incoming++) {
		nr = in_order(incoming, list);
		for (i = 0; i < nr; i++)
			if (session[list[i]].goes)
				next[n++] = arrived(&session[list[i]]);
	}

	/* What stop() closes has been written down before. */
	check(!kexec_do());
	generation++;
	memcpy(session, next, sizeof(session));
	for (i = 0; i < MAX_FDS; i++)
		fds[i].fd = -1;
	for (i = 0; i < FLBS; i++)
		flb_refs_in[i] = 0;
	for (i = 0; i < MODELS; i++)
		models[i].begun = false;
	memcpy(flb_came, came, sizeof(came));
	memcpy(flb_order, order, sizeof(order));
	flbs_asked = 0;
	handler_known = true;
	flbs_registered = 0;
}

/* ------------------------------------------------------------------ checks */

static void check_counts(void)
{
	struct luo_counts counts, want = { .generation = generation };
	struct liveupdate_ioctl_get_state state = { .size = sizeof(state) };
	int s, f;

	for (s = 0; s < MAX_SESSIONS; s++) {
		bool inc = session[s].incoming;

		if (!session[s].used)
			continue;
		*(inc ? &want.sessions_in : &want.sessions_out) += 1;
		*(inc ? &want.files_in : &want.files_out) += session[s].nr;
		for (f = 0; f < session[s].nr; f++)
			*(inc ? &want.pages_in : &want.pages_out) +=
				models[session[s].file[f].model].runs;
	}
	luo_core_counts(&counts);
	check(!memcmp(&counts, &want, sizeof(counts)));
	check(luo_core_idle() == (!want.sessions_in && !want.sessions_out));
	check(!dev_ioctl(LIVEUPDATE_IOCTL_GET_STATE, &state));
	check(state.state == (want.sessions_in ? LIVEUPDATE_STATE_UPDATED :
			      LIVEUPDATE_STATE_NORMAL));
	check(!shim_warnings);
}

static void (*const calls[])(void) = {
	do_create, do_claim, do_reopen, do_drop, do_preserve, do_preserve, do_preserve,
	do_unpreserve, do_retrieve, do_retrieve, do_finish, do_close, do_dup, do_flags,
	do_recycle, do_freeze, do_look, do_odd, do_rehearse, do_script, do_handler, do_flb,
	do_kexec,
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	return 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input input = { data, data + size };
	unsigned long tracked = 0;
	int i, s, f;

	in = &input;
	memset(session, 0, sizeof(session));
	memset(flb_refs_out, 0, sizeof(flb_refs_out));
	memset(flb_refs_in, 0, sizeof(flb_refs_in));
	memset(flb_came, 0, sizeof(flb_came));
	for (i = 0; i < MAX_FDS; i++)
		fds[i].fd = -1;
	generation = 0;
	flbs_registered = 0;
	next_order = 0;
	flbs_asked = 0;
	for (i = 0; i < FLBS; i++)
		flb_order[i] = i;
	check(!setup(NULL));
	handler_known = true;

	while (!input_empty(in)) {
		calls[input_below(in, ARRAY_SIZE(calls))]();
		check_counts();
		for (i = 0; i < FLBS; i++)
			check(!!model_flbs[i].flb.place >= !!(flbs_registered >> i & 1));
	}

	for (i = 0; i < MODELS; i++)
		models[i].busy = false;
	do {
		collect();
		for (i = 0; i < MAX_FDS; i++)
			if (fds[i].fd >= 0)
				close_fd(i);
	} while (!all_closed());
	check_counts();
	/* What is left waits for somebody, ready for the next kernel. */
	for (s = 0; s < MAX_SESSIONS; s++)
		for (f = 0; session[s].used && f < session[s].nr; f++)
			tracked += session[s].file[f].again ?
				   models[session[s].file[f].model].runs : 0;
	check(arena_count(FRAME_TRACKED) == tracked);
	check(!teardown(NULL));
	return 0;
}
