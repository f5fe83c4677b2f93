"""`futago backup`, `futago restore`, `futago move-database`: keeping what a home keeps, and taking it elsewhere."""

# ruff: noqa: PLC0415 (each command loads what it needs, and no more)

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from futago.commands.options import DEFAULT_HOME, HomeOption
from futago.errors import InvalidInput
from futago.launcher.environment import database_url as url_of_home
from futago.launcher.errors import AlreadyRuns
from futago.launcher.home import Home

app = typer.Typer()

_MEGABYTE = 1e6


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write.", show_default=False)],
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Back up all data of a home to one file; the suite may keep running."""
    from futago.launcher.backup import back_up

    content = back_up(Home(home.absolute()), file.absolute(), now=datetime.now(UTC))
    typer.echo(f"{file} holds {content.files} files, {content.size_bytes / _MEGABYTE:.1f} MB before they were packed.")
    typer.echo("It contains every key and password of the home: store it as safely as those.")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What `futago backup` wrote.", exists=True, dir_okay=False)],
    home: HomeOption = DEFAULT_HOME,
    force: Annotated[bool, typer.Option("--force", help="Rename a home that exists already.")] = False,  # noqa: FBT002 (an option)
) -> None:
    """Restore a home from a backup; `futago up` then starts it."""
    from futago.launcher.backup import bring_back

    content = bring_back(Home(home.absolute()), file, replace=force, now=datetime.now(UTC))
    typer.echo(f"{home} is as it was at {content.made_at:%Y-%m-%d %H:%M:%S} UTC.")
    if content.former is not None:
        typer.echo(f"What was there before is in {content.former}.")


@app.command("move-database")
def move_database(
    to: Annotated[
        str | None, typer.Option("--to", help="URL of an empty PostgreSQL database.", show_default=False)
    ] = None,
    to_file: Annotated[
        Path | None, typer.Option("--to-file", help="A file that contains the URL.", exists=True, dir_okay=False)
    ] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Copy the SQLite database of a home to PostgreSQL, and verify the audit trail there."""
    from futago import database_move
    from services.gateway.library import verify_trail

    if (to is None) == (to_file is None):
        raise typer.BadParameter("give either --to or --to-file")
    target = to if to is not None else to_file.read_text(encoding="utf-8").strip() if to_file is not None else ""
    place = Home(home.absolute())
    if not place.database.exists():
        raise InvalidInput(f"there is no {place.database}")
    if (holder := place.holder()) is not None:
        # What it writes from now on would be lost.
        raise AlreadyRuns(place.root, holder.pid, holder.url)
    moved = database_move.move_database(url_of_home(place), target, lambda name: typer.echo(f"  {name}"))
    found = verify_trail(target, [(place.keys / "audit.pub.pem").read_bytes()])
    if not found.intact:
        raise InvalidInput(f"the audit trail was damaged by the copy: {found.reason}; do not use the target")
    typer.echo(
        f"Copied {moved.total} rows of {len(moved.rows)} tables to PostgreSQL; the audit trail of {found.entries} "
        f"entries is intact. {place.database} is unchanged."
    )
