# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: measures the first and the last of 10,000 sessions and of 100,000 files
# chain: A B
# memory: 3G
# time: 900
# cmdline: liveupdate.scratch=256M
# when: bench

curves() {
	grep -E '^(curve|together) ' /run/out | while read -r line; do
		note "bench $line"
	done
}

stage1() {
	plan 4
	luotest many 10000 100000 together >/run/out 2>&1
	point $? "10,000 sessions, and 100,000 files in one more" || note "$(cat /run/out)"
	curves
	same "all are there" "$(luo_sysfs sessions_out) $(luo_sysfs files_out)" "10001 100000"
	same "all are listed" "$(grep -cv '^#' /proc/liveupdate/sessions) $(grep -cv '^#' /proc/liveupdate/files)" "10001 100000"
	ok "the next kernel is loaded" luo_load kexec
	luo_kexec
}

stage2() {
	plan 3
	same "all came" "$(luo_sysfs sessions_in) $(luo_sysfs files_in)" "10001 100000"
	luotest many-check 10000 100000 >/run/out 2>&1
	point $? "each of them can be retrieved" || note "$(cat /run/out)"
	curves
	same "nothing is left" "$(luo_sysfs sessions_in) $(luo_sysfs files_in)" "0 0"
}
