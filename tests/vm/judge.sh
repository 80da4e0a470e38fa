# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154
#
# What a case says about itself, and what counts as a passed run. For
# tests/vm/run and for tests/vm/selftest, which shows that it can fail.

# header CASE KEY: the values of "# KEY: value", one per line.
header() {
	sed -n "/^#/!q; s/^# $2: *//p" "${luo_cases:-$luo_vm/cases}/$1.sh"
}

header1() {
	local value

	value=$(header "$1" "$2" | head -n 1)
	echo "${value:-$3}"
}

# judge CASE CHAIN DIR NONCE RC SECONDS: looks at the logs of a run in DIR and
# leaves there its verdict, TAP points that say where they are from. Prints what
# a person should know.
judge() {
	local c=$1 line=$2 dir=$3 nonce=$4 rc=$5 took=$6 name releases='' k counts n

	name="$c.${line// /-}"
	for k in $line; do
		releases="$releases$(kernel_release "$k") "
	done
	header "$c" expect-log >"$dir/expected"
	{
		awk -f "$luo_vm/tap.awk" -v name="$c" -v nonce="$nonce" \
			-v releases="$releases" "$dir/result.tap" >"$dir/judged" || :
		sed -n 's/^not ok /not ok - run: /p' "$dir/judged"
		[ ! -e "$dir/timeout" ] || echo "not ok - run: $(cat "$dir/timeout")"
		[ "$rc" = 0 ] || [ -e "$dir/timeout" ] || echo "not ok - run: qemu ended with $rc: $(tail -n 1 "$dir/qemu.log")"
		if awk -f "$luo_vm/kernel-log.awk" -v case="$c" -v kernels="$line" \
			-v exceptions="${luo_exceptions:-$luo_vm/log-exceptions}" -v expected="$dir/expected" \
			-v today="$(date +%F)" "$dir/kernel.log" >"$dir/complaints"; then
			echo "ok - run: the kernel log is clean"
		else
			echo "not ok - run: the kernel log is not clean"
		fi
	} >"$dir/run.tap"
	# All points of this run, with a name that says where.
	{
		{ grep -E '^(not )?ok ' "$dir/result.tap" || :; } | tr -d '\r' | sed 's/^\(not ok\|ok\) [0-9]*/\1/'
		cat "$dir/run.tap"
	} | sed -E "s,^(not ok|ok) - ,\1 - vm/$name: ," >"$dir/verdict"
	n=$(grep -c '^not ok' "$dir/verdict") || :
	counts="$(grep -c '^ok' "$dir/verdict" || :) points"
	if [ "$n" = 0 ]; then
		printf 'ok      %-22s %-18s %s, %d s\n' "$c" "${line// /→}" "$counts" "$took"
	else
		printf 'FAILED  %-22s %-18s %d of them, %d s\n' "$c" "${line// /→}" "$n" "$took"
		grep '^not ok' "$dir/verdict" | sed 's/^/          /'
		awk '/^# / && !/^# (case|stage|exit) / && n++ < 20 { sub(/\r$/, ""); print "          " $0 }' \
			"$dir/result.tap"
		head -n 15 "$dir/complaints" | sed 's/^/          log: /'
		if ! grep -q '^# exit' "$dir/result.tap"; then
			echo "          the end of the kernel log:"
			tail -n 12 "$dir/kernel.log" | tr -d '\r' | sed 's/^/          | /'
		fi
		echo "          all of it: ${dir#"$luo_top"/}/{kernel.log,result.tap}"
	fi
}
