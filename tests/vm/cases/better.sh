# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: a sparse file of 1 TiB, changes while preserved, files of a tmpfs without a name
# chain: A B
# memory: 512M
# cmdline: init_on_alloc=0

stage1() {
	plan 3
	ok "they are held" luotest better-hold
	ok "which costs what is in them" test "$(luo_sysfs bytes_out)" -lt 131072
	ok "the next kernel is loaded" luo_load kexec
	luo_kexec
}

stage2() {
	plan 12
	points luotest better-check
	same "nothing is left" "$(luo_sysfs sessions_in)" 0
}
