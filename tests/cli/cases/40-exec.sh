# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
# luoctl exec and kexec against the fake device: a service that counts its
# starts in a memfd and keeps one file, over "kexecs" of the fake.

# exec_start NAME [ARGUMENT...]: luoctl exec in the background, its pid in $holder.
exec_start() {
	local name=$1
	shift
	"${luoctl[@]}" exec --session "$name" --stop-signal USR1 "$@" >"$dir/out" 2>"$dir/err" &
	holder=$!
	echo $holder >>"$work/${root#"$work"/}/../pids"
}

serve() {
	exec_start cache --memfd "$dir/memory:1M" --keep "$dir/file" -- \
		"$here/service" "$dir/memory" "$dir/file"
}

state_is() {
	"${luoctl[@]}" status --json 2>/dev/null | grep -q "\"state\": \"$1\""
}

# The log of luoctl exec has a line.
logged() {
	if wait_for grep -qF -e "$2" "$dir/err"; then
		ok "$1"
	else
		not_ok "$1" "no '$2' in:
$(cat "$dir/err" "$dir/out")"
	fi
}

# The server's answer to "list".
sessions() {
	local got
	got=$(control list)
	if [ "$got" = "ok$2" ]; then
		ok "$1"
	else
		not_ok "$1" "sessions: $got, wanted ok$2
$(cat "$dir/err")"
	fi
}

reach() {
	if wait_for state_is "$2"; then
		ok "$1"
	else
		not_ok "$1" "$("${luoctl[@]}" status)
$(cat "$dir/err")"
	fi
}

# ended NAME CODE: the holder has exited, cleanly.
ended() {
	local code
	wait "$holder"
	code=$?
	if [ $code != "$2" ] || grep -q -e Sanitizer -e 'runtime error' "$dir/err"; then
		not_ok "$1" "exit status $code, wanted $2
$(cat "$dir/err")"
	else
		ok "$1"
	fi
}

# The machine jumps, with whatever runs there.
jump() {
	local children
	children=$(pgrep -P "$holder")
	control jump >/dev/null
	wait "$holder" 2>/dev/null
	# shellcheck disable=SC2086
	[ -z "$children" ] || kill -KILL $children 2>/dev/null
	rm -rf "$dir"
	mkdir -p "$dir"
}

# begin NAME [in-tree]: the kernel's own orchestrator knows less.
begin() {
	new_root "$1"
	load_module
	module image armed
	start_server
	[ -z "${2-}" ] || control "$2" >/dev/null
	dir=$work/$1/data
	mkdir -p "$dir"
}

# Releases, and looks for what must not be left.
finish() {
	while kill -TERM "$holder" 2>/dev/null; do
		sleep 0.2
	done
	gone "$@"
}

# The same without asking: it exits by itself.
gone() {
	ended "$1" "${2-0}"
	sessions "$1: no session is left" ''
	if [ -z "$(ls -A "$root/run/liveupdate/exec")" ] && [ ! -L "$dir/memory" ]; then
		ok "$1: links and state files are gone"
	else
		not_ok "$1: links and state files are gone" \
			"$(ls -la "$root/run/liveupdate/exec" "$dir")"
	fi
	stop_server
}

# --- the way that everybody goes ---------------------------------------------
begin way
serve
reach 'first start: running' running
logged 'first start: created' 'created, 1 memfd and 1 kept file'
sessions 'first start: memfd and manifest are preserved before the start' ' out cache:2'
wait_for grep -q 'start 1' "$dir/out"
if [ "$(stat -Lc %s "$dir/memory")" = 1048576 ] && [ "$(stat -Lc %a "$dir/memory")" = 600 ]; then
	ok 'first start: the path leads to a file of that size, mode 0600'
else
	not_ok 'first start: the path leads to a file of that size' "$(stat -L "$dir/memory")"
fi
"${luoctl[@]}" exec --session cache --memfd "$dir/m2:1M" -- true >"$work/out" 2>"$work/err"
says 'a second one of the same name is refused' 'runs this session already'

control veto 16 >/dev/null
module last_error 'session cache: veto'
expect 1 'kexec: veto' "${luoctl[@]}" kexec && says 'kexec: the errno of a veto' 'refused: something'
says 'kexec: the last error of the module' 'the module says: session cache: veto'
logged 'kexec: veto starts the service again' 'started'
wait_for grep -q 'start 2' "$dir/out" && ok 'kexec: veto loses nothing' || not_ok 'kexec: veto loses nothing' "$(cat "$dir/out")"
module last_error ''
reach 'after a veto: running' running

