// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * luoctl kexec: stop what 'luoctl exec' runs, and jump.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "holder.h"

/* How long a holder that was asked to start its command may go on to look ready. */
#define RESUME_WAIT_MS 5000

struct kexec {
	struct luoctl *ctl;
	struct holder_list holders;
	bool *stopped; /* for each: it was running, and we have stopped it */
	int signal_fd;
	int watch_fd;
	bool force;
	int timeout_s;
};

static uint64_t monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

/* Signals arrive late: whoever calls us again must not find it ready still. */
static void wait_resumed(struct kexec *kexec, const struct holder *holder)
{
	const struct timespec step = { .tv_nsec = 50 * 1000000L };
	uint64_t end = monotonic_ms() + RESUME_WAIT_MS;
	struct holder now;

	while (!holder_read(kexec->ctl, holder->session, &now) && now.pid == holder->pid &&
	       (now.state == HOLDER_STORED || now.state == HOLDER_UNSTORED) && monotonic_ms() < end)
		nanosleep(&step, NULL);
}

static void resume(struct kexec *kexec)
{
	for (unsigned int i = 0; i < kexec->holders.count; i++) {
		if (!kexec->stopped[i])
			continue;
		if (holder_signal(kexec->ctl, &kexec->holders.items[i], SIGUSR2) < 0)
			say("%s: could not be started again", kexec->holders.items[i].session);
		else
			say("%s: starting again", kexec->holders.items[i].session);
	}
	for (unsigned int i = 0; i < kexec->holders.count; i++)
		if (kexec->stopped[i])
			wait_resumed(kexec, &kexec->holders.items[i]);
}

/* How many are not ready? Reads each one's state again. */
static unsigned int count_waiting(struct kexec *kexec)
{
	unsigned int waiting = 0;

	for (unsigned int i = 0; i < kexec->holders.count; i++) {
		struct holder *holder = &kexec->holders.items[i], now;
		int r = holder_read(kexec->ctl, holder->session, &now);

		if (r == -EAGAIN || r == -EBADMSG) {
			waiting++;
			continue;
		}
		if (r == -ENOENT) {
			/* Gone, and its session with it. */
			holder->pid = 0;
			continue;
		}
		if (r < 0 || (holder->pid && now.pid != holder->pid))
			continue;
		*holder = now;
		if (now.state == HOLDER_STARTING || now.state == HOLDER_RUNNING ||
		    now.state == HOLDER_STOPPING)
			waiting++;
	}
	return waiting;
}

/* 0; -ETIMEDOUT; -EINTR when somebody wants us to stop. */
static int wait_stored(struct kexec *kexec)
{
	uint64_t end = monotonic_ms() + kexec->timeout_s * 1000ULL;

	while (count_waiting(kexec)) {
		uint64_t now = monotonic_ms();
		struct pollfd fds[2] = {
			{ .fd = kexec->signal_fd, .events = POLLIN },
			{ .fd = kexec->watch_fd, .events = POLLIN },
		};
		char events[4096];
		int n;

		if (now >= end)
			return -ETIMEDOUT;
		/* Dying without a last word makes no event: look once a second. */
		n = poll(fds, 2, end - now < 1000 ? (int)(end - now) : 1000);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && fds[0].revents)
			return -EINTR;
		if (n > 0 && fds[1].revents && read(kexec->watch_fd, events, sizeof(events)) < 0)
			return -errno;
	}
	return 0;
}

static bool has_newcomers(struct kexec *kexec)
{
	struct holder_list now;
	bool found = false;

	if (holder_list(kexec->ctl, &now) < 0)
		return false;
	for (unsigned int i = 0; i < now.count; i++) {
		bool known = false;

		for (unsigned int j = 0; j < kexec->holders.count && !known; j++)
			known = !strcmp(now.items[i].session, kexec->holders.items[j].session);
		if (known || now.items[i].state == HOLDER_STORED)
			continue;
		say("%s: was started meanwhile: try again", now.items[i].session);
		found = true;
	}
	free(now.items);
	return found;
}

/* EXIT_DONE when the machine may jump. */
static int stop_holders(struct kexec *kexec)
{
	bool ready = true, timed_out;
	char after[32];
	int r;

	snprintf(after, sizeof(after), " after %d s", kexec->timeout_s);
	for (unsigned int i = 0; i < kexec->holders.count; i++) {
		struct holder *holder = &kexec->holders.items[i];

		if (holder->state == HOLDER_STORED || holder->state == HOLDER_FAILED)
			continue;
		/* It may be stopping already; asking twice does nothing. */
		r = holder_signal(kexec->ctl, holder, SIGUSR1);
		if (r < 0 && r != -ESRCH) {
			say("%s: stopping it: %s", holder->session, strerror(-r));
			ready = false;
		} else if (!r) {
			kexec->stopped[i] = true;
			say("%s: stopping (process %d)", holder->session, holder->pid);
		}
	}
	r = wait_stored(kexec);
	if (r == -EINTR)
		return fail("interrupted");
	timed_out = r == -ETIMEDOUT;
	for (unsigned int i = 0; i < kexec->holders.count; i++) {
		struct holder *holder = &kexec->holders.items[i];

		if (!holder->pid) {
			say("%s: ended, and gave its session up", holder->session);
			ready = false;
		} else if (holder->state != HOLDER_STORED) {
			say("%s: not ready%s: %s%s%s", holder->session, timed_out ? after : "",
			    holder_state_names[holder->state], *holder->message ? ", " : "",
			    holder->message);
			ready = false;
		} else if (!holder->preserved) {
			say("%s: not preserved", holder->session);
			ready = false;
		}
	}
	/* One that was started while we waited has not been stopped. */
	if (has_newcomers(kexec))
		ready = false;
	if (!ready && !kexec->force)
		return fail("not everything is ready, so no kexec (--force goes on without it)");
	return EXIT_DONE;
}

