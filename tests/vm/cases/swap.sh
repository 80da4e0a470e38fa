# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: files that are swapped out when they are preserved, and later
# chain: A B
# memory: 640M
# swap: 512M
# time: 150
# cmdline: liveupdate.scratch=128M

a=1:dense:150M:seed=31
b=2:scatter:60M:seed=32

stage1() {
	plan 5
	ok "swap is on" swap_on
	ok "a file is made and swapped out" luotest hold --session s --squeeze 80M --file "$a" --file "$b"
	note "swapped out: $(vmstat_of pswpout) pages, in: $(vmstat_of pswpin)"
	ok "pages went out" test "$(vmstat_of pswpout)" -gt 10000
	ok "and came in again" test "$(vmstat_of pswpin)" -gt 10000
	ok "the next kernel is loaded" luo_load kexec
	luo_kexec
}

swap_on() {
	for disk in /dev/nvme0n1 /dev/nvme1n1; do
		grep -q "^$disk " /proc/mounts || { mkswap $disk && swapon $disk; return; }
	done
	return 1
}

stage2() {
	plan 3
	ok "swap is on" swap_on
	ok "every byte arrived, while memory is short" \
		luotest check --session s --squeeze 80M --file "$a" --file "$b" --finish
	ok "restored pages can be swapped out" test "$(vmstat_of pswpout)" -gt 10000
}
