# To be sourced. Knows how to build one program from a Go module. The directory of this file has a directory for each module, with its
# go.mod and go.sum, and with a main.go if the program consists of components that main.go lists. Must not know which program it is.
#
#   go_program NAME PACKAGE NOTE [LDFLAG…]
#
# prints the directory that contains the program NAME. If the program is missing, PACKAGE of the module in the directory NAME is built
# first. NOTE says how long the build takes. The caller has set `here`, the directory of this file. The one line on stdout is the
# directory's absolute path; messages for people are written to stderr.

. "$here/progress.sh"

say() { printf '%s\n' "$*" >&2; }
fail() { say "$(basename "$0"): $*"; exit 1; }

go_program() {
    set -e # a command substitution has switched -e off, and a failed build must not count as built
    local name=$1 package=$2 note=$3 module=$here/$1 assets directory key lock needed found install building
    shift 3
    local flags=(-trimpath -ldflags "-s -w${*:+ $*}")
    assets=$(cd "$here/../.." && pwd -P)/.assets
    needed=$(awk '$1 == "go" { print $2 }' "$module/go.mod")
    export CGO_ENABLED=0 GOFLAGS=-mod=readonly
    # The compilers collect less garbage: a fifth of the processor time, for twice their memory.
    export GOGC=${GOGC:-400}

    # The key does not contain -gcflags, for the reason in kubernetes.sh. All builds with these flags share Go's build cache.
    key=$(cd "$module" && { cat go.mod go.sum && find . -name '*.go' | LC_ALL=C sort | xargs -r cat && echo "${flags[*]}"; } | sha256sum | cut -c1-12)
    directory=$assets/$name-$key

    if [[ ! -d "$directory" ]]; then
        mkdir -p "$assets"
        exec {lock}>"$assets/$name.lock"
        flock --nonblock "$lock" || {
            say "waiting for another build of $name to end"
            flock "$lock"
        }
    fi

    if [[ ! -d "$directory" ]]; then
        install="install Go $needed or newer, from Go's own download page or with: apt-get install golang (any Go from"
        install+=" 1.21 on will do where GOTOOLCHAIN lets it fetch the newer one)"
        command -v go >/dev/null || fail "the Go toolchain is missing: $install"
        found=$(cd "$module" && go env GOVERSION) || fail "this Go is too old: $install"
        [[ $(printf '%s\n' "$needed" "${found#go}" | sort -V | head -1) == "$needed" ]] ||
            fail "this Go is ${found#go}: $install"

        rm -rf "$assets/$name.building".*        # leftovers of an interrupted build; this one holds the lock
        building=$(mktemp -d "$assets/$name.building.XXXXXX")
        # shellcheck disable=SC2064 # expanded now, on purpose
        trap "rm -rf '$building'" EXIT
        chmod 755 "$building"

        say "building $name ($note; later runs are instant)"
        cd "$module"
        # -v prints each package.
        progress "building $name" "$(go list -deps "$package" | wc -l) packages" '^[^ :#]+$' \
            go build -v "${flags[@]}" -gcflags=all=-dwarf=false -o "$building/" "$package"
        mv "$building" "$directory"
        say "built $directory"
    fi

    printf '%s\n' "$directory"
}
