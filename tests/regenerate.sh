#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# sh tests/regenerate.sh [MIRRORSCOPE]: makes the generated files again: schemas, the scenario reference and the pictures of the docs. The
# tests say when that is due; what it changes belongs into the commit that is the reason.
set -eu
cd "$(dirname "$0")/.."
m=${1:-build/release/mirrorscope}
export QT_QPA_PLATFORM=offscreen FONTCONFIG_FILE="$PWD/tests/fonts.conf"
lesson=scenarios/lessons/01-first-private-page.yaml
docs=resources/docs
"$m" schema scenario >resources/scenario.schema.json
"$m" schema events >resources/events.schema.json
"$m" schema state >resources/state.schema.json
"$m" schema --format markdown >$docs/scenario-reference.md
"$m" glossary --format markdown >$docs/glossary.md
"$m" kernels --format markdown >$docs/versions.md
frozen=$("$m" run "$lesson" --format jsonl | sed -n 's/.*"n":\([0-9]*\).*"kind":"pause".*/\1/p;s/.*"n":\([0-9]*\).*"kind":"spte".*"is":"frozen".*/\1/p' | tail -1)
frozen=$((frozen + 1))
"$m" export "$lesson" --as svg --at $((frozen - 4)) --to $((frozen + 12)) -o $docs/freeze.svg
"$m" screenshot "$lesson" --size 1366x768 --at $frozen -o $docs/window.png
"$m" screenshot "$lesson" --size 1366x768 --theme dark --form nodes --marks 100:200 --at 200 --pane difference -o $docs/difference.png
