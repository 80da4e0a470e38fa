# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: what is not finished goes on to the next kernel, retrieved or not, known or not
# chain: 6.1 6.12 6.1
# chain: 6.12 6.1 6.12
# chain-all: 6.12 7.2 6.12
# chain-all: 7.2 6.1 7.2
# memory: 768M
# time: 240
# expect-log: liveupdate: 5 incoming sessions are not finished, and go on
#
# The kernel in the middle stands for one that turns out to be bad: it has got
# some way when it is left again.

waits="1:scatter:48M:seed=3 2:dense:2M:pos=77 3:sparse:4M 4:falloc:1M"
used="1:dense:16M:seed=21 2:scatter:4M:seed=22 3:huge:8M:seed=23"
early="1:dense:3M:seed=51 2:dense:5M:seed=52"
half="1:dense:2M:seed=31 2:scatter:8M:seed=32"

veto() {
	insmod "/lib/modules/$(uname -r)/luo_veto.ko"
}

total_of() {
	tr ' ' '\n' </proc/cmdline | sed -n "s/^luo.total=//p"
}

stage1() {
	plan 10
	# shellcheck disable=SC2086
	ok "sessions are held" luotest hold --session waits $waits --session used $used \
		--session half $half --session dropped 1:dense:32M --session twice 1:dense:1M:seed=41
	# shellcheck disable=SC2086
	ok "one that is frozen before its files are written" luotest hold-frozen --session early $early
	ok "a kind of file that the next kernel does not know" veto
	ok "a file of it is held" luotest hold-path --session veto 5 /dev/luo_veto 1,2,3,4,5,6,7,8
	same "nothing came" "$(luo_sysfs sessions_in)" 0
	ok "the next kernel is loaded" luo_load kexec "" "luo.total=$(meminfo MemTotal)"
	same "seven sessions go" "$(luo_sysfs sessions_out)" 7
	ok "lists tell which is frozen" sh -c 'luoctl list | grep -q "^outgoing *frozen .* early$"'
	ok "a rehearsal finds them all, and no fault" luotest dry-run 0 7
	ok "what is frozen stays in use after it" luotest hold --session later 1:dense:1M
	kill "$(cat /run/luotest-later.pid)"
	wait_for 5 sh -c 'test "$(cat /sys/kernel/liveupdate/sessions_out)" = 7'
	luo_kexec
}

stage2() {
	plan 19
	same "seven sessions came" "$(luo_sysfs sessions_in) $(luo_sysfs generation)" "7 1"
	# shellcheck disable=SC2086
	ok "what was written to frozen files has come" luotest check --session early $early --finish
	# shellcheck disable=SC2086
	ok "one is retrieved, and not finished" luotest keep --session used $used
	# shellcheck disable=SC2086
	ok "of another one, one file" luotest keep --session half 1:dense:2M:seed=31
	ok "its program writes on" luotest change --session used 1:dense:16M:seed=21:then-seed=99
	fails "nobody here can restore the unknown one" 1 luotest keep --session veto 5:dense:4K
	ok "one is given up" luotest drop dropped
	same "five are left" "$(luo_sysfs sessions_in)" 5
	ok "a session of a name that came" luotest hold --session twice 1:dense:3M:seed=42
	ok "the next kernel is loaded" luo_load luoctl
	ok "what came is kept for it" test "$(luo_sysfs kept)" -ge \
		$(((48 + 2 + 16 + 4 + 8 + 2 + 8 + 1) << 20))
	ok "a rehearsal finds six sessions" luotest dry-run 0 6
	near "the memory of those that came is counted once" "$(luo_sysfs bytes_in)" \
		$(((48 + 2 + 2 + 1 + 16 + 4 + 8 + 2 + 8 + 1) << 20)) $((4 << 20))
	ok "memory can be used all the same" luotest self 1:dense:200M
	# A kexec that does not happen leaves all as it was.
	ok "the image is unloaded" kexec -u
	ok "without an image nothing happens" luotest kexec 22
	ok "it is loaded again" luo_load kexec
	ok "another rehearsal" luotest dry-run 0 6
	same "five wait" "$(luo_sysfs sessions_in) $(luo_sysfs state)" "5 updated"
	luo_kexec
}

stage3() {
	plan 12
	same "six came" "$(luo_sysfs sessions_in) $(luo_sysfs generation)" "6 2"
	# shellcheck disable=SC2086
	ok "what nobody had asked for is whole" luotest check --session waits $waits --finish
	ok "what was in use is as it was left" luotest check --session used 1:dense:16M:seed=99 \
		2:scatter:4M:seed=22 3:huge:8M:seed=23 --finish
	# shellcheck disable=SC2086
	ok "so is what was half in use" luotest check --session half $half --finish
	fails "what was given up is gone" 1 luotest check --session dropped 1:dense:32M
	ok "the kind of file is known again" veto
	ok "its file has come through" luotest check-path --session veto 5 1,2,3,4,5,6,7,8
	ok "of two of a name the newer" luotest check --session twice 1:dense:3M:seed=42 --finish
	ok "and the older, by its generation" luotest check-generation twice 1 1:dense:1M:seed=41
	same "nothing is left" "$(luo_sysfs sessions_in) $(luo_sysfs bytes_in)" "0 0"
	near "hardly anything stays reserved" "$(luo_sysfs reserved)" 0 131072
	near "and no memory is lost, in KiB" "$(meminfo MemTotal)" "$(total_of)" 2048
}
