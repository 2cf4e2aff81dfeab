#!/usr/bin/env bash
# Prints the directory that contains otelcol, an OpenTelemetry Collector with the components that the pages configure; builds otelcol
# first where needed. otelcol/main.go lists the components. Only otelcol/go.mod names their versions.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/go_program.sh"

go_program otelcol tokensource.dev/tests/assets/otelcol "two minutes the first time on two cores"
