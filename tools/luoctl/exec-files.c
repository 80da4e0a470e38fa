// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memfds and the paths by which the command opens them; kept files.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exec.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x08U
#endif

int exec_new_memfd(const char *path)
{
	const char *base = strrchr(path, '/');
	char name[200];
	int fd;

	snprintf(name, sizeof(name), "%s", base ? base + 1 : path);
	/*
	 * Without the seal that newer kernels put on by default, which older
	 * ones do not know: the next kernel may be one of those.
	 */
	fd = memfd_create(name, MFD_CLOEXEC | MFD_EXEC);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC);
	if (fd < 0 && errno == EACCES)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	return fd < 0 ? -errno : fd;
}

int exec_make_memfds(struct exec *exec)
{
	for (unsigned int i = 0; i < exec->files.memfd_count; i++) {
		struct exec_memfd *m = &exec->files.memfds[i];
		int r = 0;

		m->fd = exec_new_memfd(m->path);
		if (m->fd < 0) {
			r = m->fd;
			m->fd = -1;
		} else if (ftruncate(m->fd, m->size) < 0 || fchmod(m->fd, 0600) < 0 ||
			   (exec->own && fchown(m->fd, exec->uid, exec->gid) < 0)) {
			r = -errno;
		}
		if (r < 0) {
			say("%s: a memfd for %s: %s", exec->session, m->path, strerror(-r));
			return r;
		}
		m->mode = 0600;
		m->uid = exec->own ? exec->uid : geteuid();
		m->gid = exec->own ? exec->gid : getegid();
	}
	return 0;
}

/* A link that an earlier 'luoctl exec' has made. */
static bool is_our_link(const char *path)
{
	char target[64];
	unsigned int pid, fd;
	ssize_t n;
	int end = 0;

	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	if (sscanf(target, "/proc/%u/fd/%u%n", &pid, &fd, &end) == 2 && end == n)
		return true;
	end = 0;
	return sscanf(target, "/proc/self/fd/%u%n", &fd, &end) == 1 && end == n;
}

/*
 * A command that changes its user may not look into our /proc directory, but
 * everybody may look into his own.
 */
static void link_target(const struct exec *exec, const struct exec_memfd *m, char ret[64])
{
	if (exec->own)
		snprintf(ret, 64, "/proc/self/fd/%d", m->fd);
	else
		snprintf(ret, 64, "/proc/%d/fd/%d", getpid(), m->fd);
}

int exec_link_memfds(struct exec *exec)
{
	for (unsigned int i = 0; i < exec->files.memfd_count; i++) {
		struct exec_memfd *m = &exec->files.memfds[i];
		char target[64], temp[PATH_MAX];
		struct stat st;
		int r;

		link_target(exec, m, target);
		if (!lstat(m->path, &st) && !is_our_link(m->path)) {
			say("%s: %s is there already and was not made by 'luoctl exec': remove it, "
			    "or choose another path",
			    exec->session, m->path);
			return -EEXIST;
		}
		if (snprintf(temp, sizeof(temp), "%s.luo-%d", m->path, getpid()) >=
		    (int)sizeof(temp)) {
			say("%s: the link %s: the name is too long", exec->session, m->path);
			return -ENAMETOOLONG;
		}
		unlink(temp);
		if (symlink(target, temp) < 0 || rename(temp, m->path) < 0) {
			r = -errno;
			unlink(temp);
			say("%s: the link %s: %s%s", exec->session, m->path, strerror(-r),
			    r == -ENOENT ? " (make its directory first)" : "");
			return r;
		}
	}
	exec->linked = true;
	return 0;
}

void exec_unlink_memfds(struct exec *exec)
{
	if (!exec->linked)
		return;
	/* Not one that somebody else has put there since. */
	for (unsigned int i = 0; i < exec->files.memfd_count; i++) {
		const struct exec_memfd *m = &exec->files.memfds[i];
		char target[64], now[65];
		ssize_t n;

		link_target(exec, m, target);
		n = readlink(m->path, now, sizeof(now) - 1);
		if (n > 0 && (size_t)n == strlen(target) && !memcmp(now, target, n))
			unlink(m->path);
	}
	exec->linked = false;
}