module image none
expect 1 'kexec: nothing loaded' "${luoctl[@]}" kexec && says 'kexec: nothing loaded' "run 'luoctl load' first"
module image foreign
expect 1 'kexec: foreign image' "${luoctl[@]}" kexec && says 'kexec: foreign image' 'would lose what is preserved'
module image armed
reach 'refusals stop nothing' running

expect 137 'kexec' "${luoctl[@]}" kexec && says 'kexec: jumped' 'jumped'
wait "$holder" 2>/dev/null
# It was stored twice, and the older copy was taken out.
sessions 'after the jump: memfd, manifest and kept file came' ' in cache:3'
rm -rf "$dir"
mkdir -p "$dir"
serve
reach 'second start: running' running
logged 'second start: retrieved' 'retrieved 1 memfd (1 MiB), 1 kept file'
logged 'second start: downtime' 'it was down for'
wait_for grep -q 'start 3' "$dir/out" && ok 'second start: memory and file are there' ||
	not_ok 'second start: memory and file are there' "$(cat "$dir/out" "$dir/err")"
sessions 'second start: preserved again' ' out cache:3'
expect 0 'status' "${luoctl[@]}" status && says 'status: downtime' 'at the last update'

# Twice stored in one kernel.
kill -USR1 "$holder"
reach 'stored' stored
kill -USR1 "$holder"
kill -USR2 "$holder"
reach 'resumed' running
wait_for grep -q 'start 4' "$dir/out" && ok 'resumed: the kept file stayed' || not_ok 'resumed: the kept file stayed' "$(cat "$dir/out")"
echo 'mode and time' >"$dir/unrelated"
kill -TERM "$holder"
reach 'SIGTERM stores and holds' stored
sessions 'SIGTERM: only the last copy is in the session' ' out cache:3'
chmod 4751 "$dir/file"
touch -d '2001-02-03 04:05:06' "$dir/file"
kill -USR2 "$holder"
reach 'started again' running
wait_for grep -q 'start 5' "$dir/out" || not_ok 'started again: ready' "$(cat "$dir/out")"
kill -HUP "$holder"
reach 'SIGHUP stores and holds' stored
kill -HUP "$holder"
kill -USR2 "$holder"
reach 'started after SIGHUP' running
finish 'SIGTERM releases'

# --- attributes of kept files ------------------------------------------------
begin attributes
printf 'seed' >"$dir/a"
exec_start attributes --keep "$dir/a" --keep "$dir/empty" --keep "$dir/never" -- sh -c \
	"printf 'x%.0s' \$(seq 1 300000) >$dir/a; chmod 4751 $dir/a; touch -d '2001-02-03 04:05:06' $dir/a
	: >$dir/empty; chown 12:34 $dir/empty; trap 'exit 3' USR1; while :; do sleep 1 & wait; done"
reach 'keep: running' running
wait_for test -e "$dir/empty"
sleep 0.3
kill -USR1 "$holder"
reach 'keep: stored' stored
jump
exec_start attributes --keep "$dir/never" --keep "$dir/empty" --keep "$dir/a" -- sleep 1000
reach 'keep: arguments in another order' running
got=$(stat -c '%a %u %g %s %Y' "$dir/a" "$dir/empty" | tr '\n' ' ')
want="4751 0 0 300000 $(date -d '2001-02-03 04:05:06' +%s) 644 12 34 0 $(stat -c %Y "$dir/empty") "
[ "$got" = "$want" ] && ok 'keep: contents, mode, owner and time' || not_ok 'keep: contents, mode, owner and time' "$got
$want"
[ ! -e "$dir/never" ] && ok 'keep: what was not there is not there' || not_ok 'keep: what was not there is not there' ''
[ "$(find "$dir" -name '*.luo-*' | wc -l)" = 0 ] && ok 'keep: no temporary files' || not_ok 'keep: no temporary files' "$(ls "$dir")"
finish 'keep: released' 1

