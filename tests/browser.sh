#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# browser.sh PROGRAM: the exported page in a real browser shows, at every position asked for, what the program says of it.
set -eu
program=$1
here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for lesson in 01-first-private-page 04-convert-and-back; do
    file="$here/scenarios/lessons/$lesson.yaml"
    "$program" export "$file" --at 0 --as html -o "$work/page.html"
    for at in 0 100 176 180 190 210; do
        HOME="$work" timeout 60 chromium --headless --no-sandbox --disable-gpu --virtual-time-budget=3000 --dump-dom "file://$work/page.html#$at" >"$work/dom" 2>/dev/null
        # Only what is seen counts: the page carries its data with it.
        sed '/<script>/,$d' "$work/dom" >"$work/seen"
        grep -q "Position $at of" "$work/seen" || { echo "browser: $lesson does not open at $at"; exit 1; }
        # The entries that are frozen, pending or blocked, and the private pages, as the program counts them there.
        for state in frozen pending blocked private-leaf; do
            word=$(echo "$state" | sed 's/private-leaf/mapped/')
            shown=$(grep -o "class=\"e $state[ \"]" "$work/seen" | wc -l)
            case $state in
            private-leaf) shown=$(grep -o "■ mapped" "$work/seen" | wc -l) ;;
            esac
            said=$("$program" export "$file" --at "$at" --as csv | grep -c ",$word," || true)
            [ "$shown" = "$said" ] || { echo "browser: $lesson at $at shows $shown $state, the program says $said"; exit 1; }
        done
    done
done
# The key moment: the private entry holds nothing, and is seen to; the story, the note and the legend are there.
"$program" export "$here/scenarios/lessons/01-first-private-page.yaml" --at 188 --as html -o "$work/page.html"
HOME="$work" timeout 60 chromium --headless --no-sandbox --disable-gpu --virtual-time-budget=3000 --dump-dom "file://$work/page.html#188" >"$work/dom" 2>/dev/null
sed '/<script>/,$d' "$work/dom" >"$work/seen"
for words in "· free" "The mirror entry is frozen" "nobody else may touch it now" "❄ frozen"; do
    grep -q "$words" "$work/seen" || { echo "browser: lesson 1 at 188 does not show: $words"; exit 1; }
done
echo "the page that steps shows what the program says, in a browser"
