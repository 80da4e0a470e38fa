# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: after an update nobody else can read what was preserved
# chain: A B
# memory: 512M

all_of() {
	find /sys/kernel/boot_params -type f | wc -l
}

stage1() {
	plan 4
	ok "root's search finds test data where it is" sh -c \
		'mkdir -p /tmp/scan && luotest hold --session s 1:scatter:16M:seed=7 && head -c 1048576 "/proc/$(cat /run/luotest-s.pid)/exe" >/tmp/scan/exe && luotest scan /tmp/scan; rm -r /tmp/scan; true'
	fails "... and it can find: a page in a file" 1 leak
	same "a user can see nothing of it in sysfs" "$(luotest run-as 65534 sh -c 'cat /sys/kernel/liveupdate/chain 2>/dev/null')" ""
	ok "the next kernel is loaded" luo_load kexec
	luo_kexec
}

# A directory in which test data can be read.
leak() {
	mkdir -p /tmp/leak
	printf 'xxLUOTEST page ...' >/tmp/leak/file
	luotest scan /tmp/leak
}

stage2() {
	plan 6
	fails "the search works here too" 1 leak
	ok "there is something to read, for a user too" test "$(luotest run-as 65534 sh -c 'find /sys/kernel/boot_params -type f -readable 2>/dev/null || find /sys/kernel/boot_params -type f' | wc -l)" -gt 3
	ok "a user who reads all of boot_params finds nothing of ours" \
		luotest run-as 65534 luotest scan /sys/kernel/boot_params
	# The ranges are many MiB; what the kernel shows besides is little.
	ok "all that a user can read there is little" test "$(luotest run-as 65534 \
		luotest scan /sys/kernel/boot_params | sed 's/.*bytes=\([0-9]*\).*/\1/')" -lt 65536
	ok "after retrieval, with more written" luotest check --session s 1:scatter:16M:seed=7 --finish --hold again
	ok "root finds nothing there either" luotest scan /sys/kernel/boot_params
}
