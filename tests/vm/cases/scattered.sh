# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: 64 MiB in more than 10,000 pieces
# chain: A B
# memory: 768M

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
	plan 3
	ok "80 MiB are not counted as shmem before they are retrieved" \
		test "$(meminfo Shmem)" -lt 20000
	same "sysfs counts the bytes" "$(luo_sysfs bytes_in)" $((80 << 20))
	ok "every byte arrived" luotest check --session s 1:scatter:64M:seed=7 2:dense:16M --finish
}
