#!/usr/bin/env bash
# Gives the machine what the test suite needs beyond Python: Wine and a cross compiler for the
# real IOCP, libevent's headers and a C compiler for the peer benchmark, a browser and a reader of
# captures for what `duopoll export` writes. On Debian and as root it installs what is missing,
# once; elsewhere it says what is missing and the tests that need it skip with their reason. With
# CI=true a missing package is a failure. Packages that are named as arguments are asked for in
# place of these.
set -euo pipefail

packages=(wine wine64 gcc-mingw-w64-x86-64-win32 libevent-dev gcc libc6-dev
          chromium chromium-driver tshark)
what="the iocp world, every benchmark and the tests of views"
[ $# -eq 0 ] || { packages=("$@"); what="what was asked for"; }

# A Windows has its own IOCP, and a user's own interpreter is never questioned here.
[ "$(uname -s)" = Linux ] || exit 0

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

missing=()
if command -v dpkg-query >/dev/null; then
    for package in "${packages[@]}"; do installed "$package" || missing+=("$package"); done
else
    command -v wine64 >/dev/null || command -v wine >/dev/null || missing+=(wine)
    command -v x86_64-w64-mingw32-gcc >/dev/null || missing+=(mingw-w64-gcc)
    command -v cc >/dev/null || missing+=(gcc)
    for program in chromium chromedriver tshark; do
        command -v "$program" >/dev/null || missing+=("$program")
    done
fi
[ "${#missing[@]}" -gt 0 ] || exit 0

if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    install=(apt-get install -y -qq --no-install-recommends "${missing[@]}")
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    # The package lists of a fresh machine are empty or old: refresh them only when that shows.
    if "${install[@]}" </dev/null >"$log" 2>&1 ||
        { apt-get update -qq </dev/null >"$log" 2>&1 && "${install[@]}" </dev/null >"$log" 2>&1; }; then
        exit 0
    fi
    tail -n 5 "$log" >&2
fi

echo "missing here: ${missing[*]}; install them to run $what" >&2
[ "${CI:-}" != true ]
