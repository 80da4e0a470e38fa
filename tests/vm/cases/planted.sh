# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: must fail: all points pass, and the kernel log has a complaint
# chain: 6.12
# module: no
# memory: 512M
# when: selftest

stage1() {
	plan 1
	ok "this point passes" true
	echo "BUG: planted by a test" >/dev/kmsg
}
