// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The life of 'luoctl exec': lock, retrieve or create, start the command, wait
 * for signals, stop it, store, hold the session until the kexec takes the
 * machine away, or until somebody says that none will come.
 *
 * An orderly exit gives the outgoing session up, and where Linux's own
 * orchestrator is at work also an incoming one, memory that exists nowhere else.
 * So once something has arrived, failures do not exit: they are said, shown in
 * the state file, and held. A hangup is no reason to exit either.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "exec.h"

/* Readers hold the lock for an instant. */
#define LOCK_TRIES 20

static void set_state(struct exec *exec, int state, const char *message)
{
	int r;

	exec->holder.state = state;
	snprintf(exec->holder.message, sizeof(exec->holder.message), "%s", message ? message : "");
	r = holder_write(exec->ctl, &exec->holder);
	if (r < 0)
		say("%s: writing the state file: %s ('luoctl kexec' will not see it)", exec->session,
		    strerror(-r));
}

/* ------------------------------------------------------------------- lock */

static int try_lock(const char *path)
{
	struct stat ours, there;
	int fd;

	/* Whoever can open it can lock it, and would pass for a living holder. */
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	/* Its last owner may have removed it between open and lock. */
	if (fstat(fd, &ours) < 0 || stat(path, &there) < 0 || ours.st_ino != there.st_ino ||
	    ours.st_dev != there.st_dev) {
		close(fd);
		return -EAGAIN;
	}
	return fd;
}

static int take_lock(struct exec *exec)
{
	const struct timespec step = { .tv_nsec = 50 * 1000000L };
	struct holder other;
	char path[PATH_MAX];
	int r;

	r = holder_make_dir(exec->ctl);
	if (r < 0) {
		say("%s: making %s: %s", exec->session, HOLDER_DIR, strerror(-r));
		return r;
	}
	if (!holder_path(exec->ctl, exec->session, ".lock", path, sizeof(path)))
		return -ENAMETOOLONG;
	/* With a session that was taken over there is no giving up: it would be lost. */
	for (int i = 0; i < LOCK_TRIES || exec->incoming; i++) {
		r = try_lock(path);
		if (r >= 0) {
			exec->lock_fd = r;
			return 0;
		}
		if (r != -EWOULDBLOCK && r != -EAGAIN && !exec->incoming)
			break;
		if (i == LOCK_TRIES)
			say("%s: waiting for the lock %s, with the incoming session held (process %d)",
			    exec->session, path, getpid());
		if (!exec->incoming && !holder_read(exec->ctl, exec->session, &other)) {
			if (other.state != HOLDER_FAILED || other.incoming_fd < 0) {
				say("%s: process %d runs this session already", exec->session,
				    other.pid);
				return -EBUSY;
			}
			r = exec_take_over(exec, &other);
			if (r < 0) {
				say("%s: taking the session over from process %d: %s",
				    exec->session, other.pid, strerror(-r));
				return r;
			}
		}
		nanosleep(&step, NULL);
	}
	say("%s: locking %s: %s", exec->session, path, strerror(-r));
	return r;
}

static void drop_lock(struct exec *exec)
{
	static const char *const suffixes[] = { ".json", ".new", ".lock" };
	char path[PATH_MAX];

	for (unsigned int i = 0; i < ARRAY_SIZE(suffixes); i++)
		if (holder_path(exec->ctl, exec->session, suffixes[i], path, sizeof(path)))
			unlink(path);
	close(exec->lock_fd);
}

/* ---------------------------------------------------------------- command */

/* What became of the child, before it was the command. */
struct child_report {
	int unstored; /* errno of taking back that files are stored */
	int started; /* errno of the start; 0 only with @unstored */
	bool stored; /* it did not start, and what was stored is so again */
};

static void become_command(struct exec *exec, bool unstore, int report_fd)
{
	struct child_report report = { 0 };

	setpgid(0, 0);
	sigprocmask(SIG_SETMASK, &exec->old_mask, NULL);
	for (unsigned int i = 0; exec->own && i < exec->files.memfd_count; i++)
		fcntl(exec->files.memfds[i].fd, F_SETFD, 0);
	/*
	 * What was stored does not fit any more once the command runs. Said here
	 * and not before the fork: if our parent is killed now, it will run.
	 */
	if (unstore) {
		exec->files.stored = false;
		report.unstored = -manifest_write(exec->manifest_fd, exec->slot_size,
						  &exec->files);
	}
	if (!report.unstored) {
		execvp(exec->argv[0], exec->argv);
		report.started = errno;
		/* Nothing has run, so it fits as before, whatever becomes of our parent. */
		if (unstore) {
			exec->files.stored = true;
			report.stored = !manifest_write(exec->manifest_fd, exec->slot_size,
							&exec->files);
		}
	}
	if (write(report_fd, &report, sizeof(report)) != sizeof(report))
		_exit(126);
	_exit(127);
}

