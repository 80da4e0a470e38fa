// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Commands of the device and of sessions
 *
 * Two tables for each kind of file descriptor, one row for each command; the
 * dispatcher knows no command. It makes the checks that are common to all, in
 * the order that include/uapi/linux/liveupdate.h promises, and gets the
 * argument into a union on the stack. What a command does is in luo_session.c
 * and luo_file.c; the functions here put that into an order in which nothing
 * has happened when the answer cannot be written:
 *
 *  - A new file descriptor is reserved first, then the object is made, then
 *    the answer written, and only then the object published and the
 *    descriptor installed: these two cannot fail.
 *  - A command whose answer holds nothing new writes it before it acts.
 *
 * Locks: luo_freeze_sem is taken for reading around what a command does, and
 * never around a copy from or to user memory: that can take for ever
 * (userfaultfd), and the freeze would wait for it.
 */
#include "luo_internal.h"

union luo_arg {
	u32 size;
	struct liveupdate_ioctl_create_session create;
	struct liveupdate_ioctl_retrieve_session retrieve;
	struct liveupdate_session_preserve_fd preserve_fd;
	struct liveupdate_session_retrieve_fd retrieve_fd;
	struct liveupdate_session_finish finish;
	struct liveupdate_session_get_name get_name;
	struct liveupdate_ioctl_get_state get_state;
	struct liveupdate_ioctl_reopen_session reopen;
	struct liveupdate_ioctl_retrieve_generation retrieve_generation;
	struct liveupdate_ioctl_drop_session drop;
	struct liveupdate_ioctl_rehearse rehearse;
	struct liveupdate_session_unpreserve_fd unpreserve_fd;
	struct liveupdate_session_set_flags set_flags;
	struct liveupdate_session_get_state session_state;
	struct liveupdate_session_list_files list_files;
	struct liveupdate_session_recycle recycle;
	struct liveupdate_session_retrieve_into retrieve_into;
	struct liveupdate_session_freeze freeze;
	struct liveupdate_session_thaw thaw;
};

enum luo_direction {
	LUO_ANY,
	LUO_OUTGOING,
	LUO_INCOMING,
};

/**
 * struct luo_call - one command on its way
 * @user:      the argument
 * @user_size: its size, as the user says
 * @size:      its size, as known here
 * @session:   NULL for commands of the device
 * @direction: that the session must have
 * @arg:       copy of the argument
 */
struct luo_call {
	void __user *user;
	u32 user_size;
	u32 size;
	struct luo_session *session;
	enum luo_direction direction;
	union luo_arg *arg;
};

/**
 * struct luo_command - a row of the table
 * @cmd:       the whole command word
 * @size:      of the argument
 * @min_size:  of its first version
 * @direction: of sessions that have it
 * @run:       does it
 */
struct luo_command {
	unsigned int cmd;
	u32 size;
	u32 min_size;
	enum luo_direction direction;
	int (*run)(struct luo_call *call);
};

#define LUO_COMMAND(_cmd, _base, _struct, _last, _direction, _run)	\
	[_IOC_NR(_cmd) - (_base)] = {					\
		.cmd = (_cmd),						\
		.size = sizeof(_struct),				\
		.min_size = offsetofend(_struct, _last),		\
		.direction = (_direction),				\
		.run = (_run),						\
	}

static atomic_t luo_device_in_use = ATOMIC_INIT(0);

/* Between these two the sessions cannot be frozen. */
static int luo_enter(void)
{
	return down_read_killable(&luo_freeze_sem);
}

static void luo_leave(void)
{
	up_read(&luo_freeze_sem);
}

static bool luo_direction_fits(enum luo_direction direction,
			       const struct luo_session *session)
{
	switch (direction) {
	case LUO_OUTGOING:
		return !READ_ONCE(session->incoming);
	case LUO_INCOMING:
		return READ_ONCE(session->incoming);
	case LUO_ANY:
		break;
	}
	return true;
}

