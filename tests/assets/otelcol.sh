#!/usr/bin/env bash
# Prints a folder that holds otelcol, an OpenTelemetry Collector with the components that the pages configure; builds it first
# where needed. Which components, otelcol/main.go says; their versions stand in otelcol/go.mod and nowhere else.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/go_program.sh"

go_program otelcol tokensource.dev/tests/assets/otelcol "two minutes the first time on two cores"
