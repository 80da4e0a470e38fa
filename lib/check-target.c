// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Can the next kernel take over what is preserved? Everything that can be read
 * from its files is looked at before it is loaded, for what fails in the next
 * kernel has already cost the memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "luo-private.h"

/* The kernel wants room for this option of crash kernels in every command line. */
#define ELFCOREHDR_ROOM 30

/* Purgatory, boot parameters, command line, EFI and ACPI tables. */
#define SMALL_SEGMENTS (1ULL << 20)

void luo_check_report(struct luo_checker *checker, const char *id, int verdict, int error,
		      const char *hint, const char *format, ...)
{
	char text[LUO_ERROR_SIZE];
	struct luo_check_result result = {
		.size = sizeof(result),
		.id = id,
		.verdict = verdict,
		.error = verdict == LUO_VERDICT_FAIL ? error : 0,
		.text = text,
		.hint = hint,
	};
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (verdict == LUO_VERDICT_FAIL) {
		if (!checker->failed)
			checker->first_error = error;
		checker->failed++;
	}
	if (checker->callback)
		checker->callback(&result, checker->userdata);
}

static void check_size(struct luo_checker *checker, const struct luo_status *status,
		       const struct luo_kernel_info *kernel, uint64_t initrd_size)
{
	uint64_t align = kernel->alignment ? kernel->alignment : 1, needed;
	char need_text[32], have_text[32];

	needed = (kernel->init_size + align - 1) / align * align;
	/* The kernel may have to be moved up to its alignment. */
	needed += align + SMALL_SEGMENTS;
	if (initrd_size > UINT64_MAX - needed - 4095)
		needed = UINT64_MAX;
	else
		needed += (initrd_size + 4095) & ~4095ULL;

	luo_format_size(needed, need_text);
	luo_format_size(status->scratch, have_text);
	if (status->provider != LUO_PROVIDER_MODULE)
		luo_check_report(checker, "scratch-size", LUO_VERDICT_UNKNOWN, 0,
				 "load the liveupdate module to find out",
				 "kernel and initrd need %s of scratch", need_text);
	else if (needed > status->scratch)
		luo_check_report(checker, "scratch-size", LUO_VERDICT_FAIL, -ENOSPC,
				 "load the liveupdate module with a larger scratch (scratch=256M), or use "
				 "a smaller initrd (MODULES=dep)",
				 "kernel and initrd need %s of scratch, but only %s are set aside",
				 need_text, have_text);
	else
		luo_check_report(checker, "scratch-size", LUO_VERDICT_OK, 0, NULL,
				 "kernel and initrd need %s of %s scratch", need_text, have_text);
}

static void check_module(struct luo_checker *checker, const struct luo_status *status,
			 const char *initrd, const struct luo_initrd_info *info,
			 const char *release)
{
	uint32_t min, max;

	if (!info->modules) {
		luo_check_report(checker, "target-module", LUO_VERDICT_FAIL, -ENOEXEC,
				 "install liveupdate-dkms, luo-tools and that kernel's headers "
				 "(linux-headers-VERSION); if they are there, run 'update-initramfs -u -k "
				 "VERSION'",
				 "%s does not contain the liveupdate module, without which the next "
				 "kernel loses what is preserved",
				 initrd);
		return;
	}
	if (!*info->release || !*release) {
		luo_check_report(checker, "target-module", LUO_VERDICT_WARN, 0,
				 "make sure that kernel and initrd belong together",
				 "%s contains %s, but it cannot be told for which kernel", initrd,
				 info->module_path);
	} else if (strcmp(info->release, release)) {
		luo_check_report(checker, "target-module", LUO_VERDICT_FAIL, -ENOEXEC,
				 "use the initrd that belongs to the kernel, or make it again",
				 "the liveupdate module in %s is built for %s, but the kernel is %s",
				 initrd, info->release, release);
		return;
	} else {
		luo_check_report(checker, "target-module", LUO_VERDICT_OK, 0, NULL,
				 "%s contains the module for %s", initrd, release);
	}

	if (!info->format_min || !status->format_min) {
		luo_check_report(checker, "target-format", LUO_VERDICT_UNKNOWN, 0, NULL,
				 "%s does not say which handover formats it %s",
				 info->format_min ? "the running kernel" : "the module in the initrd",
				 info->format_min ? "writes" : "reads");
		return;
	}
	min = LUO_MAX(info->format_min, status->format_min);
	max = LUO_MIN(info->format_max, status->format_max);
	if (min > max)
		luo_check_report(checker, "target-format", LUO_VERDICT_FAIL, -ENOEXEC,
				 "install the same version of the liveupdate module for both kernels",
				 "the module in the initrd reads handover formats %u to %u, the running "
				 "one writes %u to %u",
				 info->format_min, info->format_max, status->format_min,
				 status->format_max);
	else
		luo_check_report(checker, "target-format", LUO_VERDICT_OK, 0, NULL,
				 "handover format %u is known to both", max);
}

