#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Asks the compiler what the kernel at hand offers, and prints one -D for each
# answer that is yes. Called by Kbuild as
#	probe.sh CC FLAGS...
# A version number would be the wrong question: distributions backport.
set -u

cc=$1
shift

compiles() {
	code=$1
	shift
	printf '#include <linux/kconfig.h>\n#include <linux/compiler_types.h>\n%b\n' "$code" |
		$cc "$@" -DMODULE -DKBUILD_MODNAME='"probe"' -DKBUILD_BASENAME='"probe"' \
			-Werror -Wno-missing-prototypes -Wno-missing-declarations -fsyntax-only -x c - 2>/dev/null
}

# Controls: if one of these is wrong, so would be everything else.
if ! compiles '#include <linux/mm.h>\nint probe(struct page *p) { return page_count(p); }' "$@"; then
	echo "liveupdate: cannot compile against these kernel headers" >&2
	echo "-DLUO_PROBE_FAILED"
	exit 0
fi
if compiles '#include <linux/mm.h>\nint probe(struct page *p) { return p->no_such_member; }' "$@"; then
	echo "liveupdate: the compiler accepts everything, probes mean nothing" >&2
	echo "-DLUO_PROBE_FAILED"
	exit 0
fi

# name, then a program that compiles only where the thing exists
while IFS='	' read -r name code; do
	[ -n "$name" ] || continue
	if compiles "$code" "$@"; then
		echo "-DLUO_HAVE_$name"
	fi
done <<'PROBES'
CRC32C_IN_CRC32	#include <linux/crc32.h>\nu32 probe(const void *p) { return crc32c(~0, p, 8); }
VMA_FLAGS_T	#include <linux/mm.h>\nvma_flags_t probe(void) { return (vma_flags_t){}; }
ACR_FLAGS	#include <linux/gfp.h>\nacr_flags_t probe(void) { return ACR_FLAGS_NONE; }
COMPOUND_DTOR	#include <linux/mm.h>\nint probe(struct page *p) { return p[1].compound_dtor == TRANSHUGE_PAGE_DTOR; }
LARGE_MAPCOUNT	#include <linux/mm.h>\nint probe(struct folio *f) { return atomic_read(&f->_large_mapcount); }
MM_ID	#include <linux/mm.h>\nint probe(struct folio *f) { return f->_mm_id_mapcount[0]; }
EVENTFD_SIGNAL_ONE	#include <linux/eventfd.h>\nvoid probe(struct eventfd_ctx *c) { eventfd_signal(c); }
SYSTEM_DFL_WQ	#include <linux/workqueue.h>\nvoid *probe(void) { return system_dfl_wq; }
FOLIO_NR_PAGES	#include <linux/mm.h>\nint probe(struct folio *f) { return f->_folio_nr_pages; }
COMPOUND_HEAD_ORDER	#include <linux/mm.h>\nvoid probe(struct page *p) { set_compound_head(p + 1, p, 2); }
HUGETLB_BASEPAGE_INDEX	#include <linux/pagemap.h>\nlong probe(struct page *p) { return hugetlb_basepage_index(p); }
MNT_IDMAP	#include <linux/fs.h>\nint probe(struct mnt_idmap *m, struct dentry *d, struct iattr *a) { return setattr_prepare(m, d, a); }
VM_FLAGS_CLEAR	#include <linux/mm.h>\nvoid probe(struct vm_area_struct *v) { vm_flags_clear(v, VM_MAYWRITE); }
SIMPLE_INODE_INIT_TS	#include <linux/fs.h>\nvoid probe(struct inode *i) { simple_inode_init_ts(i); }
PROBES
exit 0
