# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: the commands beyond in-tree: every argument, killed holders, two updates in a row
# chain: 6.1 6.12 6.1
# chain: 6.12 6.1 6.12
# chain-all: 6.12 7.2 6.12
# chain-all: 7.2 6.12 7.2
# memory: 1G
# time: 300

stage1() {
	plan 131
	points luotest ext
	ok "more is held" luotest hold --session ext-in 1:dense:1M:seed=3 2:sparse:1M \
		--session ext-drop 1:dense:64M --session ext-empty 1:dense:16K
	ok "the next kernel is loaded" luo_load kexec
	ok "a rehearsal of it" test "$(luotest rehearse)" = "0 0 5 $((20002 + 4)) $(luo_sysfs bytes_out) 0 "
	luo_kexec
}

# Gives back what the kernel has of it, in KiB, and what sysfs says, in bytes.
drop_gives_back() {
	local free bytes

	# Its pages are in the cache from now on.
	luoctl --version >/dev/null
	free=$(meminfo MemAvailable)
	bytes=$(luo_sysfs bytes_in)
	ok "a session is dropped" luoctl session drop --generation 1 ext-drop
	# Other things come and go meanwhile, but not of this size; and from 6.7 on each
	# CPU keeps some MiB of what was freed in a list of its own, which does not count.
	ok "... its memory is free again" test "$(meminfo MemAvailable)" -ge $((free + 40960))
	same "... and gone from sysfs" "$(luo_sysfs bytes_in)" $((bytes - (64 << 20)))
	fails "... it cannot be dropped twice" 1 luoctl session drop ext-drop
}

stage2() {
	plan 50
	drop_gives_back
	points luotest ext-incoming
	ok "one is recycled, written to, and left" luotest ext-recycle ext-in 1M 9
	same "two sessions wait for the next kernel" \
		"$(luo_sysfs state) $(luo_sysfs sessions_out) $(luo_sysfs files_out)" "normal 2 4"
	ok "the next kernel is loaded" luo_load kexec
	luo_kexec
}

stage3() {
	plan 4
	same "they came" "$(luo_sysfs sessions_in) $(luo_sysfs files_in)" "2 4"
	ok "the first has what was written after it was recycled" \
		luotest check --session ext-in 1:dense:1M:seed=9 2:sparse:1M --finish
	ok "the other is whole" luotest check --session ext-kept 1:dense:256K:seed=11:name=ext:seals=1 2:dense:64K:seed=1:name=ext:seals=1 --finish
	same "nothing is left" "$(luo_sysfs state)" normal
}
