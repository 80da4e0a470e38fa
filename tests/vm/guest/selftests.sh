# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154,SC2034
#
# The kernel's own tests for live update, for the cases selftests*. A case sets
# st_version (of the sources) and calls these from its stages.
#
# Points are named "VERSION NAME (KERNEL)" and "VERSION NAME, stage N (KERNEL to
# KERNEL)"; tests/vm/selftests makes a list by name from that. A skip of theirs
# is a skip here, with their reason.

st_two_stages="luo_kexec_simple luo_multi_session luo_stress_files luo_stress_sessions"

st_dir() {
	echo "/luo/selftests/$st_version"
}

# Is everything there, and has everything that is there its place in here? One
# point.
st_complete() {
	local p rc=0

	for p in liveupdate $st_two_stages do_kexec.sh; do
		[ -e "$(st_dir)/$p" ] || { note "there is no $p"; rc=1; }
	done
	for p in "$(st_dir)"/*; do
		case " liveupdate $st_two_stages do_kexec.sh init " in
		*" ${p##*/} "*) ;;
		*) note "nothing here runs ${p##*/}"; rc=1 ;;
		esac
	done
	point $rc "the selftests of $st_version are there, and all have their place"
}

# Runs the tests of one kernel, for st_units to report: st_points of them, one for
# the whole among them.
st_units_run() {
	"$(st_dir)/liveupdate" >/run/st.units 2>&1
	st_rc=$?
	st_count=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' /run/st.units)
	st_points=$((${st_count:-0} + 1))
}

# What test N said before it failed.
st_why() {
	awk -v n="$1" '/RUN/ { text = "" } { text = text $0 "\n" }
		index($0, "not ok " n " ") == 1 { printf "%s", text }' /run/st.units
}

# The tests of one kernel. WHERE goes into the names. Their harness counts what
# it skipped as passed, so each is looked at, and none may lack.
st_units() {
	local where=$1 n=0 seen=0 passed=0 line name

	while read -r line; do
		case $line in
		"ok "* | "not ok "*) ;;
		*) continue ;;
		esac
		seen=$((seen + 1))
		name=${line#not }
		name=${name#ok }
		name=${name#* }
		name="$st_version liveupdate.${name%% *} ($where)"
		case $line in
		*"# SKIP"*) skip "${line#*# SKIP }" "$name" ;;
		ok*)
			passed=$((passed + 1))
			point 0 "$name"
			;;
		*)
			note "$(st_why "$seen")"
			point 1 "$name"
			;;
		esac
	done </run/st.units
	while [ $seen -lt "${st_count:-0}" ]; do
		seen=$((seen + 1))
		point 1 "$st_version liveupdate.$seen-th ($where): no result"
	done
	if [ "$st_rc" = 0 ] && [ "$seen" -gt 0 ] &&
		grep -q "^# Totals: pass:$passed fail:0 .*error:0" /run/st.units; then
		point 0 "liveupdate of $st_version ended well, with $passed of $seen passed"
	else
		note "it gave $st_rc: $(tail -n 3 /run/st.units)"
		point 1 "liveupdate of $st_version ended well"
	fi
}

# st_stage N PROGRAM FROM TO: one stage of a test of two kernels, one point. The
# first leaves a child behind that holds the sessions.
st_stage() {
	local stage=$1 program=$2 rc name pid

	name="$st_version $2, stage $stage ($3 to $4)"
	# The child has no terminal, but would hold a pipe.
	"$(st_dir)/$program" -s "$stage" >"/run/st.$program" 2>&1
	rc=$?
	if [ $rc = 4 ]; then
		skip "$(sed -n 's/.*# SKIP *//p' "/run/st.$program")" "$name"
		return
	fi
	if [ $rc = 0 ] && [ "$stage" = 1 ]; then
		pid=$(sed -n 's/.*Child PID: \([0-9]*\).*/\1/p' "/run/st.$program")
		kill -0 "$pid" || rc=child
	elif [ $rc = 0 ]; then
		grep -q 'TEST PASSED' "/run/st.$program" || rc=silent
	fi
	[ $rc = 0 ] || note "$program stage $stage: $rc: $(tail -n 8 "/run/st.$program")"
	[ $rc = 0 ]
	point $? "$name"
}

