/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/luo_family: makes members of a family of files.
 */
#ifndef LUO_FAMILY_H
#define LUO_FAMILY_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* A machine refers to a device, that to a domain, and that to the machine. */
enum family_kind {
	FAMILY_MACHINE,
	FAMILY_DOMAIN,
	FAMILY_DEVICE,
	FAMILY_NR_KINDS,
};

/**
 * struct family_new - argument of FAMILY_NEW
 * @kind:  see &enum family_kind
 * @pages: size of its memory, which is the contents of the file; that of a
 *         domain is a power of two
 */
struct family_new {
	__u32 kind;
	__u32 pages;
};

/**
 * struct family_info - answer of FAMILY_INFO
 * @kind:    see &enum family_kind
 * @pages:   size of its memory
 * @id:      number of this member
 * @partner: number of the one it refers to; 0: none, or not yet retrieved
 */
struct family_info {
	__u32 kind;
	__u32 pages;
	__u64 id;
	__u64 partner;
};

/* On the device: returns a file. */
#define FAMILY_NEW	_IOW('F', 0, struct family_new)
/* On a file: its partner is the one with this fd. */
#define FAMILY_LINK	_IO('F', 1)
#define FAMILY_INFO	_IOR('F', 2, struct family_info)

#endif /* LUO_FAMILY_H */
