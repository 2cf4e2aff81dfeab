#!/usr/bin/env bash
# Prints the directory that contains Keycloak, the real provider of the tests; fetches Keycloak and builds its configuration first
# where needed. The one line on stdout is the directory's absolute path; messages for people are written to stderr.
#
# No instance writes to that directory, so any number of instances may share the directory. Each instance has a home of its own, which
# may be anywhere ($keycloak is the printed directory, $home the home, $port a free port):
#
#   mkdir -p $home/data/import $home/providers && ln -s $keycloak/lib $home/lib
#   cp <realm>.json $home/data/import/
#   java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
#       -Djava.util.logging.manager=org.jboss.logmanager.LogManager -Dkc.home.dir=$home \
#       -jar $keycloak/lib/quarkus-run.jar \
#       start --optimized --import-realm --cache=local --hostname-strict=false --http-enabled=false \
#       --http-host=127.0.0.1 --https-port=$port --https-certificate-file=<PEM> --https-certificate-key-file=<PEM> \
#       --truststore-paths=<PEM of the CA of client certificates>
#
# Keycloak listens on that port (and on a random loopback port for transaction recovery), keeps its database in memory,
# and boots in 12 s. Two other ways are worse: `start-dev` opens port 8080 despite the options and takes 24 s, and
# kc.sh keeps java as a child, which continues to run when kc.sh is killed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
assets=$(cd "$here/../.." && pwd -P)/.assets

version=26.4.0
sha256=1b6a11a2726ac8a8dc9c91d5fafe989a75ce4f1622d7f7b45c21d5bc16629c0a
artifact=org.keycloak:keycloak-quarkus-dist:$version:zip
plugin=org.apache.maven.plugins:maven-dependency-plugin:3.8.1
# If health and metrics are disabled, Keycloak opens no management port. Keycloak requests client certificates, but does not
# require them. With the feature, a ServiceAccount's token can identify a client.
options=(--db=dev-mem --https-client-auth=request --health-enabled=false --metrics-enabled=false)
options+=(--features=client-auth-federated)

say() { printf '%s\n' "$*" >&2; }
fail() { say "keycloak.sh: $*"; exit 1; }

key=$(echo "$sha256 ${options[*]}" | sha256sum | cut -c1-12)
directory=$assets/keycloak-$version-$key

if [[ ! -d "$directory" ]]; then
    mkdir -p "$assets"
    exec {lock}>"$assets/keycloak.lock"
    flock --nonblock "$lock" || {
        say "waiting for another build of Keycloak to end"
        flock "$lock"
    }
fi

if [[ ! -d "$directory" ]]; then
    command -v java >/dev/null || fail "java is missing: apt-get install default-jre-headless (17 or newer)"
    command -v mvn >/dev/null || fail "Maven, which fetches Keycloak, is missing: apt-get install maven"
    java_version=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
    [[ "${java_version:-0}" -ge 17 ]] ||
        fail "Keycloak needs Java 17 or newer; this is ${java_version:-unknown}: apt-get install default-jre-headless"

    rm -rf "$assets"/keycloak.building.*        # leftovers of an interrupted build; this one holds the lock
    building=$(mktemp -d "$assets/keycloak.building.XXXXXX")
    trap 'rm -rf "$building"' EXIT

    say "fetching Keycloak $version, 160 MB the first time"
    # Inside the temporary directory: Maven leaves a marker where it is run, and unpacks nothing where it finds one.
    (cd "$building" && mvn --batch-mode --quiet --strict-checksums "$plugin:copy" "$plugin:unpack" \
        -Dartifact="$artifact" -DoutputDirectory="$building") >&2
    sha256sum --check --quiet <<<"$sha256  $building/keycloak-quarkus-dist-$version.zip" >&2 ||
        fail "what Maven fetched is not the Keycloak $version this script knows"

    say "building Keycloak's configuration, about 20 seconds"
    bash "$building/keycloak-$version/bin/kc.sh" build "${options[@]}" >&2
    mv "$building/keycloak-$version" "$directory"
    say "built $directory"
fi

printf '%s\n' "$directory"
