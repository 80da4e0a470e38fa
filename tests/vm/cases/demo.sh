# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: make demo: an unmodified memcached survives a real kexec
# chain: 6.1 6.12
# memory: 1280M
# when: demo
# time: 240

. /luo/memcached
mc_items=120000 mc_size=256

# A line for the person who watches (tests/vm/demo shows it).
tell() {
	result "# > $*"
}

stage1() {
	plan 4
	tell "kernel $(uname -r) runs; starting $(memcached -V), its cache in a preserved memfd"
	mc_serve
	ok "memcached serves" mc_up
	ok "it is filled" mc_check fill
	ok "every item is right before the update" mc_check check
	tell "loading kernel $(luo_release)"
	ok "the next kernel is loaded" luo_load luoctl
	tell "live update: memcached stops, the sessions freeze, the kernel is replaced ..."
	luo_kexec luoctl kexec
}

stage2() {
	plan 3
	tell "kernel $(uname -r) runs; starting memcached on the same cache"
	mc_serve
	ok "memcached serves again" mc_up
	ok "the first item is right" mc_first
	mc_served=$(cat /run/served)
	ok "every item is right" mc_check check
	for mc_moment in freeze frozen jump kernel module ready retrieved; do
		result "# moment $mc_moment $(luo_sysfs blackout/$mc_moment)"
	done
	result "# moment served $mc_served"
}

# When the first item was served, in ns since reboot(2) was called: the new
# kernel's clock, and when it began to run.
mc_first() {
	local now

	now=$(mccheck first seed="$mc_seed") || return 1
	echo $(($(luo_sysfs blackout/kernel) + ${now#at })) >/run/served
}
