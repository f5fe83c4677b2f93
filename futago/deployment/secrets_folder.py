"""The keys, passwords and addresses of a deployment: one folder, from which containers are given what each needs.

Every subfolder goes to other containers, so that none sees a key that is not its own. The folder itself is closed to
all but whoever made it. Inside, private keys are their owner's alone; passwords can be read by every user of the
container they are mounted into, as databases and dashboards run as users of their own there.
"""

import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from futago.launcher.certificate import TlsFiles, renew
from futago.launcher.home import write_private
from futago.launcher.keys import KeyFiles, complete_keys, make_public_half
from shared.errors import AppError, Kind

_PRIVATE, _SHARED = 0o400, 0o444
_CLOSED_FOLDER, _OPEN_FOLDER = 0o700, 0o755
_PASSWORD_BYTES = 24
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
# A name that never resolves (RFC 2606): alerts go nowhere until somebody says where.
NO_WEBHOOK = "http://alerts.invalid/"


class SecretsUnusable(AppError):
    """The folder cannot be made, read or handed over."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "secrets.unusable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} cannot be used: {reason}")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the rest of a deployment is.

    Parameters
    ----------
    names
        What clients call the suite: names and addresses its certificate is made out to.
    database_url, redis_url
        Servers of your own; `None` for those that `deploy/compose.yaml` starts.
    webhook_url
        Where alerts of operations are posted.
    """

    names: Sequence[str] = ()
    database_url: str | None = None
    redis_url: str | None = None
    webhook_url: str = NO_WEBHOOK


@dataclass(frozen=True, slots=True)
class SecretsFolder:
    """What lies where below one folder."""

    root: Path

    @property
    def keys(self) -> KeyFiles:
        """The suite's own keys."""
        own = self.root / "gateway"
        return KeyFiles(
            access=own / "access.pem",
            access_public=own / "access.pub.pem",
            identity=own / "identity.pem",
            identity_public=self.root / "identity" / "identity.pub.pem",
            signing=self.root / "signing" / "signing.pem",
            second_factor=own / "second-factor.key",
            audit=own / "audit.pem",
        )

    @property
    def trust(self) -> Path:
        """Public keys whose bundles are accepted."""
        return self.root / "trust"

    @property
    def tls(self) -> TlsFiles:
        """What the public door shows."""
        folder = self.root / "tls"
        return TlsFiles(folder / "authority.pem", folder / "certificate.pem", folder / "key.pem")

    @property
    def authority_key(self) -> Path:
        """Signs the next certificate; no container gets it. Missing where the certificate is somebody else's."""
        return self.root / "authority" / "authority.key.pem"

    @property
    def credentials(self) -> Path:
        """Where the first administrator's password is left."""
        return self.root / "credentials"

    @property
    def first_password(self) -> Path:
        """The first administrator's password where a cluster makes that user; missing elsewhere."""
        return self.credentials / "password"

    def url(self, name: str) -> Path:
        """The file of a URL that holds a password."""
        return self.root / "urls" / name

    def password(self, name: str) -> Path:
        """The file of a password."""
        return self.root / "passwords" / name

    @property
    def webhook(self) -> Path:
        """Where alerts of operations go."""
        return self.root / "alerting" / "webhook_url"

    def closed_folders(self) -> tuple[Path, ...]:
        """Folders that only the processes of the suite enter."""
        return tuple(self.root / name for name in ("gateway", "signing", "credentials", "authority", "urls"))

    def open_folders(self) -> tuple[Path, ...]:
        """Folders with something in them that others read too."""
        return tuple(self.root / name for name in ("identity", "trust", "tls", "passwords", "alerting"))

    def files(self) -> Iterator[tuple[Path, int]]:
        """Each file that is there, and who may read it."""
        for folder in self.closed_folders():
            for path in folder.glob("[!.]*"):
                yield path, _PRIVATE
        for folder in self.open_folders():
            for path in folder.glob("[!.]*"):
                yield path, _PRIVATE if path == self.tls.key else _SHARED


def make_secrets(
    folder: SecretsFolder, addresses: Addresses, *, owner: int | None, now: datetime | None = None
) -> None:
    """Make what is missing and let each be read by whom it is for; what is there stays, so that it may be run again.

    Parameters
    ----------
    owner
        The user that the containers run as; `None` leaves everything with the user who calls.

    Raises
    ------
    SecretsUnusable
        If something cannot be made, or not be given to that user.
    """
    try:
        if not folder.root.exists():
            folder.root.mkdir(parents=True)
            folder.root.chmod(_CLOSED_FOLDER)
        for path in (*folder.closed_folders(), *folder.open_folders()):
            path.mkdir(exist_ok=True)
        complete_keys(folder.keys, folder.trust)
        make_public_half(folder.keys.audit, folder.root / "gateway" / "audit.pub.pem")
        _make_passwords(folder, addresses)
        _make_certificate(folder, addresses.names, now or datetime.now(UTC))
        _hand_over(folder, owner)
    except OSError as error:
        raise SecretsUnusable(Path(error.filename or folder.root), error.strerror or str(error)) from error


def make_first_password(folder: SecretsFolder) -> None:
    """Make the password that the chart gives the first administrator, unless it is there.

    Raises
    ------
    SecretsUnusable
        If it cannot be written.
    """
    try:
        _write_missing(folder.first_password, secrets.token_urlsafe(_PASSWORD_BYTES))
    except OSError as error:
        raise SecretsUnusable(folder.first_password, error.strerror or str(error)) from error


def _make_passwords(folder: SecretsFolder, addresses: Addresses) -> None:
    for name in ("postgres", "redis", "grafana"):
        _write_missing(folder.password(name), secrets.token_hex(_PASSWORD_BYTES))
    database, redis = (folder.password(name).read_text(encoding="ascii").strip() for name in ("postgres", "redis"))
    _write_missing(folder.password("redis.conf"), f"requirepass {redis}\n")
    _write_missing(
        folder.url("database_url"), addresses.database_url or f"postgresql+psycopg://futago:{database}@postgres/futago"
    )
    _write_missing(folder.url("redis_url"), addresses.redis_url or f"redis://:{redis}@redis:6379/0")
    _write_missing(folder.webhook, addresses.webhook_url)


def _make_certificate(folder: SecretsFolder, names: Sequence[str], now: datetime) -> None:
    if folder.tls.certificate.exists() and not folder.authority_key.exists():
        # Somebody's own certificate: theirs to renew.
        return
    renew(folder.tls, folder.authority_key, sorted({*_LOOPBACK_NAMES, *names}), now)


def _write_missing(path: Path, content: str) -> None:
    if not path.exists():
        write_private(path, content.encode())


def _hand_over(folder: SecretsFolder, owner: int | None) -> None:
    folders = [(path, _CLOSED_FOLDER) for path in folder.closed_folders()]
    folders += [(path, _OPEN_FOLDER) for path in folder.open_folders()]
    for path, mode in (*folder.files(), *folders):
        path.chmod(mode)
        if owner is not None:
            os.chown(path, owner, owner)
