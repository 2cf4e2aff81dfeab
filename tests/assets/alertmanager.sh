#!/usr/bin/env bash
# Prints the directory that contains alertmanager and amtool, 0.25 or newer, as debian_package.sh describes. Debian's
# alertmanager must be started in that directory.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/debian_package.sh"

# Debian's program has another name, and reads its templates below /usr/share, where they are once the package is installed. A path
# of the same length lets it read them from its working directory.
prepare() {
    local programs=$1/usr/bin templates=$1/usr/share/prometheus/alertmanager
    sed 's|/usr/share/prometheus/alertmanager|./////////////////////////////////|g' \
        "$programs/prometheus-alertmanager" >"$programs/alertmanager"
    chmod +x "$programs/alertmanager"
    mv "$templates"/*.tmpl "$programs/"
}

debian_package alertmanager prometheus-alertmanager '20 MB' --version alertmanager amtool
