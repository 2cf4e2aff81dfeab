#!/usr/bin/env bash
# Prints the directory that contains helm; builds helm first where needed.
#
#   helm.sh      Helm 4
#   helm.sh 3    Helm 3, in a directory of its own
#
# Only helm/go.mod and helm3/go.mod name the versions. The one line on stdout is the directory's absolute path; messages for people
# are written to stderr.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/go_program.sh"
case ${1:-4} in
4) major=4 name=helm ;;
3) major=3 name=helm3 ;;
*) fail "\`$1\` is neither 3 nor 4" ;;
esac
package=helm.sh/helm/v$major

# helm prints its version from this variable, and a build from a module does not set the variable by itself.
version=$(awk -v package="$package" '$1 == package { print $2 }' "$here/$name/go.mod")
variables=(-X "$package/internal/version.version=$version")
# Helm 3 reads the Kubernetes version from linker variables too, and assumes 1.20 without them. Helm 4 reads it from the program.
if ((major == 3)); then
    minor=$(awk '$1 == "k8s.io/client-go" { split($2, part, "."); print part[2] }' "$here/$name/go.mod")
    for place in lint/rules chartutil; do
        variables+=(-X "$package/pkg/$place.k8sVersionMajor=1" -X "$package/pkg/$place.k8sVersionMinor=$minor")
    done
fi
go_program "$name" "$package/cmd/helm" "$version, about 3 minutes on two cores" "${variables[@]}"
