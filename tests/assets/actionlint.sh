#!/usr/bin/env bash
# Prints a folder that holds actionlint, which checks the workflows in .github; builds it first where needed. The version stands
# in actionlint/go.mod and nowhere else.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/go_program.sh"

go_program actionlint github.com/rhysd/actionlint/cmd/actionlint "half a minute the first time on two cores"
