/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System calls under libluo's feet. Everything passes through unless a test
 * says otherwise.
 */
#ifndef MOCK_H
#define MOCK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct mock {
	/* ioctl(2) of live update */
	int ioctl_error; /* errno, 0: succeeds */
	int ioctl_fd; /* answer of those that give a descriptor */
	const char *ioctl_name; /* answer of GET_NAME */
	struct { uint64_t value; uint32_t flags, mode, uid, gid; } was; /* of RETRIEVE_INTO */
	int ask_error, into_error; /* errno of it, without and with a descriptor */
	int brought; /* duplicate of that descriptor */
	unsigned long command; /* what the last one got */
	uint8_t arg[128];
	unsigned int calls;
	bool in_tree; /* commands of liveupdate_ext.h do not exist */
	int ext_error; /* errno of those, but for the two that give a state */
	const void *answer; /* what they write, from the size on */
	size_t answer_size;
	unsigned int probes; /* how often a state was asked for */
	/* kexec_file_load(2) */
	int load_error;
	unsigned int loads;
	unsigned long load_flags;
	char cmdline[4096];
	int load_initrd;
	/* reboot(2) */
	int reboot_error;
	unsigned int reboots, syncs;
	/* open(2) of the device */
	int open_error;
	int open_flags;
	/* malloc(3): the Nth from now fails; 0: none */
	unsigned int malloc_fails;
};

extern struct mock mock;

#endif /* MOCK_H */
