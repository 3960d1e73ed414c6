#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# real_keys.sh PROGRAM SOURCE: the program under Xvfb, stepped by the keys of a real keyboard driver. The window's title
# bar carries no position, so what happened is read from a picture before and after.
set -eu
program=$1
unset QT_QPA_PLATFORM WAYLAND_DISPLAY
work=$(mktemp -d)
xvfb=
pid=
trap 'kill $pid $xvfb 2>/dev/null || true; rm -rf "$work"' EXIT
export XDG_RUNTIME_DIR="$work" XDG_CONFIG_HOME="$work"
# (Without -noreset the server begins anew whenever its last client goes, as xdotool's search does while the window is awaited,
# and drops who just connects: the program then finds no display.)
Xvfb -displayfd 3 -screen 0 1400x900x24 -nolisten tcp -noreset 3>"$work/display" >"$work/xvfb.log" 2>&1 &
xvfb=$!
for _ in $(seq 300); do
    [ -s "$work/display" ] && break
    sleep 0.1
done
[ -s "$work/display" ] || { echo "no Xvfb:"; cat "$work/xvfb.log"; exit 1; }
DISPLAY=:$(cat "$work/display")
export DISPLAY
"$program" >"$work/log" 2>&1 &
pid=$!
window=
for _ in $(seq 300); do
    window=$(xdotool search --name 'Lesson 3' 2>/dev/null | head -1 || true)
    [ -n "$window" ] && break
    kill -0 "$pid" 2>/dev/null || { echo "the program ended early:"; cat "$work/log" "$work/xvfb.log"; exit 1; }
    sleep 0.1
done
[ -n "$window" ] || { echo "no window came up"; cat "$work/log"; exit 1; }
xdotool windowfocus "$window" 2>/dev/null || true
picture() { sleep 0.7; import_window >"$work/$1"; }
import_window() { xdotool getwindowname "$window"; xwd_sum; }
xwd_sum() { xwd -silent -id "$window" 2>/dev/null | cksum; }
key() { xdotool key "$1"; }
picture start
key F11
picture forward
key ctrl+F11
picture back
key ctrl+shift+F5
picture restart
cmp -s "$work/start" "$work/forward" && { echo "F11 changed nothing"; exit 1; }
cmp -s "$work/forward" "$work/back" && { echo "Ctrl+F11 changed nothing"; exit 1; }
cmp -s "$work/back" "$work/restart" && { echo "Ctrl+Shift+F5 changed nothing"; exit 1; }
# The map, and back to the list by the palette, typed.
picture list
key ctrl+3
picture map
cmp -s "$work/list" "$work/map" && { echo "Ctrl+3 showed no map"; exit 1; }
key ctrl+shift+p
sleep 0.7
xdotool type --delay 30 'trees as a list'
sleep 0.3
key Return
picture again
cmp -s "$work/map" "$work/again" && { echo "the palette did nothing"; exit 1; }
# The course by the menu, then another scenario by its name, and back.
titled() {
    for _ in $(seq 60); do
        case $(xdotool getwindowname "$window") in *"$1"*) return 0 ;; esac
        sleep 0.1
    done
    echo "not at $1, but at $(xdotool getwindowname "$window")"
    exit 1
}
for lesson in 4 5 6 7; do
    key alt+l
    sleep 0.4
    key n
    titled "Lesson $lesson"
done
key ctrl+l
sleep 0.7
xdotool type --delay 30 'skip-track.yaml'
sleep 0.3
key Return
titled 'No TDH.MEM.TRACK'
xdotool windowfocus "$window" 2>/dev/null || true
key alt+Left
titled 'Lesson 7'
key alt+Right
titled 'No TDH.MEM.TRACK'
# A word in the console; a breakpoint that it sets stops the run.
key ctrl+grave
sleep 0.5
picture console
xdotool type --delay 20 'b PAGE.REMOVE'
key Return
xdotool type --delay 20 'rc'
key Return
picture stopped
cmp -s "$work/console" "$work/stopped" && { echo "the console did nothing"; exit 1; }
key ctrl+q
for _ in $(seq 100); do
    kill -0 "$pid" 2>/dev/null || { echo "stepped, took the course, went back and quit by real keys"; exit 0; }
    sleep 0.1
done
echo "Ctrl+Q did not quit"
exit 1
