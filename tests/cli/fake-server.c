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

#include <linux/liveupdate.h>

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

static bool should_fail(unsigned int command, struct fake_reply *reply)
{
	if (!failure.after || failure.command != command || --failure.after)
		return false;
	reply->error = -failure.error;
	return true;
}

static void on_device(int conn, const struct fake_request *request)
{
	struct liveupdate_ioctl_create_session arg;
	struct fake_reply reply = { 0 };
	struct session *session = NULL;

	memcpy(&arg, request->arg, sizeof(arg));
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
	default:
		reply.error = -EINVAL;
	}
	if (reply.error)
		send_reply(conn, &reply, -1);
	else
		give_session(session, conn, &reply);
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

static void on_session(struct session *session, const struct fake_request *request, int fd)
{
	struct liveupdate_session_retrieve_fd arg;
	struct fake_reply reply = { 0 };
	struct file *file;
	int give = -1;

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
		reply.error = -EINVAL;
	}
	send_reply(session->conn, &reply, give);
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
	int error, fd;
	ssize_t n = receive(conn, line, sizeof(line) - 1, &fd);

	if (n <= 0)
		return;
	line[n] = '\0';
	if (sscanf(line, "fail %x %u %d", &command, &after, &error) == 3) {
		failure.command = command;
		failure.after = after;
		failure.error = error;
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
				drop(&sessions[i]);
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