static int start_command(struct exec *exec)
{
	struct child_report report = { 0 };
	int pipe_fds[2], r = 0;
	bool first, unstore = exec->holder.preserved && exec->files.stored;
	ssize_t n;
	pid_t pid;

	/* Nobody may take us for ready from here on. */
	set_state(exec, HOLDER_STARTING, NULL);
	r = exec_link_memfds(exec);
	if (r < 0)
		return r;
	if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
		r = -errno;
		say("%s: starting %s: %s", exec->session, exec->argv[0], strerror(-r));
		return r;
	}
	pid = fork();
	if (pid < 0) {
		r = -errno;
		close(pipe_fds[0]);
		close(pipe_fds[1]);
		say("%s: starting %s: %s", exec->session, exec->argv[0], strerror(-r));
		return r;
	}
	if (!pid)
		become_command(exec, unstore, pipe_fds[1]);
	close(pipe_fds[1]);
	do
		n = read(pipe_fds[0], &report, sizeof(report));
	while (n < 0 && errno == EINTR);
	close(pipe_fds[0]);
	/* The child's copy of it has gone on. One that was killed may have written it. */
	if (unstore && !report.unstored) {
		exec->files.stored = report.stored;
		exec->files.seq += 1 + report.stored;
	}
	if (n == sizeof(report)) {
		waitpid(pid, NULL, 0);
		if (report.unstored)
			say("%s: writing the manifest: %s", exec->session, strerror(report.unstored));
		else
			say("%s: starting %s: %s", exec->session, exec->argv[0],
			    strerror(report.started));
		return report.unstored ? -report.unstored : -report.started;
	}
	exec->child = exec->group = pid;
	exec->ended = false;
	exec->holder.started_ns = realtime_ns();
	exec->holder.stopped_ns = 0;
	first = exec->arrived && !exec->holder.downtime_ns &&
		exec->holder.started_ns > exec->holder.previous_stopped_ns;
	if (first && exec->holder.previous_stopped_ns)
		exec->holder.downtime_ns =
			exec->holder.started_ns - exec->holder.previous_stopped_ns;
	say("%s: started %s (process %d)", exec->session, exec->argv[0], pid);
	set_state(exec, HOLDER_RUNNING, exec->holder.preserved ? NULL : "not preserved");
	if (first && exec->holder.downtime_ns) {
		char text[32];

		say("%s: it was down for %s", exec->session,
		    format_ns(exec->holder.downtime_ns, text));
	}
	return 0;
}

/* @why: what to say of a command that does not run; may be NULL. */
static void store(struct exec *exec, const char *why)
{
	if (exec_store(exec) < 0) {
		set_state(exec, HOLDER_UNSTORED,
			  "the command has stopped, but its files could not be stored");
		say("%s: NOT ready for a kexec: mend it and send SIGUSR1 to store again, or SIGUSR2 "
		    "to start the command again (process %d)",
		    exec->session, getpid());
		return;
	}
	set_state(exec, HOLDER_STORED, why);
	say("%s: ready for the kexec; holding the session", exec->session);
}

/*
 * A start takes the mark from what was stored, so if it fails all is stored
 * once more: else a kexec would lose the kept files.
 */
static void start_or_store(struct exec *exec)
{
	if (start_command(exec) < 0)
		store(exec, "the command could not be started again");
}

/* Reaps; true when the command has just ended. */
static bool reap(struct exec *exec)
{
	bool ended = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != exec->child)
			continue;
		exec->child = 0;
		exec->child_status = status;
		ended = true;
	}
	return ended;
}

/* Do processes remain that the command left behind? They may write still. */
static bool have_children(void)
{
	pid_t pid;

	do
		pid = waitpid(-1, NULL, WNOHANG);
	while (pid > 0);
	return !pid;
}

static void report_end(struct exec *exec)
{
	char name[32];

	if (WIFSIGNALED(exec->child_status))
		say("%s: %s %s by %s", exec->session, exec->argv[0],
		    exec->ended ? "was killed" : "stopped",
		    signal_name(WTERMSIG(exec->child_status), name));
	else
		say("%s: %s %s with status %d", exec->session, exec->argv[0],
		    exec->ended ? "ended by itself" : "stopped", WEXITSTATUS(exec->child_status));
}

