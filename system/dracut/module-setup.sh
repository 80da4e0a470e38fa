#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# dracut module: liveupdate.ko, its parameters, and what loads it first.

check() {
	return 0
}

# It brings the shell, and, where systemd does not, an /init.
depends() {
	echo base
}

installkernel() {
	instmods -o liveupdate
}

install() {
	local file

	inst_multiple chmod modprobe mount sh
	# dracut copies /etc/modprobe.d only into an initramfs for this host alone.
	for file in /etc/modprobe.d/*.conf; do
		if grep -qs '^[[:space:]]*options[[:space:]]*liveupdate[[:space:]]' "$file"; then
			inst_simple "$file"
		fi
	done
	# Modules come in order of their names: this one has to be behind base.
	if ! mv "${initdir:?}/init" "$initdir/init.next"; then
		dfatal "liveupdate: there is no /init to go before"
		return 1
	fi
	inst_script "${moddir:?}/init.sh" /init
}
