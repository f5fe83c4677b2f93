#!/bin/sh
# Installs, upgrades and rolls back Futago on a machine with systemd, without a network.
#   usage: install.sh install  twin|suite ARCHIVE.tar    (from deploy/scripts/wheelhouse.sh; again for an upgrade)
#          install.sh rollback twin|suite                to the previous release, with its data
#          install.sh remove   twin|suite                keeps settings and data
# Releases are folders in /opt/futago/releases; /opt/futago/current points to the running one.
set -eu
umask 022
root=/opt/futago
settings=/etc/futago
backups=/var/lib/futago/backups
python=${PYTHON:-python3}

fail() { echo "$1" >&2; exit "${2:-1}"; }
usage() { fail "usage: $0 install twin|suite ARCHIVE.tar | rollback twin|suite | remove twin|suite" 64; }
[ "$#" -ge 2 ] || usage
action=$1
kind=$2
case "$kind" in
  twin) unit=futago-twin.service other=futago.service extra=twin patience_s=60 ;;
  suite) unit=futago.service other=futago-twin.service extra=embedded patience_s=900 ;;
  *) usage ;;
esac
[ "$(id -u)" -eq 0 ] || fail "this needs root"

as_futago() { setpriv --reuid=futago --regid=futago --clear-groups "$@"; }

# What systemd makes of a line of the settings, or the process' own default where there is none.
setting() {
  unquoted="s/^[^=]*=//; s/[[:space:]]*\$//; s/^\([\"']\)\(.*\)\1\$/\2/"
  told=$(sed -n "/^[[:space:]]*$1=/ { $unquoted; p; }" "$settings/$kind.env" | tail -n 1)
  echo "${told:-${2-}}"
}

# Settings are the operator's: TLS may be on or off, and one address of the box may be the only one that is listened on.
answers() {
  case "$kind" in
    twin) set -- "$(setting TWIN_HOST)" "$(setting TWIN_PORT 8000)" "$(setting TWIN_TLS_CERT_FILE)" /healthz ;;
    suite) set -- "$(setting FUTAGO_HOST)" "$(setting FUTAGO_PORT 8080)" "$(setting FUTAGO_TLS)" /readyz ;;
  esac
  "$python" - "$@" <<'PYTHON'
import http.client, ssl, sys, urllib.request
host, port, tls, path = sys.argv[1:]
host = "localhost" if host in {"", "0.0.0.0", "::"} else f"[{host}]" if ":" in host else host
scheme = "http" if tls.lower() in {"", "0", "f", "false", "n", "no", "off"} else "https"
# Whether it answers is the question, and it is this box that answers: no certificate has to be made out to it.
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
# A proxy of the box's environment knows nothing of the box itself.
asker = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
try:
    asker.open(f"{scheme}://{host}:{port}{path}", timeout=5)
except (OSError, http.client.HTTPException):
    sys.exit(1)
PYTHON
}

# The new release may take its time, but a process that systemd has given up will not answer any more.
wait_for_answer() {
  waited=0
  until answers; do
    if [ "$waited" -ge "$patience_s" ] || systemctl --quiet is-failed "$unit"; then return 1; fi
    sleep 2
    waited=$((waited + 2))
  done
}

point() {
  ln -sfn "$2" "$root/.$1.new"
  mv -fT "$root/.$1.new" "$root/$1"
}

make_user() {
  id futago >/dev/null 2>&1 || useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin futago
  # A Python in root's own folder does for the installation, and not for the service.
  as_futago env "$(command -v "$python")" -c "" 2>/dev/null || fail "the user futago cannot run $python: choose another with PYTHON=/usr/bin/python3"
}

prepare_box() {
  install -d -m 0755 "$root" "$root/releases"
  install -d -m 0750 -g futago "$settings" "$settings/trust"
  [ -e "$settings/$kind.env" ] || install -m 0640 -g futago "$1/deploy/edge/$kind.env" "$settings/$kind.env"
  if [ "$kind" = twin ] && [ ! -e "$settings/twin.key" ]; then
    (umask 077 && "$python" -c 'import secrets; print(secrets.token_urlsafe(32))' >"$settings/twin.key")
    chgrp futago "$settings/twin.key"
    chmod 0640 "$settings/twin.key"
  fi
}

