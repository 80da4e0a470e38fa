// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What 'luoctl exec' does with sessions.
 *
 * In the kernel before: one outgoing session with the memfds (preserved before
 * the command starts, so that their pages are taken as they come), the
 * manifest, and, after the command has stopped, a memfd for each kept file.
 * In the kernel after: everything is retrieved and restored, and then the
 * incoming session becomes, with all its files, an outgoing one: until then any
 * failure leaves all as it came, and afterwards it is preserved again.
 *
 * Whoever kills us must not lose anything, whenever he does it:
 *
 *  - From the first moment the incoming session outlives us
 *    (LUO_SESSION_KEEP_ON_CLOSE); who comes next retrieves it again, and
 *    restores the same files once more.
 *  - Recycling is one step; so does an outgoing session from when it is whole.
 *  - Of the two slots of the manifest one is always true: that files are stored
 *    is written when all copies are in the session, and taken back by the
 *    command's own process just before it becomes the command.
 *  - Copies that no manifest names (we were killed while storing, or before
 *    the old ones were taken out) are found at the next arrival.
 *
 * The orchestrator in Linux has none of this: there the session is finished and
 * a new one made, for a file that was just retrieved cannot be preserved before,
 * and who is killed in between loses what he holds.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "exec.h"

static const char *explain_preserve(int error)
{
	switch (error) {
	case -ENOENT:
		return "this kernel cannot preserve memfds";
	case -EBUSY:
		return "a session has this file already";
	case -ENOMEM:
		return "not enough memory would be left to start the next kernel: make the file "
		       "smaller";
	case -EOPNOTSUPP:
		return "it has properties that cannot be carried over";
	default:
		return strerror(-error);
	}
}

static int preserve(struct exec *exec, uint64_t token, int fd, const char *what)
{
	int r = luo_session_preserve_fd(exec->outgoing, token, fd);

	if (r < 0)
		say("%s: preserving %s: %s", exec->session, what, explain_preserve(r));
	return r;
}

int exec_preserve(struct exec *exec)
{
	struct exec_manifest *files = &exec->files;
	struct luo_device *device;
	int r;

	r = open_device(exec->ctl, exec->session, &device);
	if (r < 0)
		return r;
	r = luo_session_create(device, exec->session, &exec->outgoing);
	luo_device_close(device);
	if (r == -EEXIST)
		say("%s: creating the session: there is one of this name. Either another program has "
		    "it: choose another name; or an earlier 'luoctl exec' was killed, and what it has "
		    "preserved waits for the next kernel: 'luoctl kexec' takes it there, 'luoctl session "
		    "drop --outgoing %s' gives it up",
		    exec->session, exec->session);
	else if (r < 0)
		say("%s: creating the session: %s", exec->session, strerror(-r));
	if (r < 0)
		return r;

	exec->next_token = EXEC_TOKEN_MANIFEST + 1;
	for (unsigned int i = 0; i < files->memfd_count; i++) {
		struct exec_memfd *m = &files->memfds[i];

		m->token = exec->next_token++;
		r = preserve(exec, m->token, m->fd, m->path);
		if (r < 0)
			goto fail;
	}

	files->stored = false;
	files->seq = 0;
	exec->slot_size = manifest_slot_size(files);
	exec->manifest_fd = exec_new_memfd("luo-exec-manifest");
	if (exec->manifest_fd < 0) {
		r = exec->manifest_fd;
		exec->manifest_fd = -1;
	} else if (ftruncate(exec->manifest_fd, 2 * exec->slot_size) < 0 ||
		   fchmod(exec->manifest_fd, 0600) < 0) {
		r = -errno;
	} else {
		r = manifest_write(exec->manifest_fd, exec->slot_size, files);
	}
	if (r < 0) {
		say("%s: writing the manifest: %s", exec->session, strerror(-r));
		goto fail;
	}
	r = preserve(exec, EXEC_TOKEN_MANIFEST, exec->manifest_fd, "the manifest");
	if (r < 0)
		goto fail;
	exec->holder.preserved = true;
	/* It is whole, and may outlive us; -ENOSYS: Linux has no such thing. */
	r = luo_session_set_flags(exec->outgoing, LUO_SESSION_KEEP_ON_CLOSE);
	if (r < 0 && r != -ENOSYS)
		say("%s: the session will not outlive process %d: %s", exec->session, getpid(),
		    strerror(-r));
	return 0;
fail:
	luo_session_close(exec->outgoing);
	exec->outgoing = NULL;
	if (exec->manifest_fd >= 0)
		close(exec->manifest_fd);
	exec->manifest_fd = -1;
	return r;
}

