# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: while a handler takes its time in one session, another does all that it can
# chain: A B
# memory: 512M

veto=/sys/module/luo_veto/parameters

waits() {
	test "$(cat $veto/held)" = 1
}

stage1() {
	plan 8
	ok "the test handler is loaded" insmod "/lib/modules/$(uname -r)/luo_veto.ko"
	echo 1 >$veto/hold_preserve
	luotest hold-path --session slow 1 /dev/luo_veto 1,2,3,4,5,6,7,8 >/run/slow 2>&1 &
	slow=$!
	ok "its preserve does not return" wait_for 10 waits
	ok "a session is made and preserves meanwhile" luotest hold --session other 1:dense:1M
	same "sysfs counts meanwhile" "$(luo_sysfs sessions_out) $(luo_sysfs files_out)" "2 1"
	ok "sessions are listed meanwhile" sh -c 'luoctl list | grep -q "outgoing .* slow"'
	ok "the first one still waits" kill -0 $slow
	echo 0 >$veto/hold_preserve
	wait $slow
	point $? "and ends when it may" || note "$(cat /run/slow)"
	ok "the next kernel is loaded" luo_load kexec
	luo_kexec
}

stage2() {
	plan 7
	ok "the test handler is loaded" insmod "/lib/modules/$(uname -r)/luo_veto.ko"
	echo 1 >$veto/hold_retrieve
	luotest check-path --session slow 1 1,2,3,4,5,6,7,8 >/run/slow 2>&1 &
	slow=$!
	ok "its retrieve does not return" wait_for 10 waits
	ok "another session is retrieved and finished meanwhile" \
		luotest check --session other 1:dense:1M --finish
	ok "and a new one preserves" luotest hold --session new 1:dense:1M
	ok "the first one still waits" kill -0 $slow
	echo 0 >$veto/hold_retrieve
	wait $slow
	point $? "and ends when it may" || note "$(cat /run/slow)"
	same "nothing is left of it" "$(luo_sysfs sessions_in)" 0
}
