// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hammer: several processes do what they like with sessions and files, until the
 * kernel is replaced under them, at any moment; in the next kernel everything
 * must be as at least one of them has left it.
 *
 * What each worker has done stands in a ledger, shared memory that is itself
 * preserved: first what it is about to do, then that it is done. So the ledger,
 * as it is when the CPUs stop, says of every session and file whether it must
 * be there, must not, or was just coming or going. It says the same of every
 * page. A page names its file, its place and its version, and all the rest of
 * it follows from these, so it can be checked by itself.
 *
 * What is promised of pages (rule 16 of the design): contents are those of the
 * moment when the CPUs stop. Only a page that is first touched through a
 * mapping after the freeze is lost. A worker cannot know when that is, but a
 * command that comes back shows that there was no freeze before it: so pages
 * that were touched before that must arrive. write(2), truncation and holes
 * wait for the end of the freeze, so what came back of these has arrived.
 *
 * All that happens follows from the seed but the order in which processes run.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/liveupdate_ext.h>

#include "luotest.h"

#define WORKERS		4
#define SESSIONS	5	/* of each */
#define FILES		6
#define PAGES		40	/* of a file, at most */
#define FOREIGN		6	/* descriptors of others that one holds */
#define STATIC_PAGES	512
#define STATIC_ID	0xffffffU

#define LEDGER_MAGIC	0x7265646765696c01ULL

/* Of sessions, and of files in them. Maybe: it is coming or going. */
enum { NO, MAYBE, YES };

struct lpage {
	uint32_t version;	/* 0: a hole */
	uint8_t zero_ok;	/* touched, and no command has come back since */
	uint8_t any;		/* it is being written */
};

struct lfile {
	uint32_t id;		/* 0: the slot is free */
	uint32_t size, new_size;	/* pages; the same but while it changes */
	uint32_t in;		/* NO, MAYBE, YES */
	uint32_t session;	/* in which, its token is @id */
	struct lpage page[PAGES];
};

struct lsession {
	uint32_t there;
	uint32_t shared;	/* others may have it open */
	uint32_t probing;	/* an empty one may have taken its name */
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];
};

struct lworker {
	uint32_t incarnation, next_name, next_file;
	uint32_t dying;		/* its sessions are perhaps closed, and it cannot say so */
	uint64_t calls;
	char error[200];
	struct lsession session[SESSIONS];
	struct lfile file[FILES];
};

struct ledger {
	uint64_t magic, seed;
	uint32_t round, kills, rehearsals;
	struct lworker worker[WORKERS];
};

static struct ledger *ledger;
static int device;
static int inbox[WORKERS][2];

/* Nothing may move across it: the other kernel sees memory, not intentions. */
#define barrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define set(x, v) do { barrier(); *(volatile __typeof__(x) *)&(x) = (v); barrier(); } while (0)

/* ------------------------------------------------------------- numbers, pages */

static uint64_t random_state;

static uint64_t rnd(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}
#define below(n) (rnd() % (n))

static void seed_from(uint64_t a, uint64_t b, uint64_t c)
{
	random_state = (a * 0x9e3779b97f4a7c15ULL ^ b * 0xbf58476d1ce4e5b9ULL ^
			c * 0x94d049bb133111ebULL) | 1;
	for (int i = 0; i < 8; i++)
		rnd();
}

struct page_head {
	char magic[8];
	uint32_t id, index, version, check;
};

static void make_page(void *page, uint32_t id, uint32_t index, uint32_t version)
{
	struct page_head head = { "HAMMER", id, index, version, id ^ index << 16 ^ version };

	fill_page(page, (uint64_t)id << 32 | version, index);
	memcpy(page, &head, sizeof(head));
}

static bool is_zero(const void *page)
{
	static const char zero[PAGE];

	return !memcmp(page, zero, PAGE);
}

/* ------------------------------------------------------------------- a worker */

static struct lworker *me;
static unsigned int me_nr;
static int session_fd[SESSIONS], file_fd[FILES], foreign[FOREIGN];
static char *file_map[FILES];

static void __attribute__((noreturn, format(printf, 1, 2))) wrong(const char *fmt, ...)
{
	va_list ap;
	FILE *f;

	va_start(ap, fmt);
	vsnprintf(me->error, sizeof(me->error), fmt, ap);
	va_end(ap);
	f = fopen("/dev/kmsg", "w");
	if (f) {
		fprintf(f, "luo-test: hammer: worker %u: %s\n", me_nr, me->error);
		fclose(f);
	}
	_exit(3);
}

