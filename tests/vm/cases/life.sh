# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: loading and unloading the module, and what keeps it
# chain: A B

ko=/lib/modules/$(uname -r)/liveupdate.ko

stage1() {
	plan 14
	free=$(meminfo MemFree)
	ok "unloads when nothing is preserved" rmmod liveupdate
	ok "its scratch is free again" test "$(meminfo MemFree)" -gt $((free + 100000))
	fails "no device without it" 1 test -e /dev/liveupdate
	ok "a plain kexec works without it" luo_load kexec
	ok "loads again" insmod "$ko" scratch=96M
	same "sees an image that was loaded before" "$(luo_sysfs image)" foreign
	ok "which can be unloaded" kexec -u
	same "and is gone" "$(luo_sysfs image)" none
	fails "its hooks cannot be switched off" 1 sh -c 'echo 0 >/proc/sys/kernel/ftrace_enabled'

	ok "a session" luotest hold --session s --file 1:dense:4M:seed=5
	fails "holds the module" 1 rmmod liveupdate
	ok "an image of ours is loaded" luo_load kexec
	same "" "$(luo_sysfs image)" armed
	same "scratch as asked for" "$(luo_sysfs scratch)" $((96 << 20))
	luo_kexec
}

stage2() {
	plan 8
	fails "unclaimed sessions hold the module" 1 rmmod liveupdate
	ok "every byte arrived" luotest check --session s --file 1:dense:4M:seed=5 --finish
	ok "an image of ours" luo_load kexec "${luo_chain##* }"
	fails "holds the module" 1 rmmod liveupdate
	ok "it is unloaded" kexec -u
	ok "and the module too" rmmod liveupdate
	ok "and loaded again" insmod "$ko"
	fails "which does not take what it has read for damaged" 1 log_has 'chain is damaged'
}
