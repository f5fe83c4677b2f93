"""`futago audit`: search the audit trail, download it, and find out whether it is whole."""

import json
import os
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from futago.audit_calls import AuditQuery, TrailState
from futago.commands.options import DEFAULT_HOME, HomeOption, JsonOption, KeyOption, UrlOption, connect
from futago.errors import InvalidInput
from futago.launcher.environment import database_url as url_of_home
from futago.launcher.home import Home

app = typer.Typer(help="Search, export and verify the audit trail.", no_args_is_help=True)

UserOption = Annotated[str | None, typer.Option("--user", help="Only what this user did.")]
ActionOption = Annotated[
    str | None, typer.Option("--action", help="Only this action; with `*` at the end, all actions with this prefix.")
]
SuccessOption = Annotated[
    bool | None, typer.Option("--success/--failed", help="Only successful, or only failed actions.")
]
SinceOption = Annotated[str | None, typer.Option("--since", help="From this time on, such as 2026-04-01T00:00:00Z.")]
UntilOption = Annotated[str | None, typer.Option("--until", help="Before this time.")]
AddressOption = Annotated[str | None, typer.Option("--address", help="Only from this address.")]
RequestOption = Annotated[str | None, typer.Option("--request-id", help="Only this request.")]


@app.command()
def search(
    *,
    user: UserOption = None,
    action: ActionOption = None,
    success: SuccessOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    address: AddressOption = None,
    request_id: RequestOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Largest number of entries.")] = 50,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List entries of the audit trail, newest first."""
    query = AuditQuery(user, action, success, since, until, address, request_id)
    with connect(home, url, api_key) as client:
        entries = client.audit(query, limit)
    if as_json:
        typer.echo(json.dumps(entries, indent=1))
        return
    for entry in entries:
        outcome = "ok" if entry["success"] else "failed"
        shown = (entry["at"], entry["user"], entry["action"], entry["resource"], outcome, entry["address"])
        typer.echo("  ".join(map(_printable, shown)))


@app.command()
def export(
    *,
    user: UserOption = None,
    action: ActionOption = None,
    success: SuccessOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    address: AddressOption = None,
    request_id: RequestOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="File to write; by default, the standard output.")] = None,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Download entries as lines of JSON, oldest first."""
    query = AuditQuery(user, action, success, since, until, address, request_id)
    with connect(home, url, api_key) as client:
        lines = client.audit_lines(query)
        if out is None:
            for line in lines:
                typer.echo(line)
        else:
            typer.echo(f"{_write(out, lines)} entries in {out}.")


@app.command()
def verify(
    *,
    offline: Annotated[
        bool, typer.Option("--offline", help="Read the database of the home; the suite need not run.")
    ] = False,
    database_url: Annotated[
        str | None, typer.Option("--database-url", help="Read this database instead.", show_default=False)
    ] = None,
    trail: Annotated[Path | None, typer.Option("--trail", help="Read this exported file instead.")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="An export whose signed checkpoints must fit the trail.")
    ] = None,
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", help="Public key that verifies the trail; by default, that of the home."),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify that nobody has changed the audit trail; the exit code is 1 if somebody has."""
    if offline or database_url is not None or trail is not None or checkpoint is not None:
        database = database_url or url_of_home(Home(home.absolute()))
        state = _verify_here(database, trail, checkpoint, key or [Home(home.absolute()).keys / "audit.pub.pem"])
    else:
        with connect(home, url, api_key) as client:
            state = client.verify_audit()
    if as_json:
        typer.echo(json.dumps({name: getattr(state, name) for name in TrailState.__slots__}, indent=1))
    else:
        typer.echo(_told(state))
    if not state.intact:
        raise typer.Exit(1)


def _verify_here(database_url: str, trail: Path | None, checkpoint: Path | None, keys: list[Path]) -> TrailState:
    from services.gateway.library import verify_export, verify_trail  # noqa: PLC0415 (only this command needs it)

    with ExitStack() as files:
        try:
            pems = [path.read_bytes() for path in keys]
            checkpoints = None if checkpoint is None else files.enter_context(checkpoint.open("rb"))
            lines = None if trail is None else files.enter_context(trail.open("rb"))
        except OSError as error:
            raise InvalidInput(f"{error.filename} cannot be read: {error.strerror}") from error
        if lines is not None:
            found = verify_export(lines, pems, checkpoints)
        else:
            found = verify_trail(database_url, pems, checkpoints)
    return TrailState(
        intact=found.intact,
        entries=found.entries,
        first_bad_sequence=found.first_bad_sequence,
        reason=found.reason,
        cut_up_to=found.cut_up_to,
        signed_up_to=found.signed_up_to,
    )


def _printable(value: object) -> str:
    """A value on one line: a name that somebody tried to log in with may hold line ends and commands for a terminal."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in str(value)
    )


def _told(state: TrailState) -> str:
    if not state.intact:
        return f"BROKEN at entry {state.first_bad_sequence}: {state.reason}. In order before it: {state.entries}."
    cut = f", up to {state.cut_up_to} removed because of their age" if state.cut_up_to else ""
    return f"Intact: {state.entries} entries, signed up to {state.signed_up_to}{cut}."


def _write(path: Path, lines: Iterable[str]) -> int:
    # Who did what from where is not for everybody on this machine.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    count = 0
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        for line in lines:
            file.write(f"{line}\n")
            count += 1
    return count