# --- arguments that do not fit: nothing is lost ------------------------------
begin mismatch
serve
reach 'mismatch: first' running
wait_for grep -q 'start 1' "$dir/out"
chmod 640 "$dir/memory"
chown 12:34 "$dir/memory"
kill -USR1 "$holder"
reach 'mismatch: stored' stored
jump
exec_start cache --memfd "$dir/memory:2M" --keep "$dir/file" --keep "$dir/more" -- true
reach 'mismatch: failed' failed
logged 'mismatch: size' 'has 1 MiB in the session, but --memfd says 2 MiB'
logged 'mismatch: too many' "more is not in the session"
logged 'mismatch: held' 'nothing is lost: process'
sessions 'mismatch: all is still there' ' in cache:3'
expect 1 'kexec with one that failed' "${luoctl[@]}" kexec && says 'kexec with one that failed' 'not ready'
first=$holder
exec_start cache --memfd "$dir/other:1M" -- true
reach 'mismatch: failed again' failed
logged 'mismatch: took over' "took the incoming session over from process $first"
logged 'mismatch: no --memfd' 'there is no --memfd for it'
logged 'mismatch: no --keep' 'there is no --keep for it'
kill -STOP "$holder"
first=$holder
serve
logged 'mismatch: waits for one that is stopped' "process $first does not end"
kill -CONT "$first"
reach 'mismatch: the right arguments take over' running
got=$(stat -Lc '%a %u %g' "$dir/memory")
[ "$got" = '640 12 34' ] && ok 'mismatch: mode and owner of the memory' ||
	not_ok 'mismatch: mode and owner of the memory' "$got"
wait_for grep -q 'start 2' "$dir/out" && ok 'mismatch: nothing was lost' ||
	not_ok 'mismatch: nothing was lost' "$(cat "$dir/out" "$dir/err")"
finish 'mismatch: released'

# --- each step of the arrival fails once; SIGUSR2 tries again ----------------
# Command numbers are those of the ABI: 41 retrieve, 42 finish, c4 recycle.
for step in '41 1' '41 2' '41 3' '42 1 in-tree' '41 2 in-tree'; do
	read -r command nth mode <<<"$step"
	begin "step-${step// /-}" "$mode"
	serve
	reach "step $step: first" running
	wait_for grep -q 'start 1' "$dir/out"
	kill -USR1 "$holder"
	reach "step $step: stored" stored
	jump
	control "fail $command $nth 12" >/dev/null
	serve
	reach "step $step: failed and held" failed
	sessions "step $step: all is still there" ' in cache:3'
	kill -USR2 "$holder"
	reach "step $step: tried again" running
	wait_for grep -q 'start 2' "$dir/out" && ok "step $step: nothing was lost" ||
		not_ok "step $step: nothing was lost" "$(cat "$dir/out" "$dir/err")"
	finish "step $step: released"
done

# The service goes on when it cannot be preserved again; that is tried later.
for step in '00 1' '40 1' '40 2'; do
	begin "again-${step// /-}" in-tree
	serve
	reach "again $step: first" running
	wait_for grep -q 'start 1' "$dir/out"
	kill -USR1 "$holder"
	reach "again $step: stored" stored
	jump
	control "fail $step 12" >/dev/null
	serve
	reach "again $step: runs" running
	logged "again $step: said" 'not preserved for the next live update'
	expect 0 status "${luoctl[@]}" status && says "again $step: shown" 'NOT preserved'
	wait_for grep -q 'start 2' "$dir/out"
	kill -USR1 "$holder"
	reach "again $step: stored" stored
	sessions "again $step: preserved" ' out cache:3'
	finish "again $step: released"
done

# What cannot be recycled is finished and made anew.
begin recycle
serve
reach 'recycle: first' running
wait_for grep -q 'start 1' "$dir/out"
kill -USR1 "$holder"
reach 'recycle: stored' stored
jump
control "fail c4 1 12" >/dev/null
serve
reach 'recycle: runs' running
logged 'recycle: said' 'recycling the session: not enough memory'
sessions 'recycle: preserved all the same' ' out cache:2'
wait_for grep -q 'start 2' "$dir/out" && ok 'recycle: nothing was lost' ||
	not_ok 'recycle: nothing was lost' "$(cat "$dir/out" "$dir/err")"
finish 'recycle: released'

