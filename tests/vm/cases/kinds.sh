# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: eventfds, and files of a tmpfs that have a name; what they cost a tmpfs
# chain: A B
# chain-all: A A
# memory: 768M
# cmdline: transparent_hugepage=always init_on_alloc=0
#
# Committed_AS has no lower bound: given back too much, it runs below zero and
# shows as a huge number.

now() {
	# What CPUs count for themselves becomes visible at the next look.
	echo 3 >/proc/sys/vm/drop_caches
	echo 1 >/proc/sys/vm/stat_refresh
	shmem=$(meminfo Shmem) huge=$(meminfo ShmemHugePages)
	committed=$(meminfo Committed_AS) free=$(meminfo MemFree)
}

used() {
	df -k "$1" | awk 'END { print $3 }'
}

points() {
	local word rest

	"$@" >/run/points 2>/run/points.err || note "$* gave $?: $(cat /run/points.err)"
	[ ! -s /run/points.err ] || note "$(cat /run/points.err)"
	while read -r word rest; do
		case $word in
		ok) point 0 "$rest" ;;
		not) point 1 "${rest#ok }" ;;
		esac
	done </run/points
}

mounts() {
	mkdir -p /tmp/a /tmp/h
	mount -t tmpfs -o size=128M tmpfs /tmp/a &&
		mount -t tmpfs -o size=64M,huge=always tmpfs /tmp/h
}

files="1:dense:8M:path=/tmp/a/one:mode=0640:uid=5:gid=6:pos=77 2:sparse:16M:path=/tmp/a/two"
files="$files 3:falloc:4M:path=/tmp/a/three 4:fallmix:2M:path=/tmp/a/four 5:hole:1G:path=/tmp/a/five"
files="$files 6:dense:8M:path=/tmp/a/six:then-size=3M:then-seed=9 7:dense:0:path=/tmp/a/seven"
files="$files 8:dense:64K:beyond=1M:path=/tmp/a/eight 9:scatter:16M:path=/tmp/a/nine"
files="$files 10:dense:100001:ro:mode=0711:uid=7:path=/tmp/a/ten"

stage1() {
	plan 6
	ok "two tmpfs" mounts
	# shellcheck disable=SC2086
	ok "files with names are held" luotest hold --session files $files \
		--session huge 1:huge:16M:seed=6:path=/tmp/h/huge
	same "one of them is of huge pages" "$(meminfo ShmemHugePages)" 16384
	same "df and du agree" "$(used /tmp/a)" "$(du -sk /tmp/a | cut -f1)"
	ok "eventfds and more files are held" luotest kinds-hold
	ok "the next kernel is loaded" luo_load kexec "" "luo.used=$(used /tmp/a)"
	luo_kexec
}

settled() {
	now
	[ $((shmem - shmem0)) -lt 128 ] && [ $((committed - committed0)) -lt 2048 ]
}

stage2() {
	local n=107

	mkdir -p /tmp/quota
	# CONFIG_TMPFS_QUOTA, from 6.6 on.
	! mount -t tmpfs -o usrquota tmpfs /tmp/quota || {
		umount /tmp/quota
		n=$((n + 5))
	}
	plan $n
	ok "two tmpfs" mounts
	now
	shmem0=$shmem huge0=$huge committed0=$committed free0=$free
	# shellcheck disable=SC2086
	ok "every file is what it was, and has its name" luotest check --session files $files --finish
	ok "the huge one too" luotest check --session huge 1:huge:16M:seed=6:path=/tmp/h/huge --finish
	now
	same "it is of huge pages again" $((huge - huge0)) 16384
	same "df says what it said before" "$(used /tmp/a)" \
		"$(tr ' ' '\n' </proc/cmdline | sed -n 's/^luo.used=//p')"
	same "df and du agree" "$(used /tmp/a)" "$(du -sk /tmp/a | cut -f1)"
	same "df of the huge one" "$(used /tmp/h)" 16384
	near "Shmem counts them, in KiB" $((shmem - shmem0)) $(($(used /tmp/a) + 16384)) 512
	near "Committed_AS counts them, in KiB" $((committed - committed0)) \
		$(($(used /tmp/a) + 16384)) 2048
	ok "one is used as any file" sh -c 'cat /tmp/a/one /tmp/a/two >/tmp/a/copy &&
		cmp -n 8388608 /tmp/a/one /tmp/a/copy && mv /tmp/a/one /tmp/a/moved && rm /tmp/a/copy'
	rm /tmp/a/moved
	same "df follows when one goes" "$(used /tmp/a)" "$(du -sk /tmp/a | cut -f1)"
	rm /tmp/a/* /tmp/h/huge
	same "nothing is left on the tmpfs" "$(used /tmp/a) $(used /tmp/h)" "0 0"
	points luotest kinds-check
	umount /tmp/kinds /tmp/a /tmp/h
	! mountpoint -q /tmp/quota || umount /tmp/quota
	wait_for 5 sh -c 'test "$(cat /sys/kernel/liveupdate/files_out)" = 0'
	wait_for 5 settled
	now
	same "nothing is left of the sessions" "$(luo_sysfs sessions_in) $(luo_sysfs files_in)" "0 0"
	near "Shmem is as it was, in KiB" "$shmem" "$shmem0" 128
	same "ShmemHugePages is as it was" "$huge" "$huge0"
	near "Committed_AS is as it was, in KiB" "$committed" "$committed0" 2048
	ok "MemFree has the memory of the files" test "$free" -gt $((free0 + 60000))
}