#define expect(what, got, want) do {					\
	int got_ = (got), want_ = (want);				\
	if (got_ != want_)						\
		wrong("%s: %d instead of %d", what, got_, want_);	\
} while (0)

static int hammer_call(int fd, unsigned int cmd, void *arg)
{
	me->calls++;
	return ioctl(fd, cmd, arg) ? -errno : 0;
}

static int some_session(void)
{
	for (unsigned int i = 0, n = below(SESSIONS); i < SESSIONS; i++, n++)
		if (session_fd[n % SESSIONS] >= 0)
			return n % SESSIONS;
	return -1;
}

static int some_file(void)
{
	for (unsigned int i = 0, n = below(FILES); i < FILES; i++, n++)
		if (file_fd[n % FILES] >= 0)
			return n % FILES;
	return -1;
}

/* No freeze has been before now: what is touched now is seen by it. */
static void barrier_passed(void)
{
	for (int f = 0; f < FILES; f++)
		for (int p = 0; p < PAGES; p++)
			if (me->file[f].page[p].zero_ok)
				set(me->file[f].page[p].zero_ok, 0);
}

static void do_state(void)
{
	struct liveupdate_session_get_state arg = { .size = sizeof(arg) };
	unsigned int files = 0;
	int s = some_session();

	if (s < 0)
		return;
	expect("GET_STATE", hammer_call(session_fd[s], LIVEUPDATE_SESSION_GET_STATE, &arg), 0);
	barrier_passed();
	for (int f = 0; f < FILES; f++)
		files += me->file[f].id && me->file[f].in == YES &&
			 me->file[f].session == (unsigned int)s;
	expect("files in the session", arg.files, files);
	expect("direction", arg.direction, LIVEUPDATE_SESSION_OUTGOING);
}

/* The session is not there any more, and its files are nobody's. */
static void session_gone(int s)
{
	for (int f = 0; f < FILES; f++) {
		struct lfile *file = &me->file[f];

		if (!file->id || file->in == NO || file->session != (unsigned int)s)
			continue;
		set(file->in, NO);
		if (file_fd[f] < 0)
			set(file->id, 0);
	}
	set(me->session[s].there, NO);
}

static void do_create(void)
{
	struct lsession *ls;
	int s, fd;

	for (s = 0; s < SESSIONS && (session_fd[s] >= 0 || me->session[s].there); s++)
		;
	if (s == SESSIONS)
		return;
	ls = &me->session[s];
	memset(ls->name, 0, sizeof(ls->name));
	snprintf(ls->name, sizeof(ls->name), "hammer %u.%u.%u", me_nr, me->incarnation,
		 me->next_name++);
	ls->shared = 0;
	ls->probing = 0;
	set(ls->there, MAYBE);
	fd = luo_create(device, ls->name);
	if (fd < 0)
		wrong("create: %d", fd);
	me->calls++;
	set(ls->there, YES);
	session_fd[s] = fd;
	expect("the same name again", luo_create(device, ls->name), -EEXIST);
}

static void do_close(void)
{
	int s = some_session(), fd;

	if (s < 0)
		return;
	set(me->session[s].there, MAYBE);
	close(session_fd[s]);
	session_fd[s] = -1;
	if (me->session[s].shared)
		return;
	/* Nobody else has it, so its name is free at once. */
	set(me->session[s].probing, 1);
	fd = luo_create(device, me->session[s].name);
	if (fd < 0)
		wrong("a name that was closed: %d", fd);
	close(fd);
	session_gone(s);
}

/* Sessions that others may still have: are they gone? */
static void do_probe(void)
{
	struct liveupdate_ioctl_reopen_session arg = { .size = sizeof(arg) };
	int s, fd;

	for (s = 0; s < SESSIONS; s++) {
		struct lsession *ls = &me->session[s];

		if (ls->there != MAYBE || session_fd[s] >= 0)
			continue;
		set(ls->probing, 1);
		fd = luo_create(device, ls->name);
		if (fd >= 0) {
			close(fd);
			session_gone(s);
			continue;
		}
		expect("create what may be there", fd, -EEXIST);
		set(ls->probing, 0);
		/* Perhaps nobody has it, and it was to stay. */
		memcpy(arg.name, ls->name, sizeof(arg.name));
		if (!hammer_call(device, LIVEUPDATE_IOCTL_REOPEN_SESSION, &arg))
			close(arg.fd);
	}
}