void exec_release(struct exec *exec)
{
	/* Where this is not known, it was not kept either. */
	if (exec->outgoing)
		luo_session_set_flags(exec->outgoing, 0);
	luo_session_close(exec->outgoing);
	exec->outgoing = NULL;
	exec->holder.preserved = false;
	/* What has not been taken out of it waits for the next who comes. */
	if (exec->incoming && exec->kept)
		say("%s: what arrived stays where it is, for the next 'luoctl exec'; 'luoctl session "
		    "drop %s' gives it up",
		    exec->session, exec->session);
	luo_session_close(exec->incoming);
	exec->incoming = NULL;
}

/* Fds of an attempt that failed. */
static void forget(struct exec_manifest *files)
{
	for (unsigned int i = 0; i < files->memfd_count; i++) {
		if (files->memfds[i].fd >= 0)
			close(files->memfds[i].fd);
		files->memfds[i].fd = -1;
	}
}

static int begin_anew(struct exec *exec)
{
	struct luo_status status = { .size = sizeof(status) };
	int r;

	/* Nothing is lost silently: was there something that nobody could read? */
	if (!luo_system_get_status(exec->ctl->system, &status) && status.reserved)
		say("%s: not among what has arrived, but some of that was not understood and may have "
		    "been it%s%s ('luoctl status' says more)",
		    exec->session, *status.last_error ? ": " : "", status.last_error);
	r = exec_make_memfds(exec);
	if (r < 0)
		return r;
	/* Files that describe the contents of memory that is gone. */
	for (unsigned int i = 0; exec->files.memfd_count && i < exec->files.keep_count; i++) {
		r = exec_keep_set_aside(exec, &exec->files.keeps[i]);
		if (r < 0)
			return r;
	}
	r = exec_preserve(exec);
	if (r < 0)
		return r;
	say("%s: created, %u memfd%s and %u kept file%s", exec->session, exec->files.memfd_count,
	    exec->files.memfd_count == 1 ? "" : "s", exec->files.keep_count,
	    exec->files.keep_count == 1 ? "" : "s");
	return 0;
}

static int retrieve_memfd(struct exec *exec, struct exec_memfd *m, uint64_t *bytes)
{
	struct stat st;
	int r;

	r = luo_session_retrieve_fd(exec->incoming, m->token, &m->fd);
	if (r < 0) {
		say("%s: retrieving %s: %s", exec->session, m->path, strerror(-r));
		return r;
	}
	if (fstat(m->fd, &st) < 0)
		return -errno;
	/* In-tree live update brings neither owner nor mode back. */
	if (((st.st_uid != m->uid || st.st_gid != m->gid) && fchown(m->fd, m->uid, m->gid) < 0) ||
	    ((st.st_mode & 07777) != m->mode && fchmod(m->fd, m->mode) < 0))
		say("%s: owner and mode of %s: %s", exec->session, m->path, strerror(errno));
	*bytes += st.st_size;
	return 0;
}

static int retrieve_keep(struct exec *exec, struct exec_keep *keep)
{
	int r;

	if (!keep->present)
		return exec->files.memfd_count ? exec_keep_set_aside(exec, keep) : 0;
	r = luo_session_retrieve_fd(exec->incoming, keep->token, &keep->fd);
	if (r < 0) {
		say("%s: retrieving %s: %s", exec->session, keep->path, strerror(-r));
		return r;
	}
	return exec_keep_restore(exec, keep);
}

