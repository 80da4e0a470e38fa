// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mkimage kernel FILE RELEASE INIT_SIZE   what looks like a bzImage
 * mkimage module FILE RELEASE FORMAT      what looks like a kernel module
 * mkimage signed FILE RELEASE FORMAT      the same, with what looks like a signature
 *
 * For tests: enough for the headers to be read, nothing that could run.
 */
#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int write_file(const char *path, const void *data, size_t len)
{
	FILE *file = fopen(path, "w");

	if (!file || fwrite(data, 1, len, file) != len || fclose(file)) {
		perror(path);
		return 1;
	}
	return 0;
}

static int make_kernel(const char *path, const char *release, uint32_t init_size)
{
	static uint8_t image[64 * 1024];
	uint32_t syssize = (sizeof(image) - 8 * 512) / 16, cmdline_size = 2047;
	uint32_t alignment = 2 << 20;
	uint16_t version = 0x400;

	image[0x1f1] = 7; /* setup sectors */
	memcpy(image + 0x1f4, &syssize, 4);
	image[0x1fe] = 0x55;
	image[0x1ff] = 0xaa;
	memcpy(image + 0x202, "HdrS", 4);
	image[0x206] = 0x0f;
	image[0x207] = 0x02;
	memcpy(image + 0x20e, &version, 2);
	image[0x211] = 1;
	memcpy(image + 0x230, &alignment, 4);
	image[0x236] = 3;
	memcpy(image + 0x238, &cmdline_size, 4);
	memcpy(image + 0x260, &init_size, 4);
	snprintf((char *)image + 0x600, 256, "%s (builder) #1 SMP", release);
	return write_file(path, image, sizeof(image));
}

static int make_module(const char *path, const char *release, const char *format, bool sign)
{
	static const char names[] = "\0.modinfo\0.shstrtab";
	static const char signature[] = "~Module signature appended~\n";
	uint8_t image[4096] = { 0 };
	Elf64_Ehdr ehdr = { 0 };
	Elf64_Shdr sections[3] = { 0 };
	char info[512];
	int n;

	n = snprintf(info, sizeof(info), "license=GPL%cvermagic=%s SMP preempt mod_unload%c", 0,
		     release, 0);
	if (*format)
		n += snprintf(info + n, sizeof(info) - n, "luo_format=%s", format) + 1;
	memcpy(ehdr.e_ident, ELFMAG, SELFMAG);
	ehdr.e_ident[EI_CLASS] = ELFCLASS64;
	ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
	ehdr.e_shoff = sizeof(ehdr);
	ehdr.e_shentsize = sizeof(sections[0]);
	ehdr.e_shnum = 3;
	ehdr.e_shstrndx = 2;
	sections[1] = (Elf64_Shdr){ .sh_name = 1, .sh_type = SHT_PROGBITS, .sh_offset = 1024,
				    .sh_size = n };
	sections[2] = (Elf64_Shdr){ .sh_name = 10, .sh_type = SHT_STRTAB, .sh_offset = 2048,
				    .sh_size = sizeof(names) };
	memcpy(image, &ehdr, sizeof(ehdr));
	memcpy(image + sizeof(ehdr), sections, sizeof(sections));
	memcpy(image + 1024, info, n);
	memcpy(image + 2048, names, sizeof(names));
	if (sign)
		memcpy(image + sizeof(image) - strlen(signature), signature, strlen(signature));
	return write_file(path, image, sizeof(image));
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "kernel"))
		return make_kernel(argv[2], argv[3], strtoul(argv[4], NULL, 0));
	if (argc == 5 && !strcmp(argv[1], "module"))
		return make_module(argv[2], argv[3], argv[4], false);
	if (argc == 5 && !strcmp(argv[1], "signed"))
		return make_module(argv[2], argv[3], argv[4], true);
	fprintf(stderr, "Usage: mkimage kernel|module|signed FILE RELEASE INIT_SIZE|FORMAT\n");
	return 2;
}
