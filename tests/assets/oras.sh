#!/usr/bin/env bash
# Prints a folder that holds oras, which writes and copies OCI artifacts; builds it first where needed. The version stands in
# oras/go.mod and nowhere else.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/go_program.sh"

go_program oras oras.land/oras/cmd/oras "a minute the first time on two cores"
