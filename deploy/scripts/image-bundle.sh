#!/bin/sh
# Every image of deploy/compose.yaml in one archive, for a server without a registry.
#   usage: deploy/scripts/image-bundle.sh save FILE.tar.gz    where the images are
#          deploy/scripts/image-bundle.sh load FILE.tar.gz    where they are to run
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
docker=${DOCKER:-docker}
[ "$#" -eq 2 ] || { echo "usage: $0 save|load FILE.tar.gz" >&2; exit 64; }
case "$1" in
  save)
    umask 022
    images=$($docker compose --project-directory "$here" --file "$here/compose.yaml" config --images | sort -u)
    # shellcheck disable=SC2086 (one word an image)
    $docker save --output "$2.unfinished" $images
    gzip -1 <"$2.unfinished" >"$2"
    rm "$2.unfinished"
    (cd "$(dirname "$2")" && sha256sum "$(basename "$2")") >"$2.sha256"
    echo "$2: $(echo "$images" | wc -l) images, $(du -h "$2" | cut -f 1)"
    ;;
  load)
    if [ -e "$2.sha256" ]; then
      (cd "$(dirname "$2")" && sha256sum --check --quiet "$(basename "$2").sha256") || { echo "$2 is damaged" >&2; exit 65; }
    fi
    gunzip --stdout "$2" | $docker load
    ;;
  *) echo "usage: $0 save|load FILE.tar.gz" >&2; exit 64 ;;
esac