/* Closed, but kept; and opened again. */
static void do_keep(void)
{
	struct liveupdate_session_set_flags flags = {
		.size = sizeof(flags), .flags = LIVEUPDATE_SESSION_KEEP_ON_CLOSE,
	};
	struct liveupdate_ioctl_reopen_session arg = { .size = sizeof(arg) };
	int s = some_session();

	if (s < 0 || me->session[s].shared)
		return;
	expect("SET_FLAGS", hammer_call(session_fd[s], LIVEUPDATE_SESSION_SET_FLAGS, &flags), 0);
	close(session_fd[s]);
	session_fd[s] = -1;
	if (below(2))
		usleep(below(3000));
	memcpy(arg.name, me->session[s].name, sizeof(arg.name));
	expect("REOPEN", hammer_call(device, LIVEUPDATE_IOCTL_REOPEN_SESSION, &arg), 0);
	session_fd[s] = arg.fd;
}

static void do_file(void)
{
	struct lfile *file;
	int f;

	for (f = 0; f < FILES && me->file[f].id; f++)
		;
	if (f == FILES)
		return;
	file = &me->file[f];
	memset(file->page, 0, sizeof(file->page));
	file->size = file->new_size = 1 + below(PAGES);
	file->in = NO;
	file_fd[f] = memfd_create("hammer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (file_fd[f] < 0 || ftruncate(file_fd[f], file->size * PAGE))
		wrong("memfd: %d", -errno);
	file_map[f] = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file_fd[f], 0);
	if (file_map[f] == MAP_FAILED)
		wrong("mmap: %d", -errno);
	set(file->id, (me_nr + 1) << 20 | (++me->next_file & 0xfffff));
}

static void do_file_close(void)
{
	int f = some_file();

	if (f < 0)
		return;
	munmap(file_map[f], PAGES * PAGE);
	close(file_fd[f]);
	file_fd[f] = -1;
	/* The session may have it still. */
	if (me->file[f].in == NO)
		set(me->file[f].id, 0);
}

static void do_preserve(void)
{
	int f = some_file(), s = some_session(), err;
	struct lfile *file;

	if (f < 0 || s < 0)
		return;
	file = &me->file[f];
	if (file->in == MAYBE || (file->in == YES && me->session[file->session].there != YES))
		return;
	if (file->in == YES) {
		err = luo_preserve_fd(session_fd[s], file_fd[f], file->id ^ (below(2) ? 0 : 1U << 31));
		if (err != -EBUSY && (err != -EEXIST || file->session != (unsigned int)s))
			wrong("preserve twice: %d", err);
		return;
	}
	file->session = s;
	set(file->in, MAYBE);
	expect("preserve", luo_preserve_fd(session_fd[s], file_fd[f], file->id), 0);
	me->calls++;
	set(file->in, YES);
	barrier_passed();
}

static void do_unpreserve(void)
{
	struct liveupdate_session_unpreserve_fd arg = { .size = sizeof(arg) };
	int f = below(FILES), s;
	struct lfile *file = &me->file[f];

	if (!file->id || file->in != YES || session_fd[file->session] < 0)
		return;
	s = file->session;
	arg.token = file->id;
	set(file->in, MAYBE);
	expect("unpreserve", hammer_call(session_fd[s], LIVEUPDATE_SESSION_UNPRESERVE_FD, &arg), 0);
	set(file->in, NO);
	if (file_fd[f] < 0)
		set(file->id, 0);
}

static void do_write(void)
{
	int f = some_file();
	bool mapped = below(4);

	if (f < 0 || !me->file[f].size)
		return;
	for (unsigned int i = 0, n = 1 + below(8); i < n; i++) {
		struct lfile *file = &me->file[f];
		unsigned int p = below(file->size);
		struct lpage *lp = &file->page[p];
		uint32_t version = lp->version + 1;
		static char page[PAGE];

		/* A hole has forgotten how often it was written. */
		if (version == 1)
			version += below(1000);
		make_page(page, file->id, p, version);
		set(lp->any, 1);
		if (mapped) {
			if (!lp->version)
				set(lp->zero_ok, 1);
			memcpy(file_map[f] + p * PAGE, page, PAGE);
		} else {
			if (pwrite(file_fd[f], page, PAGE, p * PAGE) != (ssize_t)PAGE)
				wrong("pwrite: %d", -errno);
			set(lp->zero_ok, 0);
		}
		set(lp->version, version);
		set(lp->any, 0);
	}
}

