// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fake-server ROOT: the "kernel" of the tests. Behaves as the ABI says as far
 * as luoctl can see it: directions, tokens, one opener, a file in one session
 * only, finish by close. Runs until it is killed.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <linux/liveupdate_ext.h>

#include "fake.h"

#define MAX 64

struct file {
	uint64_t token;
	int fd;
	bool retrieved;
};

struct session {
	char name[64];
	bool used, incoming, claimed;
	uint32_t flags;
	int conn; /* our end; -1: nobody holds it */
	pid_t pid;
	struct file files[MAX];
	unsigned int count;
};

static struct session sessions[MAX];
static int device_conn = -1;
static pid_t device_pid;
static time_t busy_until;
static int veto;
static struct {
	unsigned int command, after;
	int error;
} failure;
static struct {
	unsigned int command, after;
	int late;
} murder;
static bool in_tree;
static struct liveupdate_ioctl_rehearse rehearsal;

static void die(const char *what)
{
	fprintf(stderr, "fake-server: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int listen_at(const char *root, const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s%s", root, name);
	unlink(addr.sun_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 16) < 0)
		die(addr.sun_path);
	return fd;
}

static pid_t peer(int conn)
{
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);

	getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	return cred.pid;
}

static void send_reply(int conn, const struct fake_reply *reply, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { (void *)reply, sizeof(*reply) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		struct cmsghdr *cmsg;

		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	}
	sendmsg(conn, &msg, MSG_NOSIGNAL);
}

/* Bytes received; the descriptor that came along, or -1. */
static ssize_t receive(int conn, void *buf, size_t size, int *ret_fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { buf, size };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;
	ssize_t n = recvmsg(conn, &msg, MSG_CMSG_CLOEXEC);

	*ret_fd = -1;
	cmsg = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	if (cmsg && cmsg->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(cmsg), sizeof(int));
	return n;
}

static void drop(struct session *session)
{
	for (unsigned int i = 0; i < session->count; i++)
		close(session->files[i].fd);
	if (session->conn >= 0)
		close(session->conn);
	memset(session, 0, sizeof(*session));
	session->conn = -1;
}

static struct session *find(const char *name, bool incoming)
{
	for (unsigned int i = 0; i < MAX; i++)
		if (sessions[i].used && sessions[i].incoming == incoming &&
		    !strncmp(sessions[i].name, name, sizeof(sessions[i].name)))
			return &sessions[i];
	return NULL;
}

static struct file *find_token(struct session *session, uint64_t token)
{
	for (unsigned int i = 0; i < session->count; i++)
		if (session->files[i].token == token)
			return &session->files[i];
	return NULL;
}

/* Preserved by any session, or retrieved and its session not finished. */
static bool is_busy(int fd)
{
	struct stat wanted, st;

	fstat(fd, &wanted);
	for (unsigned int i = 0; i < MAX; i++)
		for (unsigned int j = 0; sessions[i].used && j < sessions[i].count; j++)
			if (!fstat(sessions[i].files[j].fd, &st) && st.st_ino == wanted.st_ino &&
			    st.st_dev == wanted.st_dev)
				return true;
	return false;
}

static void give_session(struct session *session, int conn, struct fake_reply *reply)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		die("socketpair");
	session->conn = pair[0];
	session->pid = peer(conn);
	send_reply(conn, reply, pair[1]);
	close(pair[1]);
}

/* Whom, and when: 0 not at all, 1 before the command, 2 after it. */
static int should_kill(unsigned int command)
{
	if (!murder.after || murder.command != command || --murder.after)
		return 0;
	return 1 + murder.late;
}

/* Its end is seen when its connections close, as that of any other. */
static void kill_and_wait(pid_t pid, int conn)
{
	struct pollfd gone = { .fd = conn };

	kill(pid, SIGKILL);
	while (!(gone.revents & POLLHUP))
		poll(&gone, 1, 100);
}

static bool should_fail(unsigned int command, struct fake_reply *reply)
{
	if (in_tree && command >= LIVEUPDATE_CMD_EXT_BASE) {
		reply->error = -EINVAL;
		return true;
	}

	if (!failure.after || failure.command != command || --failure.after)
		return false;
	reply->error = -failure.error;
	return true;
}