/* Copies at most @limit bytes from the places of both. */
static int copy(int from, int to, uint64_t limit, uint64_t *ret_copied)
{
	static const size_t size = 256 * 1024;
	uint64_t copied = 0;
	char *buf = malloc(size);
	int r = 0;

	if (!buf)
		return -ENOMEM;
	while (copied < limit) {
		size_t want = limit - copied < size ? limit - copied : size;
		ssize_t n = read(from, buf, want);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			r = -errno;
		if (n <= 0)
			break;
		for (ssize_t done = 0; done < n;) {
			ssize_t w = write(to, buf + done, n - done);

			if (w < 0 && errno == EINTR)
				continue;
			if (w < 0) {
				r = -errno;
				goto out;
			}
			done += w;
		}
		copied += n;
	}
out:
	free(buf);
	if (!r)
		*ret_copied = copied;
	return r;
}

static struct timespec to_timespec(uint64_t ns)
{
	return (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
}

int exec_keep_restore(struct exec *exec, const struct exec_keep *keep)
{
	struct timespec times[2] = { to_timespec(keep->mtime_ns), to_timespec(keep->mtime_ns) };
	char temp[PATH_MAX];
	uint64_t copied;
	int fd, r;

	if (snprintf(temp, sizeof(temp), "%s" EXEC_TEMP_SUFFIX, keep->path) >= (int)sizeof(temp)) {
		say("%s: restoring %s: the name is too long", exec->session, keep->path);
		return -ENAMETOOLONG;
	}
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0) {
		r = -errno;
		say("%s: restoring %s: %s%s", exec->session, keep->path, strerror(-r),
		    r == -ENOENT ? " (make its directory first)" : "");
		return r;
	}
	r = lseek(keep->fd, 0, SEEK_SET) < 0 ? -errno : copy(keep->fd, fd, keep->size, &copied);
	if (!r && copied != keep->size)
		r = -EIO;
	/* Owner before mode: chown takes set-id bits away. */
	if (!r && (fchown(fd, keep->uid, keep->gid) < 0 || fchmod(fd, keep->mode) < 0 ||
		   futimens(fd, times) < 0 || fsync(fd) < 0 || rename(temp, keep->path) < 0))
		r = -errno;
	close(fd);
	if (r < 0) {
		unlink(temp);
		say("%s: restoring %s: %s", exec->session, keep->path, strerror(-r));
	}
	return r;
}

int exec_keep_copy(struct exec *exec, const char *path, struct exec_keep *ret)
{
	struct exec_keep keep = { .fd = -1 };
	struct stat st;
	int fd, r = 0;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT) {
		*ret = keep;
		return 0;
	}
	if (fd < 0) {
		r = -errno;
		goto fail;
	}
	if (fstat(fd, &st) < 0) {
		r = -errno;
		goto fail;
	}
	if (!S_ISREG(st.st_mode)) {
		say("%s: storing %s: not a regular file", exec->session, path);
		close(fd);
		return -EINVAL;
	}
	keep.fd = exec_new_memfd(path);
	if (keep.fd < 0) {
		r = keep.fd;
		goto fail;
	}
	r = copy(fd, keep.fd, INT64_MAX, &keep.size);
	if (!r && fchmod(keep.fd, 0600) < 0)
		r = -errno;
	if (r < 0)
		goto fail;
	close(fd);
	keep.present = true;
	keep.mode = st.st_mode & 07777;
	keep.uid = st.st_uid;
	keep.gid = st.st_gid;
	keep.mtime_ns = st.st_mtim.tv_sec < 0 ?
				0 :
				st.st_mtim.tv_sec * 1000000000ULL + st.st_mtim.tv_nsec;
	*ret = keep;
	return 0;
fail:
	say("%s: storing %s: %s", exec->session, path,
	    r == -ELOOP ? "it is a symbolic link: name the file itself with --keep" : strerror(-r));
	if (fd >= 0)
		close(fd);
	if (keep.fd >= 0)
		close(keep.fd);
	return r;
}

int exec_keep_set_aside(struct exec *exec, const struct exec_keep *keep)
{
	char aside[PATH_MAX];
	int r;

	if (access(keep->path, F_OK))
		return 0;
	if (snprintf(aside, sizeof(aside), "%s.stale", keep->path) >= (int)sizeof(aside)) {
		say("%s: moving the stale %s aside: the name is too long", exec->session,
		    keep->path);
		return -ENAMETOOLONG;
	}
	if (rename(keep->path, aside) < 0) {
		r = -errno;
		say("%s: moving the stale %s aside: %s", exec->session, keep->path, strerror(-r));
		return r;
	}
	say("%s: %s belongs to memory that is gone; moved to %s", exec->session, keep->path, aside);
	return 0;
}
