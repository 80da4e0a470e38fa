# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: one memfd of 64 MiB through one kexec
# chain: A A
# chain: A B
# memory: 768M

stage1() {
	plan 5
	ok "the module is there" test -e /sys/kernel/liveupdate/state
	same "nothing arrived" "$(luo_sysfs generation)" 0
	ok "a session with a file" luotest hold --session s --file 1:dense:64M:seed=7 --file 2:scatter:16M:seed=8
	note "scratch $(luo_sysfs scratch) bytes_out $(luo_sysfs bytes_out)"
	ok "the next kernel is loaded" luo_load kexec
	same "image" "$(luo_sysfs image)" armed
	luo_kexec
}

stage2() {
	plan 2
	same "generation" "$(luo_sysfs generation)" 1
	ok "every byte arrived" luotest check --session s --file 1:dense:64M:seed=7 --file 2:scatter:16M:seed=8 --finish
	for f in /sys/kernel/liveupdate/* /sys/kernel/liveupdate/blackout/*; do
		test -f $f && note "$f $(cat $f)"
	done
}
