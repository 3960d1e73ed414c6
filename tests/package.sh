#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# package.sh: builds the Debian package, asks lintian, and installs it where nothing but a bare Debian 12 is (as root; else it is unpacked):
# there it runs, explores, completes and opens its window.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
fail() { echo "package: $*" >&2; exit 1; }
cmake --preset package >build-package.log 2>&1 && cmake --build --preset package >build-package.log 2>&1 || { tail -20 build-package.log >&2; fail "it does not build"; }
rm -f build/package/*.deb build-package.log
(cd build/package && cpack -G DEB >/dev/null) || fail "cpack fails"
deb=$(ls build/package/*.deb)
version=$(sed -n 's/^project(mirrorscope VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
head -1 resources/package/changelog | grep -q "($version)" || fail "the changelog's first entry is not of $version"
grep -q "<release version=\"$version\"" resources/desktop/*.metainfo.xml || fail "the metainfo has no release $version"
appstreamcli validate --no-net resources/desktop/*.metainfo.xml >/dev/null || fail "metainfo"
desktop-file-validate resources/desktop/*.desktop || fail "desktop file"
# A first version closes no bug in Debian.
lintian --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs "$deb" || fail "lintian"
[ "$(id -u)" = 0 ] || { echo "package: not root, so it is not installed anywhere"; exit 0; }
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mmdebstrap --variant=minbase --include=xvfb,xauth,bash bookworm "$root" >"$root.log" 2>&1 || { tail -5 "$root.log" >&2; fail "no bare Debian 12"; }
rm -f "$root.log"
cp "$deb" "$root/mirrorscope.deb"
inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
inside apt-get update -qq
inside apt-get install -y -qq --no-install-recommends /mirrorscope.deb >/dev/null 2>&1 || fail "it cannot be installed"
inside mirrorscope --version | grep -q "mirrorscope $version" || fail "version"
inside mirrorscope run /usr/share/mirrorscope/scenarios/lessons/01-first-private-page.yaml >/dev/null || fail "run"
inside mirrorscope explore /usr/share/mirrorscope/scenarios/races/05-fault-and-punch-hole.yaml >/dev/null || fail "explore"
inside mirrorscope mutants no-freeze >/dev/null || fail "it does not find its scenarios"
inside mirrorscope screenshot /usr/share/mirrorscope/scenarios/lessons/01-first-private-page.yaml --size 1366x768 -o /shot.png || fail "screenshot"
inside sh -c 'gzip -dc /usr/share/man/man1/mirrorscope.1.gz | grep -q "SH COMMANDS"' || fail "manual page"
inside bash -c '. /usr/share/bash-completion/completions/mirrorscope; COMP_WORDS=(mirrorscope explore --mode st); COMP_CWORD=3; _mirrorscope; echo "${COMPREPLY[*]}"' |
    grep -qx "stateless stateful" || fail "completion"
# The window, on a display: it opens with the first lesson and stays.
inside xvfb-run -a sh -c 'mirrorscope & window=$!; sleep 4; kill -0 $window && kill $window' >/dev/null 2>&1 || fail "the window does not open"
echo "package: $(basename "$deb"), installed in a bare Debian 12: ok"
