#!/usr/bin/env bash
# Prints the directory that contains prometheus and promtool, 2.42 or newer, as debian_package.sh describes.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/debian_package.sh"
debian_package prometheus prometheus '20 MB' --version prometheus promtool