static void on_device(int conn, const struct fake_request *request)
{
	struct liveupdate_ioctl_create_session arg;
	struct liveupdate_ioctl_retrieve_generation generation;
	struct liveupdate_ioctl_drop_session dropped;
	struct fake_reply reply = { 0 };
	struct session *session = NULL;
	int die = should_kill(request->command);

	if (die == 1) {
		kill_and_wait(device_pid, conn);
		return;
	}
	memcpy(&arg, request->arg, sizeof(arg));
	memcpy(&generation, request->arg, sizeof(generation));
	memcpy(&dropped, request->arg, sizeof(dropped));
	memcpy(reply.arg, request->arg, sizeof(reply.arg));
	if (should_fail(request->command, &reply)) {
		send_reply(conn, &reply, -1);
		return;
	}
	switch (request->command) {
	case LIVEUPDATE_CMD_CREATE_SESSION:
		if (!arg.name[0] || arg.name[63]) {
			reply.error = -EINVAL;
		} else if (find((char *)arg.name, false)) {
			reply.error = -EEXIST;
		} else {
			for (unsigned int i = 0; i < MAX && !session; i++)
				if (!sessions[i].used)
					session = &sessions[i];
			memset(session, 0, sizeof(*session));
			session->used = true;
			memcpy(session->name, arg.name, sizeof(session->name));
		}
		break;
	case LIVEUPDATE_CMD_RETRIEVE_SESSION:
		session = find((char *)arg.name, true);
		if (!session)
			reply.error = -ENOENT;
		else if (session->claimed)
			reply.error = -EINVAL;
		else
			session->claimed = true;
		break;
	case LIVEUPDATE_CMD_RETRIEVE_GENERATION:
		session = find((char *)generation.name, true);
		if (!session || generation.generation > 1) {
			reply.error = -ENOENT;
		} else if (session->claimed) {
			reply.error = -EINVAL;
		} else {
			session->claimed = true;
			session->flags = generation.flags;
		}
		break;
	case LIVEUPDATE_CMD_REOPEN_SESSION:
		session = find((char *)arg.name, false);
		if (!session)
			reply.error = -ENOENT;
		else if (session->conn >= 0)
			reply.error = -EBUSY;
		break;
	case LIVEUPDATE_CMD_DROP_SESSION:
		session = find((char *)dropped.name, true);
		if (!session || dropped.generation > 1)
			reply.error = -ENOENT;
		else if (session->claimed)
			reply.error = -EBUSY;
		else
			drop(session);
		session = NULL;
		break;
	case LIVEUPDATE_CMD_REHEARSE:
		memcpy(reply.arg, &rehearsal, sizeof(rehearsal));
		break;
	case LIVEUPDATE_CMD_GET_STATE:
		break;
	default:
		reply.error = -EINVAL;
	}
	if (reply.error || !session)
		send_reply(conn, &reply, -1);
	else
		give_session(session, conn, &reply);
	if (die) {
		/* The answer may have been read: nothing else can have been done. */
		kill_and_wait(device_pid, conn);
	}
}

static void on_preserve(struct session *session, const struct fake_request *request, int fd,
			struct fake_reply *reply)
{
	struct liveupdate_session_preserve_fd arg;

	memcpy(&arg, request->arg, sizeof(arg));
	if (find_token(session, arg.token))
		reply->error = -EEXIST;
	else if (fd < 0)
		reply->error = -EBADF;
	else if (is_busy(fd))
		reply->error = -EBUSY;
	else if (session->count == MAX)
		reply->error = -ENOMEM;
	else
		session->files[session->count++] = (struct file){ arg.token, fd, false };
	if (reply->error && fd >= 0)
		close(fd);
}

static void on_list(struct session *session, struct fake_reply *reply)
{
	struct liveupdate_session_list_files arg;
	struct liveupdate_file_info info;

	memcpy(&arg, reply->arg, sizeof(arg));
	arg.total = session->count;
	for (unsigned int i = 0, room = arg.nr; ; i++) {
		arg.nr = i;
		if (i == room || arg.first + i >= session->count)
			break;
		info = (struct liveupdate_file_info){
			.token = session->files[arg.first + i].token,
			.state = !session->incoming ? LIVEUPDATE_FILE_PRESERVED :
				 session->files[arg.first + i].retrieved ? LIVEUPDATE_FILE_RETRIEVED :
									   LIVEUPDATE_FILE_WAITING,
			.compatible = "fake",
		};
		memcpy(reply->data + i * sizeof(info), &info, sizeof(info));
	}
	memcpy(reply->arg, &arg, sizeof(arg));
}

static int recycle(struct session *session, uint32_t flags)
{
	if (!session->incoming)
		return -EINVAL;
	if (session->count && !(flags & LIVEUPDATE_RECYCLE_KEEP_FILES))
		return -EBUSY;
	for (unsigned int i = 0; i < session->count; i++)
		if (!session->files[i].retrieved)
			return -EBUSY;
	if (find(session->name, false))
		return -EEXIST;
	if (!flags)
		session->flags = 0;
	session->incoming = session->claimed = false;
	return 0;
}

