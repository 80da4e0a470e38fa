# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: every allocation of the module fails in its turn, and nothing is lost by it
# chain: A B
# memory: 512M
# time: 300
# when: faults
#
# For a module that is built for it: make check-faults. The next kernel's
# initramfs leaves the module out, so that its arrival, too, can fail as often as
# there are allocations in it: it must find everything at the next try.

files="1:scatter:2M:seed=7 2:sparse:2M:seed=8"

sweep() {
	local text=$1 line
	shift

	ok "$text" luotest failnth "$@"
	while read -r line; do
		note "$line"
	done </run/sweep
}

# What a sweep has done goes into the report.
luotest() {
	if [ "$1" = failnth ]; then
		command luotest "$@" >/run/sweep 2>&1 || { rc=$?; cat /run/sweep; return $rc; }
	else
		command luotest "$@"
	fi
}

unload_image() {
	kexec -s -u || kexec -c -u
}

stage1() {
	local rel

	plan 6
	ok "the module can fail" test -e /sys/module/liveupdate/parameters/fail_nth
	sweep "sessions, files, freeze: as before after each failure" out
	# shellcheck disable=SC2086
	ok "a session is held" luotest hold --session swept $files
	rel=$(luo_release)
	sweep "an image that is loaded: as before after each failure" run kexec -s -l \
		"/boot/vmlinuz-$rel" "--initrd=/boot/initrd-$rel" "--command-line=$(luo_cmdline luo.module=no)"
	same "it is loaded" "$(luo_sysfs image)" armed
	ok "and once more" luo_load kexec "" luo.module=no
	luo_kexec
}

# Loads the module while its nth allocation fails, until none is left to fail.
arrive() {
	local n=1 ko rc where sites=''

	ko=/lib/modules/$(uname -r)/liveupdate.ko
	while [ $n -lt 500 ]; do
		out=$(insmod "$ko" fail_nth=$n 2>&1)
		rc=$?
		[ $rc != 0 ] || break
		case $out in
		*"ut of memory"* | *"annot allocate memory"*) ;;
		*) echo "try $n: $out"; return 1 ;;
		esac
		n=$((n + 1))
	done
	[ $n -gt 10 ] || { echo "only $n tries"; return 1; }
	tries=$n
	[ "$(cat /sys/module/liveupdate/parameters/fail_nth)" != 0 ] ||
		note "try $n failed at $(cat /sys/module/liveupdate/parameters/fail_where), which did no harm"
	echo 0 >/sys/module/liveupdate/parameters/fail_nth
}

stage2() {
	plan 6
	tries=0
	arrive >/run/arrive
	point $? "the module loads when there is memory"
	note "$(cat /run/arrive) $tries tries"
	same "everything arrived" "$(luo_sysfs sessions_in) $(luo_sysfs files_in)" "1 2"
	sweep "retrieving goes on after each failure; every byte arrived" in 1:scatter:2M:seed=7
	same "nothing is left" "$(luo_sysfs sessions_in) $(luo_sysfs files_in) $(luo_sysfs sessions_out)" "0 0 0"
	near "hardly anything stays reserved" "$(luo_sysfs reserved)" 0 65536
	ok "the module can be unloaded" wait_for 5 rmmod liveupdate
}
