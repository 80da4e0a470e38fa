// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Can the running kernel do a live update? Reads files only: no kernel log,
 * no device, nothing that changes anything.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "luo-private.h"

#define FILE_LIMIT (256 * 1024)

/* Is there a line in a file that contains @word as a whole word? */
static bool file_has_word(struct luo_system *system, const char *name, const char *word)
{
	size_t len = strlen(word);
	char *text, *p;
	bool found = false;

	text = malloc(FILE_LIMIT);
	if (!text)
		return false;
	if (luo_system_read(system, name, text, FILE_LIMIT) > 0) {
		for (p = text; (p = strstr(p, word)); p += len) {
			if (p != text && !strchr(" \t\n/", p[-1]))
				continue;
			if (p[len] && !strchr(" \t\n:.", p[len]))
				continue;
			found = true;
			break;
		}
	}
	free(text);
	return found;
}

/* Is liveupdate.ko there for the running kernel? */
static bool module_installed(struct luo_system *system, const char *release)
{
	char path[PATH_MAX], *text;
	bool found = false;

	if (snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", release) >=
	    (int)sizeof(path))
		return false;
	/* Some MiB at most; a liveupdate in it is what counts. */
	text = malloc(16 << 20);
	if (!text)
		return false;
	if (luo_system_read(system, path, text, 16 << 20) > 0)
		found = strstr(text, "/liveupdate.ko") != NULL;
	free(text);
	return found;
}

void luo_check_provider(struct luo_checker *checker)
{
	struct luo_system *system = checker->system;
	char release[LUO_RELEASE_SIZE] = "";

	luo_system_release(system, release);
	switch (luo_system_get_provider(system)) {
	case LUO_PROVIDER_MODULE:
		luo_check_report(checker, "module", LUO_VERDICT_OK, 0, NULL,
				 "the liveupdate module is loaded");
		return;
	case LUO_PROVIDER_KERNEL:
		luo_check_report(checker, "module", LUO_VERDICT_WARN, 0,
				 "load images with 'kexec -s -l'; sessions and 'luoctl exec' work as "
				 "they are",
				 "this kernel (%s) has live update of its own, and no module is needed",
				 release);
		return;
	}
	if (!luo_system_exists(system, "/proc/modules"))
		luo_check_report(checker, "module", LUO_VERDICT_FAIL, -ENODEV,
				 "boot a kernel of the distribution, such as Debian's linux-image-amd64",
				 "the liveupdate module is not loaded, and this kernel (%s) cannot load "
				 "modules",
				 release);
	else if (module_installed(system, release))
		luo_check_report(checker, "module", LUO_VERDICT_FAIL, -ENODEV, "run 'modprobe liveupdate'",
				 "the liveupdate module is installed for this kernel (%s), but not "
				 "loaded",
				 release);
	else
		luo_check_report(checker, "module", LUO_VERDICT_FAIL, -ENODEV,
				 "install liveupdate-dkms, luo-tools and this kernel's headers "
				 "(linux-headers-VERSION), then run 'modprobe liveupdate'",
				 "the liveupdate module is neither loaded nor installed for this kernel "
				 "(%s)",
				 release);
}

static void check_device(struct luo_checker *checker)
{
	char reason[LUO_ERROR_SIZE];
	int r;

	if (luo_system_get_provider(checker->system) == LUO_PROVIDER_NONE)
		return;
	r = luo_is_available(checker->system, reason, sizeof(reason));
	if (r < 0)
		luo_check_report(checker, "device", LUO_VERDICT_FAIL, r, NULL, "%s", reason);
	else
		luo_check_report(checker, "device", LUO_VERDICT_OK, 0, NULL,
				 "/dev/liveupdate can be opened");
}

