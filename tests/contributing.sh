#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# sh tests/contributing.sh [--build]: the patches of contributing.md are applied to a copy; --build compiles it and tries what they add.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
for part in core views app scenarios resources CMakeLists.txt; do
    cp -r "$root/$part" "$copy/"
done
awk '/^```diff$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$root/resources/docs/contributing.md" >"$copy/all.patch"
[ "$(grep -c '^+++ ' "$copy/all.patch")" -ge 12 ] || { echo "contributing.md has too few patches" >&2; exit 1; }
patch -d "$copy" -p1 --fuzz=0 --no-backup-if-mismatch <"$copy/all.patch" || exit 1
[ "${1:-}" = --build ] || exit 0
cmake -S "$copy" -B "$copy/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=8 -DMIRRORSCOPE_WERROR=ON >/dev/null
cmake --build "$copy/build" --target mirrorscope | grep -E 'error|FAILED' && exit 1
program=$copy/build/mirrorscope
lesson=$copy/scenarios/lessons/34-one-more.yaml
says() {
    wanted=$1
    shift
    "$@" 2>&1 | grep -qF -- "$wanted" || { echo "no \`$wanted\` from: $*" >&2; exit 1; }
}
says "ok:" "$program" run "$lesson"
says "EPTP" "$program" glossary EPTP
rows=$("$program" export "$lesson" --at end --as rows)
[ "$rows" -gt 1 ] || { echo "the export says $rows" >&2; exit 1; }
printf 'title\nbreak spte.freeze if step:2\ncontinue\nwhen\n' >"$copy/words"
says "One more" "$program" run "$lesson" --commands "$copy/words"
says "spte.freeze  line 13" "$program" run "$lesson" --commands "$copy/words"
says "TDX_TLB_TRACKING_NOT_DONE" "$program" run "$copy/scenarios/lessons/04-convert-and-back.yaml" --set machine.kernel=track-first
QT_QPA_PLATFORM=offscreen "$program" screenshot "$lesson" --at end --pane hello -o "$copy/hello.png"
[ -s "$copy/hello.png" ]
