#!/usr/bin/env bash
# Prints the directory that contains kube-apiserver of the oldest supported Kubernetes, built first where needed. The directory also
# contains kube-controller-manager, kubectl and etcd as kubernetes.sh builds them. `make oldest` sets KUBEBUILDER_ASSETS to this
# directory.
#
# Only kubernetes-oldest/go.mod names the version. Only the API server is old: the controller depends on the API server, and the
# other programs of that version would take as long again to build.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/go_program.sh"

# The API server prints its version from these variables, and a build from a module does not set the variables by itself.
kubernetes=$(awk '$1 == "require" && $2 == "k8s.io/kubernetes" { print $3 }' "$here/kubernetes-oldest/go.mod")
IFS=. read -r major minor _ <<<"${kubernetes#v}"
version=k8s.io/component-base/version
directory=$(go_program kubernetes-oldest k8s.io/kubernetes/cmd/kube-apiserver "$kubernetes, about 5 minutes on two cores" \
    -X "$version.gitVersion=$kubernetes" -X "$version.gitMajor=$major" -X "$version.gitMinor=$minor")

# The links are replaced at each call, because the other directory has another name when its versions have changed.
others=$(env -u KUBEBUILDER_ASSETS "$here/kubernetes.sh")
for program in kube-controller-manager kubectl etcd; do
    ln -sfn "../$(basename "$others")/$program" "$directory/$program"
done

printf '%s\n' "$directory"
