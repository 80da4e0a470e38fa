# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: processes do what they like with sessions and files while the kernel is replaced under them
# ring: 3
# memory: 768M
# time: 60
#
# HAMMER_ROUNDS= and HAMMER_SEED= of the environment change the number of updates
# and what is done; see tests/vm/luotest/hammer.c.

# A moment that follows from the seed and the round, from 1 to 4 seconds.
moment() {
	echo $(((luo_seed * 7919 + luo_stage * 104729) % 3000000 + 1000000))
}

run_hammer() {
	luotest hammer "$luo_seed" "$luo_stage" "$@" >/run/hammer 2>&1
	local rc=$?
	[ $rc = 0 ] || cat /run/hammer
	return $rc
}

stage() {
	if [ "$luo_stage" = "$luo_stages" ]; then
		plan 1
		ok "all is as it was left" run_hammer last
		note "$(cat /run/hammer)"
		return
	fi
	plan 3
	[ "$luo_stage" != 1 ] || note "seed $luo_seed"
	ok "all is as it was left, and the hammer goes on" run_hammer
	note "$(cat /run/hammer)"
	ok "the next kernel is loaded meanwhile" luo_load kexec
	usleep "$(moment)"
	same "nothing is wrong yet" "$(dmesg | grep -o 'hammer: worker.*')" ""
	luo_kexec
}

# As many as there may be.
luo_n=1
while [ $luo_n -le 41 ]; do
	eval "stage$luo_n() { stage; }"
	luo_n=$((luo_n + 1))
done
