# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: every command with every kind of argument, before and after an update
# chain: A B
# memory: 512M

stage1() {
	plan 109
	points luotest abi
	same "nothing is left of all that" "$(luo_sysfs sessions_out) $(luo_sysfs files_out)" "0 0"
	ok "two sessions are held" luotest hold \
		--session abi 1:dense:16K 2:dense:16K 3:dense:16K \
		--session abi-left 1:dense:16K
	ok "the next kernel is loaded" luo_load kexec
	luo_kexec
}

stage2() {
	plan 32
	points luotest abi-incoming
	same "nothing is left of all that" "$(luo_sysfs sessions_in) $(luo_sysfs files_in)" "0 0"
}
