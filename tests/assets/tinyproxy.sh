#!/usr/bin/env bash
# Prints a folder that holds tinyproxy; unpacks Debian's package there first where needed. The one line on stdout is the
# folder's absolute path; everything for people goes to stderr.
#
# If it is on PATH, that one is used. Otherwise apt fetches the package, which needs no root, and checks its signature; it is
# unpacked and not installed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
assets=$(cd "$here/../.." && pwd -P)/.assets
folder=$assets/tinyproxy

say() { printf '%s\n' "$*" >&2; }
fail() { say "tinyproxy.sh: $*"; exit 1; }

if found=$(command -v tinyproxy); then
    cd "$(dirname "$found")" && pwd -P
    exit
fi

if [[ ! -d "$folder" ]]; then
    mkdir -p "$assets"
    exec {lock}>"$assets/tinyproxy.lock"
    flock "$lock"
fi

if [[ ! -d "$folder" ]]; then
    install="put tinyproxy (1.11 or newer) on PATH; on Debian and Ubuntu, as root: apt-get update &&"
    install+=" apt-get install --no-install-recommends tinyproxy-bin"
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || fail "there is no apt here: $install"

    rm -rf "$assets"/tinyproxy.building.*      # what an interrupted run left; we hold the lock
    building=$(mktemp -d "$assets/tinyproxy.building.XXXXXX")
    trap 'rm -rf "$building"' EXIT

    say "fetching Debian's package of tinyproxy, 45 kB"
    (cd "$building" && apt-get --quiet=2 download tinyproxy-bin) >&2 ||
        fail "apt could not fetch the package (does it know it? apt-get update, as root): $install"
    dpkg -x "$building"/tinyproxy-bin_*.deb "$building/unpacked" || fail "the package cannot be unpacked: $install"
    "$building/unpacked/usr/bin/tinyproxy" -v >&2 || fail "its tinyproxy does not run here: $install"
    mv "$building/unpacked/usr/bin" "$folder"
    say "unpacked $folder"
fi

printf '%s\n' "$folder"
