#!/usr/bin/env bash
# Prints a folder that holds kube-apiserver of the oldest Kubernetes that is supported, built first where needed, and beside it
# kube-controller-manager, kubectl and etcd as kubernetes.sh builds them. For KUBEBUILDER_ASSETS: `make oldest` runs tests on it.
#
# The version stands in kubernetes-oldest/go.mod and nowhere else. Only the API server is old: it is what the controller
# depends on, and the other programs of that version would take as long again to build.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/go_program.sh"

# The API server tells its version from these variables; a build from a module knows it by no other way.
kubernetes=$(awk '$1 == "require" && $2 == "k8s.io/kubernetes" { print $3 }' "$here/kubernetes-oldest/go.mod")
IFS=. read -r major minor _ <<<"${kubernetes#v}"
version=k8s.io/component-base/version
folder=$(go_program kubernetes-oldest k8s.io/kubernetes/cmd/kube-apiserver "$kubernetes, about 5 minutes on two cores" \
    -X "$version.gitVersion=$kubernetes" -X "$version.gitMajor=$major" -X "$version.gitMinor=$minor")

# Links, made anew each time: the other folder has another name when its versions have changed.
others=$(env -u KUBEBUILDER_ASSETS "$here/kubernetes.sh")
for program in kube-controller-manager kubectl etcd; do
    ln -sfn "../$(basename "$others")/$program" "$folder/$program"
done

printf '%s\n' "$folder"
