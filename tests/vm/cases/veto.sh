# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: a freeze that fails stops the update and nothing else; the next try works
# chain: A B
# memory: 512M

veto=/sys/module/luo_veto/parameters

# Somebody holds the file of the other handler: a shell that never ends.
hold_veto() {
	luotest hold-path --session vetoed 5 /dev/luo_veto 8,0,1,2,3,4,5,6
}

stage1() {
	plan 18
	ok "the test handler is loaded" insmod "/lib/modules/$(uname -r)/luo_veto.ko"
	ok "a session before it" luotest hold --session before 1:dense:1M:then-seed=4
	ok "a session with a file of that handler" hold_veto
	ok "another one" luotest hold-path --session orphan 6 /dev/luo_veto 1,1,1,1,1,1,1,1
	ok "a session after it" luotest hold --session after 1:dense:1M
	fails "its module is in use" 1 rmmod luo_veto
	ok "the next kernel is loaded" luo_load kexec
	echo 28 >$veto/freeze_error
	ok "reboot(2) returns the handler's ENOSPC" luotest kexec 28
	same "the state is normal again" "$(luo_sysfs state)" normal
	same "what failed to freeze is not unfrozen" "$(cat $veto/frozen) $(cat $veto/unfrozen)" "0 0"
	ok "a new session can be made" luotest hold --session later 1:dense:1M
	ok "... and left" kill "$(cat /run/luotest-later.pid)"
	ok "the log names the reason" log_has 'liveupdate: .*(freeze|froze|veto)'
	same "sysfs has all sessions" "$(luo_sysfs sessions_out)" 4
	echo 0 >$veto/freeze_error
	same "the image is still loaded" "$(luo_sysfs image)" armed
	echo 16 >$veto/freeze_error
	ok "another failure, another errno" luotest kexec 16
	echo 0 >$veto/freeze_error
	same "all sessions are outgoing" "$(luo_sysfs sessions_out)" 4
	ok "the log of the kernel tells of no update" test "$(dmesg | grep -c 'Starting new kernel')" = 0
	luo_kexec
}

stage2() {
	plan 8
	same "all sessions came" "$(luo_sysfs sessions_in)" 4
	ok "the one before is whole" luotest check --session before 1:dense:1M:then-seed=4 --finish
	ok "the one after is whole" luotest check --session after 1:dense:1M --finish
	fails "without the handler its file cannot be had" 1 luotest check-path --session orphan 6 1,1,1,1,1,1,1,1
	ok "the test handler is loaded" insmod "/lib/modules/$(uname -r)/luo_veto.ko"
	ok "the file of that handler arrived" luotest check-path --session vetoed 5 8,0,1,2,3,4,5,6
	same "it was retrieved once and finished once" "$(cat $veto/retrieved) $(cat $veto/finished)" "1 1"
	same "the one without handler is gone, as it was closed" "$(luo_sysfs sessions_in)" 0
}
