// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: what user space may do, over any number of updates.
 *
 * The input is a list of calls. A model of what must hold follows them: which
 * sessions there are, of which direction, who has them, which files are in
 * them and in which state. After each call errno and counts are compared with
 * it; now and then also what the lists say. A call may be made to fail by want
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
	unsigned int flbs;	/* in this kernel's numbers */
};

struct msession {
	bool used;
	int name;
	bool incoming;
	int claims;		/* fds */
	u32 flags;
	u64 generation;
	bool hidden;		/* an older one has its name */
	int nr;
	struct mfile file[MAX_FILES];
};

/* In the order in which they came; the array has no gaps that matter. */
static struct msession session[MAX_SESSIONS];
static struct { int fd, s; } fds[MAX_FDS];
static bool handler_known;
static u64 generation;
static unsigned int flbs_registered;	/* with the handler, now */
static int flb_refs_out[FLBS], flb_refs_in[FLBS];
static bool flb_came[FLBS];
static unsigned int runs_used;

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

static int find_in(int name, u64 gen)
{
	int s, found = -1;

	for (s = 0; s < MAX_SESSIONS; s++)
		if (session[s].used && session[s].incoming && session[s].name == name &&
		    (gen ? session[s].generation == gen : !session[s].hidden))
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

static int flb_files(int n, bool incoming)
{
	int s, f, nr = 0;

	for (s = 0; s < MAX_SESSIONS; s++)
		for (f = 0; session[s].used && session[s].incoming == incoming &&
			    f < session[s].nr; f++)
			nr += session[s].file[f].flbs >> n & 1;
	return nr;
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

/* The name answers for the newest of those that are left with it. */
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
	session[s] = (struct msession){ .used = true, .name = name };
	add_fd(s, arg.fd);
}

static void do_claim(void)
{
	struct liveupdate_ioctl_retrieve_generation arg = { .size = sizeof(arg), .fd = -1 };
	struct liveupdate_ioctl_retrieve_session old = { .size = sizeof(old), .fd = -1 };
	int name = input_below(in, NAMES + 2), s;
	u64 gen = input_below(in, 4);

	if (fd_free() < 0)
		return;
	name_of(name, arg.name);
	name_of(name, old.name);
	arg.generation = gen;
	s = name < NAMES ? find_in(name, gen) : -1;
	if (gen)
		call_dev(LIVEUPDATE_IOCTL_RETRIEVE_GENERATION, &arg, sizeof(arg));
	else
		call_dev(LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &old, sizeof(old));
	if (came_true(s < 0 ? -ENOENT : session[s].claims ? -EINVAL : 0))
		add_fd(s, gen ? arg.fd : old.fd);
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

	arg.generation = input_below(in, 4);
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
	if (runs_used + models[m].runs > 3000)
		return;

	arg.fd = kind == 15 ? 31000 : kind == 14 ? file_open_foreign() : file_open(m);
	call_fd(i, LIVEUPDATE_SESSION_PRESERVE_FD, &arg, sizeof(arg));
	if (kind < 15)
		fd_close(arg.fd);
	runs_used += models[m].runs;
	if (s->incoming)
		want = -EINVAL;
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
	if (came_true(s->incoming || arg.reserved ? -EINVAL : f < 0 ? -ENOENT : 0))
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
		if (file->state == FAILED)
			want = file->err;
		else if (file->state == WAITING)
			want = handler_known ? err : -ENOENT;
	}
	call_fd(i, LIVEUPDATE_SESSION_RETRIEVE_FD, &arg, sizeof(arg));
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
	models[file->model].retrieve_err = 0;
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

static void do_recycle(void)
{
	struct liveupdate_session_recycle arg = { .size = sizeof(arg) };
	struct msession *s;
	int i = some_fd(), to, n, j;

	if (i < 0)
		return;
	n = fds[i].s;
	s = &session[n];
	call_fd(i, LIVEUPDATE_SESSION_RECYCLE, &arg, sizeof(arg));
	if (!came_true(!s->incoming ? -EINVAL : s->nr ? -EBUSY :
		       find_out(s->name) >= 0 ? -EEXIST : 0))
		return;
	s->incoming = false;
	s->hidden = false;
	s->flags = 0;
	s->generation = 0;
	/* It is the last of the outgoing ones now. */
	for (to = MAX_SESSIONS - 1; to > n && !session[to].used; to--)
		;
	if (to + 1 < MAX_SESSIONS && to > n) {
		session[to + 1] = *s;
		*s = (struct msession){};
		for (j = 0; j < MAX_FDS; j++)
			if (fds[j].fd >= 0 && fds[j].s == n)
				fds[j].s = to + 1;
	}
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
	check(state.flags == s->flags && state.generation == s->generation &&
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

static bool session_freezes(int s)
{
	int f;

	for (f = 0; f < session[s].nr; f++)
		if (models[session[s].file[f].model].freeze_err)
			return false;
	return true;
}

/* The errno that a freeze must give, and how many sessions it leaves out. */
static int freeze_says(u64 *ret_dropped)
{
	int s, f;

	*ret_dropped = 0;
	for (s = 0; s < MAX_SESSIONS; s++) {
		if (!session[s].used || session[s].incoming || session_freezes(s))
			continue;
		if (session[s].flags & DROP) {
			++*ret_dropped;
			continue;
		}
		for (f = 0; f < session[s].nr; f++)
			if (models[session[s].file[f].model].freeze_err)
				return models[session[s].file[f].model].freeze_err;
	}
	return 0;
}

static void do_rehearse(void)
{
	struct liveupdate_ioctl_rehearse arg = { .size = sizeof(arg) };
	u64 dropped;
	int want = freeze_says(&dropped);

	call_dev(LIVEUPDATE_IOCTL_REHEARSE, &arg, sizeof(arg));
	if (!came_true(0))
		return;
	if (no_memory && arg.error == ENOMEM)
		return;
	check((int)arg.error == -want);
	check(want || (arg.dropped == dropped && arg.sessions + dropped <= MAX_SESSIONS));
}

static void do_script(void)
{
	int m = input_below(in, MODELS), what = input_below(in, 8);

	if (what < 4)
		models[m].freeze_err = what ? -EBUSY : 0;
	else
		models[m].busy = what > 5;
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

static void do_kexec(void)
{
	struct msession old[MAX_SESSIONS];
	struct luo_root_ser *root;
	u64 dropped;
	int want = freeze_says(&dropped), s, n = 0, i, f;

	result = luo_core_freeze(&root);
	check(result == want);
	if (result)
		return;
	luo_core_seal_root();
	luo_core_thaw();
	collect();
	/* More sessions without a holder than descriptors. */
	if (!all_closed())
		return;
	for (i = 0; i < FLBS; i++)
		flb_came[i] = flb_files(i, false);

	/* What stop() closes does not finish by itself in this kernel. */
	check(!kexec_do());
	generation++;
	memcpy(old, session, sizeof(old));
	memset(session, 0, sizeof(session));
	for (s = 0; s < MAX_SESSIONS; s++) {
		bool freezes = true;

		for (f = 0; f < old[s].nr; f++)
			freezes &= !models[old[s].file[f].model].freeze_err;
		if (!old[s].used || old[s].incoming || !freezes)
			continue;
		session[n] = old[s];
		session[n].incoming = true;
		session[n].claims = 0;
		session[n].flags = 0;
		session[n].generation = generation;
		for (f = 0; f < session[n].nr; f++) {
			session[n].file[f].state = WAITING;
			session[n].file[f].has_id = false;
		}
		n++;
	}
	for (i = 0; i < MAX_FDS; i++)
		fds[i].fd = -1;
	for (i = 0; i < FLBS; i++)
		flb_refs_in[i] = 0;
	for (i = 0; i < MODELS; i++)
		models[i].begun = false;
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
	do_recycle, do_look, do_odd, do_rehearse, do_script, do_handler, do_flb, do_kexec,
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	return 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input input = { data, data + size };
	int i;

	in = &input;
	memset(session, 0, sizeof(session));
	memset(flb_refs_out, 0, sizeof(flb_refs_out));
	memset(flb_refs_in, 0, sizeof(flb_refs_in));
	memset(flb_came, 0, sizeof(flb_came));
	for (i = 0; i < MAX_FDS; i++)
		fds[i].fd = -1;
	generation = 0;
	flbs_registered = 0;
	runs_used = 0;
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
	check(!arena_count(FRAME_TRACKED));
	check(!teardown(NULL));
	return 0;
}
