// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a kernel module says about itself, from the ELF section .modinfo. The
 * file is untrusted.
 */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "luo-private.h"

static const char signature_magic[] = "~Module signature appended~\n";

static bool within(uint64_t offset, uint64_t size, size_t len)
{
	return offset <= len && size <= len - offset;
}

static int find_modinfo(const uint8_t *elf, size_t len, const uint8_t **ret, size_t *ret_len)
{
	Elf64_Ehdr ehdr;
	Elf64_Shdr names, section;

	if (len < sizeof(ehdr))
		return -EBADMSG;
	memcpy(&ehdr, elf, sizeof(ehdr));
	if (memcmp(ehdr.e_ident, ELFMAG, SELFMAG) || ehdr.e_ident[EI_CLASS] != ELFCLASS64 ||
	    ehdr.e_ident[EI_DATA] != ELFDATA2LSB || ehdr.e_shentsize != sizeof(section) ||
	    ehdr.e_shstrndx >= ehdr.e_shnum ||
	    !within(ehdr.e_shoff, (uint64_t)ehdr.e_shnum * sizeof(section), len))
		return -EBADMSG;

	memcpy(&names, elf + ehdr.e_shoff + (size_t)ehdr.e_shstrndx * sizeof(names),
	       sizeof(names));
	if (!within(names.sh_offset, names.sh_size, len))
		return -EBADMSG;

	for (unsigned int i = 0; i < ehdr.e_shnum; i++) {
		static const char wanted[] = ".modinfo";

		memcpy(&section, elf + ehdr.e_shoff + i * sizeof(section), sizeof(section));
		if (!within(section.sh_name, sizeof(wanted), names.sh_size) ||
		    memcmp(elf + names.sh_offset + section.sh_name, wanted, sizeof(wanted)))
			continue;
		if (section.sh_type == SHT_NOBITS || !within(section.sh_offset, section.sh_size, len))
			return -EBADMSG;
		*ret = elf + section.sh_offset;
		*ret_len = section.sh_size;
		return 0;
	}
	return -ENODATA;
}

int luo_modinfo_parse(const uint8_t *elf, size_t len, struct luo_modinfo *ret_info,
		      struct luo_text *error)
{
	struct luo_modinfo info = { 0 };
	const uint8_t *text;
	size_t left;
	int r;

	r = find_modinfo(elf, len, &text, &left);
	if (r < 0)
		return luo_fail(error, -EBADMSG,
				"it is damaged or no kernel module: build it again and make the "
				"initrd again");
	while (left) {
		size_t n = strnlen((const char *)text, left);
		char value[LUO_RELEASE_SIZE];

		if (n > 9 && !memcmp(text, "vermagic=", 9)) {
			size_t i;

			for (i = 0; i < n - 9 && i < sizeof(value) - 1 && text[9 + i] > ' ' &&
				    text[9 + i] < 0x7f;
			     i++)
				value[i] = text[9 + i];
			value[i] = '\0';
			memcpy(info.release, value, sizeof(value));
		} else if (n > 11 && n - 11 < sizeof(value) && !memcmp(text, "luo_format=", 11)) {
			memcpy(value, text + 11, n - 11);
			value[n - 11] = '\0';
			luo_format_parse(value, &info.format_min, &info.format_max);
		}
		n = LUO_MIN(n + 1, left);
		text += n;
		left -= n;
	}
	info.signature = len >= sizeof(signature_magic) - 1 &&
			 !memcmp(elf + len - (sizeof(signature_magic) - 1), signature_magic,
				 sizeof(signature_magic) - 1);
	*ret_info = info;
	return 0;
}
