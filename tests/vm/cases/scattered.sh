# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: 64 MiB in more than 10,000 pieces; the counters of memory come back
# chain: A B
# chain: A A
# memory: 768M

# What the machine counts, when nothing of ours is there. Page caches of the
# scripts themselves are small against the tolerances.
counters() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	total=$(meminfo MemTotal) shmem=$(meminfo Shmem) committed=$(meminfo Committed_AS)
	huge=$(meminfo ShmemHugePages) nr=$(vmstat_of nr_shmem)
}

stage1() {
	plan 4
	ok "64 MiB in single pages, 16 MiB in one piece" \
		luotest hold --session s 1:scatter:64M:seed=7 2:dense:16M
	extents=$(luotest self 1:scatter:64M | awk '$1 == "extents" { print $2 }')
	ok "that is at least 10,000 extents: $extents" test "$extents" -ge 10000
	same "sysfs counts the bytes" "$(luo_sysfs bytes_out)" $((80 << 20))
	ok "kexec -s of kexec-tools loads the next kernel" luo_load kexec
	luo_kexec kexec -e
}

stage2() {
	plan 9
	counters
	with_total=$total with_shmem=$shmem with_committed=$committed
	ok "80 MiB are not counted as shmem before they are retrieved" test "$shmem" -lt 20000
	ok "every byte arrived, in a session held on" \
		luotest check --session s 1:scatter:64M:seed=7 2:dense:16M --finish --hold again
	counters
	near "Shmem counts the files" "$shmem" $((with_shmem + 80 * 1024)) 1024
	near "Committed_AS counts them" "$committed" $((with_committed + 80 * 1024)) 8192
	kill "$(cat /run/luotest-again.pid)"
	wait_for 5 test "$(luo_sysfs files_out)" = 0
	usleep 300000
	counters
	near "Shmem is back, in KiB" "$shmem" "$with_shmem" 256
	near "Committed_AS is back, in KiB" "$committed" "$with_committed" 4096
	near "nr_shmem is back, in pages" "$nr" $((with_shmem / 4)) 64
	# All of the machine's memory, as a kernel sees it that has not got any
	# handed over: the one that the module measured before.
	near "MemTotal is back, in KiB" "$total" "$(cat /run/total 2>/dev/null || echo "$total")" 1024
	ok "MemTotal did not shrink by the files" test "$total" -ge "$with_total"
}
