#!/bin/sh
# Builds the static program and an image with nothing else in it.
#
#   deploy/container/build.sh [TAG]
#
# BINARY=FILE        take this program and build none; it has to be static
# CA_CERTIFICATES=…  the authorities that are trusted (PEM); default: those of this machine
# BUILDER=buildah    or docker
# FORMAT=docker      has health checks; with oci, which has none, the same input gives the same image digest (with docker
#                    only the same layer: buildah writes the name of its working container into the image)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
tag=${1:-evidenced:dev}
builder=${BUILDER:-buildah}
certificates=${CA_CERTIFICATES:-/etc/ssl/certs/ca-certificates.crt}
triple=x86_64-unknown-linux-gnu
revision=${REVISION:-$(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)}
version=${VERSION:-$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)}

[ -r "$certificates" ] || { echo "build.sh: no certificates at $certificates; name a file in CA_CERTIFICATES" >&2; exit 2; }

binary=${BINARY:-}
if [ -z "$binary" ]; then
    target=${CARGO_TARGET_DIR:-$root/target}
    # With --target, so that the flags hold for the program and not for what runs while it is built.
    (cd "$root" && RUSTFLAGS='-C target-feature=+crt-static' CARGO_TARGET_DIR="$target" \
        cargo build --release --locked --bin evidenced --target "$triple")
    binary=$target/$triple/release/evidenced
fi
# An image from scratch has no loader: a program that asks for one would not start, with an error that misleads.
if LC_ALL=C grep -q '/lib64/ld-linux' "$binary"; then
    echo "build.sh: $binary is not static: it asks for a loader" >&2
    exit 2
fi

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
install -d -m 0700 "$context/state"
install -m 0755 "$binary" "$context/evidenced"
install -m 0644 "$certificates" "$context/ca-certificates.crt"
install -m 0644 "$here/Containerfile" "$context/Containerfile"

case $builder in
buildah)
    buildah build --isolation "${ISOLATION:-oci}" --format "${FORMAT:-docker}" --timestamp 0 --no-cache --layers=false \
        --build-arg "VERSION=$version" --build-arg "REVISION=$revision" \
        --tag "$tag" --file "$context/Containerfile" "$context"
    ;;
docker)
    SOURCE_DATE_EPOCH=0 docker build --no-cache \
        --build-arg "VERSION=$version" --build-arg "REVISION=$revision" \
        --tag "$tag" --file "$context/Containerfile" "$context"
    ;;
*)
    echo "build.sh: BUILDER is $builder; expected buildah or docker" >&2
    exit 2
    ;;
esac
