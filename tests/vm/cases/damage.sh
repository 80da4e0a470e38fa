# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: a damaged handover is refused, as little of it as possible, and nothing falls over
# chain: 6.12 6.1 6.12 6.1
# chain-all: 7.2 6.12 7.2 6.1
# memory: 1G
# time: 165
#
# shellcheck disable=SC2034
kinds="range-length two-owners loop"

. /luo/damage

stage1() { damage_stage1; }
stage2() { damage_look; }
stage3() { damage_look; }
stage4() { damage_look; }
