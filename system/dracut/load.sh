#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# As initramfs-tools/init-top, for dracut.

if [ -d /sys/kernel/boot_params/setup_data ]; then
	chmod 0500 /sys/kernel/boot_params/setup_data
	for file in /sys/kernel/boot_params/setup_data/*/data; do
		[ ! -e "$file" ] || chmod 0400 "$file"
	done
fi
modprobe -qb liveupdate || :