/*
 * The same with the session locked. Its direction has been looked at, but it
 * may have been recycled since.
 */
static int luo_enter_session(struct luo_call *call)
{
	int err = luo_enter();

	if (err)
		return err;
	mutex_lock(&call->session->lock);
	if (luo_direction_fits(call->direction, call->session))
		return 0;
	mutex_unlock(&call->session->lock);
	luo_leave();
	return -EINVAL;
}

static void luo_leave_session(struct luo_call *call)
{
	mutex_unlock(&call->session->lock);
	luo_leave();
}

static int luo_respond(struct luo_call *call)
{
	if (copy_to_user(call->user, call->arg, min(call->user_size, call->size)))
		return -EFAULT;
	return 0;
}

/* For an answer with nothing new in it: if it cannot be written, nothing has happened. */
static int luo_answer_and_enter(struct luo_call *call)
{
	return luo_respond(call) ?: luo_enter_session(call);
}

/* -------------------------------------------------------------- the commands */

static int luo_open_session(struct luo_call *call, const u8 *name, u64 generation,
			    u32 flags, s32 *ret_fd,
			    int (*open)(const u8 *name, u64 generation,
					struct file **ret_file))
{
	int fd = get_unused_fd_flags(O_CLOEXEC), err;
	struct file *file;

	if (fd < 0)
		return fd;

	err = luo_enter();
	if (err)
		goto err_put_fd;
	err = open(name, generation, &file);
	luo_leave();
	if (err)
		goto err_put_fd;

	*ret_fd = fd;
	err = luo_respond(call);
	if (err)
		goto err_abort;

	luo_session_publish(file, flags);
	fd_install(fd, file);
	return 0;

err_abort:
	luo_session_abort(file);
err_put_fd:
	put_unused_fd(fd);
	return err;
}

static int luo_call_create_session(struct luo_call *call)
{
	struct liveupdate_ioctl_create_session *arg = &call->arg->create;

	return luo_open_session(call, arg->name, 0, 0, &arg->fd, luo_session_create);
}

static int luo_call_retrieve_session(struct luo_call *call)
{
	struct liveupdate_ioctl_retrieve_session *arg = &call->arg->retrieve;

	return luo_open_session(call, arg->name, 0, 0, &arg->fd, luo_session_claim);
}

static int luo_call_preserve_fd(struct luo_call *call)
{
	struct liveupdate_session_preserve_fd *arg = &call->arg->preserve_fd;
	int err;

	err = luo_answer_and_enter(call);
	if (err)
		return err;
	err = luo_file_preserve(call->session, arg->token, arg->fd);
	luo_leave_session(call);
	return err;
}

static int luo_call_retrieve_fd(struct luo_call *call)
{
	struct liveupdate_session_retrieve_fd *arg = &call->arg->retrieve_fd;
	int fd = get_unused_fd_flags(O_CLOEXEC), err;
	struct file *file;

	if (fd < 0)
		return fd;

	err = luo_enter_session(call);
	if (err)
		goto err_put_fd;
	err = luo_file_retrieve(call->session, arg->token, &file);
	luo_leave_session(call);
	if (err)
		goto err_put_fd;

	arg->fd = fd;
	err = luo_respond(call);
	if (err)
		goto err_put_file;
	fd_install(fd, file);
	return 0;

err_put_file:
	/* The session has a reference of its own: asking again finds the file. */
	fput(file);
err_put_fd:
	put_unused_fd(fd);
	return err;
}

static int luo_call_finish(struct luo_call *call)
{
	int err;

	if (call->arg->finish.reserved)
		return -EINVAL;

	err = luo_answer_and_enter(call);
	if (err)
		return err;
	err = luo_files_finish(call->session);
	luo_leave_session(call);
	return err;
}

static int luo_call_get_name(struct luo_call *call)
{
	struct liveupdate_session_get_name *arg = &call->arg->get_name;

	if (arg->reserved)
		return -EINVAL;

	/* The name never changes, so no lock. */
	memcpy(arg->name, call->session->name, sizeof(arg->name));
	return luo_respond(call);
}

