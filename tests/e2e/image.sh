#!/usr/bin/env bash
# Builds the controller's image from the Dockerfile, without a registry and without a network, into a tar archive.
#
#   image.sh TAG ARCHIVE CACHE
#
# The Dockerfile's bases are build arguments. Here the build image is this machine's own toolchain: an empty image, into
# which /usr, Rust and the directory with cargo's downloads are mounted. CACHE keeps the crates that cargo has compiled.
#
# Needs root, buildah, and a directory in TMPDIR that may be deleted. The tests run this script inside an enclosure (tokensource-kit):
# the end of the enclosure removes buildah's mounts, and its files in /run and /var.
set -euo pipefail

tag=$1 archive=$2 cache=$3
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
work=$(mktemp -d)
mkdir -p "$cache"

# This machine's settings for containers, if it has any, are left alone.
printf '[storage]\ndriver = "vfs"\ngraphroot = "%s"\nrunroot = "%s"\n' "$work/storage" "$work/run" >"$work/storage.conf"
printf 'unqualified-search-registries = []\n' >"$work/registries.conf"
printf '{"default": [{"type": "insecureAcceptAnything"}]}\n' >"$work/policy.json"
export CONTAINERS_STORAGE_CONF=$work/storage.conf CONTAINERS_REGISTRIES_CONF=$work/registries.conf
export BUILDAH_ISOLATION=chroot

# Debian's layout; everything in usr is this machine's own.
base=$work/base
mkdir -p "$base"/{etc/ssl/certs,etc/alternatives,usr,tmp,root,cargo,src,out,dev,proc,sys,run,var/tmp}
chmod 1777 "$base/tmp" "$base/var/tmp"
for directory in bin sbin lib lib64; do
    [[ ! -e /$directory ]] || ln -s "usr/$directory" "$base/$directory"
done
cp --dereference /etc/ssl/certs/ca-certificates.crt "$base/etc/ssl/certs/"
printf 'root:x:0:0:root:/root:/bin/bash\n' >"$base/etc/passwd"

sysroot=$(cd "$root" && rustc --print sysroot)
cargo_home=${CARGO_HOME:-$HOME/.cargo}
container=$(buildah from scratch)
buildah copy --quiet "$container" "$base" / >/dev/null
# cargo runs offline: a dependency that has not been downloaded cannot be fetched here, and cargo must then fail immediately.
buildah config --env "PATH=/rust/bin:/usr/local/bin:/usr/bin:/bin" --env CARGO_HOME=/cargo --env CARGO_NET_OFFLINE=true \
    "$container"
buildah commit --quiet "$container" localhost/build:local >/dev/null

cd "$root"
epoch=$(git log -1 --format=%ct 2>/dev/null || echo 0) # a tarball has no commit
buildah build --isolation chroot --pull-never --signature-policy "$work/policy.json" \
    --build-arg BUILD_IMAGE=localhost/build:local --build-arg SOURCE_DATE_EPOCH="$epoch" \
    --volume /usr:/usr:ro --volume /etc/alternatives:/etc/alternatives:ro --volume "$sysroot:/rust:ro" \
    --volume "$cargo_home:/cargo" --volume "$cache:/src/target" --tag "$tag" .
buildah push --quiet --signature-policy "$work/policy.json" "$tag" "docker-archive:$archive:$tag"
