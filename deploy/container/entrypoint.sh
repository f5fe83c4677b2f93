#!/bin/sh
# Starts the process of this image, or the command it is given (`futago migrate`, `python -m …`).
set -eu
if [ "$#" -gt 0 ]; then
  exec "$@"
fi
case "$SERVICE" in
  services.*.*) name=${SERVICE#services.} name=${name%%.*} ;;
  *) echo "SERVICE must be a module such as services.twin.app, not $SERVICE" >&2; exit 78 ;;
esac
prefix=$(printf %s "$name" | tr '[:lower:]' '[:upper:]')
# A container has an address of its own: whoever may reach it is decided outside.
eval "export ${prefix}_HOST=\${${prefix}_HOST:-0.0.0.0} ${prefix}_PORT=\${${prefix}_PORT:-$PORT}"
if [ "$SERVICE" = services.twin.standalone ]; then
  # What was baked in or mounted; MODEL_PATH or TWIN_BUNDLE names another folder.
  export MODEL_PATH="${MODEL_PATH:-/models}" TWIN_TRUST_DIR="${TWIN_TRUST_DIR:-/trust}"
  # With a volume for it there is a file too; the console always has the log.
  if [ -w /var/log/futago ]; then export TWIN_LOG_DIR="${TWIN_LOG_DIR:-/var/log/futago}"; fi
fi
if [ -n "${TMPDIR:-}" ]; then
  # Python would quietly write to /tmp, were it not there.
  mkdir -p "$TMPDIR"
  # A process that was killed left on that disk what it was at; nothing is at it for a day. Another replica may look too.
  find "$TMPDIR" -mindepth 1 -maxdepth 1 -name 'futago-*' -mtime +0 -exec rm -rf {} + || true
fi
# exec, so that the process itself gets SIGTERM and can drain.
exec python -m "$SERVICE"
