#!/usr/bin/env bash
# Prints a directory with a Rust compiler from Debian's packages: its bin/rustc compiles for x86_64 and for aarch64. If the
# directory is missing, the script unpacks the packages there first. This script is for machines that cannot reach rustup's
# server; elsewhere `rustup target add aarch64-unknown-linux-gnu` is the better way, and `.ci/release` chooses. The one line
# on stdout is the directory's absolute path; messages for people are written to stderr.
#
# Debian keeps this compiler for its browsers (rustc-web), and rustc-web is newer than rustc of the distribution. apt fetches the
# packages, which needs no root, and checks their signatures. The packages are unpacked and not installed. apt's lists are kept in a
# directory of their own, so that the configuration of this machine need not name a foreign architecture.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
assets=$(cd "$here/../.." && pwd -P)/.assets
directory=$assets/rust-arm64
needed=$(sed -n 's/^rust-version = "\(.*\)".*/\1/p' "$here/../../Cargo.toml")

say() { printf '%s\n' "$*" >&2; }
fail() { say "rust-arm64.sh: $*"; exit 1; }

if [[ ! -d "$directory" ]]; then
    mkdir -p "$assets"
    exec {lock}>"$assets/rust-arm64.lock"
    flock "$lock"
fi

if [[ ! -d "$directory" ]]; then
    instead="rustup target add aarch64-unknown-linux-gnu"
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || fail "there is no apt here: $instead"
    [[ $(dpkg --print-architecture) == amd64 ]] || fail "this is no x86_64 machine: $instead"

    rm -rf "$assets"/rust-arm64.building.*      # leftovers of an interrupted run; this run holds the lock
    building=$(mktemp -d "$assets/rust-arm64.building.XXXXXX")
    trap 'rm -rf "$building"' EXIT
    chmod 755 "$building"
    mkdir -p "$building"/apt/{state,lists/partial,cache/archives/partial}
    : >"$building/apt/state/status"
    cat >"$building/apt/apt.conf" <<END
APT::Architectures { "amd64"; "arm64"; };
APT::Sandbox::User "";
Dir::State "$building/apt/state";
Dir::State::status "$building/apt/state/status";
Dir::State::lists "$building/apt/lists";
Dir::Cache "$building/apt/cache";
END
    export APT_CONFIG=$building/apt/apt.conf

    say "fetching Debian's lists of packages for two architectures, 25 MB"
    apt-get --quiet=2 update >&2 || fail "apt could not fetch its lists"
    # depends PACKAGE START: prints the first dependency of PACKAGE whose name begins with START.
    depends() { apt-cache depends "$1" | sed -n "s/^ *Depends: \($2[^ ]*\)$/\1/p" | head -1; }
    library=$(depends libstd-rust-web-dev:amd64 libstd-rust-web-)
    llvm=$(depends "${library:-none}" libllvm)
    [[ -n $llvm ]] || fail "this Debian has no rustc-web: $instead"

    say "fetching Debian's rustc for x86_64 and its library for aarch64, 125 MB"
    (cd "$building/apt" && apt-get --quiet=2 download rustc-web "$library" "$llvm" \
        libstd-rust-web-dev:amd64 libstd-rust-web-dev:arm64) >&2 || fail "apt could not fetch the packages"
    for package in "$building"/apt/*.deb; do dpkg -x "$package" "$building"; done
    rm -rf "$building/apt"
    mkdir "$building/bin"
    # The compiler's own libraries are in the unpacked directory, where the loader does not look by itself.
    cat >"$building/bin/rustc" <<'END'
#!/bin/sh
root=$(dirname "$(dirname "$(readlink -f "$0")")")/usr
LD_LIBRARY_PATH=$root/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} exec "$root/bin/rustc" "$@"
END
    chmod +x "$building/bin/rustc"

    found=$("$building/bin/rustc" --version | cut -d ' ' -f 2) || fail "Debian's rustc does not run here: $instead"
    [[ $(printf '%s\n' "$needed" "$found" | sort -V | head -1) == "$needed" ]] ||
        fail "Debian's rustc is $found, and this program needs $needed: $instead"
    mv "$building" "$directory"
    say "unpacked $directory"
fi

printf '%s\n' "$directory"
