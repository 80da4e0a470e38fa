// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Commands of the device and of sessions
 *
 * One table for each kind of file descriptor, one row for each command; the
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
};

/**
 * struct luo_call - one command on its way
 * @user:      the argument
 * @user_size: its size, as the user says
 * @size:      its size, as known here
 * @session:   NULL for commands of the device
 * @arg:       copy of the argument
 */
struct luo_call {
	void __user *user;
	u32 user_size;
	u32 size;
	struct luo_session *session;
	union luo_arg *arg;
};

enum luo_direction {
	LUO_ANY,
	LUO_OUTGOING,
	LUO_INCOMING,
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

static int luo_respond(struct luo_call *call)
{
	if (copy_to_user(call->user, call->arg, min(call->user_size, call->size)))
		return -EFAULT;
	return 0;
}

/* -------------------------------------------------------------- the commands */

static int luo_open_session(struct luo_call *call, const u8 *name, s32 *ret_fd,
			    int (*open)(const u8 *name, struct file **ret_file))
{
	int fd = get_unused_fd_flags(O_CLOEXEC), err;
	struct file *file;

	if (fd < 0)
		return fd;

	err = luo_enter();
	if (err)
		goto err_put_fd;
	err = open(name, &file);
	luo_leave();
	if (err)
		goto err_put_fd;

	*ret_fd = fd;
	err = luo_respond(call);
	if (err)
		goto err_abort;

	luo_session_publish(file);
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

	return luo_open_session(call, arg->name, &arg->fd, luo_session_create);
}

static int luo_call_retrieve_session(struct luo_call *call)
{
	struct liveupdate_ioctl_retrieve_session *arg = &call->arg->retrieve;

	return luo_open_session(call, arg->name, &arg->fd, luo_session_claim);
}

static int luo_call_preserve_fd(struct luo_call *call)
{
	struct liveupdate_session_preserve_fd *arg = &call->arg->preserve_fd;
	struct luo_session *session = call->session;
	int err;

	err = luo_respond(call);
	if (err)
		return err;
	err = luo_enter();
	if (err)
		return err;
	mutex_lock(&session->lock);
	err = luo_file_preserve(session, arg->token, arg->fd);
	mutex_unlock(&session->lock);
	luo_leave();
	return err;
}

static int luo_call_retrieve_fd(struct luo_call *call)
{
	struct liveupdate_session_retrieve_fd *arg = &call->arg->retrieve_fd;
	int fd = get_unused_fd_flags(O_CLOEXEC), err;
	struct luo_session *session = call->session;
	struct file *file;

	if (fd < 0)
		return fd;

	err = luo_enter();
	if (err)
		goto err_put_fd;
	mutex_lock(&session->lock);
	err = luo_file_retrieve(session, arg->token, &file);
	mutex_unlock(&session->lock);
	luo_leave();
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
	struct luo_session *session = call->session;
	int err;

	if (call->arg->finish.reserved)
		return -EINVAL;

	err = luo_respond(call);
	if (err)
		return err;
	err = luo_enter();
	if (err)
		return err;
	mutex_lock(&session->lock);
	err = luo_files_finish(session);
	mutex_unlock(&session->lock);
	luo_leave();
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

static bool luo_direction_fits(enum luo_direction direction,
			       const struct luo_session *session)
{
	switch (direction) {
	case LUO_OUTGOING:
		return !session->incoming;
	case LUO_INCOMING:
		return session->incoming;
	case LUO_ANY:
		break;
	}
	return true;
}

static long luo_dispatch(const struct luo_command *table, unsigned int base,
			 unsigned int nr, struct luo_session *session,
			 unsigned int cmd, unsigned long user)
{
	const struct luo_command *row;
	struct luo_call call = {
		.user = (void __user *)user,
		.session = session,
	};
	union luo_arg arg;
	int err;

	if (_IOC_NR(cmd) < base || _IOC_NR(cmd) - base >= nr)
		return -EINVAL;
	row = &table[_IOC_NR(cmd) - base];

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
	call.arg = &arg;
	return row->run(&call);
}

long luo_device_ioctl(unsigned int cmd, unsigned long arg)
{
	return luo_dispatch(luo_device_commands, LIVEUPDATE_CMD_BASE,
			    ARRAY_SIZE(luo_device_commands), NULL, cmd, arg);
}

long luo_session_ioctl(struct luo_session *session, unsigned int cmd, unsigned long arg)
{
	return luo_dispatch(luo_session_commands, LIVEUPDATE_CMD_SESSION_BASE,
			    ARRAY_SIZE(luo_session_commands), session, cmd, arg);
}

int luo_device_open(void)
{
	return atomic_cmpxchg(&luo_device_in_use, 0, 1) ? -EBUSY : 0;
}

void luo_device_release(void)
{
	atomic_set(&luo_device_in_use, 0);
}
