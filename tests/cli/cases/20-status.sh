# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
# luoctl status from a made-up sysfs.
new_root status
golden status-none 1 "${luoctl[@]}" status
golden status-none-json 1 "${luoctl[@]}" status --json

: >"$root/dev/liveupdate"
golden status-kernel 0 "${luoctl[@]}" status
golden status-kernel-json 0 "${luoctl[@]}" status --json

load_module
golden status-idle 0 "${luoctl[@]}" status
module state updated generation 2 image armed sessions_out 1 files_out 2 bytes_out 134217728 \
	sessions_in 3 files_in 4 bytes_in 1073741824 reserved 4096 \
	limit 2147483648 kept 138412032 orphans/sessions_damaged 1 orphans/files_failed 2 \
	orphans/files_unknown 1 last_error $'scratch: no room for \x1b[31mred\x1b[0m' \
	blackout/freeze 1000 blackout/frozen 250000 blackout/jump 2500000 blackout/kernel 0 \
	blackout/module 1250000000 blackout/ready 1300000000 blackout/retrieved 1500000000
golden status-updated 0 "${luoctl[@]}" status
golden status-updated-json 0 "${luoctl[@]}" status --json

# What is not understood is unknown, never a crash or a made-up number.
module state strange image '' generation -1 abi x format 9-1 scratch 99999999999999999999999 \
	last_error "$(head -c 5000 /dev/zero | tr '\0' x)"
expect 0 'status: strange values' "${luoctl[@]}" status && says 'status: strange values' 'unknown'
rm -rf "$root/sys/kernel/liveupdate/blackout"
expect 0 'status: missing files' "${luoctl[@]}" status && says 'status: missing files' 'outgoing:'

# A state file of one that is dead counts for nothing.
mkdir -p "$root/run/liveupdate/exec"
echo '{"session":"dead","pid":1,"state":"running"}' >"$root/run/liveupdate/exec/dead.json"
: >"$root/run/liveupdate/exec/dead.lock"
expect 0 'status: dead holder' "${luoctl[@]}" status
if grep -q dead "$work/out"; then
	not_ok 'status: dead holder' "$(cat "$work/out")"
else
	ok 'status: dead holder'
fi
(
	flock 9
	expect 0 'status' "${luoctl[@]}" status
) 9<"$root/run/liveupdate/exec/dead.lock"
says 'status: living holder' 'dead: process 1, running'
echo '{"session":["x"],"pid":"1"' >"$root/run/liveupdate/exec/dead.json"
(
	flock 9
	expect 0 'status' "${luoctl[@]}" status
) 9<"$root/run/liveupdate/exec/dead.lock"
says 'status: holder with a damaged state file' 'dead: process 0, starting'
