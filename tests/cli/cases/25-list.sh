# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
# luoctl list, show and monitor from made-up tables.
new_root list
golden list-none 1 "${luoctl[@]}" list
golden monitor-none 1 "${luoctl[@]}" monitor
: >"$root/dev/liveupdate"
golden list-kernel 1 "${luoctl[@]}" list
golden monitor-kernel 1 "${luoctl[@]}" monitor

load_module
expect 1 'list: an older module' "${luoctl[@]}" list &&
	says 'list: an older module' 'has no list of sessions'
expect 1 'show: an older module' "${luoctl[@]}" show x &&
	says 'show: an older module' 'has no list of sessions'
table sessions <<<'# id direction state generation flags files bytes serial name'
table files <<<'# session token state error bytes kind'
golden list-empty 0 "${luoctl[@]}" list
golden list-empty-json 0 "${luoctl[@]}" list --json
golden show-unknown 1 "${luoctl[@]}" show nobody
expect 1 'show: unknown number' "${luoctl[@]}" show --id 7 &&
	says 'show: unknown number' 'no session with number 7'

table sessions <<'END'
# id direction state generation flags files bytes serial name
12 out open 0 0x40000000 2 134217728 1 cache
13 out waiting 0 0x40000003 1 4096 13 with\040space\134and\011tab\033[31m
2 in waiting 1 0x0 3 1073745920 2 cache
3 in open 2 0x1 100000 0 3 \303\244\377
4 in damaged 2 0x0 0 0 4 
5 in waiting 2 0x0 1 4096 5 ../../etc/passwd
END
table files <<'END'
# session token state error bytes kind
12 0x1 preserved 0 134217728 memfd-v1
12 0xffffffffffffffff preserved 0 0 memfd-v1
13 0x0 preserved 0 4096 memfd-v1
2 0x1 retrieved 0 1073741824 memfd-v1
2 0x2 failed 5 4096 memfd-v1
2 0x3 unknown 0 0 other\040kind\033
5 0x1 waiting 0 4096 memfd-v1
END
golden list 0 "${luoctl[@]}" list
golden list-json 0 "${luoctl[@]}" list --json
golden show 0 "${luoctl[@]}" show cache
golden show-json 0 "${luoctl[@]}" show cache --json
golden show-odd 0 "${luoctl[@]}" show $'with space\\and\ttab\x1b[31m'
golden show-id 0 "${luoctl[@]}" show --id 5
expect 0 'show: name of a path' "${luoctl[@]}" show ../../etc/passwd &&
	says 'show: name of a path' 'incoming, waiting'

# What is not understood is an error, not half a list.
table sessions <<<'12 out open'
expect 1 'list: a strange table' "${luoctl[@]}" list && says 'list: a strange table' 'Bad message'
rm "$root/proc/liveupdate/sessions"
mkdir "$root/proc/liveupdate/sessions"
expect 1 'list: no table' "${luoctl[@]}" list && says 'list: no table' 'Is a directory'
rmdir "$root/proc/liveupdate/sessions"

# 10,000 sessions and 100,000 files.
seq 10000 | awk '{ print $1, "out open 0 0x0 10 40960", $1, "session-" $1 }' | table sessions
seq 0 99999 | awk '{ printf "%d %#x preserved 0 4096 memfd-v1\n", $1 / 10 + 1, $1 }' | table files
expect 0 'list: 10000 sessions' "${luoctl[@]}" list && says 'list: 10000 sessions' session-10000
expect 0 'show: the last of 100000 files' "${luoctl[@]}" show session-10000 &&
	says 'show: the last of 100000 files' 0x1869f

# monitor: a line when the state or the image changes, and only then.
has_lines() {
	[ "$(wc -l <"$1")" = "$2" ]
}
# As sysfs: no moment in which there is nothing in the file.
change() {
	printf '%-10s\n' "$2" 1<>"$root/sys/kernel/liveupdate/$1"
}
watch() {
	local out=$1 pid
	shift
	module state normal image none sessions_in 0 files_in 0 bytes_in 0
	"${luoctl[@]}" monitor "$@" >"$out" 2>"$work/err" &
	pid=$!
	wait_for has_lines "$out" 1
	change image armed
	wait_for has_lines "$out" 2
	change image armed
	change state frozen
	wait_for has_lines "$out" 3
	module sessions_in 1 files_in 2 bytes_in 4096
	change state updated
	wait $pid
	echo "exit status $?" >>"$out"
	cat "$work/err" >>"$out"
}
watch "$work/monitor" --until updated
golden monitor 0 cat "$work/monitor"
watch "$work/monitor" --until updated --json
golden monitor-json 0 cat "$work/monitor"
expect 1 'monitor: until, and too late' "${luoctl[@]}" monitor --until normal --timeout 0 &&
	says 'monitor: until, and too late' "the state is still 'updated'"
expect 0 'monitor: only so long' "${luoctl[@]}" monitor --timeout 0 &&
	says 'monitor: only so long' 'state updated'
"${luoctl[@]}" monitor >"$work/monitor" 2>"$work/err" &
pid=$!
wait_for has_lines "$work/monitor" 1
rm -r "$root/sys/kernel/liveupdate"
wait $pid
code=$?
if [ $code = 1 ] && grep -q 'module was unloaded' "$work/err"; then
	ok 'monitor: the module goes'
else
	not_ok 'monitor: the module goes' "exit status $code: $(cat "$work/err")"
fi