static void on_ext(struct session *session, const struct fake_request *request,
		   struct fake_reply *reply)
{
	struct liveupdate_session_unpreserve_fd token;
	struct liveupdate_session_set_flags flags; /* and of RECYCLE */
	struct liveupdate_session_get_state state;
	struct file *file;

	memcpy(&token, request->arg, sizeof(token));
	memcpy(&flags, request->arg, sizeof(flags));
	memcpy(&state, request->arg, sizeof(state));
	switch (request->command) {
	case LIVEUPDATE_CMD_SESSION_UNPRESERVE_FD:
		file = find_token(session, token.token);
		if (session->incoming) {
			reply->error = -EINVAL;
		} else if (!file) {
			reply->error = -ENOENT;
		} else {
			close(file->fd);
			session->count--;
			memmove(file, file + 1,
				(char *)&session->files[session->count] - (char *)file);
		}
		break;
	case LIVEUPDATE_CMD_SESSION_SET_FLAGS:
		session->flags = flags.flags;
		break;
	case LIVEUPDATE_CMD_SESSION_GET_STATE:
		state.direction = session->incoming;
		state.flags = session->flags;
		state.files = session->count;
		memcpy(reply->arg, &state, sizeof(state));
		break;
	case LIVEUPDATE_CMD_SESSION_LIST_FILES:
		on_list(session, reply);
		break;
	case LIVEUPDATE_CMD_SESSION_RECYCLE:
		reply->error = recycle(session, flags.flags);
		break;
	default:
		reply->error = -EINVAL;
	}
}

static void on_session(struct session *session, const struct fake_request *request, int fd)
{
	struct liveupdate_session_retrieve_fd arg;
	struct fake_reply reply = { 0 };
	int give = -1, die = should_kill(request->command);
	struct file *file;

	if (die == 1) {
		kill_and_wait(session->pid, session->conn);
		if (fd >= 0)
			close(fd);
		return;
	}
	memcpy(reply.arg, request->arg, sizeof(reply.arg));
	memcpy(&arg, request->arg, sizeof(arg));
	if (should_fail(request->command, &reply)) {
		send_reply(session->conn, &reply, -1);
		if (fd >= 0)
			close(fd);
		return;
	}
	switch (request->command) {
	case LIVEUPDATE_CMD_SESSION_PRESERVE_FD:
		if (session->incoming)
			reply.error = -EINVAL;
		else
			on_preserve(session, request, fd, &reply);
		break;
	case LIVEUPDATE_CMD_SESSION_RETRIEVE_FD:
		file = find_token(session, arg.token);
		if (!session->incoming)
			reply.error = -EINVAL;
		else if (!file)
			reply.error = -ENOENT;
		else
			give = file->fd;
		if (file)
			file->retrieved = true;
		break;
	case LIVEUPDATE_CMD_SESSION_FINISH:
		if (!session->incoming)
			reply.error = -EINVAL;
		for (; session->incoming && session->count; session->count--)
			close(session->files[session->count - 1].fd);
		break;
	case LIVEUPDATE_CMD_SESSION_GET_NAME:
		memcpy(reply.arg, request->arg, 8);
		memcpy(reply.arg + 8, session->name, sizeof(session->name));
		break;
	default:
		on_ext(session, request, &reply);
	}
	if (die)
		kill_and_wait(session->pid, session->conn);
	else
		send_reply(session->conn, &reply, give);
}

/* Nobody has it any more. */
static void on_close(struct session *session)
{
	bool keep = session->flags & LIVEUPDATE_SESSION_KEEP_ON_CLOSE &&
		    (!session->incoming || session->count);

	if (!keep) {
		drop(session);
		return;
	}
	close(session->conn);
	session->conn = -1;
	session->claimed = false;
	session->flags &= ~LIVEUPDATE_SESSION_KEEP_ON_CLOSE;
}

static void jump(pid_t caller)
{
	for (unsigned int i = 0; i < MAX; i++) {
		struct session *s = &sessions[i];

		if (!s->used)
			continue;
		if (s->conn >= 0) {
			if (s->pid != caller)
				kill(s->pid, SIGKILL);
			close(s->conn);
			s->conn = -1;
		}
		if (s->incoming) {
			/* As in-tree: what nobody finished is gone. */
			drop(s);
			continue;
		}
		s->incoming = true;
		s->flags = 0;
		for (unsigned int j = 0; j < s->count; j++)
			s->files[j].retrieved = false;
	}
}

