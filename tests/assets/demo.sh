#!/usr/bin/env bash
# Builds what `make demo` runs and prints the folder that holds `demo` and `tokensource`: kube-apiserver and etcd, and at
# the same time our own two. The one line on stdout is the folder's absolute path; everything for people goes to stderr.
#
# PROFILE names cargo's profile. The default, `dev`, builds in a third of the time of `release`, and the tests use the same
# dependencies afterwards.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/progress.sh"
cd "$here/../.."
profile=${PROFILE:-dev}

# One build of both programs, and the caller starts `demo` directly: `cargo run --package` would choose other features of
# their common dependencies, and compile all of those a second time. Nothing incremental: that pays off only for somebody
# who goes on working, whose tests are another build of these two anyway.
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

# Each in a process group of its own: when one fails, or somebody presses Ctrl-C, the other ends with all its compilers.
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
folder=$profile
[[ $profile != dev ]] || folder=debug # the one profile whose folder has another name
cd "$target/$folder" && pwd -P
