#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# dracut module: liveupdate.ko, its parameters, and what loads it first.

check() {
	return 0
}

depends() {
	return 0
}

installkernel() {
	instmods -o liveupdate
}

install() {
	local file

	inst_multiple chmod modprobe
	# dracut copies /etc/modprobe.d only into an initramfs for this host alone.
	for file in /etc/modprobe.d/*.conf; do
		if grep -qs '^[[:space:]]*options[[:space:]]*liveupdate[[:space:]]' "$file"; then
			inst_simple "$file"
		fi
	done
	inst_hook pre-udev 01 "${moddir:?}/load.sh"
}