static void check_kernel_config(struct luo_checker *checker)
{
	static const struct {
		const char *option, *why;
	} needed[] = {
		{ "CONFIG_KEXEC_FILE", "kexec_file_load(2)" },
		{ "CONFIG_DYNAMIC_FTRACE_WITH_REGS", "the module's hooks" },
		{ "CONFIG_CONTIG_ALLOC", "scratch" },
		{ "CONFIG_MEMFD_CREATE", "memfds" },
	};
	char release[LUO_RELEASE_SIZE] = "", missing[512] = "";
	struct luo_config config;
	bool own;
	int r;

	luo_system_release(checker->system, release);
	r = luo_config_load(checker->system, NULL, release, true, &config);
	if (r < 0) {
		luo_check_report(checker, "kernel-config", LUO_VERDICT_UNKNOWN, 0, NULL,
				 "the configuration of the running kernel was not found "
				 "(/boot/config-%s, /proc/config.gz)",
				 *release ? release : "VERSION");
		return;
	}
	for (unsigned int i = 0; i < LUO_ARRAY_SIZE(needed); i++) {
		size_t len = strlen(missing);

		if (luo_config_get(&config, needed[i].option) == LUO_CONFIG_YES)
			continue;
		snprintf(missing + len, sizeof(missing) - len, "%s%s (for %s)", len ? ", " : "",
			 needed[i].option, needed[i].why);
	}
	own = luo_config_get(&config, "CONFIG_KEXEC_HANDOVER") == LUO_CONFIG_YES &&
	      luo_system_get_provider(checker->system) == LUO_PROVIDER_NONE;
	luo_config_free(&config);

	if (*missing && luo_system_get_provider(checker->system) == LUO_PROVIDER_KERNEL)
		luo_check_report(checker, "kernel-config", LUO_VERDICT_OK, 0, NULL,
				 "this kernel's own live update does not need our options");
	else if (*missing)
		luo_check_report(checker, "kernel-config", LUO_VERDICT_FAIL, -ENODEV,
				 "boot a kernel of the distribution, such as Debian's linux-image-amd64",
				 "this kernel (%s) is built without %s", release, missing);
	else if (own)
		luo_check_report(checker, "kernel-config", LUO_VERDICT_WARN, 0,
				 "to use the kernel's own live update, add 'kho=on liveupdate=on' to its "
				 "command line",
				 "this kernel (%s) has kexec handover of its own, so the module will not "
				 "load",
				 release);
	else
		luo_check_report(checker, "kernel-config", LUO_VERDICT_OK, 0, NULL,
				 "this kernel (%s) has what the module needs", release);
}

static void check_capability(struct luo_checker *checker)
{
	unsigned long long effective = 0;
	char text[8192], *line;

	if (luo_system_read(checker->system, "/proc/self/status", text, sizeof(text)) < 0 ||
	    !(line = strstr(text, "\nCapEff:"))) {
		luo_check_report(checker, "permission", LUO_VERDICT_UNKNOWN, 0, NULL,
				 "cannot tell whether this user may load kernels (/proc is not "
				 "mounted?)");
		return;
	}
	effective = strtoull(line + 8, NULL, 16);
	if (!(effective & 1ULL << CAP_SYS_BOOT))
		luo_check_report(checker, "permission", LUO_VERDICT_FAIL, -EPERM, "run as root",
				 "this process may not load kernels (no CAP_SYS_BOOT)");
	else
		luo_check_report(checker, "permission", LUO_VERDICT_OK, 0, NULL,
				 "this process may load kernels (CAP_SYS_BOOT)");
}

static void check_kexec(struct luo_checker *checker)
{
	char text[32];

	if (luo_system_read(checker->system, "/proc/sys/kernel/kexec_load_disabled", text,
			    sizeof(text)) < 0) {
		if (luo_system_exists(checker->system, "/proc/sys/kernel"))
			luo_check_report(checker, "kexec", LUO_VERDICT_FAIL, -ENOSYS,
					 "boot a kernel of the distribution",
					 "this kernel is built without kexec");
		else
			luo_check_report(checker, "kexec", LUO_VERDICT_UNKNOWN, 0, NULL,
					 "cannot tell whether kexec is allowed (/proc is not mounted?)");
	} else if (strcmp(text, "0")) {
		luo_check_report(checker, "kexec", LUO_VERDICT_FAIL, -EPERM,
				 "it cannot be switched on again: reboot, and find what sets "
				 "kernel.kexec_load_disabled",
				 "loading kernels is switched off (kernel.kexec_load_disabled=%s)",
				 text);
	} else {
		luo_check_report(checker, "kexec", LUO_VERDICT_OK, 0, NULL, "kexec is allowed");
	}
}