# What the kernel and the next one are called in names.
st_here() {
	luo_nth "$luo_stage"
}

st_next() {
	luo_nth $((luo_stage + 1))
}

st_before() {
	luo_nth $((luo_stage - 1))
}

# A stage of a chain over which the tests of two stages go one after the other:
# kernel N runs the second stage of test N-1 and the first one of test N. The
# first and the last kernel run the tests of one kernel too; the last one shows
# that they hold on a kernel that was reached by updates. The case says
# st_load=first if the next kernel is to be loaded before the test runs; else
# their do_kexec.sh does all of it afterwards.
st_row() {
	local done='' next=''

	# shellcheck disable=SC2086
	set -- $st_two_stages
	[ "$luo_stages" = $(($# + 1)) ] || { result "not ok 1 - $# tests want $(($# + 1)) kernels"; return; }
	[ "$luo_stage" = 1 ] || eval "done=\${$((luo_stage - 1))}"
	[ "$luo_stage" = "$luo_stages" ] || eval "next=\${$luo_stage}"
	st_points=0
	[ -n "$done" ] && [ -n "$next" ] || st_units_run
	plan $((2 + st_points + (luo_stage > 1) + (luo_stage < luo_stages) + ${st_load:+(luo_stage < luo_stages)} + 0))

	st_complete
	[ -z "$done" ] || st_stage 2 "$done" "$(st_before)" "$(st_here)"
	if [ -z "$done" ]; then
		st_units "$(st_here)"
	elif [ -z "$next" ]; then
		st_units "$(st_here) after updates"
	fi
	same "nothing is left of it" "$(luo_sysfs sessions_in) $(luo_sysfs sessions_out)" "0 0"
	[ -n "$next" ] || return 0
	[ -z "$st_load" ] || ok "the next kernel is loaded" luo_load kexec
	st_stage 1 "$next" "$(st_here)" "$(st_next)"
	if [ -n "$st_load" ]; then
		luo_kexec
	else
		st_do_kexec
	fi
}

# On to the next kernel by their do_kexec.sh. It reuses the command line, in
# which our stage has to be another one.
st_do_kexec() {
	local release

	release=$(luo_release)
	luo_cmdline >/run/cmdline
	mount -o bind /run/cmdline /proc/cmdline
	luo_kexec env KERNEL="/boot/vmlinuz-$release" INITRAMFS="/boot/initrd-$release" \
		sh "$(st_dir)/do_kexec.sh"
}

# Their init.c, which their vmtest.sh makes the init of an initramfs: loads
# /kernel and /initrd.img, runs "/test_binary -s STAGE", reboots; the second
# kernel knows its stage by luo_stage=2. Here it runs in a root of its own, and
# the test binary is a script that runs all tests of two stages (st_all). To be
# called by ok.
st_init_root() {
	local root=/run/st d

	mkdir -p $root
	mount -t tmpfs tmpfs $root || return 1
	for d in bin sbin usr lib lib64 luo boot sys; do
		mkdir -p $root/$d
		mount -o rbind /$d $root/$d || return 1
	done
	mkdir $root/dev $root/proc $root/debugfs $root/run $root/tmp
	if [ "$luo_stage" = 1 ]; then
		ln -s "/boot/vmlinuz-$(luo_release)" $root/kernel
		ln -s "/boot/initrd-$(luo_release)" $root/initrd.img
	fi
	cp "$(st_dir)/init" $root/init
	printf '#!/bin/sh\n. /luo/lib.sh\n. /luo/selftests.sh\nst_version=%s\nluo_point=%s\nst_all "$@"\n' \
		"$st_version" "$((luo_point + 1))" >$root/test_binary
	chmod 755 $root/test_binary
}

# What init.c starts: no environment, and the result channel where it was.
st_all() {
	local p n=$luo_point

	export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	for p in $st_two_stages; do
		if [ "$2" = 1 ]; then
			st_stage 1 "$p" "$(st_here)" "$(st_next)"
		else
			st_stage 2 "$p" "$(st_before)" "$(st_here)"
		fi
	done
	[ "$2" != 1 ] || result "# stage 1 end"
	luotest drain /dev/ttyS1
	[ "$luo_point" = $((n + 4)) ]
}
