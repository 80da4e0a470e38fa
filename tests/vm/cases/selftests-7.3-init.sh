# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: the selftests of two stages under the init of their own vmtest.sh
# chain: A A
# chain: A B
# memory: 768M
# when: selftests
# needs: selftests 7.3
#
# That init speaks to kexec_file_load(2) and reboot(2) itself, and loads before
# anything is preserved.

. /luo/selftests.sh
st_version=7.3

stage1() {
	plan 5
	ok "a root for their init" st_init_root
	chroot /run/st /init
	# Only a failure comes back.
	note "their init came back with $?"
}

stage2() {
	plan 7
	ok "a root for their init" st_init_root
	# It ends with a reboot, which in a PID namespace ends just that.
	: >/run/st.init
	unshare -p -f chroot /run/st /init >/run/st.init 2>&1
	luo_point=$((luo_point + 4))
	# What it has to say on success is lost with its buffer.
	fails "their init does not complain" 1 grep -iE "INIT: .*(fail|warning)" /run/st.init
	same "nothing is left of it" "$(luo_sysfs sessions_in) $(luo_sysfs files_in)" "0 0"
}