static void check_lockdown(struct luo_checker *checker)
{
	char text[128];

	if (luo_system_read(checker->system, "/sys/kernel/security/lockdown", text, sizeof(text)) <=
	    0) {
		luo_check_report(checker, "lockdown", LUO_VERDICT_OK, 0, NULL,
				 "no lockdown (or securityfs is not mounted)");
	} else if (strstr(text, "[confidentiality]")) {
		luo_check_report(checker, "lockdown", LUO_VERDICT_FAIL, -EPERM,
				 "boot without lockdown=confidentiality",
				 "the kernel is locked down (confidentiality): the module cannot hook "
				 "into kexec");
	} else if (strstr(text, "[integrity]")) {
		luo_check_report(checker, "lockdown", LUO_VERDICT_WARN, 0,
				 "sign the module, use a kernel signed by the distribution; or switch "
				 "off Secure Boot",
				 "the kernel is locked down (integrity): only signed kernels and modules "
				 "load");
	} else {
		luo_check_report(checker, "lockdown", LUO_VERDICT_OK, 0, NULL, "no lockdown");
	}
}

void luo_check_kexec_allowed(struct luo_checker *checker)
{
	check_capability(checker);
	check_kexec(checker);
	check_lockdown(checker);
}

static void check_ftrace(struct luo_checker *checker)
{
	char text[32];

	if (luo_system_get_provider(checker->system) == LUO_PROVIDER_KERNEL)
		return;
	if (luo_system_read(checker->system, "/proc/sys/kernel/ftrace_enabled", text,
			    sizeof(text)) < 0)
		luo_check_report(checker, "ftrace",
				 luo_system_get_provider(checker->system) == LUO_PROVIDER_MODULE ?
					 LUO_VERDICT_UNKNOWN :
					 LUO_VERDICT_FAIL,
				 -ENODEV, "boot a kernel of the distribution",
				 "this kernel has no ftrace, by which the module hooks into kexec");
	else if (strcmp(text, "1"))
		luo_check_report(checker, "ftrace", LUO_VERDICT_FAIL, -ENODEV,
				 "run 'sysctl kernel.ftrace_enabled=1'",
				 "ftrace is switched off (kernel.ftrace_enabled=%s)", text);
	else
		luo_check_report(checker, "ftrace", LUO_VERDICT_OK, 0, NULL, "ftrace is on");
}

static void check_platform(struct luo_checker *checker)
{
	struct luo_system *system = checker->system;
	const char *what = NULL;
	char text[256];

	if (luo_system_read(system, "/sys/hypervisor/type", text, sizeof(text)) > 0 &&
	    !strcmp(text, "xen")) {
		if (luo_system_read(system, "/sys/hypervisor/guest_type", text, sizeof(text)) > 0 &&
		    strcmp(text, "PV"))
			luo_check_report(checker, "platform", LUO_VERDICT_WARN, 0, NULL,
					 "this is a Xen guest (%s), where live update has not been "
					 "tried",
					 text);
		else
			what = "a Xen PV guest or dom0";
	} else if (luo_system_exists(system, "/dev/sev-guest") ||
		   file_has_word(system, "/proc/cpuinfo", "sev_guest")) {
		what = "an SEV guest, whose memory is encrypted";
	} else if (luo_system_exists(system, "/dev/tdx_guest") ||
		   file_has_word(system, "/proc/cpuinfo", "tdx_guest")) {
		what = "a TDX guest, whose memory is encrypted";
	} else if (file_has_word(system, "/proc/cmdline", "mem_encrypt=on")) {
		what = "a machine with memory encryption (mem_encrypt=on)";
	} else {
		luo_check_report(checker, "platform", LUO_VERDICT_OK, 0, NULL,
				 "no virtualisation or encryption that is in the way");
	}
	if (what)
		luo_check_report(checker, "platform", LUO_VERDICT_FAIL, -EOPNOTSUPP,
				 "live update is not possible on this machine", "this is %s", what);
}

