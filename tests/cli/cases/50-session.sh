# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
# luoctl session, and the rehearsal of luoctl kexec. Functions: 40-exec.sh.

# --- session drop ------------------------------------------------------------
begin drop
expect 1 'drop: nothing there' "${luoctl[@]}" session drop cache &&
	says 'drop: nothing there' 'no session of this name has arrived'
expect 1 'drop: nothing outgoing' "${luoctl[@]}" session drop --outgoing cache &&
	says 'drop: nothing outgoing' 'there is no outgoing session'
expect 1 'drop: a name that none can have' "${luoctl[@]}" session drop "$(printf '%064d' 0)" &&
	says 'drop: a name that none can have' '1 to 63 bytes'
serve
reach 'drop: running' running
expect 1 'drop: held' "${luoctl[@]}" session drop --outgoing cache && says 'drop: held' 'a program holds it'
kill -USR1 "$holder"
reach 'drop: stored' stored
kill -KILL "$holder"
wait "$holder" 2>/dev/null
wait_for "${luoctl[@]}" session drop --outgoing cache && ok 'drop: outgoing, of one that was killed' ||
	not_ok 'drop: outgoing, of one that was killed' "$(control list)"
sessions 'drop: it is gone' ''
serve
reach 'drop: and can be made anew' running
kill -USR1 "$holder"
reach 'drop: stored again' stored
jump
expect 1 'drop: another generation' "${luoctl[@]}" session drop --generation 7 cache &&
	says 'drop: another generation' 'no session of this name has arrived'
expect 0 'drop: incoming' "${luoctl[@]}" session drop --generation 1 cache && says 'drop: incoming' 'cache: given up'
sessions 'drop: that is gone, too' ''
control in-tree >/dev/null
expect 1 'drop: in-tree' "${luoctl[@]}" session drop cache && says 'drop: in-tree' 'no such command there'
stop_server

# --- the rehearsal -----------------------------------------------------------
begin rehearse
serve
reach 'rehearse: running' running
control rehearse 0 0 0 - >/dev/null
expect 0 'rehearse: would go through' "${luoctl[@]}" kexec --rehearse &&
	says 'rehearse: would go through' 'would go through now, with 1 session, 2 files, 3 MiB'
golden rehearse-good-json 0 "${luoctl[@]}" kexec --rehearse --json
control rehearse 0 5 2 small >/dev/null
expect 0 'rehearse: left behind' "${luoctl[@]}" kexec --rehearse &&
	says 'rehearse: left behind' "2 sessions would be left behind and LOST"
says 'rehearse: names the first' "the first is 'small' (Input/output error)"
module last_error "session 'cache': file 0x1 (memfd) cannot be frozen: error -5"
control rehearse 5 5 0 cache >/dev/null
golden rehearse-session 1 "${luoctl[@]}" kexec --rehearse
golden rehearse-session-json 1 "${luoctl[@]}" kexec --rehearse --json
expect 1 'rehearse: kexec stops nothing' "${luoctl[@]}" kexec && says 'rehearse: kexec stops nothing' 'nothing has been stopped'
reach 'rehearse: it runs on' running
if grep -q stopping "$dir/err"; then
	not_ok 'rehearse: it was never stopped' "$(cat "$dir/err")"
else
	ok 'rehearse: it was never stopped'
fi
module last_error 'too little memory'
control rehearse 12 5 1 small >/dev/null
expect 1 'rehearse: the machine says no' "${luoctl[@]}" kexec --rehearse &&
	says 'rehearse: the machine says no' 'would be refused (Cannot allocate memory): too little memory'
module last_error ''
control busy 2 >/dev/null
control rehearse 0 0 0 - >/dev/null
expect 0 'rehearse: waits for the device' "${luoctl[@]}" kexec --rehearse && says 'rehearse: waits for the device' 'is in use, waiting'
control fail 84 1 16 >/dev/null
expect 1 'rehearse: live update under way' "${luoctl[@]}" kexec --rehearse && says 'rehearse: live update under way' 'is under way'
control fail 84 1 19 >/dev/null
expect 1 'rehearse: not on this machine' "${luoctl[@]}" kexec --rehearse && says 'rehearse: not on this machine' 'no live update is possible'
control rehearse 5 5 0 cache >/dev/null
control veto 5 >/dev/null
expect 1 'rehearse: --no-rehearse goes on' "${luoctl[@]}" kexec --no-rehearse && says 'rehearse: --no-rehearse goes on' 'did not take place'
reach 'rehearse: running again' running
control veto 5 >/dev/null
expect 1 'rehearse: --force goes on' "${luoctl[@]}" kexec --force && says 'rehearse: --force goes on' 'did not take place'
reach 'rehearse: and again' running
control in-tree >/dev/null
expect 1 'rehearse: in-tree has none' "${luoctl[@]}" kexec --rehearse && says 'rehearse: in-tree has none' 'no rehearsal'
expect 137 'rehearse: in-tree jumps without' "${luoctl[@]}" kexec && says 'rehearse: in-tree jumps without' 'no rehearsal'
wait "$holder" 2>/dev/null
stop_server
