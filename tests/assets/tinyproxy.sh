#!/usr/bin/env bash
# Prints the directory that contains tinyproxy, 1.11 or newer, as debian_package.sh describes.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/debian_package.sh"
debian_package tinyproxy tinyproxy-bin '45 kB' -v tinyproxy
