#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# sh tests/bench/spin/compare.sh PROGRAM: races 01, 05 and 25 explored by Spin, with and without its partial-order reduction, and by
# Mirrorscope. Fails if the two do not find the same ends, or do not take the same number of micro-steps one actor after the other: then
# one of the two models is wrong. Needs the packages spin and gcc.
set -eu
program=$(readlink -f "$1")
here=$(cd "$(dirname "$0")" && pwd)
races=$here/../../../scenarios/races
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# What each acceptance is told (a, b); then vCPU 0 accepts once more, which tells whether the page is mapped (c).
last='/^expect:/i\  - {vcpu0: {accept: 0x4000, id: c}}
/^sometimes:/,$d'
sed -e '/^  - {vcpu0: {accept: 0x4000}}/d' -e '/finalize-vm/a\  - {vcpu0: {accept: 0x3000}}\n  - {vcpu1: hypercall}' -e "$last" \
    "$races/01-two-faults-one-page.yaml" >01.yaml
sed -e "$last" "$races/05-fault-and-punch-hole.yaml" >05.yaml
sed -e 's/vcpu0: \[{accept: 0x4000}\]/vcpu0: [{accept: 0x4000, id: a}]/' -e 's/vcpu1: \[{accept: 0x4000}\]/vcpu1: [{accept: 0x4000, id: b}]/' \
    -e "$last" "$races/25-three-at-one-page.yaml" >25.yaml

field() { sed -n "s/.*\"$1\":\\([0-9.]*\\).*/\\1/p" "$2"; }

# spin_run DEFINES OPTIONS: leaves the output of the verifier in `out`.
spin_run() {
    # shellcheck disable=SC2086
    spin $1 -a "$here/one_page.pml"
    # shellcheck disable=SC2086
    gcc -O2 -w -DSAFETY $2 -o pan pan.c
    ./pan -m1000000 >out
    grep -q 'errors: 0' out || { cat out; exit 1; }
}
figures() { # one line of `out`
    echo "$(sed -n 's/ *\([0-9.e+]*\) states, stored.*/\1/p' out) states, $(sed -n 's/ *\([0-9.e+]*\) transitions.*/\1/p' out) transitions, $(sed -n 's/pan: elapsed time \(.*\) seconds/\1/p' out) s"
}

compare() { # RACE DEFINES ACTORS
    "$program" explore --mode stateful --format jsonl "$1.yaml" >explored
    grep -o '"results":"[^"]*"' explored | sed 's/"results":"\(.*\)"/\1/' | sort -u >ours
    spin_run "$2" ""
    sed -n 's/^END //p' out | awk '{
        split("ok TDX_OPERAND_BUSY TDX_PAGE_ALREADY_ACCEPTED TDX_PAGE_SIZE_MISMATCH", name)
        print "a: " name[$1] ($2 ? "; b: " name[$2] : "") "; c: " name[$3] }' | sort -u >theirs
    cmp -s ours theirs || { echo "race $1: other ends than Spin's"; diff ours theirs; exit 1; }

    # One after the other: Spin counts the start, the wait for and the end of each process, what `init` does then, and the first state, too.
    "$program" run --format jsonl "$1.yaml" | grep '"verb":"race"' | sed 's/.*"n":\([0-9]*\).*/\1/' >begin_and_end
    ours=$(($(tail -1 begin_and_end) - $(head -1 begin_and_end) + 1))
    echo "race $1: $(wc -l <ours) ends, the same; $ours micro-steps one after the other"
    reduced=$(figures)
    spin_run "$2 -DORDER" ""
    theirs=$(($(sed -n 's/ *\([0-9]*\) transitions.*/\1/p' out) - 3 * $3 - 4))
    [ "$ours" = "$theirs" ] || { echo "race $1: $ours micro-steps here, $theirs in Spin"; exit 1; }
    echo "  Spin, reduced: $reduced"
    spin_run "$2" "-DNOREDUCE"
    echo "  Spin, all states: $(figures)"
    echo "  Mirrorscope: $(field states explored) states, $(field transitions explored) transitions, $(field seconds explored) s"
}
compare 01 "-DVCPUS=2" 2
compare 05 "-DVCPUS=1 -DHOST" 2
compare 25 "-DVCPUS=2 -DHOST" 3
