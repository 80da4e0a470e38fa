# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: an initramfs that moves /sys while the module is still busy does no harm
# chain: A B
# memory: 512M
# cmdline: luo.move=4
#
# After an update the hooks are installed in the background. The module once
# looked up a file in /sys after that, did not find it during this time, and
# took it that a foreign kernel image was loaded: no live update was possible
# any more.

stage1() {
	plan 2
	ok "a session is held" luotest hold --session s --file 1:dense:1M:seed=7
	ok "the next kernel is loaded" luo_load kexec
	luo_kexec
}

stage2() {
	plan 4
	ok "it arrived" luotest check --session s --file 1:dense:1M:seed=7 --finish --hold again
	same "no image is loaded" "$(luo_sysfs image)" none
	ok "one can be loaded" luo_load kexec "$(luo_nth "$luo_stage")" luo.move=
	same "and is fit for a live update" "$(luo_sysfs image)" armed
}