static int watch(struct kexec *kexec)
{
	char dir[PATH_MAX];
	sigset_t mask;
	int r;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGQUIT);
	sigaddset(&mask, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
		return -errno;
	kexec->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC);
	if (kexec->signal_fd < 0)
		return -errno;
	kexec->watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (kexec->watch_fd < 0)
		return -errno;
	r = holder_make_dir(kexec->ctl);
	if (r < 0)
		return r;
	snprintf(dir, sizeof(dir), "%s" HOLDER_DIR, kexec->ctl->root);
	if (inotify_add_watch(kexec->watch_fd, dir, IN_MOVED_TO | IN_DELETE) < 0)
		return -errno;
	return 0;
}

/* Is there anything to jump to? */
static int check_image(struct luoctl *ctl, bool force)
{
	struct luo_status status = { .size = sizeof(status) };

	luo_system_get_status(ctl->system, &status);
	if (status.provider == LUO_PROVIDER_NONE)
		return force ? EXIT_DONE :
			       fail("the liveupdate module is not loaded, so nothing would survive: "
				    "run 'luoctl check' (--force goes on)");
	if (status.provider != LUO_PROVIDER_MODULE)
		return EXIT_DONE;
	if (status.image == LUO_IMAGE_NONE)
		return fail("no kernel is loaded: run 'luoctl load' first");
	if (status.image == LUO_IMAGE_FOREIGN && !force)
		return fail("the loaded kernel would lose what is preserved: load it with 'luoctl "
			    "load' or 'kexec -s -l' (--force goes on)");
	return EXIT_DONE;
}

static int run(struct luoctl *ctl, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = {
		{ "force", no_argument, NULL, 'f' },
		{ "timeout", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct kexec kexec = { .ctl = ctl, .signal_fd = -1, .watch_fd = -1, .timeout_s = 90 };
	char error[LUO_ERROR_SIZE], *end;
	int c, code, r;
	long seconds;

	while ((c = getopt_long(argc, argv, "ft:h", options, NULL)) != -1) {
		switch (c) {
		case 'f':
			kexec.force = true;
			break;
		case 't':
			errno = 0;
			seconds = strtol(optarg, &end, 10);
			if (errno || end == optarg || *end || seconds < 0 || seconds > 86400)
				return usage(self, "--timeout wants seconds, not '%s'", optarg);
			kexec.timeout_s = seconds;
			break;
		case 'h':
			show_help(self);
			return finish_output(EXIT_DONE);
		default:
			return usage_hint(self);
		}
	}
	if (optind < argc)
		return usage(self, "'%s' is one argument too many", argv[optind]);

	/* Dying of a message would leave stopped what we have stopped. */
	signal(SIGPIPE, SIG_IGN);

	code = check_image(ctl, kexec.force);
	if (code != EXIT_DONE)
		return code;
	r = watch(&kexec);
	if (!r)
		r = holder_list(ctl, &kexec.holders);
	if (r < 0) {
		code = fail("looking for running 'luoctl exec': %s", strerror(-r));
		goto out;
	}
	kexec.stopped = calloc(kexec.holders.count + 1, sizeof(*kexec.stopped));
	if (!kexec.stopped) {
		code = fail("out of memory");
		goto out;
	}
	code = stop_holders(&kexec);
	if (code != EXIT_DONE) {
		resume(&kexec);
		goto out;
	}
	say("jumping into the new kernel");
	luo_kexec_exec(ctl->system, error, sizeof(error));
	code = fail("%s", error);
	resume(&kexec);
out:
	free(kexec.stopped);
	free(kexec.holders.items);
	if (kexec.signal_fd >= 0)
		close(kexec.signal_fd);
	if (kexec.watch_fd >= 0)
		close(kexec.watch_fd);
	return code;
}

const struct command cmd_kexec = {
	.name = "kexec",
	.summary = "update now: jump into the loaded kernel",
	.help = "kexec [OPTION]...\n"
		"Stop every command that 'luoctl exec' runs, wait until its files are stored,\n"
		"write file systems back, and jump into the loaded kernel. If that fails the\n"
		"commands are started again. Nothing else is stopped or unmounted.\n"
		"\n"
		"  -t, --timeout SECONDS  how long to wait for the commands (default 90)\n"
		"  -f, --force            jump although something is not ready, and lose it\n"
		"  -h, --help             show this\n",
	.run = run,
};
