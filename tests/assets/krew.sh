#!/usr/bin/env bash
# Prints the directory that contains krew, which installs plugins of kubectl; builds krew first where needed. Only krew/go.mod names
# the version.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/go_program.sh"

go_program krew sigs.k8s.io/krew/cmd/krew "a minute the first time on two cores"
