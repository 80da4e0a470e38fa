# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: hugetlb memfds come back as files of huge pages, which go on to the kernel after that
# chain: 6.1 6.12 6.1
# chain: 6.12 6.1 6.12
# chain-all: 6.12 6.12 6.12
# chain-all: 6.12 7.2 6.12
# chain-all: 7.2 6.1 7.2
# memory: 1G
# cmdline: init_on_alloc=0 hugetlb_free_vmemmap=on
# time: 300

pool=/sys/kernel/mm/hugepages/hugepages-2048kB

pages_are() {
	[ "$(cat $pool/free_hugepages)" = "$1" ]
}

huge_are() {
	[ "$(meminfo FileHugePages)" = "$1" ]
}

# Free memory in KiB, with what CPUs keep for themselves: later kernels put huge
# pages there, too.
really_free() {
	local kept

	kept=$(awk '$1 == "count:" { n += $2 } END { print n * 4 }' /proc/zoneinfo)
	note "MemFree $(meminfo MemFree) KiB, and $kept KiB in lists of CPUs"
	echo $(($(meminfo MemFree) + kept))
}

load_next() {
	ok "the next kernel is loaded" luo_load kexec "" "luo.total=$(meminfo MemTotal)"
	luo_kexec
}

stage1() {
	plan 7
	echo 48 >$pool/nr_hugepages
	same "the pool has 48 pages" "$(cat $pool/free_hugepages)" 48
	ok "files are held and given up" luotest huge-hold huge
	# 8, 6 of 16, 6 of 8, 2, 2 and none of 4; and one that was punched out is
	# not free before the freeze.
	same "they are 25 pages of the pool" "$(cat $pool/free_hugepages)" 23
	kill "$(cat /run/luotest-huge.pid)"
	ok "which are free again" wait_for 5 pages_are 48
	ok "files are held" luotest huge-hold huge
	same "bytes_out counts them" "$(luo_sysfs bytes_out)" $((24 * 2 << 20))
	load_next
}

stage2() {
	plan 114
	# Some points are about SIGSEGV, which is no complaint of the kernel's here.
	echo 0 >/proc/sys/debug/exception-trace
	same "there is no pool" "$(cat $pool/nr_hugepages)" 0
	points luotest huge-check 1 huge again
	load_next
}

stage3() {
	local before free

	plan 61
	before=$(tr ' ' '\n' </proc/cmdline | sed -n 's/^luo.total=//p' | tail -n 1)
	near "MemTotal is about what the kernel before had" "$(meminfo MemTotal)" "$before" 24576
	points luotest huge-check 2 again last
	free=$(really_free)
	# 8, 7, 5, 2 and 2, and what was changed since: three more, one less
	ok "bytes_out and FileHugePages agree" huge_are $((24 * 2048))
	kill "$(cat /run/luotest-last.pid)"
	ok "they go" wait_for 5 huge_are 0
	# And two pages of buffers that the process itself had; all but half a page.
	ok "and their memory is free" test $(($(really_free) - free)) -gt $((26 * 2048 - 1024))
	near "hardly anything stays reserved" "$(luo_sysfs reserved)" 0 65536
	ok "no session is left" test "$(luo_sysfs sessions_in) $(luo_sysfs sessions_out)" = "0 0"
}
