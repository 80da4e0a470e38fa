# shellcheck shell=dash
# shellcheck disable=SC1091
# SPDX-License-Identifier: GPL-2.0-or-later
# case: with initrds as dracut makes them, with systemd in them and luo-tools installed
# chain: A B
# memory: 1G
# initrd: dracut
# time: 400
# when: deb

. /luo/cases/debian.sh

luo_initrd=/boot/dracut.img-$(luo_release)

# 6.12 itself asks for modules (ciphers) before /init runs, and this initramfs has them.
# systemd begins with autofs4.
first_module() {
	awk '{ at[$1] = NR } END { exit !at["autofs4"] || at["liveupdate"] < at["autofs4"] }' /proc/modules
}