/* Does the manifest name this file? */
static bool manifest_has(const struct exec_manifest *manifest, uint64_t token)
{
	if (token == EXEC_TOKEN_MANIFEST)
		return true;
	for (unsigned int i = 0; i < manifest->memfd_count; i++)
		if (manifest->memfds[i].token == token)
			return true;
	for (unsigned int i = 0; manifest->stored && i < manifest->keep_count; i++)
		if (manifest->keeps[i].present && manifest->keeps[i].token == token)
			return true;
	return false;
}

/* Tokens in a session that the manifest does not name. 0 or a negative errno. */
static int find_strays(struct luo_session *session, const struct exec_manifest *manifest,
		       uint64_t *tokens, unsigned int room, unsigned int *ret_count)
{
	struct luo_file_info info[64];
	unsigned int found = 0, count;
	uint64_t first = 0;
	int r;

	do {
		r = luo_session_list_files(session, first, info, ARRAY_SIZE(info), &count, NULL);
		if (r < 0)
			return r;
		for (unsigned int i = 0; i < count; i++) {
			if (manifest_has(manifest, info[i].token))
				continue;
			if (found == room)
				return -E2BIG;
			tokens[found++] = info[i].token;
		}
		first += count;
	} while (count);
	*ret_count = found;
	return 0;
}

/* The session that came becomes the one that goes. */
static int recycle(struct exec *exec, const struct exec_manifest *came)
{
	uint64_t strays[4 * EXEC_FILES_MAX];
	unsigned int count;
	int fd, r;

	r = find_strays(exec->incoming, came, strays, ARRAY_SIZE(strays), &count);
	/* Recycled are only sessions of which all has been retrieved. */
	for (unsigned int i = 0; !r && i < count; i++) {
		r = luo_session_retrieve_fd(exec->incoming, strays[i], &fd);
		if (!r)
			close(fd);
	}
	if (!r)
		r = luo_session_recycle(exec->incoming, LUO_RECYCLE_KEEP_FILES);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < count; i++)
		luo_session_unpreserve_fd(exec->incoming, strays[i]);
	exec->outgoing = exec->incoming;
	exec->incoming = NULL;
	exec->kept = false;
	return 0;
}

/* What the manifest says goes on to be true, and is ours to write now. */
static void adopt(struct exec *exec, struct exec_manifest *came, int manifest_fd, size_t slot_size)
{
	struct exec_manifest *files = &exec->files;

	exec->next_token = EXEC_TOKEN_MANIFEST + 1;
	for (unsigned int i = 0; i < files->memfd_count; i++)
		if (files->memfds[i].token >= exec->next_token)
			exec->next_token = files->memfds[i].token + 1;
	for (unsigned int i = 0; i < files->keep_count; i++) {
		struct exec_keep *keep = &files->keeps[i];
		char *path = keep->path;

		for (unsigned int j = 0; j < came->keep_count; j++) {
			struct exec_keep *other = &came->keeps[j];

			if (strcmp(path, other->path))
				continue;
			*keep = *other;
			keep->path = path;
			keep->present = came->stored && other->present;
			other->fd = -1;
		}
		if (keep->token >= exec->next_token)
			exec->next_token = keep->token + 1;
	}
	files->stored = came->stored;
	files->stopped_ns = came->stopped_ns;
	files->seq = came->seq;
	exec->manifest_fd = manifest_fd;
	exec->slot_size = slot_size;
	exec->holder.preserved = true;
}