# --- killed at every step ----------------------------------------------------
# kill COMMAND N AFTER, as for fake-control. Whatever happens, the next luoctl
# exec, in this kernel or, if the session is outgoing already, in the next one,
# finds the memory and the kept file.
for step in '82 1 0' '82 1 1' '41 1 0' '41 1 1' '41 2 0' '41 2 1' '41 3 0' '41 3 1' \
	'c3 1 0' 'c3 1 1' 'c3 2 0' 'c4 1 0' 'c4 1 1'; do
	begin "kill-${step// /-}"
	serve
	reach "kill $step: first" running
	wait_for grep -q 'start 1' "$dir/out"
	kill -USR1 "$holder"
	reach "kill $step: stored" stored
	jump
	control "kill $step" >/dev/null
	serve
	wait "$holder" 2>/dev/null
	[ $? = 137 ] && ok "kill $step: killed" || not_ok "kill $step: killed" "$(cat "$dir/err")"
	case $(control list) in
	'ok in cache:3')
		[ "$step" != 'c4 1 1' ] || not_ok "kill $step: recycled" "$(control list)"
		;;
	'ok out cache:3')
		[ "$step" = 'c4 1 1' ] || not_ok "kill $step: not recycled" "$(control list)"
		jump
		;;
	*) not_ok "kill $step: the session is there" "$(control list)" ;;
	esac
	serve
	reach "kill $step: running" running
	wait_for grep -q 'start 2' "$dir/out" && ok "kill $step: nothing was lost" ||
		not_ok "kill $step: nothing was lost" "$(cat "$dir/out" "$dir/err")"
	finish "kill $step: released"
done

# While files are stored for the second time: c0 takes the older copy out, when
# the manifest names the newer one already.
for step in '40 1 0' '40 1 1' 'c0 1 0' 'c0 1 1'; do
	begin "kill-store-${step// /-}"
	serve
	reach "kill store $step: first" running
	wait_for grep -q 'start 1' "$dir/out"
	kill -USR1 "$holder"
	reach "kill store $step: stored" stored
	kill -USR2 "$holder"
	reach "kill store $step: started again" running
	wait_for grep -q 'start 2' "$dir/out"
	control "kill $step" >/dev/null
	kill -USR1 "$holder"
	wait "$holder" 2>/dev/null
	[ $? = 137 ] && ok "kill store $step: killed" || not_ok "kill store $step: killed" "$(cat "$dir/err")"
	jump
	serve
	reach "kill store $step: running" running
	case $step in
	c0*)
		wait_for grep -q 'start 3' "$dir/out" && ok "kill store $step: nothing was lost" ||
			not_ok "kill store $step: nothing was lost" "$(cat "$dir/out" "$dir/err")"
		;;
	*) logged "kill store $step: said" 'its memory is here, its kept files are not' ;;
	esac
	# Nothing but memory, manifest and, at most, one copy goes on.
	case $(control list) in
	'ok out cache:'[23]) ok "kill store $step: no copy is left over" ;;
	*) not_ok "kill store $step: no copy is left over" "$(control list)" ;;
	esac
	finish "kill store $step: released"
done

# Killed while it holds what is stored, and while the command runs.
for state in stored running; do
	begin "kill-$state"
	serve
	reach "kill $state: first" running
	wait_for grep -q 'start 1' "$dir/out"
	if [ $state = stored ]; then
		kill -USR1 "$holder"
		reach "kill $state: stored" stored
	fi
	children=$(pgrep -P "$holder")
	kill -KILL "$holder"
	wait "$holder" 2>/dev/null
	# shellcheck disable=SC2086
	[ -z "$children" ] || kill -KILL $children
	wait_for test "$(control list)" != 'ok'
	serve
	logged "kill $state: another one says what has happened" "an earlier 'luoctl exec' was killed"
	wait "$holder"
	case $(control list) in
	'ok out cache:'[23]) ok "kill $state: the session waits for the next kernel" ;;
	*) not_ok "kill $state: the session waits for the next kernel" "$(control list)" ;;
	esac
	jump
	serve
	reach "kill $state: running" running
	if [ $state = stored ]; then
		wait_for grep -q 'start 2' "$dir/out" && ok "kill $state: nothing was lost" ||
			not_ok "kill $state: nothing was lost" "$(cat "$dir/out" "$dir/err")"
	else
		logged "kill $state: said" 'the kexec came while the command was running'
	fi
	finish "kill $state: released"
done

# --- steps of the first start ------------------------------------------------
for step in '00 1' '40 1' '40 2' '82 1' '01 1 in-tree' '40 2 in-tree'; do
	read -r command nth mode <<<"$step"
	begin "first-${step// /-}" "$mode"
	control "fail $command $nth 12" >/dev/null
	serve
	gone "first $step: exits" 1
done

