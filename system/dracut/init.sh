#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The first program of an initramfs by dracut: loads liveupdate.ko, then becomes
# what would have been the first one, systemd or dracut's own script. A hook would
# be too late: by then systemd has mounted /run and others, with sizes that come
# from what is free, and before the module has loaded that is only what is not
# covered.
#
# The comments in initramfs-tools/init-top hold here, too.

[ -e /proc/cmdline ] || mount -t proc -o nosuid,nodev,noexec proc /proc
[ -d /sys/kernel ] || mount -t sysfs -o nosuid,nodev,noexec sysfs /sys

if [ -d /sys/kernel/boot_params/setup_data ]; then
	chmod 0500 /sys/kernel/boot_params/setup_data
	for file in /sys/kernel/boot_params/setup_data/*/data; do
		[ ! -e "$file" ] || chmod 0400 "$file"
	done
fi
modprobe -qb liveupdate || :

exec /init.next "$@"
