# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: what would lose something is refused, with a reason in the log; rmmod too
# chain: A
# memory: 512M

unload_image() {
	kexec -s -u || kexec -c -u
}

stage1() {
	plan 27
	# shellcheck disable=SC2119
	ok "with nothing preserved kexec_load(2) works" luo_load_nowhere kexec-c
	same "... and is seen" "$(luo_sysfs image)" foreign
	ok "something is preserved" luotest hold --session s 1:dense:1M
	ok "... then the kexec is refused (EBUSY)" luotest kexec 16
	ok "... and the log says what to do" log_has 'liveupdate: .*kexec -s'
	ok "that image can be unloaded" unload_image
	same "... which is seen" "$(luo_sysfs image)" none
	dmesg -c >/dev/null
	fails "kexec_load(2) is refused while something is preserved" 255 luo_load_nowhere kexec-c
	ok "... and the log says what to do" log_has 'liveupdate: .*kexec -s'
	same "... and nothing is loaded" "$(luo_sysfs image) $(cat /sys/kernel/kexec_loaded)" "none 0"
	ok "without an image: EINVAL" luotest kexec 22
	same "... and nothing is frozen" "$(luo_sysfs state)" normal
	ok "kexec_file_load(2) works" luo_load_nowhere kexec
	same "... and is seen" "$(luo_sysfs image)" armed
	luo_initrd=/boot/initrd-$(uname -r).bare
	fails "luoctl refuses an initrd without the module" 1 luo_load_nowhere luoctl
	luo_initrd=
	ok "luoctl takes one with it" luo_load_nowhere luoctl
	dmesg -c >/dev/null
	fails "mem= on the command line is refused" any luo_load_nowhere kexec mem=300M
	ok "... and the log says so" log_has 'liveupdate: .*mem='
	fails "the module stays while something is preserved" 1 rmmod liveupdate
	ok "the session is left" kill "$(cat /run/luotest-s.pid)"
	ok "... and gone" wait_for 5 sh -c 'test "$(cat /sys/kernel/liveupdate/sessions_out)" = 0'
	ok "the image is unloaded" unload_image
	ok "then the module can go" wait_for 5 rmmod liveupdate
	ok "its device is gone" test ! -e /dev/liveupdate
	ok "and comes again" insmod "/lib/modules/$(uname -r)/liveupdate.ko"
	ok "with a scratch area" test "$(luo_sysfs scratch)" -gt 50000000
	ok "and works" luotest hold --session s 1:dense:1M
}

# Loads this kernel, to go nowhere.
luo_load_nowhere() {
	local tool=$1
	shift
	luo_load "$tool" "$(luo_nth 1)" "$@"
}