static bool secure_boot(struct luo_system *system)
{
	char path[PATH_MAX];
	/* Four bytes of attributes, then the value. */
	uint8_t variable[5];
	ssize_t n;
	int fd;

	if (luo_system_path(system, path,
			    "/sys/firmware/efi/efivars/"
			    "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return false;
	n = luo_read_full(fd, variable, sizeof(variable));
	close(fd);
	return n == sizeof(variable) && variable[4] == 1;
}

/*
 * Does the next kernel want modules to be signed? With Secure Boot it locks
 * itself down, or does not if it was built that way; better asked than lost.
 */
static const char *wants_signatures(struct luo_checker *checker, const char *kernel,
				    const char *release, const char *cmdline)
{
	struct luo_config config;
	const char *why = NULL;
	char text[128];

	if (secure_boot(checker->system))
		return "Secure Boot is on";
	if (luo_system_read(checker->system, "/sys/kernel/security/lockdown", text, sizeof(text)) >
		    0 &&
	    !strstr(text, "[none]"))
		return "this kernel is locked down, and the next one may be";
	if (luo_cmdline_find(cmdline, "lockdown="))
		return "lockdown= is on its command line";
	if (luo_cmdline_find(cmdline, "module.sig_enforce"))
		return "module.sig_enforce is on its command line";
	if (luo_config_load(checker->system, kernel, release, false, &config) < 0)
		return NULL;
	if (luo_config_get(&config, "CONFIG_MODULE_SIG_FORCE") == LUO_CONFIG_YES)
		why = "it is built with CONFIG_MODULE_SIG_FORCE";
	luo_config_free(&config);
	return why;
}

static void check_signature(struct luo_checker *checker, const char *kernel,
			    const struct luo_target *target, const struct luo_initrd_info *info,
			    const char *release)
{
	const char *why;

	if (!info->modules)
		return;
	why = wants_signatures(checker, kernel, release, target->cmdline);
	if (!why)
		return;
	if (!info->module_signed)
		luo_check_report(checker, "target-signature", LUO_VERDICT_FAIL, -EKEYREJECTED,
				 "let dkms sign it, have the firmware know the key ('mokutil --import "
				 "/var/lib/dkms/mok.pub'), and make the initrd again",
				 "the module in the initrd is not signed, and the target may load "
				 "signed ones only: %s",
				 why);
	else
		luo_check_report(checker, "target-signature", LUO_VERDICT_OK, 0, NULL,
				 "the module in the initrd is signed (whether the target knows the key "
				 "is not looked at)");
}

/*
 * Kernels to 6.12 mark each range of the chain in their memory map, which has
 * room for 128 entries and three more for each possible NUMA node, and drop
 * memory that does not fit. A range takes up to three; this many are for what
 * firmware describes.
 */
#define FIRMWARE_ENTRIES 26

static void check_map(struct luo_checker *checker, const struct luo_config *config)
{
	uint64_t ranges = luo_system_number(checker->system,
					    "/sys/module/liveupdate/parameters/max_ranges");
	long shift = luo_config_get(config, "CONFIG_NUMA") != LUO_CONFIG_YES ?
			     0 :
			     luo_config_number(config, "CONFIG_NODES_SHIFT");
	uint64_t room;

	/* Without the option there is one node as well. */
	if (shift < 0 || shift > 16)
		shift = 0;
	room = (128 + (3ULL << shift) - FIRMWARE_ENTRIES) / 3;
	if (!ranges)
		luo_check_report(checker, "target-map", LUO_VERDICT_UNKNOWN, 0, NULL,
				 "the module does not tell its max_ranges; the target has room for "
				 "%llu",
				 (unsigned long long)room);
	else if (ranges > room)
		luo_check_report(checker, "target-map", LUO_VERDICT_FAIL, -ENOEXEC,
				 "load the liveupdate module with max_ranges=35, or choose a kernel "
				 "with CONFIG_NUMA=y and CONFIG_NODES_SHIFT=6 or more",
				 "the target kernel (CONFIG_NUMA=%s, %llu possible nodes) has room for "
				 "%llu ranges in its memory map, and up to %llu may be needed: it would "
				 "not see all of its memory",
				 luo_config_get(config, "CONFIG_NUMA") == LUO_CONFIG_YES ? "y" : "n",
				 1ULL << shift, (unsigned long long)room,
				 (unsigned long long)ranges);
	else
		luo_check_report(checker, "target-map", LUO_VERDICT_OK, 0, NULL,
				 "the target's memory map has room for %llu ranges, %llu are used at "
				 "most",
				 (unsigned long long)room, (unsigned long long)ranges);
}

static void check_config(struct luo_checker *checker, const char *kernel, const char *release,
			 const struct luo_status *status)
{
	static const struct {
		const char *option, *why;
	} refused[] = {
		{ "CONFIG_LIVEUPDATE", "live update" },
		{ "CONFIG_KEXEC_HANDOVER", "kexec handover" },
	};
	struct luo_config config;
	int r;

	r = luo_config_load(checker->system, kernel, release, false, &config);
	if (r < 0) {
		luo_check_report(checker, "target-config", LUO_VERDICT_UNKNOWN, 0, NULL,
				 "the configuration of the target kernel was not found (config-%s "
				 "next to it): it must not have CONFIG_LIVEUPDATE or "
				 "CONFIG_KEXEC_HANDOVER",
				 *release ? release : "VERSION");
		return;
	}
	for (unsigned int i = 0; i < LUO_ARRAY_SIZE(refused); i++) {
		if (luo_config_get(&config, refused[i].option) != LUO_CONFIG_YES)
			continue;
		luo_check_report(checker, "target-config", LUO_VERDICT_FAIL, -ENOEXEC,
				 "choose another kernel as target",
				 "the target kernel has %s of its own (%s=y), so the liveupdate module "
				 "will not load there",
				 refused[i].why, refused[i].option);
		luo_config_free(&config);
		return;
	}
	luo_check_report(checker, "target-config", LUO_VERDICT_OK, 0, NULL,
			 "the target kernel leaves live update to the module");
	if (status->provider == LUO_PROVIDER_MODULE)
		check_map(checker, &config);
	luo_config_free(&config);
}

/* What the target's command line wants to have set aside, as far as it says so in bytes. */
static uint64_t asked_for(const char *cmdline)
{
	static const char *const names[] = { "crashkernel=", "hugepages=" };
	uint64_t sum = 0, page = 2 << 20;
	const char *cursor = cmdline, *param;
	size_t len;

	while ((param = luo_cmdline_next(&cursor, &len))) {
		char *end;

		if (len > 11 && !memcmp(param, "hugepagesz=", 11))
			page = param[11] == '1' && param[12] == 'G' ? 1ULL << 30 : 2ULL << 20;
		for (unsigned int i = 0; i < LUO_ARRAY_SIZE(names); i++) {
			size_t n = strlen(names[i]);
			uint64_t value;

			if (len <= n || memcmp(param, names[i], n))
				continue;
			value = strtoull(param + n, &end, 10);
			if (i)
				value *= page;
			else if (*end == 'K' || *end == 'k')
				value <<= 10;
			else if (*end == 'M' || *end == 'm')
				value <<= 20;
			else if (*end == 'G' || *end == 'g')
				value <<= 30;
			sum += value;
		}
	}
	return sum;
}

/*
 * Until its module gives the gaps back the next kernel has to live in what is
 * not covered: itself, the initrd packed and unpacked, a struct page (64 bytes)
 * for each page there is, and something to work with. What the ranges really
 * cover only a rehearsal can tell; that is more than what is kept, not less.
 */
static void check_memory(struct luo_checker *checker, const struct luo_kernel_info *kernel,
			 const struct luo_initrd_info *initrd, const char *cmdline)
{
	uint64_t total = luo_system_meminfo(checker->system, "MemTotal");
	uint64_t kept = luo_system_number(checker->system, "/sys/kernel/liveupdate/kept");
	uint64_t need = kernel->init_size + initrd->file_size + initrd->unpacked_size +
			total / 64 + (64ULL << 20) + asked_for(cmdline);
	char need_text[32], left_text[32], kept_text[32];

	if (!total) {
		luo_check_report(checker, "target-memory", LUO_VERDICT_UNKNOWN, 0, NULL,
				 "cannot tell how much memory there is (/proc is not mounted?)");
		return;
	}
	luo_format_size(need, need_text);
	luo_format_size(total > kept ? total - kept : 0, left_text);
	luo_format_size(kept, kept_text);
	if (kept > total || need > total - kept)
		luo_check_report(checker, "target-memory", LUO_VERDICT_FAIL, -ENOMEM,
				 "preserve less, or use a smaller initrd (MODULES=dep)",
				 "the target needs about %s to start, and beside what is preserved "
				 "(%s) there are %s",
				 need_text, kept_text, left_text);
	else
		luo_check_report(checker, "target-memory", LUO_VERDICT_OK, 0, NULL,
				 "the target needs about %s to start, and beside what is preserved "
				 "(%s) there are %s ('luoctl kexec --rehearse' knows exactly)",
				 need_text, kept_text, left_text);
}

/*
 * The crash kernel and its memory go with this kernel: the next one has to be
 * asked for the memory, and somebody has to load it again.
 */
static void check_target_crashkernel(struct luo_checker *checker, const char *cmdline)
{
	if (luo_system_number(checker->system, "/sys/kernel/kexec_crash_size") &&
	    !luo_cmdline_find(cmdline, "crashkernel="))
		luo_check_report(checker, "target-crashkernel", LUO_VERDICT_WARN, 0,
				 "add crashkernel= to it (--append)",
				 "this kernel has memory for a crash kernel, and the target's command "
				 "line asks for none");
	else if (!luo_system_number(checker->system, "/sys/kernel/kexec_crash_loaded"))
		return;
	else if (luo_system_has_word(checker->system, "/etc/default/kdump-tools", "USE_KDUMP=1"))
		luo_check_report(checker, "target-crashkernel", LUO_VERDICT_OK, 0, NULL,
				 "a crash kernel is loaded, and kdump-tools will load one after the "
				 "update");
	else
		luo_check_report(checker, "target-crashkernel", LUO_VERDICT_WARN, 0,
				 "load it again after the update, or have kdump-tools do so",
				 "a crash kernel is loaded, but kdump-tools is not there or switched "
				 "off, so nobody may load one after the update");
}

/* Is the module among those that modprobe or the kernel shall not load? */
static bool is_blacklisted(const char *param, size_t len)
{
	static const char *const lists[] = { "modprobe.blacklist=", "module_blacklist=" };
	static const char name[] = "liveupdate";

	for (unsigned int i = 0; i < LUO_ARRAY_SIZE(lists); i++) {
		size_t n = strlen(lists[i]);
		const char *p = param + n, *end = param + len;

		if (len < n || memcmp(param, lists[i], n))
			continue;
		while (p < end) {
			size_t word = 0;

			while (p + word < end && p[word] != ',' && p[word] != '"')
				word++;
			if (word == strlen(name) && !memcmp(p, name, word))
				return true;
			p += word + 1;
		}
	}
	return false;
}

static void check_cmdline(struct luo_checker *checker, const char *cmdline, uint32_t max)
{
	static const char *const refused[] = { "mem=", "memmap=" };
	const char *cursor = cmdline, *param;
	size_t len;

	/* As kexec_file_load(2) counts: with the NUL. */
	max = max > ELFCOREHDR_ROOM + 1 ? max - ELFCOREHDR_ROOM - 1 : 0;
	if (strlen(cmdline) > max) {
		luo_check_report(checker, "target-cmdline", LUO_VERDICT_FAIL, -EINVAL,
				 "shorten it", "the command line has %zu characters, the kernel takes %u",
				 strlen(cmdline), max);
		return;
	}
	while ((param = luo_cmdline_next(&cursor, &len))) {
		/* As in luo_cmdline_find(). */
		if (len && *param == '"') {
			param++;
			len--;
		}
		for (unsigned int i = 0; i < LUO_ARRAY_SIZE(refused); i++) {
			size_t n = strlen(refused[i]);

			if (len < n || memcmp(param, refused[i], n))
				continue;
			luo_check_report(checker, "target-cmdline", LUO_VERDICT_FAIL, -EINVAL,
					 "take it out (--cmdline), the target must see all memory",
					 "'%.*s' on the target's command line takes memory away that "
					 "may hold something preserved",
					 (int)LUO_MIN(len, 80), param);
			return;
		}
		if (is_blacklisted(param, len)) {
			luo_check_report(checker, "target-cmdline", LUO_VERDICT_FAIL, -EINVAL,
					 "take it out (--cmdline)",
					 "'%.*s' on the target's command line keeps the liveupdate "
					 "module out, without which the next kernel loses what is "
					 "preserved",
					 (int)LUO_MIN(len, 80), param);
			return;
		}
		if (len >= 14 && !memcmp(param, "mem_encrypt=on", 14) &&
		    luo_system_has_word(checker->system, "/proc/cpuinfo", "sme")) {
			luo_check_report(checker, "target-cmdline", LUO_VERDICT_FAIL, -EINVAL,
					 "take it out (--cmdline)",
					 "'mem_encrypt=on' on the target's command line: it could not "
					 "read what is preserved");
			return;
		}
	}
	luo_check_report(checker, "target-cmdline", LUO_VERDICT_OK, 0, NULL,
			 "the command line is fine");
}

void luo_target_release(struct luo_target *target)
{
	if (target->kernel_fd >= 0)
		close(target->kernel_fd);
	if (target->initrd_fd >= 0)
		close(target->initrd_fd);
	free(target->kernel);
	free(target->initrd);
	free(target->cmdline);
}

void luo_check_target_files(struct luo_checker *checker, struct luo_target *target)
{
	const char *kernel = target->kernel, *initrd = target->initrd;
	struct luo_kernel_info kernel_info = { .size = sizeof(kernel_info) };
	struct luo_initrd_info initrd_info = { .size = sizeof(initrd_info) };
	struct luo_status status = { .size = sizeof(status) };
	char text[LUO_ERROR_SIZE] = "";
	struct luo_text error = { text, sizeof(text) };
	uint64_t size;
	int r;

	luo_system_get_status(checker->system, &status);

	r = target->kernel_fd = luo_open_said(kernel, &size, &error);
	if (r >= 0)
		r = luo_kernel_inspect_fd(r, kernel, size, &kernel_info, &error);
	if (r < 0) {
		luo_check_report(checker, "target-kernel", LUO_VERDICT_FAIL, r, NULL, "%s", text);
		return;
	}
	luo_check_report(checker, "target-kernel", LUO_VERDICT_OK, 0, NULL, "%s is Linux %s", kernel,
			 *kernel_info.release ? kernel_info.release : "of unknown release");

	if (!initrd) {
		luo_check_report(checker, "target-initrd", LUO_VERDICT_FAIL, -ENOENT,
				 "make one with the liveupdate module in it, or name it with --initrd",
				 "no initrd found for %s", kernel);
		return;
	}
	r = target->initrd_fd = luo_open_said(initrd, &size, &error);
	if (r >= 0)
		r = luo_initrd_inspect_fd(r, initrd, size,
					  *kernel_info.release ? kernel_info.release : NULL,
					  &initrd_info, &error);
	if (r == -EOPNOTSUPP) {
		luo_check_report(checker, "target-initrd", LUO_VERDICT_FAIL, -ENOEXEC, NULL, "%s",
				 text);
		return;
	}
	if (r < 0) {
		luo_check_report(checker, "target-initrd", LUO_VERDICT_FAIL,
				 r == -EBADMSG ? -ENOEXEC : r, NULL, "%s", text);
		return;
	}
	{
		char packed[32], unpacked[32];

		luo_check_report(checker, "target-initrd", LUO_VERDICT_OK, 0, NULL,
				 "%s has %u files, %s (%s unpacked)", initrd, initrd_info.files,
				 luo_format_size(initrd_info.file_size, packed),
				 luo_format_size(initrd_info.unpacked_size, unpacked));
	}
	check_module(checker, &status, initrd, &initrd_info, kernel_info.release);
	check_signature(checker, kernel, target, &initrd_info, kernel_info.release);
	check_size(checker, &status, &kernel_info, initrd_info.file_size);
	check_memory(checker, &kernel_info, &initrd_info, target->cmdline);
	check_config(checker, kernel, kernel_info.release, &status);
	check_cmdline(checker, target->cmdline, kernel_info.cmdline_max);
	check_target_crashkernel(checker, target->cmdline);
}

int luo_check_target(struct luo_system *system, const struct luo_kexec_options *options,
		     luo_check_cb callback, void *userdata)
{
	struct luo_checker checker = {
		.system = system,
		.callback = callback,
		.userdata = userdata,
	};
	struct luo_target target = LUO_TARGET_INIT;
	int r;

	r = luo_kexec_find_target(system, options, &target.kernel, &target.initrd, &target.cmdline);
	if (r == -ENOMEM || r == -EINVAL)
		return r;
	if (r < 0) {
		luo_check_report(&checker, "target-kernel", LUO_VERDICT_FAIL, r,
				 "install one, or name it with --kernel",
				 "no kernel found to update to: there is neither /boot/vmlinuz-VERSION "
				 "nor /vmlinuz");
		return checker.failed;
	}
	luo_check_target_files(&checker, &target);
	luo_target_release(&target);
	return checker.failed;
}
