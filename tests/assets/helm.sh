#!/usr/bin/env bash
# Prints a folder that holds helm; builds it first where needed.
#
#   helm.sh      Helm 4
#   helm.sh 3    Helm 3, in a folder of its own
#
# The versions stand in helm/go.mod and helm3/go.mod and nowhere else. The one line on stdout is the folder's absolute path;
# everything for people goes to stderr.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
assets=$(cd "$here/../.." && pwd -P)/.assets
case ${1:-4} in
4) major=4 name=helm ;;
3) major=3 name=helm3 ;;
*) echo "helm.sh: \`$1\` is neither 3 nor 4" >&2; exit 1 ;;
esac
module=$here/$name package=helm.sh/helm/v$major

say() { printf '%s\n' "$*" >&2; }
fail() { say "helm.sh: $*"; exit 1; }

helm_version=$(awk -v package="$package" '$1 == package { print $2 }' "$module/go.mod")
needed_go=$(awk '$1 == "go" { print $2 }' "$module/go.mod")

# helm tells its version from this variable; a build from a module knows it by no other way.
ldflags="-s -w -X $package/internal/version.version=$helm_version"
# Helm 3 knows in the same way which Kubernetes it speaks, and takes 1.20 otherwise. Helm 4 reads it from the program.
if ((major == 3)); then
    minor=$(awk '$1 == "k8s.io/client-go" { split($2, part, "."); print part[2] }' "$module/go.mod")
    for place in lint/rules chartutil; do
        ldflags+=" -X $package/pkg/$place.k8sVersionMajor=1 -X $package/pkg/$place.k8sVersionMinor=$minor"
    done
fi
flags=(-trimpath -ldflags "$ldflags")
export CGO_ENABLED=0 GOFLAGS=-mod=readonly

# The last flag of the build is no part of the key, see kubernetes.sh; both share what they have compiled.
key=$(cd "$module" && { cat go.mod go.sum && echo "${flags[*]}"; } | sha256sum | cut -c1-12)
folder=$assets/$name-$key

if [[ ! -d "$folder" ]]; then
    mkdir -p "$assets"
    exec {lock}>"$assets/$name.lock"
    flock --nonblock "$lock" || {
        say "waiting for another build of helm to end"
        flock "$lock"
    }
fi

if [[ ! -d "$folder" ]]; then
    install="install Go $needed_go or newer, from Go's own download page or with: apt-get install golang (any Go from"
    install+=" 1.21 on will do where GOTOOLCHAIN lets it fetch the newer one)"
    command -v go >/dev/null || fail "the Go toolchain is missing: $install"
    found_go=$(cd "$module" && go env GOVERSION) || fail "this Go is too old: $install"
    [[ $(printf '%s\n' "$needed_go" "${found_go#go}" | sort -V | head -1) == "$needed_go" ]] ||
        fail "this Go is ${found_go#go}: $install"

    rm -rf "$assets/$name.building".*        # what an interrupted build left; we hold the lock
    building=$(mktemp -d "$assets/$name.building.XXXXXX")
    trap 'rm -rf "$building"' EXIT
    chmod 755 "$building"

    say "building helm $helm_version (about 3 minutes the first time on two cores; later runs are instant)"
    (cd "$module" && go build "${flags[@]}" -gcflags=all=-dwarf=false -o "$building/helm" $package/cmd/helm) >&2
    mv "$building" "$folder"
    say "built $folder"
fi

printf '%s\n' "$folder"
