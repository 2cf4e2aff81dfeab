#!/usr/bin/env bash
# Prints a folder that holds prometheus and promtool; unpacks Debian's package there first where needed. The one line on
# stdout is the folder's absolute path; everything for people goes to stderr.
#
# If both are on PATH, those are used. Otherwise apt fetches the package, which needs no root, and checks its signature;
# it is unpacked and not installed, for installing it would start a server.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
assets=$(cd "$here/../.." && pwd -P)/.assets
folder=$assets/prometheus
programs=(prometheus promtool)

say() { printf '%s\n' "$*" >&2; }
fail() { say "prometheus.sh: $*"; exit 1; }

if found=$(command -v prometheus) && [[ -x "$(dirname "$found")/promtool" ]]; then
    cd "$(dirname "$found")" && pwd -P
    exit
fi

if [[ ! -d "$folder" ]]; then
    mkdir -p "$assets"
    exec {lock}>"$assets/prometheus.lock"
    flock "$lock"
fi

if [[ ! -d "$folder" ]]; then
    install="put prometheus and promtool (2.42 or newer) on PATH; on Debian and Ubuntu, as root: apt-get update &&"
    install+=" apt-get install --no-install-recommends prometheus"
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || fail "there is no apt here: $install"

    rm -rf "$assets"/prometheus.building.*      # what an interrupted run left; we hold the lock
    building=$(mktemp -d "$assets/prometheus.building.XXXXXX")
    trap 'rm -rf "$building"' EXIT

    say "fetching Debian's package of Prometheus, 20 MB"
    (cd "$building" && apt-get --quiet=2 download prometheus) >&2 ||
        fail "apt could not fetch the package (does it know it? apt-get update, as root): $install"
    dpkg -x "$building"/prometheus_*.deb "$building/unpacked" || fail "the package cannot be unpacked: $install"
    for program in "${programs[@]}"; do
        "$building/unpacked/usr/bin/$program" --version >&2 || fail "its $program does not run here: $install"
    done
    mv "$building/unpacked/usr/bin" "$folder"
    say "unpacked $folder"
fi

printf '%s\n' "$folder"
