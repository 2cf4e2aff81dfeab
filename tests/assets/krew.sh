#!/usr/bin/env bash
# Prints a folder that holds krew, which installs plugins of kubectl; builds it first where needed. The version stands in
# krew/go.mod and nowhere else.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/go_program.sh"

go_program krew sigs.k8s.io/krew/cmd/krew "a minute the first time on two cores"
