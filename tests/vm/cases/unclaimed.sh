# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: a session that nobody asks for keeps its memory, is seen, and goes on to the next kernel
# chain: 6.1 6.12 6.1
# chain: 6.12 6.12 6.12
# chain-all: 6.12 7.2 6.12
# memory: 768M
# expect-log: liveupdate: .*not finished, and go on

total_of() {
	tr ' ' '\n' </proc/cmdline | sed -n "s/^luo.total$1=//p"
}

stage1() {
	plan 2
	ok "two sessions are held" luotest hold --session one 1:scatter:48M:seed=3 --session two 1:dense:1M
	ok "the next kernel is loaded" luo_load kexec "" "luo.total1=$(meminfo MemTotal)"
	luo_kexec
}

stage2() {
	plan 8
	ok "one of them is claimed" luotest check --session two 1:dense:1M --finish
	same "the other is seen" "$(luo_sysfs sessions_in) $(luo_sysfs files_in) $(luo_sysfs bytes_in)" \
		"1 1 $((48 << 20))"
	same "the state says so" "$(luo_sysfs state)" updated
	fails "the module cannot go" any rmmod liveupdate
	ok "memory can be used all the same" luotest self 1:dense:300M
	ok "another session is held for the next kernel" luotest hold --session three 1:dense:1M:seed=8
	ok "the next kernel is loaded" luo_load luoctl "" "luo.total2=$(meminfo MemTotal)"
	ok "the unclaimed session is as it was" test "$(luo_sysfs bytes_in)" = $((48 << 20))
	luo_kexec
}

stage3() {
	plan 4
	same "the new one came, and the other" "$(luo_sysfs sessions_in)" 2
	ok "the new one is whole" luotest check --session three 1:dense:1M:seed=8 --finish
	ok "and so is the other, after two updates" luotest check --session one 1:scatter:48M:seed=3 --finish
	near "no memory is lost, in KiB" "$(meminfo MemTotal)" "$(total_of 1)" 1024
}
