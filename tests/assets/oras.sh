#!/usr/bin/env bash
# Prints the directory that contains oras, which writes and copies OCI artifacts; builds oras first where needed. Only oras/go.mod
# names the version.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/go_program.sh"

go_program oras oras.land/oras/cmd/oras "a minute the first time on two cores"
