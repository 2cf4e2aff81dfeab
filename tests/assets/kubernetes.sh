#!/usr/bin/env bash
# Prints a folder that holds kube-apiserver, kube-controller-manager, kubectl and etcd; builds them first where needed.
#
#   kubernetes.sh          the control plane
#   kubernetes.sh node     kubelet, kube-scheduler and kube-proxy, which `make e2e` alone needs, in a folder of their own
#
# The versions stand in kubernetes/go.mod and nowhere else. The one line on stdout is the folder's absolute
# path; everything for people goes to stderr. A folder named in KUBEBUILDER_ASSETS wins over the build of the control
# plane.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
assets=$(cd "$here/../.." && pwd -P)/.assets
module=$here/kubernetes
case ${1:-} in
'') name=kubernetes programs=(kube-apiserver kube-controller-manager kubectl etcd) sums=(go.sum) minutes=10 ;;
# The same go.mod. Only the sums of the few modules that a node needs besides stand in a file of their own, so that the
# folder of the control plane does not depend on them.
node) name=kubernetes-node programs=(kubelet kube-scheduler kube-proxy) sums=(go.sum node.sum) minutes=5 ;;
*) echo "kubernetes.sh: \`$1\` is neither nothing nor \`node\`" >&2; exit 1 ;;
esac

say() { printf '%s\n' "$*" >&2; }
fail() { say "kubernetes.sh: $*"; exit 1; }

if [[ $name == kubernetes && -n "${KUBEBUILDER_ASSETS:-}" ]]; then
    for program in "${programs[@]}"; do
        [[ -x "$KUBEBUILDER_ASSETS/$program" ]] ||
            fail "KUBEBUILDER_ASSETS is $KUBEBUILDER_ASSETS, which holds no $program; add it there, or unset" \
                "KUBEBUILDER_ASSETS to have all four built from source"
    done
    cd "$KUBEBUILDER_ASSETS" && pwd -P
    exit
fi

kubernetes_version=$(awk '$1 == "k8s.io/kubernetes" { print $2 }' "$module/go.mod")
needed_go=$(awk '$1 == "go" { print $2 }' "$module/go.mod")

# Without a C compiler the result is the same: CGO_ENABLED=0 is how Kubernetes releases are built, too.
# kubectl and the API server tell their version from these variables; a build from a module knows it by no other way.
version=k8s.io/component-base/version
IFS=. read -r major minor _ <<<"${kubernetes_version#v}"
ldflags="-s -w -X $version.gitVersion=$kubernetes_version -X $version.gitMajor=$major -X $version.gitMinor=$minor"
flags=(-trimpath -ldflags "$ldflags")
export CGO_ENABLED=0 GOFLAGS=-mod=readonly

key=$(cd "$module" && { cat go.mod "${sums[@]}" && echo "${flags[*]}"; } | sha256sum | cut -c1-12)
folder=$assets/$name-$key

if [[ ! -d "$folder" ]]; then
    mkdir -p "$assets"
    exec {lock}>"$assets/$name.lock"
    flock --nonblock "$lock" || {
        say "waiting for another build of the Kubernetes programs to end"
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

    rm -rf "$assets/$name.building".*           # what an interrupted build left; we hold the lock
    building=$(mktemp -d "$assets/$name.building.XXXXXX")
    sources=$(mktemp -d)
    trap 'rm -rf "$building" "$sources"' EXIT
    chmod 755 "$building"
    cp "$module/go.mod" "$sources/"
    (cd "$module" && cat "${sums[@]}") >"$sources/go.sum"

    count=0
    for program in "${programs[@]}"; do
        count=$((count + 1))
        say "building $program, $count of ${#programs[@]} (all of them: about $minutes minutes the first time on two" \
            "cores; later runs are instant)"
        case $program in
        etcd) package=go.etcd.io/etcd/server/v3 ;;
        *) package=k8s.io/kubernetes/cmd/$program ;;
        esac
        (cd "$sources" && go build "${flags[@]}" -o "$building/$program" "$package") >&2
    done
    mv "$building" "$folder"
    say "built $folder"
fi

printf '%s\n' "$folder"