static void list(char *out, size_t size)
{
	size_t n = snprintf(out, size, "ok");

	for (int incoming = 0; incoming < 2; incoming++)
		for (unsigned int i = 0; i < MAX; i++)
			if (sessions[i].used && sessions[i].incoming == incoming && n < size)
				n += snprintf(out + n, size - n, " %s %s:%u", incoming ? "in" : "out",
					      sessions[i].name, sessions[i].count);
}

static void on_control(int conn)
{
	char line[256] = "", answer[4096] = "ok";
	unsigned int command, after;
	int error, fd, serror, dropped;
	char name[64];
	ssize_t n = receive(conn, line, sizeof(line) - 1, &fd);

	if (n <= 0)
		return;
	line[n] = '\0';
	if (sscanf(line, "fail %x %u %d", &command, &after, &error) == 3) {
		failure.command = command;
		failure.after = after;
		failure.error = error;
	} else if (sscanf(line, "kill %x %u %d", &command, &after, &error) == 3) {
		murder.command = command;
		murder.after = after;
		murder.late = error;
	} else if (!strncmp(line, "in-tree", 7)) {
		in_tree = true;
	} else if (sscanf(line, "rehearse %d %d %d %63s", &error, &serror, &dropped, name) == 4) {
		rehearsal = (struct liveupdate_ioctl_rehearse){
			.error = error,
			.session_error = serror,
			.dropped = dropped,
			.sessions = 1,
			.files = 2,
			.bytes = 3 << 20,
		};
		if (strcmp(name, "-"))
			memcpy(rehearsal.session, name, strlen(name));
	} else if (sscanf(line, "veto %d", &error) == 1) {
		veto = error;
	} else if (sscanf(line, "busy %d", &error) == 1) {
		busy_until = time(NULL) + error;
	} else if (!strncmp(line, "jump", 4)) {
		if (veto)
			snprintf(answer, sizeof(answer), "error %d", veto);
		else
			jump(peer(conn));
		veto = 0;
	} else if (!strncmp(line, "list", 4)) {
		list(answer, sizeof(answer));
	} else {
		snprintf(answer, sizeof(answer), "error %d", EINVAL);
	}
	if (send(conn, answer, strlen(answer), MSG_NOSIGNAL) < 0)
		return;
}

static void on_open(int listener)
{
	struct fake_reply reply = { 0 };
	int conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (conn < 0)
		return;
	if (device_conn >= 0 || time(NULL) < busy_until)
		reply.error = -EBUSY;
	send_reply(conn, &reply, -1);
	if (reply.error) {
		close(conn);
		return;
	}
	device_conn = conn;
	device_pid = peer(conn);
}

int main(int argc, char **argv)
{
	int device, control;

	if (argc != 2)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	device = listen_at(argv[1], FAKE_DEVICE);
	control = listen_at(argv[1], FAKE_CONTROL);
	for (unsigned int i = 0; i < MAX; i++)
		sessions[i].conn = -1;

	for (;;) {
		struct pollfd fds[MAX + 3] = {
			{ .fd = device, .events = POLLIN },
			{ .fd = control, .events = POLLIN },
			{ .fd = device_conn, .events = POLLIN },
		};
		struct fake_request request;
		int fd;

		for (unsigned int i = 0; i < MAX; i++)
			fds[3 + i] = (struct pollfd){ .fd = sessions[i].conn, .events = POLLIN };
		if (poll(fds, MAX + 3, -1) < 0)
			die("poll");
		/* Ends first: who closed the device may open it again. */
		if (device_conn >= 0 && fds[2].revents) {
			if (receive(device_conn, &request, sizeof(request), &fd) <= 0) {
				close(device_conn);
				device_conn = -1;
			} else {
				on_device(device_conn, &request);
			}
			continue;
		}
		for (unsigned int i = 0; i < MAX; i++) {
			if (sessions[i].conn < 0 || fds[3 + i].fd != sessions[i].conn ||
			    !fds[3 + i].revents)
				continue;
			if (receive(sessions[i].conn, &request, sizeof(request), &fd) <= 0)
				on_close(&sessions[i]);
			else
				on_session(&sessions[i], &request, fd);
		}
		if (fds[0].revents)
			on_open(device);
		if (fds[1].revents) {
			int conn = accept4(control, NULL, NULL, SOCK_CLOEXEC);

			if (conn >= 0) {
				on_control(conn);
				close(conn);
			}
		}
	}
}
