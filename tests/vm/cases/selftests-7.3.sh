# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: all selftests of 7.3, each test of two stages over an update of its own
# chain: A A A A A
# chain: A B A B A
# memory: 512M
# time: 240
# when: selftests
# needs: selftests 7.3
#
# The next kernel is started loaded before a test preserves, as their vmtest.sh does.

. /luo/selftests.sh
st_version=7.3
st_load=first

stage1() { st_row; }
stage2() { st_row; }
stage3() { st_row; }
stage4() { st_row; }
stage5() { st_row; }
