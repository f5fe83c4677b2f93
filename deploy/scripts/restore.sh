#!/bin/sh
# Restores a backup on a machine without a suite, and starts it.
#   usage: deploy/scripts/restore.sh FOLDER
# It refuses if a database or keys exist. `migrate` upgrades an older backup to the release of the images, and refuses a
# newer one.
set -eu
umask 077
here=$(cd "$(dirname "$0")/.." && pwd)
docker=${DOCKER:-docker}
project=${COMPOSE_PROJECT_NAME:-futago}
compose() { $docker compose --project-directory "$here" --file "$here/compose.yaml" "$@"; }

[ "$#" -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 64; }
backup=$(cd "$1" && pwd)
(cd "$backup" && sha256sum --check --quiet SHA256SUMS) || { echo "$backup is damaged" >&2; exit 65; }

secrets=$(compose config --environment </dev/null | sed -n 's/^SECRETS=//p')
secrets=${secrets:-./secrets}
case "$secrets" in /*) ;; *) secrets=$here/$secrets ;; esac
if [ -d "$secrets" ] && [ -n "$(ls -A "$secrets")" ]; then
  echo "$secrets contains keys: move them away first" >&2
  exit 73
fi
if [ -n "$($docker volume ls --quiet --filter "label=com.docker.compose.project=$project")" ]; then
  echo "the project $project already has data: move it away, or remove it with 'docker compose down --volumes'" >&2
  exit 73
fi

image=$(compose config --images </dev/null | grep 'futago-gateway' | head -n 1)
mkdir -p "$secrets"
$docker run --rm --interactive --network none --user 0:0 --volume "$secrets:/secrets" "$image" \
  tar -C /secrets --same-owner -xpf - <"$backup/secrets.tar"

compose run --rm --no-deps -T --user redis --entrypoint tar redis -C /data -xf - <"$backup/redis.tar"
compose run --rm --no-deps -T twin tar -C /var/lib/futago -xf - <"$backup/store.tar"
compose up --detach --wait postgres </dev/null
compose exec -T postgres pg_restore --username futago --dbname futago --no-owner --exit-on-error <"$backup/database.dump"
compose up --detach --wait </dev/null
echo "restored from $backup"
