# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: a damaged handover is refused, as little of it as possible, and nothing falls over
# chain: 6.12 6.1 6.12 6.1 6.12 6.1 6.12 6.1 6.12 6.1 6.12 6.1
# memory: 1G
# time: 400
#
# Each stage looks at what the damage of the stage before has done, and sends
# the next kernel another one (see modules/luo_damage.c).

# Nothing can be believed any more:
all="root-byte format image-elsewhere image-nowhere nonce range-length root-magic"
# Only one session has been hit:
one="many-records two-owners foreign-page"
# All that was announced is there, and a million sessions more were announced:
none="loop"

bad="1:dense:64K:seed=5 2:dense:64K:seed=6"
good="1:scatter:1M:seed=7 2:sparse:1M"

# The damage between stage N and N+1
damage() {
	# shellcheck disable=SC2086
	set -- "$1" $all $one $none
	shift "$1"
	echo "$1"
}

send() {
	# shellcheck disable=SC2086
	ok "two sessions are held" luotest hold --session bad $bad --session good $good
	ok "damage is prepared: $(damage "$luo_stage")" insmod "/lib/modules/$(uname -r)/luo_damage.ko" \
		"chain=$(luo_sysfs chain)" "what=$(damage "$luo_stage")"
	ok "the next kernel is loaded" luo_load kexec
	luo_kexec
}

look() {
	local what

	what=$(damage $((luo_stage - 1)))
	plan $((5 + (luo_stage < luo_stages) * 3))
	case " $none " in
	*" $what "*)
		# shellcheck disable=SC2086
		ok "$what: the first session is whole" luotest check --session bad $bad --finish
		;;
	*)
		# shellcheck disable=SC2086
		fails "$what: the damaged session is not whole" 1 luotest check --session bad $bad --finish
		;;
	esac
	case " $one $none " in
	*" $what "*)
		# shellcheck disable=SC2086
		ok "$what: the other one is" luotest check --session good $good --finish
		;;
	*)
		same "$what: no session is offered" "$(luo_sysfs sessions_in)" 0
		;;
	esac
	ok "$what: the log says so" log_has 'liveupdate: .*(damaged|unknown|refused|cannot|not )'
	ok "$what: new sessions can be made" luotest hold --session new 1:dense:1M
	ok "$what: memory can be used" luotest self 1:dense:150M
	kill "$(cat /run/luotest-new.pid)"
	wait_for 5 sh -c 'test "$(cat /sys/kernel/liveupdate/sessions_out)" = 0'
	[ "$luo_stage" = "$luo_stages" ] || send
}

stage1() {
	plan 3
	send
}
stage2() { look; }
stage3() { look; }
stage4() { look; }
stage5() { look; }
stage6() { look; }
stage7() { look; }
stage8() { look; }
stage9() { look; }
stage10() { look; }
stage11() { look; }
stage12() { look; }