/* ------------------------------------------------- the commands of our own */

static int luo_call_get_state(struct luo_call *call)
{
	struct liveupdate_ioctl_get_state *arg = &call->arg->get_state;
	struct luo_counts counts;

	luo_core_counts(&counts);
	*arg = (struct liveupdate_ioctl_get_state){
		.size = arg->size,
		.state = luo_core_state(),
		.generation = counts.generation,
		.sessions_out = counts.sessions_out,
		.files_out = counts.files_out,
		.bytes_out = counts.pages_out * LUO_BLOCK_SIZE,
		.sessions_in = counts.sessions_in,
		.files_in = counts.files_in,
		.bytes_in = counts.pages_in * LUO_BLOCK_SIZE,
	};
	return luo_respond(call);
}

static int luo_call_reopen_session(struct luo_call *call)
{
	struct liveupdate_ioctl_reopen_session *arg = &call->arg->reopen;

	return luo_open_session(call, arg->name, 0, 0, &arg->fd, luo_session_reopen);
}

static int luo_call_retrieve_generation(struct luo_call *call)
{
	struct liveupdate_ioctl_retrieve_generation *arg = &call->arg->retrieve_generation;

	if (arg->flags & ~LUO_SESSION_FLAGS || arg->reserved)
		return -EINVAL;

	return luo_open_session(call, arg->name, arg->generation, arg->flags, &arg->fd,
				luo_session_claim);
}

static int luo_call_drop_session(struct luo_call *call)
{
	struct liveupdate_ioctl_drop_session *arg = &call->arg->drop;
	int err;

	if (arg->reserved)
		return -EINVAL;

	err = luo_respond(call);
	if (err)
		return err;
	err = luo_enter();
	if (err)
		return err;
	err = luo_session_give_up(arg->name, arg->generation);
	luo_leave();
	return err;
}

static int luo_call_rehearse(struct luo_call *call)
{
	struct liveupdate_ioctl_rehearse *arg = &call->arg->rehearse;
	struct luo_outcome outcome;
	u32 size = arg->size;
	int err;

	if (arg->reserved)
		return -EINVAL;

	err = luo_kexec ? luo_kexec->ready() : 0;
	if (err)
		return err;
	err = luo_rehearse(&outcome);
	if (err == -EALREADY)
		return -EBUSY;
	if (err == -EINTR)
		return err;

	*arg = (struct liveupdate_ioctl_rehearse){
		.size = size,
		.error = -err,
		.session_error = -outcome.err,
	};
	memcpy(arg->session, outcome.session, sizeof(arg->session));
	if (!err) {
		arg->sessions = outcome.sessions;
		arg->files = outcome.files;
		arg->bytes = outcome.pages * LUO_BLOCK_SIZE;
		arg->dropped = outcome.dropped;
	}
	return luo_respond(call);
}

static int luo_call_unpreserve_fd(struct luo_call *call)
{
	struct liveupdate_session_unpreserve_fd *arg = &call->arg->unpreserve_fd;
	int err;

	if (arg->reserved)
		return -EINVAL;

	err = luo_answer_and_enter(call);
	if (err)
		return err;
	err = luo_file_unpreserve_token(call->session, arg->token);
	luo_leave_session(call);
	return err;
}

static int luo_call_set_flags(struct luo_call *call)
{
	u32 flags = call->arg->set_flags.flags;
	int err;

	if (flags & ~LUO_SESSION_FLAGS)
		return -EINVAL;

	err = luo_answer_and_enter(call);
	if (err)
		return err;
	call->session->flags = flags;
	luo_leave_session(call);
	return 0;
}

