# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: measures an update of 512 MiB in single pages of 4 KiB
# chain: A B
# memory: 2560M
# time: 300
# cmdline: transparent_hugepage=always liveupdate.scratch=256M
# when: bench

. /luo/bench.sh

stage1() { bench_stage1 scatter; }
stage2() { bench_stage2 scatter; }
