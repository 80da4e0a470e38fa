# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: the test system itself: plain kexec without the module
# chain: A B
# module: no
# memory: 512M

stage1() {
	plan 2
	same "the module is not loaded" "$(test -d "$luo_keys" && echo there)" ""
	ok "kexec -s loads the next kernel" luo_load kexec
	luo_kexec
}

stage2() {
	plan 1
	same "this is the target" "$(uname -r)" "$(luo_release "$(luo_nth 2)")"
}