static void do_punch(void)
{
	unsigned int p, n;
	struct lfile *file;
	int f = some_file();

	if (f < 0 || !me->file[f].size)
		return;
	file = &me->file[f];
	p = below(file->size);
	n = 1 + below(6);
	if (n > file->size - p)
		n = file->size - p;
	for (unsigned int i = p; i < p + n; i++)
		set(file->page[i].any, 1);
	if (fallocate(file_fd[f], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, p * PAGE, n * PAGE))
		wrong("punch: %d", -errno);
	for (unsigned int i = p; i < p + n; i++) {
		file->page[i].version = 0;
		file->page[i].zero_ok = 0;
		set(file->page[i].any, 0);
	}
}

static void do_truncate(void)
{
	struct lfile *file;
	int f = some_file();
	unsigned int size = below(PAGES + 1), i;

	if (f < 0)
		return;
	file = &me->file[f];
	for (i = size; i < file->size; i++)
		set(file->page[i].any, 1);
	set(file->new_size, size);
	if (ftruncate(file_fd[f], size * PAGE))
		wrong("truncate: %d", -errno);
	for (i = size; i < PAGES; i++) {
		file->page[i].version = 0;
		file->page[i].zero_ok = 0;
		set(file->page[i].any, 0);
	}
	set(file->size, size);
}

static void do_dup(void)
{
	int s = some_session(), fd;

	if (s < 0)
		return;
	fd = dup(session_fd[s]);
	if (fd < 0)
		wrong("dup: %d", -errno);
	close(below(2) ? fd : session_fd[s]);
	if (fcntl(session_fd[s], F_GETFD) < 0)
		session_fd[s] = fd;
}

static void do_send(void)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int s = some_session(), f = some_file(), fd;

	if (below(3) && s >= 0) {
		fd = session_fd[s];
		set(me->session[s].shared, 1);
	} else if (f >= 0) {
		fd = file_fd[f];
	} else {
		return;
	}
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	if (sendmsg(inbox[below(WORKERS)][1], &msg, MSG_DONTWAIT) < 0 && errno != EAGAIN &&
	    errno != ETOOMANYREFS)
		wrong("send: %d", -errno);
}

static void do_receive(void)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct liveupdate_session_get_name name = { .size = sizeof(name) };
	struct liveupdate_session_retrieve_fd wrong_way = { .size = sizeof(wrong_way) };
	struct cmsghdr *c;
	int i = below(FOREIGN), err;

	if (foreign[i] >= 0) {
		close(foreign[i]);
		foreign[i] = -1;
		return;
	}
	if (recvmsg(inbox[me_nr][0], &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0)
		return;
	c = CMSG_FIRSTHDR(&msg);
	if (!c)
		return;
	memcpy(&foreign[i], CMSG_DATA(c), sizeof(int));
	err = hammer_call(foreign[i], LIVEUPDATE_SESSION_GET_NAME, &name);
	if (err)
		return;		/* a file */
	if (strncmp((char *)name.name, "hammer ", 7))
		wrong("a session that was passed has another name");
	expect("retrieve from an outgoing session",
	       hammer_call(foreign[i], LIVEUPDATE_SESSION_RETRIEVE_FD, &wrong_way), -EINVAL);
}

/* A child that has everything open for a moment. */
static void do_fork(void)
{
	unsigned int us = below(80000);
	pid_t pid;

	for (int s = 0; s < SESSIONS; s++)
		if (session_fd[s] >= 0)
			set(me->session[s].shared, 1);
	pid = fork();
	if (pid < 0)
		wrong("fork: %d", -errno);
	if (!pid) {
		usleep(us);
		_exit(0);
	}
}

