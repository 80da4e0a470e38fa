# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: with initrds as Debian's update-initramfs makes them, with luo-tools installed
# chain: A B
# memory: 1G
# initrd: debian
# time: 400
# when: deb

# What the initramfs has left: checked before the case does anything.
early() {
	ok "the module was loaded before PID 1 started" grep -q '^liveupdate ' /proc/modules
	note "loaded first: $(awk '{ print $1 }' /proc/modules | tail -n 3 | tr '\n' ' ')"
	ok "before anybody else loaded modules" first_module
	fails "a user cannot look into setup_data" any luotest run-as 65534 \
		sh -c 'cat /sys/kernel/boot_params/setup_data/*/data'
	same "the device is root's" "$(stat -c '%a %u %g' /dev/liveupdate)" "600 0 0"
}

# The newest module is first in the list. Names of the ones that the kernel's
# own initramfs scripts ask for may come later, not earlier.
first_module() {
	test "$(awk 'END { print $1 }' /proc/modules)" = liveupdate
}

luo_initrd=/boot/initrd.img-$(luo_release)

stage1() {
	plan 8
	early
	ok "luoctl finds what it needs" luoctl check --kernel "/boot/vmlinuz-$(luo_release)" --initrd "$luo_initrd"
	ok "a session" luotest hold --session s 1:scatter:32M:seed=7
	ok "luoctl loads the next kernel with Debian's initrd" luo_load luoctl
	ok "it is armed" grep -q armed "$luo_keys/image"
	luo_kexec
}

stage2() {
	plan 6
	early
	ok "this kernel's setup_data is closed" closed
	ok "every byte arrived" luotest check --session s 1:scatter:32M:seed=7 --finish
}

closed() {
	test "$(stat -c %a /sys/kernel/boot_params/setup_data)" = 500
}
