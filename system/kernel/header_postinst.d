#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Installed as /etc/kernel/header_postinst.d/luo-tools, so that it runs after
# dkms: if the headers of a kernel come after its image, the module is built
# when the initrd has been made already.

set -e

kernel=${1-}
[ -n "$kernel" ] || exit 0
[ -x /usr/libexec/luo-tools/update-initrds ] || exit 0
modinfo -k "$kernel" -n liveupdate >/dev/null 2>&1 || exit 0
exec /usr/libexec/luo-tools/update-initrds "$kernel"
