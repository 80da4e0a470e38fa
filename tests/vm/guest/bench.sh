# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The two halves of a measurement. Lines "# bench WHAT NUMBER" go to the result
# channel; tests/vm/bench makes a table of them.

took() {
	awk -v w="$1" '$1 == "time" && $2 == w { print $4; exit }' /tmp/out
}

bench_stage1() {
	plan 2
	[ "$1" != huge ] || echo always >/sys/kernel/mm/transparent_hugepage/shmem_enabled
	note "bench memcpy_us $(luotest memcpy 512M)"
	luotest hold --session b --file "1:$1:512M:seed=9" >/tmp/out 2>&1
	point $? "512 MiB are preserved" || note "$(cat /tmp/out)"
	note "bench preserve_us $(took preserve)"
	note "bench metadata $(($(luo_sysfs kept) - $(luo_sysfs bytes_out)))"
	ok "the next kernel is loaded" luo_load kexec
	luo_kexec
}

bench_stage2() {
	plan 1
	luotest check --session b --file "1:$1:512M:seed=9" --finish >/tmp/out 2>&1
	point $? "every byte arrived" || note "$(cat /tmp/out)"
	note "bench retrieve_us $(took retrieve)"
	for f in freeze frozen jump kernel module ready retrieved; do
		note "bench ${f}_ns $(luo_sysfs "blackout/$f")"
	done
}
