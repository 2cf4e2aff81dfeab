#!/usr/bin/env bash
# Prints the directory that contains kube-apiserver, kube-controller-manager, kubectl and etcd; builds them first where needed.
#
#   kubernetes.sh          the control plane
#   kubernetes.sh server   only kube-apiserver and etcd of these, which is all that `make demo` runs, in the same directory
#   kubernetes.sh node     kubelet, kube-scheduler and kube-proxy, which `make e2e` alone needs, in a directory of their own
#
# Only kubernetes/go.mod names the versions. The one line on stdout is the directory's absolute path; messages for people are written
# to stderr. If KUBEBUILDER_ASSETS names a directory, the script uses that directory instead of building the control plane.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
assets=$(cd "$here/../.." && pwd -P)/.assets
. "$here/progress.sh"
module=$here/kubernetes
case ${1:-} in
'') name=kubernetes programs=(kube-apiserver kube-controller-manager kubectl etcd) sums=(go.sum) ;;
server) name=kubernetes programs=(kube-apiserver etcd) sums=(go.sum) ;;
# The node uses the same go.mod. The sums of the few additional modules of a node are in a file of their own, so that the directory of
# the control plane does not depend on these sums.
node) name=kubernetes-node programs=(kubelet kube-scheduler kube-proxy) sums=(go.sum node.sum) ;;
*) echo "kubernetes.sh: \`$1\` is none of nothing, \`server\` and \`node\`" >&2; exit 1 ;;
esac

say() { printf '%s\n' "$*" >&2; }
fail() { say "kubernetes.sh: $*"; exit 1; }

if [[ $name == kubernetes && -n "${KUBEBUILDER_ASSETS:-}" ]]; then
    for program in "${programs[@]}"; do
        [[ -x "$KUBEBUILDER_ASSETS/$program" ]] ||
            fail "KUBEBUILDER_ASSETS is $KUBEBUILDER_ASSETS, which does not contain $program; add it there, or unset" \
                "KUBEBUILDER_ASSETS to have it built from source"
    done
    cd "$KUBEBUILDER_ASSETS" && pwd -P
    exit
fi

kubernetes_version=$(awk '$1 == "k8s.io/kubernetes" { print $2 }' "$module/go.mod")
needed_go=$(awk '$1 == "go" { print $2 }' "$module/go.mod")

# CGO_ENABLED=0, as in the builds of Kubernetes releases: the result does not depend on a C compiler.
# kubectl and the API server print their version from these variables, and a build from a module does not set the variables by
# itself.
version=k8s.io/component-base/version
IFS=. read -r major minor _ <<<"${kubernetes_version#v}"
ldflags="-s -w -X $version.gitVersion=$kubernetes_version -X $version.gitMajor=$major -X $version.gitMinor=$minor"
flags=(-trimpath -ldflags "$ldflags")
# The compilers make no debugging information, which -s -w would leave out of the program anyway: a tenth less work for the
# same result, so the flag is no part of the key.
sooner=(-gcflags=all=-dwarf=false)
export CGO_ENABLED=0 GOFLAGS=-mod=readonly
# The compilers collect less garbage: a fifth of the processor time, for twice their memory.
export GOGC=${GOGC:-400}

key=$(cd "$module" && { cat go.mod "${sums[@]}" && echo "${flags[*]}"; } | sha256sum | cut -c1-12)
directory=$assets/$name-$key

missing() {
    local program
    for program in "${programs[@]}"; do [[ -x "$directory/$program" ]] || printf '%s\n' "$program"; done
}

if [[ -n $(missing) ]]; then
    mkdir -p "$assets"
    exec {lock}>"$assets/$name.lock"
    flock --nonblock "$lock" || {
        say "waiting for another build of the Kubernetes programs to end"
        flock "$lock"
    }
fi

mapfile -t wanted < <(missing)
if ((${#wanted[@]})); then
    install="install Go $needed_go or newer, from Go's own download page or with: apt-get install golang (any Go from"
    install+=" 1.21 on will do where GOTOOLCHAIN lets it fetch the newer one)"
    command -v go >/dev/null || fail "the Go toolchain is missing: $install"
    found_go=$(cd "$module" && go env GOVERSION) || fail "this Go is too old: $install"
    [[ $(printf '%s\n' "$needed_go" "${found_go#go}" | sort -V | head -1) == "$needed_go" ]] ||
        fail "this Go is ${found_go#go}: $install"

    rm -rf "$assets/$name.building".*           # leftovers of an interrupted build; this one holds the lock
    building=$(mktemp -d "$assets/$name.building.XXXXXX")
    sources=$(mktemp -d)
    trap 'rm -rf "$building" "$sources"' EXIT
    cp "$module/go.mod" "$sources/"
    (cd "$module" && cat "${sums[@]}") >"$sources/go.sum"

    packages=()
    for program in "${wanted[@]}"; do
        case $program in
        etcd) packages+=(go.etcd.io/etcd/server/v3) ;; # go names this program `server`
        *) packages+=(k8s.io/kubernetes/cmd/"$program") ;;
        esac
    done
    what="building $(printf '%s, ' "${wanted[@]}")from source"
    what=${what/%, from source/ from source}
    cd "$sources"
    # Lists the packages, and fetches the modules that contain the packages.
    progress "${what/#building/fetching what is needed to build}" '' '^go: downloading' \
        go list -deps -f '{{.ImportPath}}' "${packages[@]}"
    # A single build makes all programs, so that one program is linked while another is still being compiled. -v prints each package.
    progress "$what, later runs find it" "$(go list -deps "${packages[@]}" | wc -l) packages" '^[^ :#]+$' \
        go build -v "${flags[@]}" "${sooner[@]}" -o "$building/" "${packages[@]}"
    [[ ! -e "$building/server" ]] || mv "$building/server" "$building/etcd"
    mkdir -p "$directory"
    mv "$building"/* "$directory/"
    say "built ${wanted[*]} in $directory"
fi

printf '%s\n' "$directory"