static int use_incoming(struct exec *exec)
{
	struct exec_manifest came = { 0 };
	unsigned int restored = 0;
	uint64_t bytes = 0;
	struct stat st;
	char size[32];
	int fd, r;

	r = luo_session_retrieve_fd(exec->incoming, EXEC_TOKEN_MANIFEST, &fd);
	if (r < 0) {
		say("%s: retrieving the manifest (token 0): %s", exec->session,
		    r == -ENOENT ? "there is none: this session was not made by 'luoctl exec'" :
				   strerror(-r));
		return r;
	}
	r = manifest_read(fd, exec->session, &came);
	if (!r && fstat(fd, &st) < 0)
		r = -errno;
	if (r < 0)
		goto out;
	if (!manifest_match(&came, &exec->files, exec->session)) {
		r = -EINVAL;
		goto out;
	}

	for (unsigned int i = 0; i < exec->files.memfd_count; i++) {
		r = retrieve_memfd(exec, &exec->files.memfds[i], &bytes);
		if (r < 0)
			goto out;
	}
	if (came.stored) {
		for (unsigned int i = 0; i < came.keep_count; i++) {
			r = retrieve_keep(exec, &came.keeps[i]);
			if (r < 0)
				goto out;
			restored += came.keeps[i].present;
		}
	} else if (came.keep_count) {
		say("%s: the kexec came while the command was running: its memory is here, its "
		    "kept files are not (stop it before, 'luoctl kexec' does that)",
		    exec->session);
		/* What is there is of an earlier stop, and the memory went on. */
		for (unsigned int i = 0; exec->files.memfd_count && i < came.keep_count; i++) {
			r = exec_keep_set_aside(exec, &came.keeps[i]);
			if (r < 0)
				goto out;
		}
	}

	r = recycle(exec, &came);
	if (!r) {
		adopt(exec, &came, fd, st.st_size / 2);
		fd = -1;
	} else {
		/* In Linux that is how it is; else it may not be possible now. */
		if (r != -ENOSYS)
			say("%s: recycling the session: %s", exec->session,
			    r == -EEXIST ? "another one of this name has been made" :
			    r == -EBUSY ? "not all of its files can be retrieved" :
					  explain_preserve(r));
		r = luo_session_finish(exec->incoming);
		if (r < 0) {
			say("%s: finishing the incoming session: %s", exec->session, strerror(-r));
			goto out;
		}
		luo_session_close(exec->incoming);
		exec->incoming = NULL;
		exec->kept = false;
	}
	exec->holder.incoming_fd = -1;
	exec->arrived = true;
	exec->holder.previous_stopped_ns = came.stored ? came.stopped_ns : 0;
	say("%s: retrieved %u memfd%s (%s), %u kept file%s", exec->session, exec->files.memfd_count,
	    exec->files.memfd_count == 1 ? "" : "s", format_size(bytes, size), restored,
	    restored == 1 ? "" : "s");
out:
	if (r < 0)
		forget(&exec->files);
	if (fd >= 0)
		close(fd);
	manifest_free(&came);
	return r;
}

int exec_arrive(struct exec *exec)
{
	struct luo_device *device;
	int r;

	if (!exec->incoming) {
		r = open_device(exec->ctl, exec->session, &device);
		if (r < 0)
			return r;
		r = luo_session_retrieve_generation(device, exec->session, 0,
						    LUO_SESSION_KEEP_ON_CLOSE, &exec->incoming);
		exec->kept = !r;
		if (r == -ENOSYS)
			r = luo_session_retrieve(device, exec->session, &exec->incoming);
		luo_device_close(device);
		if (r == -ENOENT)
			return begin_anew(exec);
		if (r < 0) {
			say("%s: retrieving the session: %s", exec->session,
			    r == -EINVAL ? "another program has retrieved it already" :
					   strerror(-r));
			return r;
		}
	}
	exec->holder.incoming_fd = luo_session_get_fd(exec->incoming);
	r = use_incoming(exec);
	if (r < 0)
		return r;
	/*
	 * The memory is here and the service can go on; that it would not
	 * survive another kexec is said, shown by status, and tried again when
	 * the command has stopped.
	 */
	if (!exec->holder.preserved && exec_preserve(exec) < 0)
		say("%s: not preserved for the next live update; will be tried again", exec->session);
	return 0;
}

/* A copy that the manifest names no more: it need not go along. */
static void unpreserve_copy(struct exec *exec, struct exec_keep *keep)
{
	if (keep->fd < 0)
		return;
	/* In Linux its token stays taken, and it is made as small as can be. */
	if (luo_session_unpreserve_fd(exec->outgoing, keep->token) < 0 &&
	    ftruncate(keep->fd, 0) < 0)
		say("%s: an old copy of a kept file stays in the session", exec->session);
	close(keep->fd);
	keep->fd = -1;
}