static int luo_call_session_state(struct luo_call *call)
{
	struct liveupdate_session_get_state *arg = &call->arg->session_state;
	const struct luo_session *session = call->session;
	int err;

	if (arg->reserved)
		return -EINVAL;

	err = luo_enter_session(call);
	if (err)
		return err;
	arg->direction = session->incoming ? LIVEUPDATE_SESSION_INCOMING :
			 LIVEUPDATE_SESSION_OUTGOING;
	arg->flags = luo_session_shown_flags(session);
	arg->generation = session->generation;
	arg->files = session->nr_files;
	arg->bytes = session->nr_pages * LUO_BLOCK_SIZE;
	luo_leave_session(call);
	return luo_respond(call);
}

static int luo_call_list_files(struct luo_call *call)
{
	struct liveupdate_session_list_files *arg = &call->arg->list_files;
	u32 room = min_t(u32, arg->nr, LIVEUPDATE_LIST_FILES_MAX);
	struct liveupdate_file_info *info = NULL;
	int err;

	if (room) {
		info = kvcalloc(room, sizeof(*info), GFP_KERNEL_ACCOUNT);
		if (!info)
			return -ENOMEM;
	}

	err = luo_enter_session(call);
	if (err)
		goto out_free;
	arg->nr = luo_files_list(call->session, arg->first, info, room);
	arg->total = call->session->nr_files;
	luo_leave_session(call);

	if (arg->nr && copy_to_user(u64_to_user_ptr(arg->files), info,
				    arg->nr * sizeof(*info)))
		err = -EFAULT;
	else
		err = luo_respond(call);
out_free:
	kvfree(info);
	return err;
}

static int luo_call_recycle(struct luo_call *call)
{
	u32 flags = call->arg->recycle.flags;
	int err;

	if (flags & ~LIVEUPDATE_RECYCLE_KEEP_FILES)
		return -EINVAL;

	/* What is preserved wants a kexec that knows of it. */
	err = luo_kexec ? luo_kexec->ready() : 0;
	if (err)
		return err;
	err = luo_answer_and_enter(call);
	if (err)
		return err;
	err = luo_session_recycle(call->session, flags & LIVEUPDATE_RECYCLE_KEEP_FILES);
	luo_leave_session(call);
	return err;
}

static int luo_call_retrieve_into(struct luo_call *call)
{
	struct liveupdate_session_retrieve_into *arg = &call->arg->retrieve_into;
	struct liveupdate_file_model model = { };
	int err;

	err = luo_enter_session(call);
	if (err)
		return err;
	err = luo_file_describe(call->session, arg->token, &model);
	luo_leave_session(call);
	if (err)
		return err;

	arg->value = model.value;
	arg->flags = model.flags;
	arg->mode = model.mode;
	arg->uid = model.uid;
	arg->gid = model.gid;
	err = luo_respond(call);
	if (err || arg->fd == -1)
		return err;

	err = luo_enter_session(call);
	if (err)
		return err;
	err = luo_file_retrieve_into(call->session, arg->token, arg->fd);
	luo_leave_session(call);
	return err;
}

static int luo_call_freeze(struct luo_call *call)
{
	int err;

	if (call->arg->freeze.reserved)
		return -EINVAL;

	err = luo_answer_and_enter(call);
	if (err)
		return err;
	err = luo_files_prefreeze(call->session);
	if (!err)
		WRITE_ONCE(call->session->early, true);
	luo_leave_session(call);
	return err;
}

static int luo_call_thaw(struct luo_call *call)
{
	int err;

	if (call->arg->thaw.reserved)
		return -EINVAL;

	err = luo_answer_and_enter(call);
	if (err)
		return err;
	WRITE_ONCE(call->session->early, false);
	luo_leave_session(call);
	return 0;
}

/* ------------------------------------------------------------ the dispatcher */

