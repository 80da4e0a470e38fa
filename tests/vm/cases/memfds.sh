# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: memfds of every shape in several sessions, with all that belongs to them
# chain: A B
# chain: A A
# memory: 768M
# cmdline: init_on_alloc=0
# shellcheck disable=SC2086
#
# init_on_alloc=0, because it would hide it when old contents of memory come
# back as what was allocated and never written.

# The same text makes the files and checks them.
shapes="0:dense:0 1:dense:1 2:dense:100001:name=x"
shapes="$shapes 3:sparse:4M:seed=9 4:hole:1G 5:falloc:2M 6:fallmix:2M:seed=3"
shapes="$shapes 7:dense:64K:beyond=1M 8:dense:24M:seed=5"
meta="0:dense:8K:mode=0600:uid=5:gid=6 1:dense:8K:pos=4097 2:dense:8K:append"
meta="$meta 3:dense:8K:ro:pos=7 4:dense:8K:seals=0xf 5:dense:8K:seals=0x10"
meta="$meta 18446744073709551615:dense:8K:mode=0640:name=a_longer_name_of_a_memfd"
late="1:dense:1M:then-size=700001 2:dense:100001:then-size=2M:then-seed=4"
late="$late 3:sparse:3M:then-seed=8:then-size=2M 4:dense:64K:seals=0x4:then-seals=0x12"
late="$late 5:falloc:1M:then-size=64K 6:dense:0:then-size=1M"

stage1() {
	plan 6
	ok "making and checking files agree" luotest self $shapes $meta $late
	fails "... and damage of one bit is seen" 1 luotest self --damage 5000 1:dense:16K
	ok "three sessions are held" luotest hold --session shapes $shapes \
		--session meta $meta --session late $late
	same "sysfs counts the sessions" "$(luo_sysfs sessions_out)" 3
	same "sysfs counts the files" "$(luo_sysfs files_out)" 22
	ok "the next kernel is loaded" luo_load luoctl
	luo_kexec
}

stage2() {
	plan 10
	same "sysfs counts the sessions" "$(luo_sysfs sessions_in)" 3
	same "sysfs counts the files" "$(luo_sysfs files_in)" 22
	same "sysfs counts the update" "$(luo_sysfs generation)" 1
	fails "a session that never was" 1 luotest check --session none --finish
	# In another order than they were made.
	ok "what changed after preserve arrived changed" luotest check --session late $late --finish
	ok "every shape arrived" luotest check --session shapes $shapes --finish
	ok "mode, owner, position, seals, name arrived" luotest check --session meta $meta --finish
	same "no session is left" "$(luo_sysfs sessions_in)" 0
	near "hardly anything stays reserved" "$(luo_sysfs reserved)" 0 65536
	fails "a session that has been finished is gone" 1 luotest check --session meta --finish
}
