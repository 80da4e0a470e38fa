# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: a family of device files that refer to each other in a circle, with memory of their own (samples/family)
# chain: A B
# chain-all: 6.12 6.12
# time: 360

params=/sys/module/luo_family/parameters
ko=/lib/modules/$(uname -r)/luo_family.ko

calls() {
	echo "$(cat $params/register_calls) $(cat $params/bus_calls)"
}

# Pages that the handlers preserve for memory of N pages: a record each, and a
# page of addresses for each 511 of a machine.
machine_pages() {
	echo $(($1 + ($1 + 510) / 511 + 1))
}

# Newer kernels keep much of what was just freed in lists of each CPU.
free_kib() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	echo $(($(meminfo MemFree) + $(awk '$1 == "count:" { n += $2 } END { print n * 4 }' /proc/zoneinfo)))
}

stage1() {
	local before after

	plan 17
	ok "the sample module is loaded" insmod "$ko"
	ok "the next kernel is loaded" luo_load kexec
	before=$(luo_sysfs kept)
	ok "a circle with one member left out is refused" luotest family \
		new m machine 600 1 new d domain 16 2 new x device 8 3 \
		link m x link x d link d m session s part \
		preserve s m 1 preserve s x 2 kexec 107 kexec 107
	ok "the log says who it was" log_has 'luo_family: device 3 refers to one that is not preserved'
	same "shared state came with the first and went with the last" "$(calls)" "1,1,0,0 1,1,0,0"
	# Room for the records of shared state, once made, stays: one page.
	same "nothing of it is kept" "$(luo_sysfs kept)" $((before + 4096))
	ok "wrong partners and sizes" luotest family \
		new m machine 1 1 new d domain 1 2 run "! luotest family new n domain 3 1" \
		run "! luotest family new n machine 0 1"
	ok "refused, completed, and left for the next kernel" luotest family \
		new m machine 4096 11 new d domain 512 12 new x device 300 13 \
		link m x link x d link d m session s circle \
		preserve s m 1 preserve s x 2 kexec 107 preserve s d 3 stay
	ok "a circle in two sessions" luotest family \
		new m machine 511 21 new d domain 2 22 new x device 1 23 \
		link m x link x d link d m session a split-a session b split-b \
		preserve a m 1 preserve a x 2 preserve b d 1 stay
	ok "folios of several orders, on their own" luotest family \
		new a domain 1 31 new b domain 4 32 new c domain 8 33 new d domain 1024 34 \
		session s orders preserve s a 1 preserve s b 2 preserve s c 3 preserve s d 4 stay
	ok "one that nobody will ask for in time" luotest family \
		new m machine 512 41 session s orphan preserve s m 1 stay
	same "one object of each kind of shared state for all" "$(calls)" "2,1,0,0 2,1,0,0"
	after=$(luo_sysfs kept)
	ok "all memory is kept" test $((after - before)) -ge $((4096 * (4096 + 512 + 300 + 511 + 3 + 1037 + 512)))
	fails "the module is in use" 1 rmmod luo_family
	ok "a session that is closed takes its memory out again" luotest family \
		new m machine 2000 51 session s short preserve s m 1
	same "... all of it" "$(luo_sysfs kept)" "$after"
	ok "the log tells of no update" test "$(dmesg | grep -c 'Starting new kernel')" = 0
	luo_kexec
}

stage2() {
	local reserved total free pages

	plan 19
	same "all sessions came" "$(luo_sysfs sessions_in)" 5
	reserved=$(luo_sysfs reserved)
	total=$(meminfo MemTotal)
	free=$(free_kib)
	ok "without its module a file cannot be had" luotest family claim s orphan lost s 1 2 finish s 0
	ok "... and the log says what became of it" log_has "session 'orphan': nobody wanted file 0x1"
	ok "the module comes late; any order; no end before the circle is closed" luotest family \
		claim s circle lost s 1 2 run "insmod $ko" \
		get x s 2 refers x - finish s 16 \
		get d s 3 refers x d refers d - finish s 16 run "! rmmod luo_family" \
		get m s 1 refers d m refers m x refers x d \
		check m machine 4096 11 check d domain 512 12 check x device 300 13 \
		finish s 0 \
		check m machine 4096 11 check d domain 512 12 check x device 300 13
	same "shared state was retrieved once, and is still needed" "$(calls)" "0,0,1,0 0,0,1,0"
	same "three sessions are left" "$(luo_sysfs sessions_in)" 3
	ok "new members do not get the numbers of those that came" luotest family \
		claim s orders get a s 1 new n machine 1 1 refers n - \
		get c s 3 get b s 2 check a domain 1 31 check b domain 4 32 check c domain 8 33 \
		finish s 0
	ok "the circle in two sessions" luotest family \
		claim a split-a claim b split-b get m a 1 get x a 2 refers m x refers x - \
		finish a 16 get d b 1 refers x d refers d m \
		check m machine 511 21 check d domain 2 22 check x device 1 23 \
		finish b 0 finish a 0
	same "shared state has gone with the last file" "$(calls)" "0,0,1,1 0,0,1,1"
	same "no session is left" "$(luo_sysfs sessions_in)" 0
	pages=$(machine_pages 512)
	ok "the log says that memory of one is left" \
		log_has "liveupdate: $pages pages that handlers have preserved were asked for by nobody"
	# All else: records of 3 + 3 + 4 files, register, bus.
	pages=$(($(machine_pages 4096) + 513 + 301 + $(machine_pages 511) + 3 + 2 + 1037 + 4 + 1 + 3))
	same "every page of all others is back" $((reserved - $(luo_sysfs reserved))) $((pages * 4096))
	same "MemTotal is what it was" "$(meminfo MemTotal)" "$total"
	near "they are free" $(($(free_kib) - free)) $((pages * 4)) 4096
	ok "this kernel can preserve members of its own" luotest family \
		new m machine 600 1 new d domain 1024 2 new x device 8 3 \
		link m x link x d link d m session s part \
		preserve s m 1 preserve s x 2 preserve s d 3
	same "... with shared state of its own" "$(calls)" "1,1,1,1 1,1,1,1"
	same "nothing is outgoing" "$(luo_sysfs files_out)" 0
	ok "the module can go" rmmod luo_family
	fails "its files are nobody's then" any test -e /dev/luo_family
}
