# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: the demo in small: a memcached keeps its cache over the update
# chain: A B
# memory: 768M

. /luo/memcached
mc_items=8000 mc_size=64

# Each moment was noted, and in order.
whole_report() {
	luoctl report --json >/run/report || return 1
	test "$(grep -c '"from":' /run/report)" = 6 && grep -q '"until": "retrieved"' /run/report &&
		! grep -A 1 '"left_out":' /run/report | grep '"$'
}

hooks_seen() {
	luoctl check | grep -F "ok       the module's hooks are in place"
}

stage1() {
	plan 6
	ok "luoctl check sees the hooks" hooks_seen
	fails "there is nothing to report yet" 1 luoctl report
	mc_serve
	ok "memcached serves" mc_up
	ok "it is filled" mc_check fill
	ok "and holds every item" mc_check check
	ok "the next kernel is loaded" luo_load luoctl
	luo_kexec luoctl kexec
}

stage2() {
	plan 8
	mc_serve
	ok "memcached serves again" mc_up
	ok "the first item is right" mccheck first seed="$mc_seed"
	ok "every item is there" mc_check check
	ok "its session lives on for the next update" \
		test "$(luo_sysfs sessions_out)" = 1
	ok "luoctl check sees the hooks of this kernel" wait_for 20 hooks_seen
	ok "luoctl report has all parts of the blackout" whole_report
	ok "... for readers" sh -c 'luoctl report | grep "^exec: *cache: its command was down for"'
	ok "... as a picture" sh -c 'luoctl report --svg /run/report.svg && tail -n 1 /run/report.svg | grep "^</svg>$"'
}