/* ------------------------------------------------------------------- loop */

struct loop {
	bool release; /* exit as soon as nothing runs */
	bool resume; /* start again as soon as it has stopped */
	unsigned int terms;
	bool lingering; /* the command has ended, children of it have not */
};

/*
 * What the command has left behind became our child, in whatever group it is
 * (a daemon has its own). A child that nobody has waited for keeps its number.
 */
static void signal_children(int number)
{
	char path[64];
	FILE *file;
	int pid;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	file = fopen(path, "re");
	if (!file)
		return;
	while (fscanf(file, "%d", &pid) == 1)
		kill(pid, number);
	fclose(file);
}

/* The command, or what is left of it; never anybody else. */
static void signal_command(struct exec *exec, int number)
{
	if (exec->child)
		kill(exec->child, number);
	else if (!exec->strangers)
		signal_children(number);
	else if (exec->group)
		killpg(exec->group, number);
}

static void stop_command(struct exec *exec)
{
	char name[32];

	if (exec->holder.state == HOLDER_STOPPING || !exec->child)
		return;
	say("%s: stopping %s with %s", exec->session, exec->argv[0],
	    signal_name(exec->stop_signal, name));
	set_state(exec, HOLDER_STOPPING, NULL);
	signal_command(exec, exec->stop_signal);
}

/*
 * Did it die of a signal that was chosen because the command handles it? Then
 * it had no handler yet, and has not written its files.
 */
static bool died_of_stop_signal(const struct exec *exec)
{
	return !exec->ended && exec->files.keep_count && exec->stop_signal != SIGTERM &&
	       exec->stop_signal != SIGKILL && WIFSIGNALED(exec->child_status) &&
	       WTERMSIG(exec->child_status) == exec->stop_signal;
}

static void stopped(struct exec *exec, struct loop *loop)
{
	char name[32];

	exec->holder.stopped_ns = realtime_ns();
	report_end(exec);
	if (loop->release)
		return;
	/* Not even for a moment does it look ready when it will start again. */
	if (loop->resume) {
		loop->resume = false;
		start_or_store(exec);
	} else if (died_of_stop_signal(exec)) {
		set_state(exec, HOLDER_UNSTORED, "the command did not handle the stop signal");
		say("%s: NOT ready for a kexec: %s was killed by %s, which it does not handle (yet), so "
		    "its files are as they were before. Send SIGUSR2 to start it again, or SIGUSR1 to "
		    "store what is there (process %d)",
		    exec->session, exec->argv[0], signal_name(exec->stop_signal, name), getpid());
	} else {
		store(exec, exec->ended ? "the command ended by itself" : NULL);
	}
}

static void on_child(struct exec *exec, struct loop *loop)
{
	bool ended = reap(exec);

	if (ended) {
		exec->ended = exec->holder.state != HOLDER_STOPPING;
		loop->lingering = have_children();
		if (loop->lingering) {
			say("%s: %s has ended, but processes that it started have not: stopping "
			    "them",
			    exec->session, exec->argv[0]);
			set_state(exec, HOLDER_STOPPING, "waiting for child processes");
			signal_command(exec, SIGTERM);
		} else {
			stopped(exec, loop);
		}
	} else if (loop->lingering && !have_children()) {
		loop->lingering = false;
		stopped(exec, loop);
	}
}

static void on_signal(struct exec *exec, struct loop *loop, int number)
{
	bool running = exec->child || loop->lingering;

	if (number == HOLDER_SIGNAL_LEAVE) {
		/* Else it is no business of anybody's. */
		if (!running && exec->incoming)
			loop->release = true;
		return;
	}
	switch (number) {
	case SIGCHLD:
		on_child(exec, loop);
		break;
	case SIGTERM:
	case SIGINT:
	case SIGQUIT:
		loop->terms++;
		loop->resume = false;
		if (running && loop->terms == 1) {
			stop_command(exec);
		} else if (running) {
			loop->release = true;
			say("%s: killing %s and releasing the session", exec->session,
			    exec->argv[0]);
			signal_command(exec, loop->terms == 2 ? SIGTERM : SIGKILL);
		} else if (loop->terms == 1) {
			say("%s: still holding the session for a kexec: once more to release it",
			    exec->session);
		} else {
			loop->release = true;
		}
		break;
	case SIGHUP:
	case SIGUSR1:
		loop->resume = false;
		if (running)
			stop_command(exec);
		else if (exec->holder.state == HOLDER_UNSTORED)
			store(exec, NULL);
		break;
	case SIGUSR2:
		loop->terms = 0;
		if (running) {
			loop->resume = exec->holder.state == HOLDER_STOPPING;
		} else if (exec->incoming) {
			if (exec_arrive(exec) < 0)
				set_state(exec, HOLDER_FAILED, "what arrived cannot be used");
			else
				start_or_store(exec);
		} else {
			start_or_store(exec);
		}
		break;
	}
}

