#!/usr/bin/env bash
# Prints a folder that holds prometheus and promtool, 2.42 or newer. debian_package.sh says where they come from.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/debian_package.sh"
debian_package prometheus prometheus '20 MB' --version prometheus promtool
