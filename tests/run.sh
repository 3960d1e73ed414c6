#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# sh tests/run.sh [--all]: installs what is missing, builds, and runs every test, once optimized (gcc) and once under
# AddressSanitizer and UndefinedBehaviorSanitizer (clang, which compiles with those in two thirds of the time), there with a
# part of the random races and of the shipped files (tests/support/effort.h). --all does all of it under the sanitizers, too,
# and adds what is slow: clang optimized, gcc's sanitizers, ThreadSanitizer, windows at 500 random moments, the patches of
# contributing.md, the Debian package, a real kernel that is recorded under QEMU, 10 minutes of each fuzzing target, 20 minutes
# of random races, a job array on a Slurm of one node, Spin on the models of three races, and the exported page in a browser.
# (MIRRORSCOPE_FUZZ_SECONDS of each target, MIRRORSCOPE_THREE_WAYS_SECONDS of races: another time than those.)
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/app/install.sh"
presets="release asan"
others=0
packages="$BUILD_PACKAGES $RUN_PACKAGES $TEST_PACKAGES"
for argument; do
    case $argument in
    --all)
        presets="$presets clang asan-gcc tsan"
        export MIRRORSCOPE_EFFORT=whole
        packages="$packages slurm-wlm munge spin chromium lintian appstream desktop-file-utils mmdebstrap qemu-system-x86 busybox-static trace-cmd cpio xz-utils python3"
        others=1
        ;;
    *)
        echo "usage: sh tests/run.sh [--all]" >&2
        exit 2
        ;;
    esac
done
# shellcheck disable=SC2086
need $packages || exit 2
cd "$root"
export ASAN_OPTIONS="detect_stack_use_after_return=0:detect_leaks=1:abort_on_error=1" UBSAN_OPTIONS=print_stacktrace=1
# (A path with blanks is one value only in quotes.)
export LSAN_OPTIONS="suppressions='$root/tests/lsan.supp':print_suppressions=0"
# The tests start programs, and threads after that.
export TSAN_OPTIONS="suppressions='$root/tests/tsan.supp':print_suppressions=0:die_after_fork=0"
export QT_QPA_PLATFORM=offscreen
jobs=$(($(nproc) + 1)) # some of them wait for a clock and not for a processor
ran=0
failed=0
for preset in $presets; do
    echo "== $preset: building" >&2
    case $preset in
    asan | clang) compiler=-DCMAKE_CXX_COMPILER=$CLANG ;;
    *) compiler= ;;
    esac
    # shellcheck disable=SC2086
    cmake --preset "$preset" $compiler ${MIRRORSCOPE_CMAKE_ARGS:-} >"build-$preset.log" 2>&1 || { tail -30 "build-$preset.log" >&2; exit 1; }
    cmake --build --preset "$preset" >"build-$preset.log" 2>&1 || { grep -E 'error|FAILED' "build-$preset.log" >&2; tail -5 "build-$preset.log" >&2; exit 1; }
    rm -f "build-$preset.log"
    echo "== $preset: testing" >&2
    log="build/$preset/tests.log"
    ctest --preset "$preset" -j "$jobs" --timeout 900 >"$log" 2>&1 || true
    summary=$(grep -E '^[0-9]+% tests passed' "$log" || true)
    if [ -z "$summary" ]; then
        tail -30 "$log" >&2
        echo "no test ran" >&2
        exit 1
    fi
    bad=$(echo "$summary" | sed 's/.*, \([0-9]*\) tests\{0,1\} failed out of \([0-9]*\).*/\1/')
    all=$(echo "$summary" | sed 's/.* out of \([0-9]*\).*/\1/')
    [ "$bad" = 0 ] || { grep -vE ' +Passed +[0-9.]+ sec$|^ +Start +[0-9]+:' "$log" >&2; }
    echo "== $preset: $all tests, $bad failures" >&2
    ran=$((ran + all))
    failed=$((failed + bad))
done
if [ "$others" = 1 ]; then
    # attempt WHAT LOG COMMAND...: one more test; of one that fails the end of its log is shown.
    attempt() {
        echo "== $1" >&2
        log=$2
        shift 2
        ran=$((ran + 1))
        "$@" >"$log" 2>&1 || { tail -30 "$log" >&2; failed=$((failed + 1)); }
    }
    for preset in asan tsan; do
        attempt "$preset: 500 windows that are closed, given other files and asked for more at random moments" "build/$preset/moments.log" \
            env MIRRORSCOPE_MOMENTS=500 QTEST_FUNCTION_TIMEOUT=3600000 "build/$preset/tests/gui_explore" a_window_may_go_at_any_moment
    done
    attempt "the patches of contributing.md, built" build/release/contributing.log sh tests/contributing.sh --build
    attempt "the Debian package, in a bare Debian 12" build/release/package.log sh tests/package.sh
    attempt "a real kernel is recorded, and the recording read" build/release/lab.log sh tests/lab.sh build/release/mirrorscope
    attempt "what reads text from outside, fuzzed for ${MIRRORSCOPE_FUZZ_SECONDS:=600} s each" build/release/fuzz.log sh tests/fuzz/run.sh "$MIRRORSCOPE_FUZZ_SECONDS"
    attempt "release: killed 200 times while editing and saving" build/release/killed.log \
        env MIRRORSCOPE_KILLS=200 QTEST_FUNCTION_TIMEOUT=3600000 build/release/tests/gui_killed
    ran=$((ran + 1))
    seed=$(date +%s)
    echo "== random races explored in three ways for ${MIRRORSCOPE_THREE_WAYS_SECONDS:=1200} s, seed $seed" >&2
    MIRRORSCOPE_RANDOM_SEED=$seed MIRRORSCOPE_RACES=1000000 MIRRORSCOPE_RACES_SECONDS=$MIRRORSCOPE_THREE_WAYS_SECONDS MIRRORSCOPE_RACES_STATES=20000 \
        build/release/tests/tests --gtest_filter='Part/ThreeWays.*/0' >build/release/three-ways.log 2>&1 ||
        { cat build/release/three-ways.log >&2; failed=$((failed + 1)); }
    grep ' races: ' build/release/three-ways.log >&2 || true
    ran=$((ran + 1))
    sh tests/bench/spin/compare.sh build/release/mirrorscope >&2 || failed=$((failed + 1))
    ran=$((ran + 1))
    sh tests/browser.sh build/release/mirrorscope >&2 || failed=$((failed + 1))
    if [ "$(id -u)" = 0 ]; then
        ran=$((ran + 1))
        sh tests/slurm.sh build/release/mirrorscope >&2 || failed=$((failed + 1))
    else
        echo "== slurm: left out, it needs root" >&2
    fi
fi
echo "$ran tests, $failed failures ($presets)"
[ "$failed" = 0 ]
