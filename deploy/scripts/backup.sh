#!/bin/sh
# Backs up all data of the suite of deploy/compose.yaml to a new folder, while it runs.
#   usage: deploy/scripts/backup.sh FOLDER
# The order matters. Redis first: a job that is in the database but not in Redis is queued again, a job that is only in
# Redis would be lost. The store last: it only gains files meanwhile, so every file that the database names is in it.
# The folder contains every key and password of the suite: store it as safely as those.
set -eu
umask 077
here=$(cd "$(dirname "$0")/.." && pwd)
docker=${DOCKER:-docker}
compose() { $docker compose --project-directory "$here" --file "$here/compose.yaml" "$@" </dev/null; }

[ "$#" -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 64; }
[ ! -e "$1" ] || { echo "$1 exists: name a folder that does not exist yet" >&2; exit 73; }
target=$1
draft=$target.unfinished
mkdir "$draft"

image=$(compose config --images | grep 'futago-gateway' | head -n 1)
secrets=$(compose config --environment | sed -n 's/^SECRETS=//p')
secrets=${secrets:-./secrets}
case "$secrets" in /*) ;; *) secrets=$here/$secrets ;; esac

redis() { compose exec -T redis sh -c "REDISCLI_AUTH=\"\$(cat /run/secrets/redis_password)\" redis-cli $1"; }
# While its files are copied, Redis must not replace them.
redis "config set auto-aof-rewrite-percentage 0" >/dev/null
trap 'redis "config set auto-aof-rewrite-percentage 100" >/dev/null' EXIT
while redis "info persistence" | grep -q 'aof_rewrite_in_progress:1'; do sleep 1; done
compose exec -T redis tar -C /data -cf - appendonlydir >"$draft/redis.tar"
redis "config set auto-aof-rewrite-percentage 100" >/dev/null
trap - EXIT

compose exec -T postgres pg_dump --username futago --format custom futago >"$draft/database.dump"
compose run --rm --no-deps -T twin tar -C /var/lib/futago -cf - . >"$draft/store.tar"
$docker run --rm --network none --user 0:0 --volume "$secrets:/secrets:ro" "$image" tar -C /secrets -cf - . \
  >"$draft/secrets.tar" </dev/null
compose config --images | sort -u >"$draft/images.txt"

(cd "$draft" && sha256sum database.dump redis.tar store.tar secrets.tar images.txt >SHA256SUMS)
mv "$draft" "$target"
echo "$target is complete ($(du -sh "$target" | cut -f 1))"
