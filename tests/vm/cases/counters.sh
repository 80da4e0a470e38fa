# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: what the machine counts as memory is right again after files have gone
# chain: A A
# chain: A B
# memory: 768M
# cmdline: transparent_hugepage=always init_on_alloc=0
#
# Committed_AS has no lower bound: given back too much, it runs below zero and
# shows as a huge number.

now() {
	# What CPUs count for themselves becomes visible at the next look.
	echo 3 >/proc/sys/vm/drop_caches
	echo 1 >/proc/sys/vm/stat_refresh
	total=$(meminfo MemTotal) shmem=$(meminfo Shmem) huge=$(meminfo ShmemHugePages)
	committed=$(meminfo Committed_AS) free=$(meminfo MemFree)
}

files="1:scatter:24M:seed=3 2:sparse:16M 3:falloc:8M 4:hole:1G 5:dense:8M:then-size=4M"

stage1() {
	plan 4
	now
	before=$huge
	# shellcheck disable=SC2086
	ok "files of many kinds are held" luotest hold --session s $files
	echo always >/sys/kernel/mm/transparent_hugepage/shmem_enabled
	ok "and one of huge pages" luotest hold --session h 6:huge:32M:seed=6
	now
	same "it has huge pages" $((huge - before)) 32768
	ok "the next kernel is loaded" luo_load kexec "" "luo.total=$total"
	luo_kexec
}

settled() {
	now
	[ $((shmem - shmem0)) -lt 128 ] && [ $((committed - committed0)) -lt 2048 ]
}

stage2() {
	local same_kernel

	# shellcheck disable=SC2086
	set -- $luo_chain
	[ "$1" != "$2" ] || same_kernel=y
	plan $((9 + ${same_kernel:+1} + 0))
	now
	total0=$total shmem0=$shmem huge0=$huge committed0=$committed free0=$free
	# shellcheck disable=SC2086
	ok "they arrive" luotest check --session s $files --finish --hold again
	ok "the huge one too" luotest check --session h 6:huge:32M:seed=6 --finish --hold hagain
	now
	same "it is made of huge pages again" $((huge - huge0)) 32768
	# 24M, a fifth of 16M, 8M, 4M and 32M
	ok "Shmem counts them" test $((shmem - shmem0)) -gt 70000
	ok "Committed_AS counts them" test $((committed - committed0)) -gt 70000
	kill "$(cat /run/luotest-again.pid)" "$(cat /run/luotest-hagain.pid)"
	wait_for 5 sh -c 'test "$(cat /sys/kernel/liveupdate/sessions_out)" = 0'
	# The last of a file goes away a little later than its session.
	wait_for 5 settled
	now
	near "Shmem is as it was, in KiB" "$shmem" "$shmem0" 128
	same "ShmemHugePages is as it was" "$huge" "$huge0"
	near "Committed_AS is as it was, in KiB" "$committed" "$committed0" 2048
	ok "MemFree has the memory of the files" test "$free" -gt $((free0 - 8192))
	[ -z "$same_kernel" ] ||
		near "MemTotal is what the same kernel had when started cold, in KiB" "$total" \
			"$(tr ' ' '\n' </proc/cmdline | sed -n 's/^luo.total=//p')" 1024
}
