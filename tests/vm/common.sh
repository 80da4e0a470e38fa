# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What all host-side scripts of the VM tests share: where things are, how to
# speak to the user, and how to run a command in the toolbox.
#
# The toolbox is a Debian chroot in the cache. Everything is built in it and
# QEMU runs from it, so results do not depend on what is installed on the host.

set -eEu -o pipefail
trap 'echo "${0##*/}: failed in line $LINENO" >&2' ERR

# What a make that calls us was told (O=, -s) is not meant for kbuild and others
# that we call in turn.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL

luo_vm=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
luo_top=$(cd "$luo_vm/../.." && pwd)
luo_build=${O:-$luo_top/build}
luo_cache=${LIVEUPDATE_CACHE:-/var/cache/liveupdate}

say() {
	printf '%s\n' "$*" >&2
}

# What went wrong, and, in further arguments, what to do about it.
die() {
	local line

	printf '%s: %s\n' "${0##*/}" "$1" >&2
	shift
	for line in "$@"; do
		printf '  %s\n' "$line" >&2
	done
	exit 1
}

need_root() {
	[ "$(id -u)" = 0 ] ||
		die "must run as root" "it makes chroots and mounts; try: sudo make ..."
}

# Each chroot's directory carries a digest of its recipe, so that a new recipe
# never meets an old chroot.
toolbox_id() {
	local flavour=$1

	{
		cat "$luo_vm/toolbox.d/$flavour"
		echo recipe 1
	} | sha256sum | cut -c1-12
}

toolbox_dir() {
	local flavour=$1

	echo "$luo_cache/toolbox-$flavour-$(toolbox_id "$flavour")"
}

# Which chroot has the compiler and the files of a kernel.
toolbox_flavour() {
	case $1 in
	6.1 | 6.12 | 6.12-debug) echo bookworm ;;
	7.2) echo trixie ;;
	7.3) echo headers-7.3 ;;
	*) die "unknown kernel '$1'" "known: 6.1 6.12 6.12-debug 7.2, and 7.3 to compile for" ;;
	esac
}

# in_toolbox FLAVOUR COMMAND...: run it there, in the present directory, with
# the source tree, the build directory and the cache at the paths they have
# outside. All mounts live in a mount namespace of the command's own and
# vanish with it; the process is exec'ed, so its pid is the caller's child.
in_toolbox() {
	local flavour=$1 box
	shift

	box=$(toolbox_dir "$flavour")
	[ -e "$box/.complete" ] ||
		die "the $flavour toolbox is not there yet" \
			"run: tests/vm/fetch $flavour"
	exec unshare --mount --propagation private \
		"$luo_vm/enter" "$box" "$luo_top" "$luo_build" "$luo_cache" "$PWD" "$@"
}

# kernel_release 6.12 -> 6.12.95+deb12-cloud-amd64
kernel_release() {
	local k=$1 box

	if [ "$k" = 6.12-debug ]; then
		cat "$luo_cache/debug-kernel/release" 2>/dev/null ||
			die "the debug kernel is not built yet" "run: tests/vm/debug-kernel"
		return
	fi
	box=$(toolbox_dir "$(toolbox_flavour "$k")")
	awk -v k="$k" '$1 == k { print $2; ok = 1 } END { exit !ok }' \
		"$box/etc/liveupdate-kernels" 2>/dev/null ||
		die "no kernel $k in the cache" "run: tests/vm/fetch"
}

# kernel_root 6.12 -> directory with boot/ and lib/modules/ of that kernel
kernel_root() {
	if [ "$1" = 6.12-debug ]; then
		echo "$luo_cache/debug-kernel"
	else
		toolbox_dir "$(toolbox_flavour "$1")"
	fi
}
