# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: a rehearsal says what a live update would do, changes nothing, and stops nothing
# chain: A B
# memory: 512M

veto=/sys/module/luo_veto/parameters

# says TEXT OUTPUT PATTERN
says() {
	case $2 in
	*$3*) point 0 "$1" ;;
	*)
		note "$1: no '$3' in: $2"
		point 1 "$1"
		;;
	esac
}

# The memfd of 64 KiB that the holder of session s has, by /proc.
late_file() {
	find "/proc/$(cat /run/luotest-s.pid)/fd" -type l | while read -r f; do
		[ "$(stat -L -c %s "$f" 2>/dev/null)" = 65536 ] && echo "$f" && break
	done
}

stage1() {
	plan 33
	ok "the test handler is loaded" insmod "/lib/modules/$(uname -r)/luo_veto.ko"
	ok "a session" luotest hold --session s 1:dense:4M:seed=2 2:dense:64K:seed=4
	same "it would go through, without a kernel too" "$(luotest rehearse)" "0 0 1 2 $((65 << 16)) 0 "
	ok "luoctl says so" luoctl kexec --rehearse
	ok "the next kernel is loaded" luo_load kexec
	same "it would go through" "$(luotest rehearse)" "0 0 1 2 $((65 << 16)) 0 "
	same "nothing is frozen afterwards" "$(luo_sysfs state)" normal
	ok "the file can be written afterwards" luotest ext-fill "$(late_file)" 64K 5

	ok "a session whose handler says no" luotest hold-path --session vetoed 5 /dev/luo_veto 8,0,1,2,3,4,5,6
	echo 28 >$veto/freeze_error
	same "the rehearsal names it" "$(luotest rehearse)" "28 28 0 0 0 0 vetoed"
	fails "luoctl kexec --rehearse fails" 1 luoctl kexec --rehearse
	says "... and says why" "$(luoctl kexec --rehearse 2>&1)" \
		"session 'vetoed' cannot be frozen (No space left on device)"
	says "... as JSON" "$(luoctl kexec --rehearse --json)" '"session": "vetoed"'
	fails "luoctl kexec goes no further" 1 luoctl kexec
	says "... and says so" "$(luoctl kexec 2>&1)" "nothing has been stopped"
	same "the state is normal" "$(luo_sysfs state)" normal
	same "what failed to freeze is not unfrozen" "$(cat $veto/frozen) $(cat $veto/unfrozen)" "0 0"

	ok "it may be left behind" luotest ext-flags "$(cat /run/luotest-vetoed.pid)" 2
	same "the rehearsal counts it" "$(luotest rehearse)" "0 28 1 2 $((65 << 16)) 1 vetoed"
	ok "luoctl kexec --rehearse succeeds" luoctl kexec --rehearse
	says "... and says what would be lost" "$(luoctl kexec --rehearse 2>&1)" \
		"1 session would be left behind and LOST, as its user wants it; the first is 'vetoed'"
	same "it is still there" "$(luo_sysfs sessions_out)" 2
	ok "it may not be left behind any more" luotest ext-flags "$(cat /run/luotest-vetoed.pid)" 0

	# Rehearsals and attempts at the same time.
	luotest rehearse 300 >/run/rehearsals 2>&1 &
	loop=$!
	n=0
	refused=0
	while [ $n -lt 10 ]; do
		luotest kexec 28 && refused=$((refused + 1))
		n=$((n + 1))
	done
	same "every attempt is refused with the handler's errno" $refused 10
	wait $loop
	point $? "every rehearsal ends"
	says "... as it must, or sees the attempt" "$(cat /run/rehearsals)" "good=0 bad="
	same "the state is normal" "$(luo_sysfs state)" normal
	same "frozen as often as unfrozen" "$(cat $veto/frozen)" "$(cat $veto/unfrozen)"
	echo 0 >$veto/freeze_error
	same "it would go through" "$(luotest rehearse)" "0 0 2 3 $((65 << 16)) 0 "
	same "frozen as often as unfrozen" "$(cat $veto/frozen) $(cat $veto/unfrozen)" "1 1"
	echo 28 >$veto/freeze_error
	ok "it may be left behind again" luotest ext-flags "$(cat /run/luotest-vetoed.pid)" 2
	same "the image is still loaded" "$(luo_sysfs image)" armed
	ok "the file is written once more" luotest ext-fill "$(late_file)" 64K 6
	# The jump comes while somebody rehearses.
	luotest rehearse 100000 >/dev/null 2>&1 &
	usleep 200000
	luo_kexec
}

stage2() {
	plan 3
	same "one session came" "$(luo_sysfs sessions_in)" 1
	ok "as it was at the jump" luotest check --session s 1:dense:4M:seed=2 2:dense:64K:seed=6 --finish
	fails "the one that was left behind did not" 1 luotest check-path --session vetoed 5 8,0,1,2,3,4,5,6
}