static void check_module_state(struct luo_checker *checker)
{
	struct luo_status status = { .size = sizeof(status) };
	char size[32];

	luo_system_get_status(checker->system, &status);
	if (status.provider != LUO_PROVIDER_MODULE)
		return;
	if (!status.scratch)
		luo_check_report(checker, "scratch", LUO_VERDICT_FAIL, -ENOSPC,
				 "free memory and load the module again, early after boot",
				 "no scratch: the module got no contiguous memory for the next kernel");
	else
		luo_check_report(checker, "scratch", LUO_VERDICT_OK, 0, NULL,
				 "%s are set aside as scratch", luo_format_size(status.scratch, size));

	switch (status.image) {
	case LUO_IMAGE_ARMED:
		luo_check_report(checker, "image", LUO_VERDICT_OK, 0, NULL,
				 "a kernel is loaded and carries over what is preserved");
		break;
	case LUO_IMAGE_FOREIGN:
		luo_check_report(checker, "image", LUO_VERDICT_WARN, 0,
				 "load it again with 'luoctl load' or 'kexec -s -l'",
				 "the loaded kernel would lose what is preserved");
		break;
	case LUO_IMAGE_NONE:
		luo_check_report(checker, "image", LUO_VERDICT_OK, 0, NULL,
				 "no kernel is loaded yet ('luoctl load' does that)");
		break;
	default:
		luo_check_report(checker, "image", LUO_VERDICT_UNKNOWN, 0, NULL,
				 "the module does not tell which kernel is loaded");
	}

	if (status.reserved)
		luo_check_report(checker, "arrival", LUO_VERDICT_WARN, 0,
				 "see 'luoctl status'; an ordinary reboot frees it",
				 "%s are out of use: what came from the previous kernel was not "
				 "understood",
				 luo_format_size(status.reserved, size));
	if (*status.last_error)
		luo_check_report(checker, "last-error", LUO_VERDICT_WARN, 0, NULL,
				 "the module's last error: %s", status.last_error);
	if ((status.files_out || status.files_in) &&
	    file_has_word(checker->system, "/sys/power/state", "disk"))
		luo_check_report(checker, "hibernation", LUO_VERDICT_OK, 0, NULL,
				 "hibernation is refused while something is preserved");
}

/*
 * Nodes of kind INDIRECT show the memory that they point to, to every user,
 * unless the module has emptied them or somebody has closed them.
 */
static void check_exposure(struct luo_checker *checker)
{
	char path[PATH_MAX], file[PATH_MAX], name[512], text[64];
	unsigned int exposed = 0, nodes = 0;
	struct dirent *entry;
	DIR *dir;

	if (luo_system_path(checker->system, path, "/sys/kernel/boot_params/setup_data"))
		return;
	dir = opendir(path);
	if (dir) {
		while ((entry = readdir(dir))) {
			struct stat st;
			char byte;
			int fd;

			if (entry->d_name[0] == '.')
				continue;
			nodes++;
			snprintf(name, sizeof(name), "/sys/kernel/boot_params/setup_data/%s/type",
				 entry->d_name);
			if (luo_system_read(checker->system, name, text, sizeof(text)) <= 0 ||
			    !(strtoull(text, NULL, 0) & 1ULL << 31))
				continue;
			if (snprintf(file, sizeof(file), "%s/%s/data", path, entry->d_name) >=
				    (int)sizeof(file) ||
			    stat(file, &st) < 0 || !(st.st_mode & 0044))
				continue;
			fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
			if (fd < 0)
				continue;
			if (luo_read_full(fd, &byte, 1) == 1)
				exposed++;
			close(fd);
		}
		closedir(dir);
	}
	if (exposed)
		luo_check_report(checker, "exposure", LUO_VERDICT_FAIL, -EPERM,
				 "run 'chmod 0400 /sys/kernel/boot_params/setup_data/*/data', and load "
				 "the module, which closes them for good",
				 "every user can read preserved memory through %u files in "
				 "/sys/kernel/boot_params/setup_data",
				 exposed);
	else
		luo_check_report(checker, "exposure", LUO_VERDICT_OK, 0, NULL,
				 "no memory shows in /sys/kernel/boot_params/setup_data");
}

