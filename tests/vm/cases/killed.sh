# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: luoctl exec is killed while it holds what is stored, and again and again while it arrives
# chain: 6.1 6.12 6.1
# chain-all: 6.12 6.1 6.12
# chain-all: 6.12 7.2 6.12
# chain-all: 7.2 6.12 7.2
# memory: 512M
# time: 240

dir=/run/service

# A service that stores one file when it stops, and takes it when it starts.
service() {
	mkdir -p $dir
	cat >$dir/run <<-'END'
		cd /run/service
		cat meta >got 2>/dev/null || echo none >got
		rm -f meta
		trap 'echo "stopped on the first kernel" >meta; exit 0' USR1
		while :; do
			sleep 1 &
			wait
		done
	END
}

# serve COMMAND...
serve() {
	luoctl exec --session svc --memfd $dir/memory:8M --keep $dir/meta --stop-signal USR1 -- "$@" \
		>>/run/exec.log 2>&1 &
	exec_pid=$!
}

is() {
	luoctl status --json | grep -q "\"state\": \"$1\""
}

stage1() {
	plan 9
	service
	serve sh $dir/run
	ok "the service runs" wait_for 20 is running
	ok "its memory is filled" luotest ext-fill $dir/memory 8M 7
	ok "luoctl exec is told to stop it" kill -USR1 $exec_pid
	ok "it is stored" wait_for 20 is stored
	ok "luoctl exec is killed" kill -KILL $exec_pid
	wait $exec_pid
	same "the session is still there" "$(luo_sysfs sessions_out) $(luo_sysfs files_out)" "1 3"
	fails "another luoctl exec does not take its place" 1 \
		luoctl exec --session svc --memfd $dir/memory:8M --keep $dir/meta -- true
	same "the session is still there" "$(luo_sysfs sessions_out) $(luo_sysfs files_out)" "1 3"
	ok "the next kernel is loaded" luo_load luoctl
	luo_kexec
}

# A command that cannot be started, so that everything is stored once more; killed
# a little later each time, until there is nothing to retrieve any more.
kill_often() {
	local delay=0 n=0

	while [ "$(luo_sysfs sessions_in)" = 1 ] && [ $n -lt 200 ]; do
		serve /nowhere
		usleep $delay
		kill -KILL $exec_pid
		wait $exec_pid
		delay=$((delay + 3000))
		n=$((n + 1))
		# A killed process ends in its own time.
		wait_for 5 sh -c 'test $(($(cat /sys/kernel/liveupdate/sessions_in) +
			$(cat /sys/kernel/liveupdate/sessions_out))) = 1' || return 1
	done
	note "killed $n times"
	[ $n -gt 1 ] && [ "$(luo_sysfs sessions_out)" = 1 ]
}

stage2() {
	plan 3
	mkdir -p $dir
	same "the session came" "$(luo_sysfs sessions_in) $(luo_sysfs files_in)" "1 3"
	kill_often
	point $? "killed while it arrives, until it has the session for the next kernel"
	ok "the next kernel is loaded" luo_load luoctl
	luo_kexec
}

stage3() {
	plan 5
	service
	serve sh $dir/run
	ok "the service runs again" wait_for 20 is running
	ok "its memory is whole" luotest ext-same $dir/memory 8M 7
	ok "it has started" wait_for 20 test -e $dir/got
	same "it has got its file" "$(cat $dir/got)" "stopped on the first kernel"
	same "nothing else is in its session" "$(luo_sysfs sessions_out) $(luo_sysfs files_out)" "1 3"
	[ -s $dir/got ] || note "$(cat /run/exec.log)"
}
