#!/usr/bin/env bash
# Builds what `make demo` runs: kube-apiserver and etcd, and at the same time our own `demo` and `tokensource`. Prints the directory
# that contains `demo` and `tokensource`. The one line on stdout is the directory's absolute path; messages for people are written to
# stderr.
#
# PROFILE names cargo's profile. The default, `dev`, builds in a third of the time of `release`, and the tests use the same
# dependencies afterwards.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/progress.sh"
cd "$here/../.."
profile=${PROFILE:-dev}

# A single build makes both programs, and the caller starts `demo` directly: `cargo run --package` would choose other features of
# their common dependencies, and compile all of those a second time. The build is not incremental: an incremental build saves time
# only if these programs are built again, and the tests build both programs in another way anyway.
ours() {
    local crates
    # Lists the packages, and fetches them.
    progress "fetching what is needed to build tokensource" '' '^ *Download' \
        cargo tree --quiet --locked --workspace --edges normal,build
    crates=$(cargo tree --quiet --locked --workspace --edges normal,build --prefix none --format '{p}' |
        cut -d ' ' -f 1,2 | sort -u | wc -l)
    progress "building tokensource and the demo" "$crates crates" '^ *Compiling' \
        env CARGO_INCREMENTAL=0 cargo build --profile "$profile" --locked --workspace --bin tokensource --bin demo
}

# Each build has a process group of its own: when a build fails, or somebody presses Ctrl-C, the other build ends with all its
# compilers.
set -m
"$here/kubernetes.sh" server >/dev/null </dev/null &
groups=($!)
ours >/dev/null </dev/null &
groups+=($!)
end() { kill -- "${groups[@]/#/-}" 2>/dev/null || true; }
trap end EXIT
trap 'exit 130' INT TERM
wait -n && wait -n || exit 1
groups=()

target=${CARGO_TARGET_DIR:-target}
directory=$profile
[[ $profile != dev ]] || directory=debug # the one profile whose directory has another name
cd "$target/$directory" && pwd -P
