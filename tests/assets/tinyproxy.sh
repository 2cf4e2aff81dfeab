#!/usr/bin/env bash
# Prints a folder that holds tinyproxy, 1.11 or newer. debian_package.sh says where it comes from.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/debian_package.sh"
debian_package tinyproxy tinyproxy-bin '45 kB' -v tinyproxy
