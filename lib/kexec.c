// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Loading the next kernel and jumping into it. The kernel's own
 * kexec_file_load(2) does the work, and the module's hooks on it arm the
 * image; here it is found out beforehand what would go wrong, and said
 * afterwards what did.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/kexec.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "luo-private.h"

static const unsigned int known_flags = LUO_KEXEC_REUSE_CMDLINE | LUO_KEXEC_FORCE;

int luo_kexec_options_check(const struct luo_kexec_options *options,
			    struct luo_kexec_options *ret_known)
{
	struct luo_kexec_options known = { .size = sizeof(known) };

	if (options) {
		if (options->size < offsetof(struct luo_kexec_options, kernel))
			return -EINVAL;
		memcpy(&known, options, LUO_MIN(options->size, sizeof(known)));
		/* What a newer program asks for and we do not know must be unset. */
		for (size_t i = sizeof(known); i < options->size; i++)
			if (((const char *)options)[i])
				return -EINVAL;
	}
	if (known.flags & ~known_flags)
		return -EINVAL;
	if (known.cmdline && known.flags & LUO_KEXEC_REUSE_CMDLINE)
		return -EINVAL;
	*ret_known = known;
	return 0;
}

static int exists_dup(const char *path, char **ret)
{
	if (access(path, F_OK))
		return -ENOENT;
	*ret = strdup(path);
	return *ret ? 0 : -ENOMEM;
}