static void run_loop(struct exec *exec)
{
	struct loop loop = { 0 };

	while (!(loop.release && !exec->child && !loop.lingering)) {
		struct signalfd_siginfo info;
		ssize_t n;

		n = read(exec->signal_fd, &info, sizeof(info));
		if (n == sizeof(info))
			on_signal(exec, &loop, info.ssi_signo);
		else if (n < 0 && errno != EINTR)
			break;
	}
}

static int watch_signals(struct exec *exec)
{
	/*
	 * The last ones are for nothing but that they do not kill us, and what
	 * we hold with us: SIGPIPE when nobody reads our messages any more,
	 * SIGXFSZ when a limit is in the way of storing.
	 */
	static const int numbers[] = { SIGCHLD, SIGTERM, SIGINT,  SIGQUIT, SIGHUP, SIGUSR1,
				       SIGUSR2, SIGPIPE, SIGALRM, SIGXFSZ, SIGXCPU };
	sigset_t mask;

	sigemptyset(&mask);
	for (unsigned int i = 0; i < ARRAY_SIZE(numbers); i++)
		sigaddset(&mask, numbers[i]);
	sigaddset(&mask, HOLDER_SIGNAL_LEAVE);
	if (sigprocmask(SIG_BLOCK, &mask, &exec->old_mask) < 0)
		return -errno;
	exec->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC);
	return exec->signal_fd < 0 ? -errno : 0;
}

int exec_run(struct exec *exec)
{
	int code = EXIT_DONE, r;

	/* Signals first: one that comes while we retrieve must not kill us. */
	r = watch_signals(exec);
	if (r < 0)
		return fail("%s: signals: %s", exec->session, strerror(-r));
	/* Children that the program had which became us: not the command's. */
	exec->strangers = have_children();
	/* What the command leaves behind becomes our child. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);

	exec->manifest_fd = -1;
	exec->holder.pid = getpid();
	exec->holder.incoming_fd = -1;
	exec->holder.memfds = exec->files.memfd_count;
	exec->holder.kept = exec->files.keep_count;
	for (unsigned int i = 0; i < exec->files.memfd_count; i++)
		exec->holder.bytes += exec->files.memfds[i].size;
	snprintf(exec->holder.session, sizeof(exec->holder.session), "%s", exec->session);

	r = take_lock(exec);
	if (r < 0) {
		close(exec->signal_fd);
		luo_session_close(exec->incoming);
		return EXIT_FAILED;
	}
	set_state(exec, HOLDER_STARTING, NULL);

	r = exec_arrive(exec);
	if (r < 0 && exec->incoming) {
		set_state(exec, HOLDER_FAILED, "what arrived cannot be used");
		say("%s: nothing is lost: process %d holds the incoming session. Run 'luoctl exec' "
		    "again with arguments that fit and it takes over, or send SIGUSR2 to try again",
		    exec->session, getpid());
	} else if (r < 0) {
		code = EXIT_FAILED;
		goto out;
	} else {
		r = start_command(exec);
		if (r < 0 && !exec->arrived) {
			code = EXIT_FAILED;
			goto out;
		}
		/* Restored, but it does not run: what was restored is stored again. */
		if (r < 0)
			store(exec, "the command could not be started");
	}
	run_loop(exec);
	if (exec->holder.state == HOLDER_FAILED || exec->holder.state == HOLDER_UNSTORED)
		code = EXIT_FAILED;
	if (exec->ended && !(WIFEXITED(exec->child_status) && !WEXITSTATUS(exec->child_status)))
		code = EXIT_FAILED;
	say("%s: released", exec->session);
out:
	exec_unlink_memfds(exec);
	exec_release(exec);
	if (exec->manifest_fd >= 0)
		close(exec->manifest_fd);
	close(exec->signal_fd);
	drop_lock(exec);
	return code;
}
