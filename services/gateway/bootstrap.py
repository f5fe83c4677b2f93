"""Makes the first administrator. `python -m services.gateway.bootstrap --username admin --credentials FILE`.

`--password-file FILE` takes a password that is there already, as in a secret of the platform.

Brings the gateway's tables up to date, and does nothing else if there ever was a user.
"""

import argparse
import json
import os
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

import anyio

from services.gateway.adapters.passlib_hasher import PasslibHasher
from services.gateway.adapters.sql_first_admin import SqlFirstAdmin
from services.gateway.adapters.tables import migrate_gateway
from services.gateway.domain import api_keys
from services.gateway.domain.api_keys import ApiKey, MintedKey
from services.gateway.domain.audit import Action, Event, Source
from services.gateway.domain.passwords import MADE_UP_BYTES, MAX_BYTES, MIN_LENGTH, is_short
from services.gateway.domain.users import User, is_username
from services.gateway.settings import GatewaySettings
from shared.clock import Clock, SystemClock
from shared.database import open_engine
from shared.principal import Permission, Role
from shared.settings import SettingsFault
from shared.startup import refuse_to_start


@dataclass(frozen=True, slots=True)
class FirstAdmin:
    """What the first administrator needs to get in; shown once.

    Parameters
    ----------
    api_key
        `None` where whoever brought the password makes the keys.
    """

    username: str
    password: str = field(repr=False)
    api_key: MintedKey | None


def new_admin(username: str) -> FirstAdmin:
    """Make up a password and an API key."""
    minted = api_keys.mint(secrets.token_bytes(api_keys.ENTROPY_BYTES))
    return FirstAdmin(username, secrets.token_urlsafe(MADE_UP_BYTES), minted)


async def store_first_admin(
    database_url: str, admin: FirstAdmin, clock: Clock, keep: Callable[[], None] = lambda: None
) -> bool:
    """Make the administrator, and the key that comes along.

    Parameters
    ----------
    keep
        Puts password and key somewhere safe; called before the user exists, so that no user is ever made whose
        password nobody knows.

    Returns
    -------
    `False` if there is, or ever was, a user: whoever administers the system makes the others.

    Raises
    ------
    DatabaseUnavailable
        If the database does not answer.
    """
    engine = open_engine(database_url)
    try:
        now = clock.now()
        first = _administrator(admin.username, PasslibHasher().hash_now(admin.password), now)
        key = None if admin.api_key is None else _key(admin.api_key, admin.username, now)
        event = Event(
            at=now,
            user=admin.username,
            action=Action.BOOTSTRAPPED.value,
            resource=admin.username,
            success=True,
            source=Source("local", "bootstrap"),
        )
        return await SqlFirstAdmin(engine).add(first, key, event, keep)
    finally:
        engine.dispose()


def _administrator(username: str, password_hash: str, now: datetime) -> User:
    return User(
        username=username,
        role=Role.ADMIN,
        password_hash=password_hash,
        active=True,
        generation=1,
        assets=(),
        created_at=now,
        password_changed_at=now,
        given_password=True,
    )


def _key(minted: MintedKey, owner: str, now: datetime) -> ApiKey:
    return ApiKey(
        key_id=minted.key_id,
        name="first administrator",
        owner=owner,
        digest=minted.digest,
        former_digest=None,
        former_until=None,
        scopes=frozenset(Permission),
        assets=(),
        active=True,
        generation=1,
        created_at=now,
        expires_at=now + api_keys.DEFAULT_LIFE,
        last_used_at=None,
    )


def main() -> None:
    """Make the administrator, with a password that is given, or with one that is written where only its owner reads."""
    arguments = _arguments()
    if not is_username(arguments.username):
        refuse_to_start("bootstrap", [f"{arguments.username!r} is not a user name: use lower-case letters and digits"])
    try:
        settings = GatewaySettings.load(arguments.config)
    except SettingsFault as error:
        refuse_to_start("bootstrap", error.reasons)
    database_url = settings.database_url.get_secret_value()
    if arguments.password_file is not None:
        admin = FirstAdmin(arguments.username, _given(arguments.password_file), None)
        _store(database_url, admin, lambda: None)
        return
    draft = arguments.credentials.with_name(arguments.credentials.name + ".new")
    admin = new_admin(arguments.username)
    _store(database_url, admin, partial(_write, draft, admin, arguments.url))
    if draft.exists():
        # Also where an earlier run was stopped between the user and this line.
        draft.replace(arguments.credentials)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Makes the first administrator, if there is no user yet.")
    parser.add_argument("--config", type=Path, help="settings as a JSON or TOML file; the environment wins")
    parser.add_argument("--username", default="admin")
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--credentials", type=Path, help="file to write, with a password and a key that are made up")
    way.add_argument("--password-file", type=Path, help="file that holds the password; no key is made")
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="written to the file, for whoever reads it")
    return parser.parse_args()


def _given(path: Path) -> str:
    try:
        password = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        refuse_to_start("bootstrap", [f"the password in {path} cannot be read ({type(error).__name__})"])
    if is_short(password) or len(password.encode()) > MAX_BYTES:
        refuse_to_start("bootstrap", [f"the password in {path} must have {MIN_LENGTH} characters or more"])
    return password


def _store(database_url: str, admin: FirstAdmin, keep: Callable[[], None]) -> None:
    migrate_gateway(database_url)
    if not anyio.run(store_first_admin, database_url, admin, SystemClock(), keep):
        sys.stderr.write("there are users already: nothing was made\n")


def _write(path: Path, admin: FirstAdmin, url: str) -> None:
    document = {"url": url, "username": admin.username, "password": admin.password}
    if admin.api_key is not None:
        document["api_key"] = admin.api_key.text
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2)
        file.write("\n")
        file.flush()
        # Nobody knows the password of a user who outlived a power cut that this file did not.
        os.fsync(file.fileno())


if __name__ == "__main__":
    main()
