"""Makes the first administrator. `python -m services.gateway.bootstrap --username admin --credentials FILE`.

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
from services.gateway.adapters.sql_audit import SqlAudit
from services.gateway.adapters.sql_keys import SqlKeys
from services.gateway.adapters.sql_users import SqlUsers
from services.gateway.adapters.tables import migrate_gateway
from services.gateway.domain import api_keys
from services.gateway.domain.api_keys import ApiKey, MintedKey
from services.gateway.domain.audit import Action, Event, Source
from services.gateway.domain.users import User, is_username
from services.gateway.settings import GatewaySettings
from shared.clock import Clock, SystemClock
from shared.database import open_engine
from shared.principal import Permission, Role
from shared.settings import SettingsFault
from shared.startup import refuse_to_start

_PASSWORD_BYTES = 24


@dataclass(frozen=True, slots=True)
class FirstAdmin:
    """What the first administrator needs to get in; shown once."""

    username: str
    password: str = field(repr=False)
    api_key: MintedKey


def new_admin(username: str) -> FirstAdmin:
    """Make up a password and an API key."""
    minted = api_keys.mint(secrets.token_bytes(api_keys.ENTROPY_BYTES))
    return FirstAdmin(username, secrets.token_urlsafe(_PASSWORD_BYTES), minted)


async def store_first_admin(
    database_url: str, admin: FirstAdmin, clock: Clock, keep: Callable[[], None] = lambda: None
) -> bool:
    """Make the administrator, and a key that may do all of it.

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
        if not await SqlUsers(engine).add_first(first, keep):
            return False
        await SqlKeys(engine).add(_key(admin.api_key, admin.username, now))
        event = Event(
            at=now,
            user=admin.username,
            action=Action.BOOTSTRAPPED.value,
            resource=admin.username,
            success=True,
            source=Source("local", "bootstrap"),
        )
        await SqlAudit(engine).record(event)
    finally:
        engine.dispose()
    return True


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
    """Make the administrator, and write what it needs to a file that only its owner can read."""
    parser = argparse.ArgumentParser(description="Makes the first administrator, if there is no user yet.")
    parser.add_argument("--config", type=Path, help="settings as a JSON or TOML file; the environment wins")
    parser.add_argument("--username", default="admin")
    parser.add_argument("--credentials", type=Path, required=True, help="file to write, readable by its owner only")
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="written to the file, for whoever reads it")
    arguments = parser.parse_args()
    if not is_username(arguments.username):
        refuse_to_start("bootstrap", [f"{arguments.username!r} is not a user name: use lower-case letters and digits"])
    try:
        settings = GatewaySettings.load(arguments.config)
    except SettingsFault as error:
        refuse_to_start("bootstrap", error.reasons)
    database_url = settings.database_url.get_secret_value()
    migrate_gateway(database_url)
    draft = arguments.credentials.with_name(arguments.credentials.name + ".new")
    admin = new_admin(arguments.username)
    if not anyio.run(
        store_first_admin, database_url, admin, SystemClock(), partial(_write, draft, admin, arguments.url)
    ):
        sys.stderr.write("there are users already: nothing was made\n")
    if draft.exists():
        # Also where an earlier run was stopped between the user and this line.
        draft.replace(arguments.credentials)


def _write(path: Path, admin: FirstAdmin, url: str) -> None:
    document = {
        "url": url,
        "username": admin.username,
        "password": admin.password,
        "api_key": admin.api_key.text,
    }
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
