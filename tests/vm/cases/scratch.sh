# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: a scratch area that is too small is said before the kexec, and can be mended
# chain: A
# memory: 512M
# cmdline: liveupdate.scratch=16M

stage1() {
	local this

	plan 9
	this=$(luo_nth 1)
	same "scratch is what was asked for" "$(luo_sysfs scratch)" $((16 << 20))
	ok "something is preserved" luotest hold --session s 1:dense:1M
	fails "kexec -s cannot load" any luo_load kexec "$this"
	ok "the log says why and what to do" log_has 'liveupdate: .*scratch'
	fails "luoctl does not either" 1 luo_load luoctl "$this"
	same "nothing is loaded" "$(luo_sysfs image) $(cat /sys/kernel/kexec_loaded)" "none 0"
	kill "$(cat /run/luotest-s.pid)"
	ok "the module can be loaded again" wait_for 5 sh -c \
		'rmmod liveupdate && insmod /lib/modules/$(uname -r)/liveupdate.ko scratch=128M'
	ok "something is preserved again" luotest hold --session s 1:dense:1M
	ok "now the kernel can be loaded" luo_load kexec "$this"
}
