"""`futago admin`: recovery on the machine itself, for whoever has access to its files."""

import json
import os
import pwd
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from futago.commands.options import DEFAULT_HOME, HomeOption
from futago.launcher.environment import database_url as home_database_url
from futago.launcher.home import Home, write_private
from futago.launcher.valkey import Valkey

app = typer.Typer(help="Recovery on the machine itself.", no_args_is_help=True)

# Who logged in to this machine, whoever they have become since (Linux, proc_pid_loginuid(5)).
_LOGIN_ID = Path("/proc/self/loginuid")
_NOBODY_ID = 2**32 - 1


@app.callback()
def _group() -> None:
    """Keep `recover` a word of its own, though it is the only command."""


@app.command()
def recover(
    home: HomeOption = DEFAULT_HOME,
    username: Annotated[str, typer.Option("--username", help="The administrator who is locked out.")] = "admin",
    *,
    without_second_factor: Annotated[
        bool, typer.Option("--without-second-factor", help="Remove the second factor as well.")
    ] = False,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", help="Write the password to this file, which only its owner can read, instead of printing it."
        ),
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option("--database-url", envvar="FUTAGO_DATABASE_URL", show_default=False, help="Of a deployment."),
    ] = None,
    redis_url: Annotated[
        str | None, typer.Option("--redis-url", envvar="FUTAGO_REDIS_URL", show_default=False, help="Of a deployment.")
    ] = None,
) -> None:
    """Give an administrator a new password; this enables the account and ends its sessions.

    It works whether the suite runs or not, and is recorded in the audit trail with your name.
    """
    from services.gateway import library  # noqa: PLC0415 (the database and the hasher, for who asks for them)

    place = Home(home.absolute())
    embedded = database_url is None
    with _draft(file) as keep:
        recovered = library.recover_administrator(
            home_database_url(place) if database_url is None else database_url,
            _redis_of(place) if embedded else redis_url,
            username,
            by=_whoever_asks(),
            without_second_factor=without_second_factor,
            keep=keep,
        )
    if embedded:
        _update_credentials(place.credentials, username, recovered.password)
    shown = recovered.password if file is None else f"in {file}"
    typer.echo(f"{username!r} can log in again. Password: {shown}")
    if not recovered.everywhere:
        sys.stderr.write(
            "Redis does not answer: tokens that a gateway has already verified may stay valid for ten more minutes. "
            "Run this command again when Redis is back.\n"
        )


@contextmanager
def _draft(file: Path | None) -> Iterator[Callable[[str], None]]:
    """Have a password written before it is set, and under its own name once it is."""
    if file is None:
        yield lambda _: None
        return
    draft = file.absolute().with_name(f"{file.name}.new")
    try:
        yield lambda password: write_private(draft, f"{password}\n".encode())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def _redis_of(place: Home) -> str | None:
    """Redis of a suite that runs; of one that does not, nobody needs to hear of anything."""
    if place.holder() is None:
        return None
    server = Valkey.configured(place.valkey)
    return None if server is None else server.url


def _update_credentials(path: Path, username: str, password: str) -> None:
    """Let the commands of this home log in as before, where they do so as this user."""
    if not path.exists():
        return
    known = json.loads(path.read_text(encoding="utf-8"))
    if known.get("username") == username:
        write_private(path, json.dumps(known | {"password": password}, indent=2).encode() + b"\n")


def _whoever_asks() -> str:
    login_id = int(_LOGIN_ID.read_text(encoding="ascii")) if _LOGIN_ID.exists() else _NOBODY_ID
    name = _name_of(os.getuid())
    return name if login_id in {_NOBODY_ID, os.getuid()} else f"{_name_of(login_id)} as {name}"


def _name_of(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)
