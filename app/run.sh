#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# sh app/run.sh [FILE]: installs what is missing, builds, and opens the window; without a display it says so and runs the
# scenario as text.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/app/install.sh"
# shellcheck disable=SC2086
need $BUILD_PACKAGES $RUN_PACKAGES || exit 2
build="$root/build/app"
if ! { cmake -S "$root" --preset app && cmake --build "$build" --target mirrorscope; } \
    >"$root/build-app.log" 2>&1; then
    tail -30 "$root/build-app.log" >&2
    echo "mirrorscope: the build failed; all of its output is in build-app.log" >&2
    exit 2
fi
rm -f "$root/build-app.log"
if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}${QT_QPA_PLATFORM:-}" ]; then
    exec "$build/mirrorscope" "$@"
fi
echo "mirrorscope: no display; running as text (\`$build/mirrorscope --help\` tells what else works without one)" >&2
[ $# -gt 0 ] || set -- "$root/scenarios/lessons/01-first-private-page.yaml"
exec "$build/mirrorscope" run "$@"