/* Asked for and not there: at the last live update its place was taken. */
static void check_crashkernel(struct luo_checker *checker)
{
	char *cmdline;
	bool asked;

	if (luo_cmdline_running(checker->system, &cmdline) < 0)
		return;
	asked = luo_cmdline_find(cmdline, "crashkernel=");
	free(cmdline);
	if (asked && !luo_system_number(checker->system, "/sys/kernel/kexec_crash_size"))
		luo_check_report(checker, "crashkernel", LUO_VERDICT_WARN, 0,
				 "an ordinary reboot brings it back; until then crashes leave no dump",
				 "the command line asks for crashkernel=, but nothing was reserved: "
				 "preserved memory lay in its place");
	else if (asked)
		luo_check_report(checker, "crashkernel", LUO_VERDICT_OK, 0, NULL,
				 "memory for a crash kernel is reserved");
}

/*
 * It runs on over a kexec, and resets the machine, with all that is preserved,
 * unless the next kernel has somebody who feeds it in time.
 */
static void check_watchdog(struct luo_checker *checker)
{
	unsigned int active = 0;
	struct dirent *entry;
	char path[PATH_MAX];
	DIR *dir;

	if (luo_system_path(checker->system, path, "/sys/class/watchdog"))
		return;
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		char name[512], state[32], identity[64];
		unsigned long long timeout;

		if (strncmp(entry->d_name, "watchdog", 8))
			continue;
		snprintf(name, sizeof(name), "/sys/class/watchdog/%s/state", entry->d_name);
		if (luo_system_read(checker->system, name, state, sizeof(state)) <= 0 ||
		    strcmp(state, "active"))
			continue;
		active++;
		snprintf(name, sizeof(name), "/sys/class/watchdog/%s/identity", entry->d_name);
		if (luo_system_read(checker->system, name, identity, sizeof(identity)) <= 0)
			strcpy(identity, "unknown");
		snprintf(name, sizeof(name), "/sys/class/watchdog/%s/timeout", entry->d_name);
		timeout = luo_system_number(checker->system, name);
		luo_check_report(checker, "watchdog", LUO_VERDICT_WARN, 0,
				 "have its driver and who feeds it started early in the next kernel, "
				 "give it a longer timeout, or stop it before the kexec",
				 "%s (%s) runs, and resets the machine when nobody has fed it for "
				 "%llu s",
				 entry->d_name, identity, timeout);
	}
	if (dir)
		closedir(dir);
	if (!active)
		luo_check_report(checker, "watchdog", LUO_VERDICT_OK, 0, NULL,
				 "no watchdog runs that would reset the machine meanwhile");
}

int luo_check_machine(struct luo_system *system, luo_check_cb callback, void *userdata)
{
	struct luo_checker checker = {
		.system = system,
		.callback = callback,
		.userdata = userdata,
	};

	luo_check_provider(&checker);
	check_device(&checker);
	check_kernel_config(&checker);
	luo_check_kexec_allowed(&checker);
	check_ftrace(&checker);
	check_platform(&checker);
	check_module_state(&checker);
	check_exposure(&checker);
	check_crashkernel(&checker);
	check_watchdog(&checker);
	return checker.failed;
}
