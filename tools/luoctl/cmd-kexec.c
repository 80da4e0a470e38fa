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

/* ---------------------------------------------------------------- rehearsal */

static int show_rehearsal(const struct luo_rehearsal *rehearsal, const char *reason)
{
	struct json_object *root = json_object_new_object();

	json_set_bool(root, "possible", !rehearsal->error);
	json_set_u64(root, "errno", -rehearsal->error);
	json_set_string(root, "reason", rehearsal->error ? reason : "");
	json_set_u64(root, "sessions", rehearsal->sessions);
	json_set_u64(root, "files", rehearsal->files);
	json_set_u64(root, "bytes", rehearsal->bytes);
	json_set_u64(root, "dropped", rehearsal->dropped);
	json_set_string(root, "session", rehearsal->session);
	json_set_u64(root, "session_errno", -rehearsal->session_error);
	return print_json(root);
}

/*
 * Everything but the jump, while all still runs: a refusal inside reboot(2) would
 * come when everything has been stopped. -ENOSYS when there is no such thing,
 * another negative errno when it could not be tried, said; else 0.
 */
static int rehearse(struct luoctl *ctl, struct luo_rehearsal *rehearsal)
{
	struct luo_device *device;
	int r;

	r = open_device(ctl, "rehearsal", &device);
	if (r < 0)
		return r == -ENOSYS ? -EIO : r;
	r = luo_device_rehearse(device, rehearsal);
	luo_device_close(device);
	if (r == -EBUSY)
		say("rehearsal: a live update is under way");
	else if (r < 0 && r != -ENOSYS)
		say("rehearsal: no live update is possible on this machine: %s", strerror(-r));
	return r;
}

/* @only: there will be no jump. EXIT_DONE when one would go through. */
static int check_rehearsal(struct luoctl *ctl, bool only, bool json)
{
	struct luo_rehearsal rehearsal = { .size = sizeof(rehearsal) };
	struct luo_status status = { .size = sizeof(status) };
	const char *reason;
	char size[32];
	int r;

	r = rehearse(ctl, &rehearsal);
	if (r == -ENOSYS && !only)
		say("this kernel has live update of its own, and no rehearsal: it will be seen");
	else if (r == -ENOSYS)
		say("this kernel has live update of its own, and no rehearsal");
	if (r < 0)
		return r == -ENOSYS && !only ? EXIT_DONE : EXIT_FAILED;

	luo_system_get_status(ctl->system, &status);
	reason = *status.last_error ? status.last_error : strerror(-rehearsal.error);
	if (json) {
		r = show_rehearsal(&rehearsal, reason);
		return r == EXIT_DONE && rehearsal.error ? EXIT_FAILED : r;
	}
	/* A session may have been left behind before something else went wrong. */
	if (rehearsal.error && rehearsal.error == rehearsal.session_error)
		return fail("rehearsal: session '%s' cannot be frozen (%s): %s", rehearsal.session,
			    strerror(-rehearsal.session_error), reason);
	if (rehearsal.error)
		return fail("rehearsal: the live update would be refused (%s): %s",
			    strerror(-rehearsal.error), reason);
	if (rehearsal.dropped)
		say("rehearsal: %llu session%s would be left behind and LOST, as %s user%s it; the "
		    "first is '%s' (%s)",
		    (unsigned long long)rehearsal.dropped, rehearsal.dropped == 1 ? "" : "s",
		    rehearsal.dropped == 1 ? "its" : "their", rehearsal.dropped == 1 ? " wants" : "s want",
		    rehearsal.session, strerror(-rehearsal.session_error));
	if (only)
		say("rehearsal: a live update would go through now, with %llu session%s, %llu file%s, %s",
		    (unsigned long long)rehearsal.sessions, rehearsal.sessions == 1 ? "" : "s",
		    (unsigned long long)rehearsal.files, rehearsal.files == 1 ? "" : "s",
		    format_size(rehearsal.bytes, size));
	return EXIT_DONE;
}

static int run(struct luoctl *ctl, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = {
		{ "rehearse", no_argument, NULL, 'r' },
		{ "no-rehearse", no_argument, NULL, 'n' },
		{ "json", no_argument, NULL, 'j' },
		{ "force", no_argument, NULL, 'f' },
		{ "timeout", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct kexec kexec = { .ctl = ctl, .signal_fd = -1, .watch_fd = -1, .timeout_s = 90 };
	char error[LUO_ERROR_SIZE], *end;
	bool only = false, skip = false, json = false;
	int c, code, r;
	long seconds;

	while ((c = getopt_long(argc, argv, "rnjft:h", options, NULL)) != -1) {
		switch (c) {
		case 'r':
			only = true;
			break;
		case 'n':
			skip = true;
			break;
		case 'j':
			json = true;
			break;
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

	if (only && skip)
		return usage(self, "--rehearse and --no-rehearse exclude each other");
	if (json && !only)
		return usage(self, "--json is for --rehearse");

	/* Dying of a message would leave stopped what we have stopped. */
	signal(SIGPIPE, SIG_IGN);

	if (only)
		return check_rehearsal(ctl, true, json);
	code = check_image(ctl, kexec.force);
	if (code != EXIT_DONE)
		return code;
	if (!skip && luo_system_get_provider(ctl->system) != LUO_PROVIDER_NONE &&
	    check_rehearsal(ctl, false, false) != EXIT_DONE && !kexec.force)
		return fail("so nothing has been stopped (--force goes on without it)");
	r = watch(&kexec);
	if (r < 0) {
		code = fail("watching what 'luoctl exec' does: %s", strerror(-r));
		goto out;
	}
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
		"Rehearse the live update; stop every command that 'luoctl exec' runs, wait until\n"
		"its files are stored, write file systems back, and jump into the loaded kernel.\n"
		"If that fails the commands are started again. Nothing else is stopped or\n"
		"unmounted.\n"
		"\n"
		"  -r, --rehearse         only rehearse: freeze everything, write down what the\n"
		"                         next kernel would be told, and undo it\n"
		"  -j, --json             the outcome of --rehearse as JSON\n"
		"  -n, --no-rehearse      jump without it\n"
		"  -t, --timeout SECONDS  how long to wait for the commands (default 90)\n"
		"  -f, --force            jump although something is not ready, and lose it\n"
		"  -h, --help             show this\n",
	.run = run,
};