/* The newest of DIR/vmlinuz-*, by version. */
static int newest_kernel(const char *dir, char **ret)
{
	char best[NAME_MAX + 1] = "", path[PATH_MAX];
	struct dirent *entry;
	DIR *d;

	d = opendir(dir);
	if (!d)
		return -errno;
	while ((entry = readdir(d))) {
		const char *name = entry->d_name;
		size_t len = strlen(name);

		if (strncmp(name, "vmlinuz-", 8))
			continue;
		/* Left over by package managers. */
		if ((len > 4 && !strcmp(name + len - 4, ".old")) ||
		    (len > 9 && !strcmp(name + len - 9, ".dpkg-new")) ||
		    (len > 9 && !strcmp(name + len - 9, ".dpkg-tmp")) || strstr(name, "rescue"))
			continue;
		if (!*best || strverscmp(name, best) > 0)
			strcpy(best, name);
	}
	closedir(d);
	if (!*best)
		return -ENOENT;
	if (snprintf(path, sizeof(path), "%s/%s", dir, best) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return exists_dup(path, ret);
}

static int find_kernel(struct luo_system *system, char **ret)
{
	char path[PATH_MAX];
	int r;

	r = luo_system_path(system, path, "/boot");
	if (r < 0)
		return r;
	r = newest_kernel(path, ret);
	if (r != -ENOENT)
		return r;
	r = luo_system_path(system, path, "/vmlinuz");
	if (r < 0)
		return r;
	return exists_dup(path, ret);
}

/* Distributions name the initrd after the kernel and put it next to it. */
static int find_initrd(const char *kernel, char **ret)
{
	static const char *const patterns[] = {
		"%.*s/initrd.img%s",
		"%.*s/initrd%s",
		"%.*s/initramfs%s.img",
		"%.*s/initrd%s.img",
	};
	const char *slash = strrchr(kernel, '/'), *base = slash ? slash + 1 : kernel, *version;
	const char *dir = slash ? kernel : ".";
	int dir_len = slash ? (int)(slash - kernel) : 1;

	version = strchr(base, '-');
	if (!version)
		version = "";
	for (unsigned int i = 0; i < LUO_ARRAY_SIZE(patterns); i++) {
		char path[PATH_MAX];
		int r;

/* The formats are the constants above. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		r = snprintf(path, sizeof(path), patterns[i], dir_len, dir, version);
#pragma GCC diagnostic pop
		if (r >= (int)sizeof(path))
			return -ENAMETOOLONG;
		r = exists_dup(path, ret);
		if (r != -ENOENT)
			return r;
	}
	return -ENOENT;
}

static int make_cmdline(struct luo_system *system, const struct luo_kexec_options *options,
			char **ret)
{
	char *base;
	int r;

	if (options->cmdline) {
		base = strdup(options->cmdline);
		if (!base)
			return -ENOMEM;
	} else {
		r = luo_cmdline_running(system, &base);
		if (r < 0)
			return r;
	}
	if (options->append && *options->append) {
		char *joined;

		r = asprintf(&joined, "%s%s%s", base, *base ? " " : "", options->append);
		free(base);
		if (r < 0)
			return -ENOMEM;
		base = joined;
	}
	*ret = base;
	return 0;
}

int luo_kexec_find_target(struct luo_system *system, const struct luo_kexec_options *options,
			  char **ret_kernel, char **ret_initrd, char **ret_cmdline)
{
	char *kernel = NULL, *initrd = NULL, *cmdline = NULL;
	struct luo_kexec_options known;
	int r;

	r = luo_kexec_options_check(options, &known);
	if (r < 0)
		return r;
	if (known.kernel) {
		kernel = strdup(known.kernel);
		r = kernel ? 0 : -ENOMEM;
	} else {
		r = find_kernel(system, &kernel);
	}
	if (r < 0)
		goto fail;
	if (known.initrd) {
		initrd = strdup(known.initrd);
		r = initrd ? 0 : -ENOMEM;
	} else {
		r = find_initrd(kernel, &initrd);
		if (r == -ENOENT)
			r = 0;
	}
	if (r < 0)
		goto fail;
	if (ret_cmdline) {
		r = make_cmdline(system, &known, &cmdline);
		if (r < 0)
			goto fail;
		*ret_cmdline = cmdline;
	}
	*ret_kernel = kernel;
	*ret_initrd = initrd;
	return 0;
fail:
	free(kernel);
	free(initrd);
	return r;
}

/* ---------------------------------------------------------------- loading */

/* The first failed check becomes the error. */
static void first_failure(const struct luo_check_result *result, void *userdata)
{
	struct luo_text *text = userdata;

	if (result->verdict != LUO_VERDICT_FAIL || !text->buf || !text->size || *text->buf)
		return;
	snprintf(text->buf, text->size, "%s%s%s", result->text, result->hint ? ": " : "",
		 result->hint ? result->hint : "");
}

static const char *explain_load(int error)
{
	switch (error) {
	case -EPERM:
		return "not permitted: run as root, without lockdown and with "
		       "kernel.kexec_load_disabled=0";
	case -ENOSYS:
		return "this kernel was built without kexec_file_load(2) (CONFIG_KEXEC_FILE)";
	case -ENOEXEC:
		return "the kernel does not take this image: use a bzImage for this architecture";
	case -ENOSPC:
	case -EADDRNOTAVAIL:
		return "the image does not fit into scratch: load the liveupdate module with a "
		       "larger scratch (scratch=256M)";
	case -EBUSY:
		return "another load or a live update is under way: wait for it, or look into "
		       "'luoctl status'";
	case -ENOMEM:
		return "out of memory";
	case -EKEYREJECTED:
	case -ENOKEY:
	case -EBADMSG:
	case -ENOPKG:
		return "the kernel's signature is not accepted here: use a kernel that the "
		       "distribution has signed";
	case -EFBIG:
		return "kernel or initrd is too large for kexec_file_load(2)";
	case -EINVAL:
		return "the kernel refuses these arguments: is the command line too long?";
	default:
		return strerror(-error);
	}
}

static int fail_kernel(struct luo_system *system, struct luo_text *text, int error,
		       const char *what, const char *why)
{
	struct luo_status status = { .size = sizeof(status) };

	luo_system_get_status(system, &status);
	if (*status.last_error)
		return luo_fail(text, error, "%s: %s (the module says: %s)", what, why,
				status.last_error);
	return luo_fail(text, error, "%s: %s", what, why);
}

int luo_kexec_load(struct luo_system *system, const struct luo_kexec_options *options,
		   char *ret_error, size_t error_size)
{
	struct luo_text text = { ret_error, error_size };
	struct luo_checker checker = {
		.system = system,
		.callback = first_failure,
		.userdata = &text,
	};
	struct luo_target target = LUO_TARGET_INIT;
	struct luo_kexec_options known;
	bool only_scratch;
	uint64_t size;
	int r;

	if (text.buf && text.size)
		*text.buf = '\0';
	r = luo_kexec_options_check(options, &known);
	if (r < 0)
		return luo_fail(&text, r,
				"bad options: a command line and reusing the running one exclude each "
				"other");
	if (luo_system_get_provider(system) == LUO_PROVIDER_KERNEL &&
	    !(known.flags & LUO_KEXEC_FORCE))
		return luo_fail(&text, -EOPNOTSUPP,
				"this kernel has live update of its own, and no module is needed: load "
				"with 'kexec -s -l KERNEL --initrd=INITRD --reuse-cmdline'");
	luo_check_provider(&checker);
	if (!checker.failed)
		luo_check_kexec_allowed(&checker);
	if (checker.failed && !(known.flags & LUO_KEXEC_FORCE))
		return checker.first_error;
	r = luo_kexec_find_target(system, options, &target.kernel, &target.initrd, &target.cmdline);
	if (r == -ENOENT && !known.kernel)
		return luo_fail(&text, r,
				"no kernel found: there is neither /boot/vmlinuz-VERSION nor "
				"/vmlinuz; name one");
	if (r < 0)
		return luo_fail(&text, r, "finding the kernel: %s", strerror(-r));

	if (!checker.failed)
		luo_check_target_files(&checker, &target);
	/*
	 * If scratch is all that is wrong the module has the last word: it tries
	 * to get more when an image is loaded.
	 */
	only_scratch = checker.failed == 1 && checker.first_error == -ENOSPC;
	if (checker.failed && !only_scratch && !(known.flags & LUO_KEXEC_FORCE)) {
		r = checker.first_error;
		goto out;
	}

	/* Not open yet when the checks did not get there. */
	if (target.kernel_fd < 0) {
		r = target.kernel_fd = luo_open_said(target.kernel, &size, &text);
		if (r < 0)
			goto out;
	}
	if (target.initrd && target.initrd_fd < 0) {
		r = target.initrd_fd = luo_open_said(target.initrd, &size, &text);
		if (r < 0)
			goto out;
	}
	r = 0;
	if (syscall(SYS_kexec_file_load, target.kernel_fd, target.initrd_fd,
		    strlen(target.cmdline) + 1, target.cmdline,
		    target.initrd_fd < 0 ? KEXEC_FILE_NO_INITRAMFS : 0UL) < 0) {
		r = -errno;
		if (!only_scratch || r != -ENOSPC)
			fail_kernel(system, &text, r, target.kernel, explain_load(r));
	} else if (only_scratch && text.buf && text.size) {
		*text.buf = '\0';
	}
out:
	luo_target_release(&target);
	return r;
}

int luo_kexec_unload(struct luo_system *system, char *ret_error, size_t error_size)
{
	struct luo_text text = { ret_error, error_size };

	if (syscall(SYS_kexec_file_load, -1, -1, 1UL, "", (unsigned long)KEXEC_FILE_UNLOAD) < 0) {
		int r = -errno;

		return fail_kernel(system, &text, r, "unloading", explain_load(r));
	}
	return 0;
}

static const char *explain_exec(int error)
{
	switch (error) {
	case -EINVAL:
		return "no kernel is loaded: run 'luoctl load' first";
	case -EPERM:
		return "not permitted: run as root (CAP_SYS_BOOT)";
	case -EBUSY:
		return "refused: something that is preserved cannot be frozen now, or another "
		       "kexec is under way";
	case -ENOMEM:
		return "out of memory";
	case -ENOSYS:
		return "this kernel was built without kexec";
	default:
		return strerror(-error);
	}
}

int luo_kexec_exec(struct luo_system *system, char *ret_error, size_t error_size)
{
	struct luo_text text = { ret_error, error_size };
	int r;

	sync();
	if (reboot(RB_KEXEC) < 0)
		r = -errno;
	else
		r = -EIO; /* It never returns 0. */
	return fail_kernel(system, &text, r, "the kexec did not take place, and nothing is lost",
			   explain_exec(r));
}
