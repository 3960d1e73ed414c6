# SPDX-License-Identifier: GPL-3.0-or-later
# Sourced by app/run.sh and tests/run.sh: `need PACKAGE…` installs what is missing of a Debian 12, or says what to install.

BUILD_PACKAGES="g++ cmake ninja-build pkg-config qt6-base-dev qt6-svg-dev qt6-charts-dev libqt6opengl6-dev libqscintilla2-qt6-dev libyaml-cpp-dev
 libcli11-dev nlohmann-json3-dev libboost-context-dev libfmt-dev libssl-dev libxxhash-dev
 libtracecmd-dev libtracefs-dev libtraceevent-dev libzstd-dev liblzma-dev zlib1g-dev"
RUN_PACKAGES="libqt6svg6 qt6-qpa-plugins fonts-dejavu-core"
# What the tests ask for is clang 14; a later Debian has a later one.
CLANG=clang++-14
CLANG_PACKAGES="clang-14 libclang-rt-14-dev"
case $(. /etc/os-release 2>/dev/null; echo "${ID:-}${VERSION_ID:-}") in
debian1[3-9] | debian)
    CLANG=clang++
    CLANG_PACKAGES="clang libclang-rt-dev"
    ;;
esac
TEST_PACKAGES="$CLANG_PACKAGES patch libgtest-dev libbenchmark-dev xvfb xauth xdotool x11-apps clang-format parallel valgrind"

need() {
    missing=
    for package; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done
    [ -z "$missing" ] && return 0
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "mirrorscope: this is no Debian; the packages of Debian 12 that it needs are:$missing" >&2
        return 1
    fi
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif command -v sudo >/dev/null 2>&1 && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        as_root=sudo
    else
        echo "mirrorscope: neither root nor sudo; please install:$missing" >&2
        return 1
    fi
    echo "mirrorscope: installing$missing" >&2
    $as_root apt-get update -qq || echo "mirrorscope: the package list could not be refreshed; trying with the old one" >&2
    # shellcheck disable=SC2086
    if ! DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null; then
        echo "mirrorscope: apt-get could not install:$missing" >&2
        return 1
    fi
}
