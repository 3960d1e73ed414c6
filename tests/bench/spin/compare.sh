#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# sh tests/bench/spin/compare.sh PROGRAM: the same race explored by Spin, with and without its partial-order reduction, and by Mirrorscope.
# Needs the packages spin and gcc.
set -eu
program=$(readlink -f "$1")
here=$(cd "$(dirname "$0")" && pwd)
race=$here/../../../scenarios/races/01-two-faults-one-page.yaml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
spin -a "$here/two_faults.pml"
spin_run() {
    gcc -O2 -w -DSAFETY $2 -o pan pan.c
    ./pan -m100000 >out
    grep -q 'errors: 0' out || { cat out; exit 1; }
    echo "$1: $(sed -n 's/ *\([0-9.e+]*\) states, stored.*/\1/p' out) states, $(sed -n 's/ *\([0-9.e+]*\) transitions.*/\1/p' out) transitions, $(sed -n 's/pan: elapsed time \(.*\) seconds/\1/p' out) s"
}
spin_run "Spin, reduced" ""
spin_run "Spin, all states" "-DNOREDUCE"
"$program" explore --mode stateful --format jsonl "$race" |
    sed 's/.*"states":\([0-9]*\),"transitions":\([0-9]*\).*"seconds":\([0-9.]*\).*/Mirrorscope: \1 states, \2 transitions, \3 s/'