# --- storing fails -----------------------------------------------------------
begin store
serve
reach 'store: running' running
wait_for grep -q 'start 1' "$dir/out"
control fail 40 1 12 >/dev/null
expect 1 'store' "${luoctl[@]}" kexec --timeout 20 && says 'store: kexec says why' 'could not be stored'
logged 'store: the reason' 'not enough memory would be left'
reach 'store: started again' running
kill -USR1 "$holder"
reach 'store: stored' stored
finish 'store: released'

begin unhandled
: >"$dir/file"
exec_start cache --memfd "$dir/memory:1M" --keep "$dir/file" -- sleep 1000
reach 'unhandled: running' running
kill -USR1 "$holder"
reach 'unhandled: does not count as stored' unstored
logged 'unhandled: said' 'was killed by SIGUSR1, which it does not handle'
kill -USR1 "$holder"
reach 'unhandled: stored if one insists' stored
finish 'unhandled: released'

begin unstored
exec_start cache --memfd "$dir/memory:1M" --keep "$dir/file" -- \
	sh -c "mkdir $dir/file; trap 'exit 0' USR1; while :; do sleep 1 & wait; done"
wait_for test -d "$dir/file"
sleep 0.3
kill -USR1 "$holder"
reach 'unstored: a directory cannot be kept' unstored
logged 'unstored: the reason' 'not a regular file'
rmdir "$dir/file"
kill -USR1 "$holder"
reach 'unstored: mended' stored
finish 'unstored: released'

# --- the command -------------------------------------------------------------
begin command
exec_start cache --memfd "$dir/memory:1M" -- /nowhere/at/all
logged 'command: does not exist' 'starting /nowhere/at/all: No such file'
gone 'command: does not exist' 1

# What was stored stays stored when the command does not start again.
begin nostart
serve
reach 'nostart: running' running
wait_for grep -q 'start 1' "$dir/out"
kill -USR1 "$holder"
reach 'nostart: stored' stored
rm "$dir/memory"
echo mine >"$dir/memory"
kill -USR2 "$holder"
logged 'nostart: said' 'is there already and was not made'
reach 'nostart: stored again' stored
jump
serve
logged 'nostart: the kept file came' '1 kept file'
wait_for grep -q 'start 2' "$dir/out" && ok 'nostart: nothing was lost' ||
	not_ok 'nostart: nothing was lost' "$(cat "$dir/out" "$dir/err")"
finish 'nostart: released'

begin ends
SERVICE_FAIL=5 serve
reach 'ends: stored and held' stored
logged 'ends: said' 'ended by itself with status 5'
kill -TERM "$holder"
logged 'ends: the first SIGTERM holds' 'once more to release it'
kill -TERM "$holder"
gone 'ends: the second releases' 1

# Nobody reads its messages any more.
begin pipe
mkfifo "$dir/err"
"${luoctl[@]}" exec --session pipe --memfd "$dir/memory:1M" -- sleep 1000 2>"$dir/err" &
holder=$!
head -n 1 "$dir/err" >/dev/null
rm "$dir/err"
reach 'pipe: running' running
kill -TERM "$holder"
reach 'pipe: stored' stored
: >"$dir/err"
finish 'pipe: released'

# Without standard descriptors: nothing of ours gets into the memory.
begin closed
"${luoctl[@]}" exec --session closed --memfd "$dir/memory:1M" -- sleep 1000 <&- >&- 2>&- &
holder=$!
: >"$dir/err"
reach 'closed: running' running
[ "$(tr -d '\0' <"$dir/memory" | wc -c)" = 0 ] && ok 'closed: the memory is empty' ||
	not_ok 'closed: the memory is empty' "$(head -c 200 "$dir/memory" | tr -d '\0')"
finish 'closed: released'

begin slow
exec_start cache --memfd "$dir/memory:1M" -- sh -c "trap '' USR1; echo up; while :; do sleep 1; done"
wait_for grep -q up "$dir/out"
expect 1 'slow' "${luoctl[@]}" kexec --timeout 1 && says 'slow: kexec gives up' 'not ready after 1 s: stopping'
reach 'slow: still stopping' stopping
while kill -TERM "$holder" 2>/dev/null; do
	sleep 0.3
done
gone 'slow: killed and released'

begin child
SERVICE_CHILD=1 serve
reach 'child: running' running
wait_for grep -q 'start 1' "$dir/out"
kill -USR1 "$holder"
reach 'child: stored' stored
logged 'child: waited for' 'processes that it started have not'
jump
exec_start cache --memfd "$dir/memory:1M" --keep "$dir/file" -- sleep 1000
reach 'child: back' running
grep -q late "$dir/file" && ok 'child: what it wrote last is there' || not_ok 'child: what it wrote last is there' "$(cat "$dir/file")"
finish 'child: released' 1

