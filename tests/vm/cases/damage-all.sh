# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: every kind of damage, one after the other
# chain: 6.12 6.1 6.12 6.1 6.12 6.1 6.12 6.1 6.12 6.1 6.12 6.1
# memory: 1G
# time: 445
# when: all
#
# shellcheck disable=SC2034
kinds="root-byte format image-elsewhere image-nowhere nonce range-length root-magic many-records two-owners foreign-page loop"

. /luo/damage

stage1() { damage_stage1; }
stage2() { damage_look; }
stage3() { damage_look; }
stage4() { damage_look; }
stage5() { damage_look; }
stage6() { damage_look; }
stage7() { damage_look; }
stage8() { damage_look; }
stage9() { damage_look; }
stage10() { damage_look; }
stage11() { damage_look; }
stage12() { damage_look; }