static const struct luo_command luo_device_commands[] = {
	LUO_COMMAND(LIVEUPDATE_IOCTL_CREATE_SESSION, LIVEUPDATE_CMD_BASE,
		    struct liveupdate_ioctl_create_session, name,
		    LUO_ANY, luo_call_create_session),
	LUO_COMMAND(LIVEUPDATE_IOCTL_RETRIEVE_SESSION, LIVEUPDATE_CMD_BASE,
		    struct liveupdate_ioctl_retrieve_session, name,
		    LUO_ANY, luo_call_retrieve_session),
};

static const struct luo_command luo_session_commands[] = {
	LUO_COMMAND(LIVEUPDATE_SESSION_PRESERVE_FD, LIVEUPDATE_CMD_SESSION_BASE,
		    struct liveupdate_session_preserve_fd, token,
		    LUO_OUTGOING, luo_call_preserve_fd),
	LUO_COMMAND(LIVEUPDATE_SESSION_RETRIEVE_FD, LIVEUPDATE_CMD_SESSION_BASE,
		    struct liveupdate_session_retrieve_fd, token,
		    LUO_INCOMING, luo_call_retrieve_fd),
	LUO_COMMAND(LIVEUPDATE_SESSION_FINISH, LIVEUPDATE_CMD_SESSION_BASE,
		    struct liveupdate_session_finish, reserved,
		    LUO_INCOMING, luo_call_finish),
	LUO_COMMAND(LIVEUPDATE_SESSION_GET_NAME, LIVEUPDATE_CMD_SESSION_BASE,
		    struct liveupdate_session_get_name, name,
		    LUO_ANY, luo_call_get_name),
};

static const struct luo_command luo_device_ext_commands[] = {
	LUO_COMMAND(LIVEUPDATE_IOCTL_GET_STATE, LIVEUPDATE_CMD_EXT_BASE,
		    struct liveupdate_ioctl_get_state, bytes_in,
		    LUO_ANY, luo_call_get_state),
	LUO_COMMAND(LIVEUPDATE_IOCTL_REOPEN_SESSION, LIVEUPDATE_CMD_EXT_BASE,
		    struct liveupdate_ioctl_reopen_session, name,
		    LUO_ANY, luo_call_reopen_session),
	LUO_COMMAND(LIVEUPDATE_IOCTL_RETRIEVE_GENERATION, LIVEUPDATE_CMD_EXT_BASE,
		    struct liveupdate_ioctl_retrieve_generation, name,
		    LUO_ANY, luo_call_retrieve_generation),
	LUO_COMMAND(LIVEUPDATE_IOCTL_DROP_SESSION, LIVEUPDATE_CMD_EXT_BASE,
		    struct liveupdate_ioctl_drop_session, name,
		    LUO_ANY, luo_call_drop_session),
	LUO_COMMAND(LIVEUPDATE_IOCTL_REHEARSE, LIVEUPDATE_CMD_EXT_BASE,
		    struct liveupdate_ioctl_rehearse, session,
		    LUO_ANY, luo_call_rehearse),
};

static const struct luo_command luo_session_ext_commands[] = {
	LUO_COMMAND(LIVEUPDATE_SESSION_UNPRESERVE_FD, LIVEUPDATE_CMD_SESSION_EXT_BASE,
		    struct liveupdate_session_unpreserve_fd, token,
		    LUO_OUTGOING, luo_call_unpreserve_fd),
	LUO_COMMAND(LIVEUPDATE_SESSION_SET_FLAGS, LIVEUPDATE_CMD_SESSION_EXT_BASE,
		    struct liveupdate_session_set_flags, flags,
		    LUO_ANY, luo_call_set_flags),
	LUO_COMMAND(LIVEUPDATE_SESSION_GET_STATE, LIVEUPDATE_CMD_SESSION_EXT_BASE,
		    struct liveupdate_session_get_state, bytes,
		    LUO_ANY, luo_call_session_state),
	LUO_COMMAND(LIVEUPDATE_SESSION_LIST_FILES, LIVEUPDATE_CMD_SESSION_EXT_BASE,
		    struct liveupdate_session_list_files, files,
		    LUO_ANY, luo_call_list_files),
	LUO_COMMAND(LIVEUPDATE_SESSION_RECYCLE, LIVEUPDATE_CMD_SESSION_EXT_BASE,
		    struct liveupdate_session_recycle, flags,
		    LUO_INCOMING, luo_call_recycle),
	LUO_COMMAND(LIVEUPDATE_SESSION_RETRIEVE_INTO, LIVEUPDATE_CMD_SESSION_EXT_BASE,
		    struct liveupdate_session_retrieve_into, gid,
		    LUO_INCOMING, luo_call_retrieve_into),
	LUO_COMMAND(LIVEUPDATE_SESSION_FREEZE, LIVEUPDATE_CMD_SESSION_EXT_BASE,
		    struct liveupdate_session_freeze, reserved,
		    LUO_OUTGOING, luo_call_freeze),
	LUO_COMMAND(LIVEUPDATE_SESSION_THAW, LIVEUPDATE_CMD_SESSION_EXT_BASE,
		    struct liveupdate_session_thaw, reserved,
		    LUO_OUTGOING, luo_call_thaw),
};