# A command that goes into the background after all.
begin daemon
exec_start cache --memfd "$dir/memory:1M" -- setsid -f sleep 1000
reach 'daemon: what is left is stopped' stored
finish 'daemon: released'

begin running
serve
reach 'jump while running: first' running
wait_for grep -q 'start 1' "$dir/out"
jump
echo 'of an earlier stop' >"$dir/file"
serve
logged 'jump while running: said' 'the kexec came while the command was running'
reach 'jump while running: memory is back' running
[ -e "$dir/file.stale" ] && ok 'jump while running: a file older than the memory is moved aside' ||
	not_ok 'jump while running: a file older than the memory is moved aside' "$(ls "$dir")"
finish 'jump while running: released'

# --- paths -------------------------------------------------------------------
begin paths
echo mine >"$dir/memory"
serve
logged 'paths: a file in the way' 'is there already and was not made by'
wait "$holder"
[ "$(cat "$dir/memory")" = mine ] && ok 'paths: it stays' || not_ok 'paths: it stays' ''
rm "$dir/memory"
ln -s /proc/1/fd/3 "$dir/memory"
echo old >"$dir/file"
serve
reach 'paths: an old link is replaced' running
[ "$(cat "$dir/file.stale")" = old ] && ok 'paths: a kept file of other memory is moved aside' ||
	not_ok 'paths: a kept file of other memory is moved aside' "$(ls "$dir")"
finish 'paths: released'

begin foreign
"$bin/luoctl" --root "$root" exec --session 'a b/c%' --memfd "$dir/memory:4K" -- sleep 1000 2>"$dir/err" &
holder=$!
reach 'names: strange ones are escaped' running
[ -e "$root/run/liveupdate/exec/a%20b%2fc%25.json" ] && ok 'names: escaped' || not_ok 'names: escaped' "$(ls "$root/run/liveupdate/exec")"
finish 'names: released'

begin busy
control busy 2 >/dev/null
serve
logged 'busy: said' 'is in use, waiting for it'
reach 'busy: waited' running
finish 'busy: released'

# --- another user ------------------------------------------------------------
begin owner
chmod 755 "$work" "$work/owner" "$dir"
if command -v setpriv >/dev/null; then
	exec_start cache --memfd "$dir/memory:1M" --owner 65534:65534 -- \
		setpriv --reuid 65534 --regid 65534 --clear-groups \
		sh -c "head -c 5 /dev/zero | tr '\\0' x | dd of=$dir/memory conv=notrunc status=none && echo up; sleep 1000"
	wait_for grep -q up "$dir/out" && ok 'owner: another user opens the path' ||
		not_ok 'owner: another user opens the path' "$(cat "$dir/err")"
	finish 'owner: released'
else
	skip 'owner: another user opens the path' 'no setpriv here'
	stop_server
fi

# --- memcached itself --------------------------------------------------------
begin memcached
if command -v memcached >/dev/null; then
	port=$((20000 + $$ % 10000))
	memcached_serve() {
		exec_start cache --memfd "$dir/memory:64M" --keep "$dir/memory.meta" -- \
			memcached -u root -m 64 -l 127.0.0.1 -p $port -e "$dir/memory"
	}
	ask() {
		exec 8<>/dev/tcp/127.0.0.1/$port || return
		printf '%s' "$1" >&8
		timeout 5 head -n "$2" <&8 | tr -d '\r'
		exec 8>&-
	}
	memcached_serve
	wait_for ask $'version\r\n' 1
	ask $'set key 0 0 5\r\nvalue\r\n' 1 >"$work/out" 2>&1
	: >"$work/err"
	says 'memcached: stored' STORED
	expect 137 'memcached: kexec' "${luoctl[@]}" kexec
	wait "$holder" 2>/dev/null
	rm -rf "$dir"
	mkdir "$dir"
	# It takes no memory that was stopped in this very second.
	sleep 2
	memcached_serve
	wait_for ask $'version\r\n' 1
	ask $'get key\r\n' 2 >"$work/out" 2>&1
	if grep -q value "$work/out"; then
		ok 'memcached: served again'
	else
		not_ok 'memcached: served again' "$(cat "$work/out" "$dir/err")"
	fi
	finish 'memcached: released'
else
	skip 'memcached: served again' 'no memcached here'
	stop_server
fi
