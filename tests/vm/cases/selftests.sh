# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: the kernel's own selftests, those of two stages together over one update
# chain: A B
# memory: 512M
# needs: selftests 7.2
#
# Each on its own, over all pairs of kernels: the cases selftests-VERSION.

. /luo/selftests.sh
st_version=7.2

stage1() {
	local p

	st_units_run
	plan $((1 + st_points + 5))
	st_complete
	st_units "$(st_here)"
	same "nothing is left of it" "$(luo_sysfs sessions_out) $(luo_sysfs files_out)" "0 0"
	for p in $st_two_stages; do
		st_stage 1 "$p" "$(st_here)" "$(st_next)"
	done
	st_do_kexec
}

stage2() {
	local p

	plan 5
	for p in $st_two_stages; do
		st_stage 2 "$p" "$(st_before)" "$(st_here)"
	done
	same "nothing is left of it" "$(luo_sysfs sessions_in) $(luo_sysfs files_in)" "0 0"
}
