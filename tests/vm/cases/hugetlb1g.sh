# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: a hugetlb memfd of 1 GiB pages comes back, in pages of 2 MiB
# chain: 6.1 6.12
# chain-all: 6.12 6.1
# chain-all: 6.12 7.2
# memory: 4G
# cmdline: hugepagesz=1G hugepages=1 init_on_alloc=0
# time: 300

# Without a pool for the next kernel: it would want another GiB.
luo_cmdline() {
	printf '%s luo.stage=%s\n' "$(sed 's/ *luo\.stage=[0-9]*//; s/ hugepagesz=1G hugepages=1//' \
		/proc/cmdline)" $((luo_stage + 1))
}

stage1() {
	plan 4
	same "the pool has a page" \
		"$(cat /sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages)" 1
	ok "a file of one page is held" luotest huge-hold giant giant
	same "bytes_out counts it" "$(luo_sysfs bytes_out)" 1073741824
	ok "the next kernel is loaded" luo_load kexec
	luo_kexec
}

stage2() {
	plan 12
	points luotest huge-check 1 giant giant
	same "it is in no file any more" "$(meminfo FileHugePages)" 0
	note "MemFree $(meminfo MemFree) KiB of $(meminfo MemTotal)"
	ok "it is free memory again" \
		test "$(meminfo MemFree)" -gt $(($(meminfo MemTotal) - (768 << 10)))
	near "hardly anything stays reserved" "$(luo_sysfs reserved)" 0 65536
}