static void do_list(void)
{
	struct liveupdate_file_info info[FILES + 1];
	struct liveupdate_session_list_files arg = {
		.size = sizeof(arg), .nr = FILES + 1, .files = (uintptr_t)info,
	};
	int s = some_session(), f;

	if (s < 0)
		return;
	expect("LIST_FILES", hammer_call(session_fd[s], LIVEUPDATE_SESSION_LIST_FILES, &arg), 0);
	for (unsigned int i = 0; i < arg.nr; i++) {
		for (f = 0; f < FILES; f++)
			if (me->file[f].id == info[i].token && me->file[f].in == YES &&
			    me->file[f].session == (unsigned int)s)
				break;
		if (f == FILES)
			wrong("token %llu is listed", (unsigned long long)info[i].token);
	}
}

static void do_rehearse(void)
{
	struct liveupdate_ioctl_rehearse arg = { .size = sizeof(arg) };
	int err;

	if (me_nr || below(20))
		return;
	err = hammer_call(device, LIVEUPDATE_IOCTL_REHEARSE, &arg);
	if (err == -EBUSY)
		return;		/* it has begun */
	expect("REHEARSE", err, 0);
	expect("error of a rehearsal", arg.error, 0);
	ledger->rehearsals++;
}

static void (*const doings[])(void) = {
	do_state, do_create, do_create, do_close, do_probe, do_keep, do_file, do_file,
	do_file_close, do_preserve, do_preserve, do_preserve, do_unpreserve, do_write, do_write,
	do_write, do_write, do_write, do_punch, do_truncate, do_dup, do_send, do_receive,
	do_receive, do_fork, do_list, do_rehearse,
};

/* The slot may have belonged to another, who was killed. */
static void take_over(void)
{
	for (int s = 0; s < SESSIONS; s++) {
		session_fd[s] = -1;
		if (me->session[s].there)
			me->session[s].there = MAYBE;
	}
	set(me->dying, 0);
	for (int f = 0; f < FILES; f++) {
		struct lfile *file = &me->file[f];

		file_fd[f] = -1;
		if (file->in == NO || me->session[file->session].there == NO)
			file->id = 0;
	}
	for (int i = 0; i < FOREIGN; i++)
		foreign[i] = -1;
}

static void __attribute__((noreturn)) work(unsigned int nr)
{
	me = &ledger->worker[nr];
	me_nr = nr;
	seed_from(ledger->seed, ledger->round, nr << 16 | ++me->incarnation);
	signal(SIGCHLD, SIG_IGN);
	take_over();
	for (;;) {
		doings[below(sizeof(doings) / sizeof(*doings))]();
		if (!below(16))
			usleep(below(2000));
	}
}

/* ------------------------------------------------------------ the supervisor */

static void start_worker(unsigned int nr, pid_t *pid)
{
	*pid = fork();
	if (*pid < 0)
		_exit(1);
	if (!*pid)
		work(nr);
}

/* Kills now and then; ends with the machine, or when something is wrong. */
static void __attribute__((noreturn)) supervise(void)
{
	pid_t pid[WORKERS];
	int status;

	setsid();
	if (!freopen("/dev/null", "r", stdin) || !freopen("/dev/null", "w", stdout) ||
	    !freopen("/dev/null", "w", stderr))
		_exit(1);
	seed_from(ledger->seed, ledger->round, 77);
	for (unsigned int w = 0; w < WORKERS; w++)
		start_worker(w, &pid[w]);
	for (;;) {
		unsigned int w = below(WORKERS);

		usleep(50000 + below(300000));
		for (unsigned int i = 0; i < WORKERS; i++) {
			if (waitpid(pid[i], &status, WNOHANG) != pid[i])
				continue;
			if (!ledger->worker[i].error[0])
				snprintf(ledger->worker[i].error, sizeof(ledger->worker[i].error),
					 "ended with status %#x", status);
			for (w = 0; w < WORKERS; w++)
				kill(pid[w], SIGKILL);
			_exit(1);
		}
		if (below(2))
			continue;
		set(ledger->worker[w].dying, 1);
		kill(pid[w], SIGKILL);
		waitpid(pid[w], &status, 0);
		ledger->kills++;
		start_worker(w, &pid[w]);
	}
}

/* --------------------------------------------------------- the next kernel */

static unsigned int differences, sessions_seen, files_seen, pages_seen, pages_lost;

#define DIFFERENT(fmt, ...) do {					\
	if (differences++ < 12)						\
		fprintf(stderr, fmt "\n", ##__VA_ARGS__);		\
} while (0)