int exec_store(struct exec *exec)
{
	struct exec_manifest *files = &exec->files;
	struct exec_keep stored[EXEC_FILES_MAX], old[EXEC_FILES_MAX];
	unsigned int done = 0, present = 0;
	bool was_stored = files->stored;
	uint64_t bytes = 0;
	char size[32];
	int r;

	if (!exec->holder.preserved) {
		r = exec_preserve(exec);
		if (r < 0)
			return r;
	}
	for (; done < files->keep_count; done++) {
		struct exec_keep *keep = &stored[done];

		r = exec_keep_copy(exec, files->keeps[done].path, keep);
		if (r < 0)
			goto fail;
		if (!keep->present)
			continue;
		keep->token = exec->next_token++;
		r = preserve(exec, keep->token, keep->fd, files->keeps[done].path);
		if (r < 0) {
			close(keep->fd);
			goto fail;
		}
		present++;
		bytes += keep->size;
	}
	for (unsigned int i = 0; i < files->keep_count; i++) {
		old[i] = files->keeps[i];
		stored[i].path = old[i].path;
		files->keeps[i] = stored[i];
	}
	/* The command may have changed them; they come back as they were. */
	for (unsigned int i = 0; i < files->memfd_count; i++) {
		struct exec_memfd *m = &files->memfds[i];
		struct stat st;

		if (fstat(m->fd, &st) < 0)
			continue;
		m->mode = st.st_mode & 07777;
		m->uid = st.st_uid;
		m->gid = st.st_gid;
	}
	files->stored = true;
	files->stopped_ns = exec->holder.stopped_ns;
	r = manifest_write(exec->manifest_fd, exec->slot_size, files);
	if (r < 0) {
		say("%s: writing the manifest: %s", exec->session, strerror(-r));
		files->stored = was_stored;
		for (unsigned int i = 0; i < files->keep_count; i++)
			files->keeps[i] = old[i];
		goto fail;
	}
	/* Only now: until it was written, it named these. */
	for (unsigned int i = 0; i < files->keep_count; i++)
		unpreserve_copy(exec, &old[i]);
	say("%s: stored %u of %u kept file%s (%s)", exec->session, present, files->keep_count,
	    files->keep_count == 1 ? "" : "s", format_size(bytes, size));
	return 0;
fail:
	while (done--)
		unpreserve_copy(exec, &stored[done]);
	return r;
}

int exec_take_over(struct exec *exec, const struct holder *holder)
{
	struct pollfd gone;
	int fd, pid_fd, r;

	pid_fd = pidfd_open(holder->pid, 0);
	if (pid_fd < 0)
		return -errno;
	if (!holder_alive(exec->ctl, holder)) {
		close(pid_fd);
		return -ESRCH;
	}
	fd = pidfd_getfd(pid_fd, holder->incoming_fd, 0);
	if (fd < 0) {
		r = -errno;
		goto out;
	}
	r = luo_session_new_from_fd(fd, &exec->incoming);
	if (r < 0) {
		close(fd);
		goto out;
	}
	exec->kept = !luo_session_set_flags(exec->incoming, LUO_SESSION_KEEP_ON_CLOSE);
	/* From here on our duplicate keeps the session. */
	if (pidfd_send_signal(pid_fd, HOLDER_SIGNAL_LEAVE, NULL, 0) < 0 && errno != ESRCH) {
		r = -errno;
		luo_session_close(exec->incoming);
		exec->incoming = NULL;
		goto out;
	}
	/* It will give its own up sooner or later, so we must not any more. */
	gone = (struct pollfd){ .fd = pid_fd, .events = POLLIN };
	if (poll(&gone, 1, 10000) != 1)
		say("%s: process %d does not end: is it stopped? Try 'kill -CONT %d'",
		    exec->session, holder->pid, holder->pid);
	say("%s: took the incoming session over from process %d", exec->session, holder->pid);
	r = 0;
out:
	close(pid_fd);
	return r;
}