unpack() {
  archive=$1
  id=$extra-$(sha256sum "$archive" | cut -c 1-12)
  release=$root/releases/$id
  if [ -e "$release/.complete" ]; then return 0; fi
  rm -rf "$release"
  install -d -m 0755 "$release"
  tar -C "$release" --strip-components=1 --no-same-owner -xf "$archive" || fail "$archive is damaged" 65
  (cd "$release" && sha256sum --check --quiet SHA256SUMS) || fail "$archive is damaged" 65
  "$python" -m venv "$release/.venv"
  # Nothing is fetched: what is missing in the archive is an error.
  "$release/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-index \
    --find-links "$release/wheels" --constraint "$release/constraints.txt" --editable "$release[$extra]"
  "$release/.venv/bin/python" -m compileall -q "$release/futago" "$release/services" "$release/shared"
  rm -rf "$release/wheels"
  touch "$release/.complete"
}

switch() {
  before=$(readlink "$root/current" || true)
  if [ "$kind" = suite ] && [ -e /var/lib/futago/home/futago.db ] && [ "$before" != "$1" ]; then
    # The next release may change the tables; the one before does not know them then.
    install -d -m 0700 -o futago -g futago "$backups"
    rm -f "$backups/before-$(basename "$1").zip"
    as_futago "${before:-$1}/.venv/bin/futago" backup "$backups/before-$(basename "$1").zip" --home /var/lib/futago/home
  fi
  point current "$1"
  if [ -n "$before" ] && [ "$before" != "$1" ]; then point previous "$before"; fi
  install -m 0644 "$1/deploy/edge/$unit" "/etc/systemd/system/$unit"
  systemctl daemon-reload
  systemctl enable --quiet "$unit"
  # Whether it came up is found out by asking it.
  systemctl restart "$unit" || true
}

go_back() {
  before=$(readlink "$root/previous") || fail "there is no release before this one"
  [ -e "$before/.complete" ] || fail "$before, the release before this one, is not there any more"
  now=$(readlink "$root/current")
  systemctl stop "$unit"
  systemctl reset-failed "$unit" 2>/dev/null || true
  kept=$backups/before-$(basename "$now").zip
  if [ "$kind" = suite ] && [ -e "$kept" ]; then
    as_futago "$before/.venv/bin/futago" restore "$kept" --home /var/lib/futago/home --force
  fi
  point current "$before"
  # Forward again is another upgrade, with a backup of what was written since.
  rm "$root/previous"
  install -m 0644 "$before/deploy/edge/$unit" "/etc/systemd/system/$unit"
  systemctl daemon-reload
  systemctl start "$unit" || true
}

case "$action" in
  install)
    [ "$#" -eq 3 ] && [ -r "$3" ] || usage
    [ ! -e "/etc/systemd/system/$other" ] || fail "$other is installed here: a box runs one of the two" 73
    make_user
    install -d -m 0755 "$root" "$root/releases"
    unpack "$3"
    prepare_box "$release"
    if [ "$kind" = twin ] && [ ! -e "$(setting MODEL_PATH)/manifest.json" ]; then
      fail "put a bundle into the folder MODEL_PATH of $settings/twin.env and its public key into $settings/trust, then run this again" 2
    fi
    older=$(readlink "$root/previous" || true)
    switch "$release"
    if ! wait_for_answer; then
      # Of the release that was here already, the settings may be at fault: no older one is put in its place.
      if [ -n "$before" ] && [ "$before" != "$release" ]; then
        echo "the new release does not answer: rolling back; for the reason see journalctl -u $unit" >&2
        go_back
        if [ -n "$older" ]; then point previous "$older"; fi
        wait_for_answer || fail "the previous release does not answer either"
        fail "$unit runs $(basename "$(readlink "$root/current")") again"
      fi
      fail "it does not answer; for the reason see journalctl -u $unit"
    fi
    echo "$unit runs $(basename "$release")"
    ;;
  rollback)
    go_back
    wait_for_answer || fail "it does not answer; for the reason see journalctl -u $unit"
    echo "$unit runs $(basename "$(readlink "$root/current")")"
    ;;
  remove)
    systemctl disable --now "$unit"
    rm -f "/etc/systemd/system/$unit"
    systemctl daemon-reload
    rm -rf "$root"
    echo "removed; settings are still in $settings, data in /var/lib/futago*"
    ;;
  *) usage ;;
esac
