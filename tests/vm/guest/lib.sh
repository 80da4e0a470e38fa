# shellcheck shell=dash
# shellcheck disable=SC2034
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Functions for cases, in the guest (busybox sh). See tests/vm/README.md.

# luo.case, luo.stage, luo.chain, luo.nonce, luo.seed and luo.shell of the command line
luo_case='' luo_stage='' luo_chain='' luo_nonce='' luo_seed='' luo_shell=''
read -r luo_line </proc/cmdline
for luo_word in $luo_line; do
	case $luo_word in
	luo.case=*) luo_case=${luo_word#*=} ;;
	# luo_stage=2 is what the init of the kernel's selftests adds.
	luo.stage=* | luo_stage=*) luo_stage=${luo_word#*=} ;;
	luo.chain=*) luo_chain=${luo_word#*=} ;;
	luo.nonce=*) luo_nonce=${luo_word#*=} ;;
	luo.seed=*) luo_seed=${luo_word#*=} ;;
	luo.shell=*) luo_shell=${luo_word#*=} ;;
	esac
done
# "6.1 6.12", and how many
luo_stages=0 luo_line=$luo_chain luo_chain=''
while [ -n "$luo_line" ]; do
	luo_stages=$((luo_stages + 1))
	luo_chain="${luo_chain:+$luo_chain }${luo_line%%,*}"
	case $luo_line in
	*,*) luo_line=${luo_line#*,} ;;
	*) luo_line='' ;;
	esac
done
luo_keys=/sys/kernel/liveupdate
luo_point=0

# --- results ----------------------------------------------------------------

# A line for the result channel; also into the kernel log, so that both tell
# the same story. Written by a shell that has no children: SIGCHLD of one that has
# just been killed ends a write to a terminal, and then the line is lost.
result() {
	(printf '%s\n' "$*" >&3)
	printf 'luo-test: %s\n' "$*" >/dev/kmsg
}

# plan N: how many points this stage will report. First call in every stage.
plan() {
	result "1..$1"
}

# Text that goes to the person who watches, and into the report of a failure.
note() {
	printf '%s\n' "$*" | while read -r line; do
		result "# $line"
	done
}

# point RC DESCRIPTION
point() {
	luo_point=$((luo_point + 1))
	if [ "$1" = 0 ]; then
		result "ok $luo_point - $2"
	else
		result "not ok $luo_point - $2"
	fi
	return "$1"
}

# skip REASON DESCRIPTION: only for skips that tests/expected-skips knows.
skip() {
	luo_point=$((luo_point + 1))
	result "ok $luo_point - $2 # SKIP $1"
}

# ok DESCRIPTION COMMAND...: the command must succeed.
ok() {
	local text=$1 out rc
	shift

	out=$("$@" 2>&1)
	rc=$?
	[ $rc = 0 ] || note "$* gave $rc: $(printf '%s' "$out" | tail -n 8)"
	point $rc "$text"
	return $rc
}

# fails DESCRIPTION RC COMMAND...: the command must exit with just this code
# (any: not with 0).
fails() {
	local text=$1 want=$2 out rc
	shift 2

	out=$("$@" 2>&1)
	rc=$?
	if [ "$rc" = "$want" ] || { [ "$want" = any ] && [ "$rc" != 0 ]; }; then
		point 0 "$text"
	else
		note "$* gave $rc, wanted $want: $(printf '%s' "$out" | tail -n 8)"
		point 1 "$text"
	fi
}

# same DESCRIPTION GOT WANT
same() {
	if [ "$2" = "$3" ]; then
		point 0 "$1"
	else
		note "$1: got '$2', wanted '$3'"
		point 1 "$1"
	fi
}

# points COMMAND...: the command prints "ok TEXT" and "not ok TEXT" lines.
points() {
	local word rest

	"$@" >/run/points 2>/run/points.err || note "$* gave $?: $(cat /run/points.err)"
	while read -r word rest; do
		case $word in
		ok) point 0 "$rest" ;;
		not) point 1 "${rest#ok }" ;;
		esac
	done </run/points
}

# near DESCRIPTION GOT WANT TOLERANCE
near() {
	local d

	d=$(($2 - $3))
	[ $d -ge 0 ] || d=$((-d))
	if [ -n "$2" ] && [ -n "$3" ] && [ $d -le "$4" ]; then
		point 0 "$1"
	else
		note "$1: got '$2', wanted '$3' +-$4"
		point 1 "$1"
	fi
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
	local n=$(($1 * 20))
	shift

	while [ $n -gt 0 ]; do
		"$@" >/dev/null 2>&1 && return 0
		usleep 50000
		n=$((n - 1))
	done
	return 1
}

meminfo() {
	awk -v k="$1:" '$1 == k { print $2 }' /proc/meminfo
}

vmstat_of() {
	awk -v k="$1" '$1 == k { print $2 }' /proc/vmstat
}

luo_sysfs() {
	cat "$luo_keys/$1"
}

# A line in the kernel log of this boot?
# KASAN keeps what was freed for a while.
slack() {
	case $(uname -r) in
	*-luo-debug) echo $(($1 * 3)) ;;
	*) echo "$1" ;;
	esac
}

log_has() {
	dmesg | grep -qE "$1"
}

# --- going to the next kernel -----------------------------------------------

luo_nth() {
	# shellcheck disable=SC2086
	set -- "$1" $luo_chain
	shift "$1" 2>/dev/null || return 1
	echo "${1-}"
}

# The kernel release of the next stage (or of KERNEL, as 6.12).
luo_release() {
	local k=${1:-}

	[ -n "$k" ] || k=$(luo_nth $((luo_stage + 1)))
	awk -v k="$k" '$1 == k { print $2; ok = 1 } END { exit !ok }' /luo/kernels
}

# The command line of the next stage: this one's, with the next number, and
# what the case gives.
luo_cmdline() {
	printf '%s luo.stage=%s%s\n' "$(sed 's/ *luo\.stage=[0-9]*//' /proc/cmdline)" \
		$((luo_stage + 1)) "${*:+ $*}"
}

# luo_load [TOOL] [KERNEL] [more words for its command line]
# TOOL: luoctl, kexec (kexec_file_load) or kexec-c (the old kexec_load).
luo_load() {
	local tool=${1:-luoctl} k=${2:-} rel

	[ $# -lt 2 ] || shift
	[ $# -lt 1 ] || shift
	rel=$(luo_release "$k") || { echo "no next kernel"; return 1; }
	set -- "/boot/vmlinuz-$rel" "${luo_initrd:-/boot/initrd-$rel}" "$(luo_cmdline "$@")"
	case $tool in
	luoctl) luoctl load --kernel "$1" --initrd "$2" --cmdline "$3" ;;
	kexec) kexec -s -l "$1" --initrd="$2" --command-line="$3" ;;
	kexec-c) kexec -c -l "$1" --initrd="$2" --command-line="$3" ;;
	*) echo "unknown tool $tool"; return 1 ;;
	esac
}

# luo_kexec [COMMAND...]: the last call of every stage but the last. Comes back
# only on failure. Default: reboot(2) straight.
luo_kexec() {
	result "# stage $luo_stage end"
	luotest drain /dev/ttyS1
	[ $# -gt 0 ] || set -- luotest kexec
	"$@"
	result "not ok $((luo_point + 1)) - $* came back with $?"
	luotest drain /dev/ttyS1
	return 1
}
