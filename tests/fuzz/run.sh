#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# run.sh [SECONDS [TARGET…]]: each target for so long (600), from its corpus and the shipped scenarios. What breaks one is left in
# build/fuzz as crash-…; put it, made small, into the corpus with its mend.
set -eu
seconds=${1:-600}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- scenario console filter explored trace
here=$(cd "$(dirname "$0")/../.." && pwd)
cd "$here"
. app/install.sh
cmake --preset fuzz "-DCMAKE_CXX_COMPILER=$CLANG" >/dev/null && cmake --build --preset fuzz >build-fuzz.log 2>&1 || { tail -20 build-fuzz.log >&2; exit 1; }
rm -f build-fuzz.log
export ASAN_OPTIONS="detect_stack_use_after_return=0:detect_leaks=1" LSAN_OPTIONS="suppressions='$here/tests/lsan.supp':print_suppressions=0" UBSAN_OPTIONS=print_stacktrace=1
cd build/fuzz
failed=0
for target; do
    mkdir -p "learned-$target" seeds-scenario
    # Of the shipped scenarios those that a few hundred microseconds read.
    find "$here/scenarios" -name '*.yaml' -size -4k -exec cp {} seeds-scenario/ \;
    seeds="$here/tests/fuzz/corpus/$target"
    [ "$target" != scenario ] || seeds=seeds-scenario
    log="fuzz-$target.log"
    if "tests/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=3000 -max_len=4096 -print_final_stats=1 "learned-$target" "$seeds" >"$log" 2>&1; then
        echo "fuzz: $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions, $(sed -n 's/^.*cov: \([0-9]*\).*/\1/p' "$log" | tail -1) edges"
    else
        tail -40 "$log" >&2
        echo "fuzz: $target: broken" >&2
        failed=1
    fi
done
exit $failed