/* What a kind of file descriptor knows: the commands of in-tree LUO, and ours. */
struct luo_table {
	const struct luo_command *rows;
	unsigned int base;
	unsigned int nr;
};

static const struct luo_table luo_device_tables[2] = {
	{ luo_device_commands, LIVEUPDATE_CMD_BASE, ARRAY_SIZE(luo_device_commands) },
	{ luo_device_ext_commands, LIVEUPDATE_CMD_EXT_BASE,
	  ARRAY_SIZE(luo_device_ext_commands) },
};

static const struct luo_table luo_session_tables[2] = {
	{ luo_session_commands, LIVEUPDATE_CMD_SESSION_BASE,
	  ARRAY_SIZE(luo_session_commands) },
	{ luo_session_ext_commands, LIVEUPDATE_CMD_SESSION_EXT_BASE,
	  ARRAY_SIZE(luo_session_ext_commands) },
};

static const struct luo_command *luo_command_find(const struct luo_table tables[2],
						  unsigned int nr)
{
	const struct luo_command *row;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		if (nr < tables[i].base || nr - tables[i].base >= tables[i].nr)
			continue;
		row = &tables[i].rows[nr - tables[i].base];
		/* Numbers that nobody has are a gap in the table. */
		return row->run ? row : NULL;
	}
	return NULL;
}

static long luo_dispatch(const struct luo_table tables[2], struct luo_session *session,
			 unsigned int cmd, unsigned long user)
{
	const struct luo_command *row = luo_command_find(tables, _IOC_NR(cmd));
	struct luo_call call = {
		.user = (void __user *)user,
		.session = session,
	};
	union luo_arg arg;
	int err;

	if (!row)
		return -EINVAL;

	if (get_user(call.user_size, (u32 __user *)call.user))
		return -EFAULT;
	if (cmd != row->cmd)
		return -ENOTTY;
	if (!luo_direction_fits(row->direction, session))
		return -EINVAL;
	if (call.user_size < row->min_size)
		return -EINVAL;

	err = copy_struct_from_user(&arg, row->size, call.user, call.user_size);
	if (err)
		return err;
	/* The user may have changed it in between; answers say what was checked. */
	arg.size = call.user_size;

	call.size = row->size;
	call.direction = row->direction;
	call.arg = &arg;
	return row->run(&call);
}

long luo_device_ioctl(unsigned int cmd, unsigned long arg)
{
	return luo_dispatch(luo_device_tables, NULL, cmd, arg);
}

long luo_session_ioctl(struct luo_session *session, unsigned int cmd, unsigned long arg)
{
	return luo_dispatch(luo_session_tables, session, cmd, arg);
}

int luo_device_open(void)
{
	return atomic_cmpxchg(&luo_device_in_use, 0, 1) ? -EBUSY : 0;
}

void luo_device_release(void)
{
	atomic_set(&luo_device_in_use, 0);
}
