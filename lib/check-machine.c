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
	} else if (luo_system_read(checker->system, "/proc/sys/kernel/kexec_load_limit_reboot", text,
				   sizeof(text)) > 0 &&
		   !strcmp(text, "0")) {
		/* Linux 6.3 and later; -1 is no limit. */
		luo_check_report(checker, "kexec", LUO_VERDICT_FAIL, -EPERM,
				 "it cannot be raised again: reboot, and find what sets "
				 "kernel.kexec_load_limit_reboot",
				 "kernels have been loaded as often as is allowed "
				 "(kernel.kexec_load_limit_reboot=0)");
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

#define FUNCTIONS_LIMIT (16u << 20)

/*
 * Does ftrace lead this function elsewhere? A line of the file is a name, a
 * count in brackets, and letters, of which I is for hooks that change where the
 * function goes.
 */
static bool is_hooked(const char *text, const char *function)
{
	size_t len = strlen(function);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		const char *end, *flag;

		line += *line == '\n';
		if (strncmp(line, function, len) || line[len] != ' ')
			continue;
		end = strchrnul(line, '\n');
		flag = strstr(line, ") ");
		for (; flag && flag < end && *flag != '\t'; flag++)
			if (flag[0] == ' ' && flag[1] == 'I' && strchr(" \t\n", flag[2]))
				return true;
	}
	return false;
}

/* Without its hooks the module can only give out what has arrived. */
static void check_hooks(struct luo_checker *checker)
{
	static const char *const functions[] = {
		"kexec_add_buffer",
		"machine_kexec_prepare",
		"kimage_free",
		"kernel_kexec",
	};
	struct luo_system *system = checker->system;
	char *text, missing[128] = "";
	ssize_t n;

	if (luo_system_get_provider(system) != LUO_PROVIDER_MODULE)
		return;
	text = malloc(FUNCTIONS_LIMIT);
	if (!text)
		return;
	n = luo_system_read(system, "/sys/kernel/tracing/enabled_functions", text, FUNCTIONS_LIMIT);
	if (n < 0)
		n = luo_system_read(system, "/sys/kernel/debug/tracing/enabled_functions", text,
				    FUNCTIONS_LIMIT);
	for (unsigned int i = 0; n >= 0 && i < LUO_ARRAY_SIZE(functions); i++) {
		size_t len = strlen(missing);

		if (!is_hooked(text, functions[i]))
			snprintf(missing + len, sizeof(missing) - len, "%s%s()", len ? ", " : "",
				 functions[i]);
	}
	free(text);
	/* Not mounted, or so much is traced that the list is longer: nothing is known. */
	if (n < 0 || n >= (ssize_t)FUNCTIONS_LIMIT - 2)
		return;
	if (*missing)
		luo_check_report(checker, "hooks", LUO_VERDICT_FAIL, -ENODEV,
				 "see what else changes these functions (live patches, tracers), then "
				 "load the module again",
				 "the module has no hook on %s, so nothing would be carried over",
				 missing);
	else
		luo_check_report(checker, "hooks", LUO_VERDICT_OK, 0, NULL,
				 "the module's hooks are in place");
}

/* What firmware tells is passed on by kexec in so many entries and no more. */
#define FIRMWARE_MAX 128U

static unsigned int firmware_entries(struct luo_system *system)
{
	struct dirent *entry;
	char path[PATH_MAX];
	unsigned int n = 0;
	DIR *dir;

	if (luo_system_path(system, path, "/sys/firmware/memmap"))
		return 0;
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}

/* A CPU that can encrypt memory, and a kernel that is built to have it do so unasked. */
static bool encrypts_by_default(struct luo_system *system)
{
	char release[LUO_RELEASE_SIZE] = "";
	struct luo_config config;
	bool by_default;

	if (!luo_system_has_word(system, "/proc/cpuinfo", "sme") ||
	    luo_system_has_word(system, "/proc/cmdline", "mem_encrypt=off"))
		return false;
	luo_system_release(system, release);
	if (luo_config_load(system, NULL, release, true, &config) < 0)
		return false;
	by_default = luo_config_get(&config, "CONFIG_AMD_MEM_ENCRYPT_ACTIVE_BY_DEFAULT") ==
		     LUO_CONFIG_YES;
	luo_config_free(&config);
	return by_default;
}

static void check_platform(struct luo_checker *checker)
{
	struct luo_system *system = checker->system;
	unsigned int entries = firmware_entries(system);
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
		   luo_system_has_word(system, "/proc/cpuinfo", "sev_guest")) {
		what = "an SEV guest, whose memory is encrypted";
	} else if (luo_system_exists(system, "/dev/tdx_guest") ||
		   luo_system_has_word(system, "/proc/cpuinfo", "tdx_guest")) {
		what = "a TDX guest, whose memory is encrypted";
	} else if (luo_system_has_word(system, "/proc/cmdline", "mem_encrypt=on")) {
		what = "a machine with memory encryption (mem_encrypt=on)";
	} else if (encrypts_by_default(system)) {
		what = "a machine with memory encryption (SME, which this kernel switches on by "
		       "itself)";
	} else if (entries > FIRMWARE_MAX) {
		snprintf(text, sizeof(text),
			 "a machine whose firmware describes memory in %u pieces, of which the next "
			 "kernel would see %u",
			 entries, FIRMWARE_MAX);
		what = text;
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
	    luo_system_has_word(checker->system, "/sys/power/state", "disk"))
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
	else if (asked && !luo_system_number(checker->system, "/sys/kernel/kexec_crash_loaded"))
		luo_check_report(checker, "crashkernel", LUO_VERDICT_WARN, 0,
				 "see 'systemctl status kdump-tools'",
				 "memory for a crash kernel is reserved, but none is loaded");
	else if (asked)
		luo_check_report(checker, "crashkernel", LUO_VERDICT_OK, 0, NULL,
				 "memory for a crash kernel is reserved, and one is loaded");
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
	check_hooks(&checker);
	check_platform(&checker);
	check_module_state(&checker);
	check_exposure(&checker);
	check_crashkernel(&checker);
	check_watchdog(&checker);
	return checker.failed;
}
