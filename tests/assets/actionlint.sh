#!/usr/bin/env bash
# Prints the directory that contains actionlint, which checks the workflows in .github; builds actionlint first where needed. Only
# actionlint/go.mod names the version.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/go_program.sh"

go_program actionlint github.com/rhysd/actionlint/cmd/actionlint "half a minute the first time on two cores"
