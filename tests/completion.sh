#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# completion.sh PROGRAM: what bash offers, and that the manual page and each shell's script name every command and option there is.
set -eu
program=$1
fail() { echo "completion: $*" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$program" man >"$work/man"
for shell in bash zsh fish; do
    "$program" completion $shell >"$work/$shell"
done
bash -n "$work/bash"
. "$work/bash"
offers() {
    COMP_WORDS=(mirrorscope "$@")
    COMP_CWORD=$#
    COMPREPLY=()
    _mirrorscope
    echo "${COMPREPLY[*]}"
}
[ "$(offers exp)" = "explore export explain" ] || fail "exp: $(offers exp)"
[ "$(offers explore --mode stat)" = "stateless stateful" ] || fail "--mode: $(offers explore --mode stat)"
offers explore --b | grep -qx -- --bound-preemptions || fail "--b: $(offers explore --b)"
offers export --as s | grep -qw svg || fail "--as: $(offers export --as s)"
cd "$(dirname "$0")/../scenarios" && offers run less | grep -qx lessons || fail "files: $(offers run less)"
# From the program's own help.
commands=$("$program" --help | sed -n '/^Subcommands:/,$p' | sed -n 's/^  \([a-z]*\)  .*/\1/p')
[ "$(echo "$commands" | wc -w)" -gt 10 ] || fail "the help names no commands"
for command in $commands; do
    for shell in bash zsh fish; do
        grep -qw "$command" "$work/$shell" || fail "$shell knows no $command"
    done
    grep -q "^.SS mirrorscope $command\$" "$work/man" || fail "the manual page has no $command"
    for option in $("$program" "$command" --help | grep -oE '^  (-[a-z],)?--[a-z-]+' | grep -oE -- '--[a-z-]+'); do
        grep -qF -- "$option" "$work/bash" && grep -qF -- "$option" "$work/zsh" && grep -qF -- "-l ${option#--}" "$work/fish" || fail "$command: a shell knows no $option"
        grep -qF -- "$(echo "$option" | sed 's/-/\\-/g')" "$work/man" || fail "$command: the manual page has no $option"
    done
done
echo "completion: ok"
