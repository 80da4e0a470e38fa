# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: sessions and files can be listed and the state watched, without the device and in nobody's way
# chain: A B
# memory: 768M
# cmdline: init_on_alloc=0

veto=/sys/module/luo_veto/parameters
odd=$(printf 'a b\\\t\033[31m/../\303\244')
ko=/lib/modules/$(uname -r)/liveupdate.ko

# Lines of the monitor so far.
lines() {
	[ "$(wc -l </run/monitor)" -ge "$1" ]
}

rows() {
	grep -cv '^#' "/proc/liveupdate/$1"
}

# A user may see that there is something, not what.
private() {
	luotest run-as 65534 cat /sys/kernel/liveupdate/sessions_out /sys/kernel/liveupdate/state >/dev/null &&
		! luotest run-as 65534 cat /proc/liveupdate/sessions 2>/dev/null &&
		! luotest run-as 65534 cat /proc/liveupdate/files 2>/dev/null
}

stage1() {
	plan 28
	same "nothing to list" "$(cat /proc/liveupdate/sessions /proc/liveupdate/files | grep -cv '^#')" 0
	# Unloading waits for nobody who has a table open.
	exec 9</proc/liveupdate/sessions
	head -c 1 <&9 >/dev/null
	ok "the module goes while somebody has a list open" rmmod liveupdate
	fails "and the list is no more" any cat <&9
	exec 9<&-
	ok "it comes again" insmod "$ko"

	ok "the test handler is loaded" insmod "/lib/modules/$(uname -r)/luo_veto.ko"
	luoctl monitor >/run/monitor 2>&1 &
	monitor=$!
	ok "the monitor says what there is" wait_for 10 lines 1
	ok "a session with an odd name" luotest hold --session plain --session "$odd" 1:dense:8K 2:hole:1G
	ok "a session with a file that can fail" luotest hold-path --session vetoed 5 /dev/luo_veto 8,0,1,2,3,4,5,6
	ok "1000 sessions, and 5000 files in one more" luotest many 1000 5000
	same "each session has a line" "$(rows sessions)" 1004
	same "each file has a line" "$(rows files)" 5003
	same "each file is there once" "$(sort -u /proc/liveupdate/files | grep -cv '^#')" 5003
	same "sysfs counts the same" "$(luo_sysfs sessions_out) $(luo_sysfs files_out)" "1004 5003"
	ok "luoctl shows the odd name as one word" sh -c 'luoctl list | grep -qF "a\040b\134\011\033[31m/../"'
	ok "and its files" sh -c 'luoctl show "$1" | grep -q "^0x1 *preserved *8 KiB *2 .*memfd"' sh "$odd"
	ok "users see numbers, and no names" private
	fails "nobody opens what is not there" any cat /proc/liveupdate/nothing

	# In the middle of a list, for as long as one likes.
	exec 9</proc/liveupdate/files
	head -c 5000 <&9 >/run/part
	ok "the next kernel is loaded" luo_load kexec
	ok "the monitor has seen it" wait_for 10 sh -c 'grep -q "image armed" /run/monitor'
	echo 28 >$veto/freeze_error
	echo 1 >$veto/hold_freeze
	luotest kexec 28 >/run/kexec 2>&1 &
	kexec=$!
	ok "a freeze does not wait for a reader" wait_for 10 sh -c 'test "$(cat /sys/module/luo_veto/parameters/held)" = 1'
	same "the state says that it is under way" "$(luo_sysfs state)" frozen
	ok "the monitor has seen it" wait_for 10 sh -c 'grep -q "state frozen" /run/monitor'
	same "sessions are listed meanwhile" "$(rows sessions)" 1004
	echo 0 >$veto/hold_freeze
	wait $kexec
	point $? "it fails as it was told" || note "$(cat /run/kexec)"
	echo 0 >$veto/freeze_error
	cat <&9 >>/run/part
	exec 9<&-
	same "and the reader has seen every file" "$(sort -u /run/part | grep -cv '^#')" 5003
	ok "the monitor has seen the end of it" wait_for 10 sh -c 'tail -n 1 /run/monitor | grep -q "state normal"'
	kill $monitor
	kill "$(cat /run/luotest-many.pid)"
	ok "what is closed is not listed any more" wait_for 20 sh -c \
		'test "$(grep -cv "^#" /proc/liveupdate/files) $(cat /sys/kernel/liveupdate/sessions_out)" = "3 3"'
	ok "the other session is held" luotest hold --session last 1:dense:4K
	luo_kexec
}

stage2() {
	plan 12
	same "each session has a line" "$(rows sessions)" 4
	ok "they are of the first update" sh -c 'luoctl list | grep -q "^incoming *waiting *1 .* last$"'
	same "a file of an unknown kind is counted" "$(luo_sysfs orphans/files_unknown)" 1
	ok "and shown" sh -c 'luoctl show vetoed | grep -q "^0x5 *unknown"'
	ok "status tells of it" sh -c 'luoctl status | grep -q "^unknown: *1 file"'
	ok "the test handler is loaded" insmod "/lib/modules/$(uname -r)/luo_veto.ko"
	same "then it is known" "$(luo_sysfs orphans/files_unknown) $(luo_sysfs orphans/files_failed) $(luo_sysfs orphans/sessions_damaged)" "0 0 0"
	luoctl monitor --until normal --timeout 60 >/run/monitor 2>&1 &
	monitor=$!
	ok "the file of that handler arrived" luotest check-path --session vetoed 5 8,0,1,2,3,4,5,6
	ok "the odd one, too" luotest check --session "$odd" 1:dense:8K 2:hole:1G --finish
	ok "one without files" luotest check --session plain --finish
	ok "the last one" luotest check --session last 1:dense:4K --finish
	wait $monitor
	point $? "the monitor was waiting for that" || note "$(cat /run/monitor)"
}
