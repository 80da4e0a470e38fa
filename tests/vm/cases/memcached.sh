# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: the demo in small: a memcached keeps its cache over the update
# chain: A B
# memory: 768M

. /luo/memcached
mc_items=8000 mc_size=64

stage1() {
	plan 4
	mc_serve
	ok "memcached serves" mc_up
	ok "it is filled" mc_check fill
	ok "and holds every item" mc_check check
	ok "the next kernel is loaded" luo_load luoctl
	luo_kexec luoctl kexec
}

stage2() {
	plan 4
	mc_serve
	ok "memcached serves again" mc_up
	ok "the first item is right" mccheck first seed="$mc_seed"
	ok "every item is there" mc_check check
	ok "its session lives on for the next update" \
		test "$(luo_sysfs sessions_out)" = 1
}
