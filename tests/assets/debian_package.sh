# To be sourced. Knows how to unpack the programs of one Debian package; must not know which package it is.
#
#   debian_package NAME PACKAGE SIZE VERSION PROGRAM…
#
# prints the directory that contains the programs, and unpacks the package there first where needed. If all the programs are in one
# directory of PATH, that directory is printed. Otherwise apt fetches the package, which needs no root, and checks its signature. The
# package is not installed, because installing may start a server. VERSION is the flag with which each program prints its version.
# The caller has set `here`, the directory of this file, and can define a function `prepare`, which gets the directory of the unpacked
# package. The one line on stdout is the directory's absolute path; messages for people are written to stderr.

say() { printf '%s\n' "$*" >&2; }
fail() { say "$(basename "$0"): $*"; exit 1; }

debian_package() {
    set -e # a command substitution has switched -e off
    local name=$1 package=$2 size=$3 version=$4 assets directory found lock install building program
    shift 4
    assets=$(cd "$here/../.." && pwd -P)/.assets
    directory=$assets/$name

    if found=$(type -P "$@" | xargs --no-run-if-empty dirname | sort -u) &&
        [[ $(type -P "$@" | wc -l) == "$#" && $(wc -l <<<"$found") == 1 ]]; then
        cd "$found" && pwd -P
        return
    fi

    if [[ ! -d "$directory" ]]; then
        mkdir -p "$assets"
        exec {lock}>"$assets/$name.lock"
        flock "$lock"
    fi

    if [[ ! -d "$directory" ]]; then
        install="put $* on PATH; on Debian and Ubuntu, as root: apt-get update && apt-get install --no-install-recommends $package"
        command -v apt-get >/dev/null && command -v dpkg >/dev/null || fail "there is no apt here: $install"

        rm -rf "$assets/$name.building".*      # leftovers of an interrupted run; this run holds the lock
        building=$(mktemp -d "$assets/$name.building.XXXXXX")
        # shellcheck disable=SC2064 # expanded now, on purpose
        trap "rm -rf '$building'" EXIT

        say "fetching Debian's package $package, $size"
        (cd "$building" && apt-get --quiet=2 download "$package") >&2 ||
            fail "apt could not fetch the package (does it know it? apt-get update, as root): $install"
        dpkg -x "$building/$package"_*.deb "$building/unpacked" || fail "the package cannot be unpacked: $install"
        if declare -F prepare >/dev/null; then prepare "$building/unpacked"; fi
        for program; do
            "$building/unpacked/usr/bin/$program" "$version" >&2 || fail "its $program does not run here: $install"
        done
        mv "$building/unpacked/usr/bin" "$directory"
        say "unpacked $directory"
    fi

    printf '%s\n' "$directory"
}
