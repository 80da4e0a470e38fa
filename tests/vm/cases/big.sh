# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: a file that takes most of the memory
# chain-all: A
# chain: A B
# memory: 1536M
# cmdline: liveupdate.pin_limit=65
# time: 150

# 900 of 1536 MiB: more than the next kernel has before it is given back.
big=1:dense:900M:seed=3

stage1() {
	plan 4
	ok "a session with a big file" luotest hold --session s --file "$big"
	more=$((($(luo_sysfs limit) - $(luo_sysfs kept)) / 1048576 + 20))
	fails "more than the limit is refused" 1 luotest hold --session t --file "2:dense:${more}M:seed=4"
	ok "with the reason" grep -q "can be" /sys/kernel/liveupdate/last_error
	note "limit $(luo_sysfs limit): $(luo_sysfs last_error)"
	[ "$luo_stages" = 1 ] && { ok "released" true; return; }
	ok "the next kernel is loaded" luo_load kexec
	luo_kexec
}

stage2() {
	plan 3
	total=$(meminfo MemTotal)
	ok "every byte arrived" luotest check --session s --file "$big" --finish
	near "MemTotal did not change, the pages were counted from the start" \
		"$(meminfo MemTotal)" "$total" 1024
	ok "memory is free again" wait_for 10 sh -c '[ $(awk "/MemFree/ { print \$2 }" /proc/meminfo) -gt 900000 ]'
}
