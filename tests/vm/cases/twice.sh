# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: updates in a row: what arrived goes on to the next kernel, none loses memory
# chain: 6.1 6.1 6.12
# chain: 6.12 6.1 6.12
# chain: 6.1 6.12 6.1 6.12
# chain-all: 6.1 7.2 6.1 7.2
# chain-all: 7.2 6.12 7.2
# memory: 768M
# time: 180
#
# To 6.9 the covering ranges get into the memory map that kexec_file_load()
# passes on, which has room for 128 entries: without care the kernel after a
# 6.1 would start with a fraction of its memory.

files="1:scatter:32M:seed=3 2:sparse:4M 3:dense:8M:pos=77 4:falloc:1M"

go_on() {
	if [ "$luo_stage" -lt "$luo_stages" ]; then
		ok "the next kernel is loaded" luo_load kexec "" "luo.total=$(meminfo MemTotal)"
		luo_kexec
	fi
}

arrived() {
	local before

	# Loading the next kernel is one more, where there is one.
	plan $((6 + (luo_stage < luo_stages)))
	# The last of the words counts: each stage adds one.
	before=$(tr ' ' '\n' </proc/cmdline | sed -n 's/^luo.total=//p' | tail -n 1)
	same "sysfs counts the updates" "$(luo_sysfs generation)" $((luo_stage - 1))
	# shellcheck disable=SC2086
	ok "every byte arrived, and is preserved again" \
		luotest check --session "s$((luo_stage - 1))" $files --finish --hold "s$luo_stage"
	# Pages with nodes of a chain stay what they are: the kernel goes through
	# them again and again.
	near "hardly anything stays reserved" "$(luo_sysfs reserved)" 0 65536
	# Kernels of different versions differ in what they take for themselves.
	near "MemTotal is about what the kernel before had" "$(meminfo MemTotal)" "$before" 24576
	ok "all of the memory can be used" luotest self 9:dense:300M
	same "there is scratch for the next update" "$(test "$(luo_sysfs scratch)" -gt 50000000 && echo enough)" enough
	go_on
}

stage1() {
	plan 2
	# shellcheck disable=SC2086
	ok "a session is held" luotest hold --session s1 $files
	go_on
}
stage2() { arrived; }
stage3() { arrived; }
stage4() { arrived; }
