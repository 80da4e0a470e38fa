# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: measures an update of 512 MiB in huge pages of 2 MiB
# chain: A B
# memory: 2560M
# time: 300
# cmdline: transparent_hugepage=always liveupdate.scratch=256M
# when: bench

. /luo/bench.sh

stage1() { bench_stage1 huge; }
stage2() { bench_stage2 huge; }