static void check_file(const struct lfile *file, int fd)
{
	static char page[PAGE], want[PAGE];
	struct stat st;

	if (fstat(fd, &st)) {
		DIFFERENT("file %#x: stat: %s", file->id, strerror(errno));
		return;
	}
	if ((uint64_t)st.st_size != file->size * PAGE && (uint64_t)st.st_size != file->new_size * PAGE)
		DIFFERENT("file %#x: %lld bytes instead of %u or %u pages", file->id,
			  (long long)st.st_size, file->size, file->new_size);
	files_seen++;
	for (unsigned int p = 0; p < PAGES && p * PAGE < (uint64_t)st.st_size; p++) {
		const struct lpage *lp = &file->page[p];
		ssize_t n = pread(fd, page, PAGE, p * PAGE);

		if (n != (ssize_t)PAGE) {
			DIFFERENT("file %#x page %u: read %zd", file->id, p, n);
			continue;
		}
		pages_seen++;
		if (lp->any)
			continue;
		if (is_zero(page)) {
			pages_lost += lp->version && lp->zero_ok;
			if (lp->version && !lp->zero_ok)
				DIFFERENT("file %#x page %u: empty, was version %u", file->id, p,
					  lp->version);
			continue;
		}
		make_page(want, file->id, p, lp->version);
		if (!lp->version || memcmp(page, want, PAGE)) {
			struct page_head head;

			memcpy(&head, page, sizeof(head));
			DIFFERENT("file %#x page %u: wanted version %u, is '%.7s' file %#x page %u version %u",
				  file->id, p, lp->version, head.magic, head.id, head.index, head.version);
		}
	}
}

/* How it ends does not matter: it is gone, and its memory free. */
static void end_session(int fd)
{
	struct liveupdate_session_recycle recycle = { .size = sizeof(recycle) };

	switch (below(3)) {
	case 0:
		if (luo_finish(fd))
			DIFFERENT("finish: %s", strerror(errno));
		break;
	case 1:
		if (luo_finish(fd) || ioctl(fd, LIVEUPDATE_SESSION_RECYCLE, &recycle))
			DIFFERENT("finish and recycle: %s", strerror(errno));
		break;
	}
	close(fd);
}

static void check_session(const struct lworker *w, unsigned int s)
{
	const struct lsession *ls = &w->session[s];
	struct liveupdate_ioctl_drop_session drop = { .size = sizeof(drop) };
	struct liveupdate_session_get_state state = { .size = sizeof(state) };
	unsigned int f, least = 0, most = 0;
	bool sure = ls->there == YES && !w->dying;
	int fd, file;

	if (!below(8)) {
		memcpy(drop.name, ls->name, sizeof(drop.name));
		if (ioctl(device, LIVEUPDATE_IOCTL_DROP_SESSION, &drop) &&
		    (errno != ENOENT || sure))
			DIFFERENT("session '%s': drop: %s", ls->name, strerror(errno));
		return;
	}
	fd = luo_retrieve(device, ls->name);
	if (fd < 0) {
		if (fd != -ENOENT || sure)
			DIFFERENT("session '%s' (%u): %s", ls->name, ls->there, strerror(-fd));
		return;
	}
	sessions_seen++;
	for (f = 0; f < FILES; f++) {
		if (!w->file[f].id || w->file[f].in == NO || w->file[f].session != s)
			continue;
		least += w->file[f].in == YES && !ls->probing;
		most++;
	}
	if (ioctl(fd, LIVEUPDATE_SESSION_GET_STATE, &state) || state.files < least ||
	    state.files > most)
		DIFFERENT("session '%s': %llu files instead of %u to %u", ls->name,
			  (unsigned long long)state.files, least, most);
	for (f = 0; f < FILES; f++) {
		const struct lfile *lf = &w->file[f];

		if (!lf->id || lf->in == NO || lf->session != s || !below(12))
			continue;
		file = luo_retrieve_fd(fd, lf->id);
		if (file < 0) {
			if (file != -ENOENT || (lf->in == YES && !ls->probing))
				DIFFERENT("session '%s' file %#x (%u): %s", ls->name, lf->id,
					  lf->in, strerror(-file));
			continue;
		}
		check_file(lf, file);
		close(file);
	}
	end_session(fd);
}

