#!/bin/sh
# Writes one archive with this checkout and every package it needs, for a machine without a network.
#   usage: deploy/scripts/wheelhouse.sh EXTRA FILE.tar [PIP OPTIONS]
# EXTRA is one of pyproject.toml: `embedded` for the whole suite, `twin` for a stand-alone twin. The packages fit machines
# like this one: run it with the Python, processor architecture and operating system of the target machine.
set -eu
[ "$#" -ge 2 ] || { echo "usage: $0 EXTRA FILE.tar [PIP OPTIONS]" >&2; exit 64; }
extra=$1
file=$2
shift 2
here=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Only these paths: neither data nor keys in the checkout.
mkdir "$work/futago"
(cd "$here" && tar --exclude='__pycache__' --exclude='*.egg-info' -cf "$work/checkout.tar" \
  LICENSE Makefile README.md constraints.txt pyproject.toml deploy/edge shared futago services)
tar -C "$work/futago" -xf "$work/checkout.tar"
# async-timeout: the Python 3.11.2 of Debian 12 needs it, later ones do not.
(cd "$work/futago" && "$python" -m pip download --quiet --disable-pip-version-check --constraint constraints.txt \
  --dest wheels "$@" pip 'setuptools>=77' wheel async-timeout ".[$extra]")
# The checkout is installed as it lies there, not out of the archive that pip made of it.
rm -f "$work"/futago/wheels/futago-*
rm -rf "$work"/futago/*.egg-info "$work/futago/build"
(cd "$work/futago" && find . -type f ! -name SHA256SUMS -exec sha256sum {} + >SHA256SUMS)
tar -C "$work" -cf "$file" futago
echo "$file: $(find "$work/futago/wheels" -type f | wc -l) packages for the extra $extra, $(du -h "$file" | cut -f 1)"
