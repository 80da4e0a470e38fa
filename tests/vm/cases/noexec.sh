# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: memfds that must never be executed come back as such, with no right more
# chain: 6.12 6.12
# chain-all: 6.12 7.2
# chain-all: 7.2 6.12
# memory: 512M
#
# In-tree they come back with mode 0777. 6.1 does not know this kind of memfd.

files="1:dense:16K:noexec 2:dense:16K:noexec:mode=0600:seals=0xf 3:dense:16K"

stage1() {
	plan 2
	# shellcheck disable=SC2086
	ok "they are held" luotest hold --session s $files
	ok "the next kernel is loaded" luo_load kexec
	luo_kexec
}

stage2() {
	plan 2
	echo 1 >/proc/sys/vm/memfd_noexec
	# shellcheck disable=SC2086
	ok "they are what they were" luotest check --session s $files --finish
	ok "a new one is sealed here" luotest self 1:dense:4K:noexec
}