static void check_all(void)
{
	for (unsigned int i = 0; i < WORKERS; i++) {
		const struct lworker *w = &ledger->worker[i];

		if (w->error[0])
			DIFFERENT("worker %u: %s", i, w->error);
		for (unsigned int s = 0; s < SESSIONS; s++)
			if (w->session[s].there)
				check_session(w, s);
	}
}

static void check_static(int fd, bool make)
{
	static char page[PAGE], want[PAGE];

	for (unsigned int p = 0; p < STATIC_PAGES; p++) {
		make_page(want, STATIC_ID, p, 1);
		if (make) {
			if (pwrite(fd, want, PAGE, p * PAGE) != (ssize_t)PAGE)
				die("pwrite");
		} else if (pread(fd, page, PAGE, p * PAGE) != (ssize_t)PAGE ||
			   memcmp(page, want, PAGE)) {
			DIFFERENT("page %u that has been there from the start", p);
		}
	}
}

static uint64_t sysfs_number(const char *name)
{
	char path[128];
	unsigned long long n = ~0ULL;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/liveupdate/%s", name);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%llu", &n) != 1)
		die("%s", path);
	fclose(f);
	return n;
}

/* hammer SEED ROUND [last]: check what the round before has left, then go on. */
int cmd_hammer(int argc, char **argv)
{
	bool last = argc > 3;
	uint64_t seed, calls = 0;
	unsigned int round;
	int ledger_fd, static_fd, session;

	if (argc < 3)
		return 2;
	seed = strtoull(argv[1], NULL, 0);
	round = atoi(argv[2]);
	errno = 0;
	device = luo_open();
	if (device < 0)
		die("/dev/liveupdate: %s", strerror(-device));

	if (round == 1) {
		ledger_fd = memfd_create("ledger", MFD_CLOEXEC);
		static_fd = memfd_create("static", MFD_CLOEXEC);
		if (ledger_fd < 0 || static_fd < 0 || ftruncate(ledger_fd, sizeof(*ledger)))
			die("memfd");
		check_static(static_fd, true);
	} else {
		session = luo_retrieve(device, "hammer-ledger");
		ledger_fd = session < 0 ? session : luo_retrieve_fd(session, 0);
		static_fd = session < 0 ? session : luo_retrieve_fd(session, 1);
		if (ledger_fd < 0 || static_fd < 0)
			die("the ledger: session %d, files %d %d", session, ledger_fd, static_fd);
		if (luo_finish(session))
			die("finish");
		close(session);
	}
	ledger = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE, MAP_SHARED, ledger_fd, 0);
	if (ledger == MAP_FAILED)
		die("mmap");

	if (round > 1) {
		errno = 0;
		if (ledger->magic != LEDGER_MAGIC || ledger->seed != seed ||
		    ledger->round != round - 1)
			die("this is not the ledger of round %u", round - 1);
		seed_from(seed, round, 78);
		check_static(static_fd, false);
		check_all();
		for (unsigned int i = 0; i < WORKERS; i++)
			calls += ledger->worker[i].calls;
		printf("round %u: %llu calls, %u kills, %u rehearsals; arrived: %u sessions, %u files, %u pages (%u too late)\n",
		       round - 1, (unsigned long long)calls, ledger->kills, ledger->rehearsals,
		       sessions_seen, files_seen, pages_seen, pages_lost);
		errno = 0;
		if (calls < 20)
			DIFFERENT("hardly anything was done");
		if (sysfs_number("sessions_in"))
			DIFFERENT("%llu sessions that nobody knows",
				  (unsigned long long)sysfs_number("sessions_in"));
		if (differences)
			die("%u differences, seed %llu", differences, (unsigned long long)seed);
	}
	if (last)
		return 0;

	/* All its pages are there from the start: see above. */
	memset(ledger, 0xff, sizeof(*ledger));
	memset(ledger, 0, sizeof(*ledger));
	ledger->magic = LEDGER_MAGIC;
	ledger->seed = seed;
	ledger->round = round;
	session = luo_create(device, "hammer-ledger");
	if (session < 0 || luo_preserve_fd(session, ledger_fd, 0) ||
	    luo_preserve_fd(session, static_fd, 1))
		die("the ledger cannot be preserved: session %d", session);
	for (unsigned int w = 0; w < WORKERS; w++)
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, inbox[w]))
			die("socketpair");
	fflush(stdout);
	switch (fork()) {
	case -1:
		die("fork");
	case 0:
		supervise();
	}
	return 0;
}
