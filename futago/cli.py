"""The `futago` command."""

# ruff: noqa: PLC0415 (each command loads what it needs, and no more)

import asyncio
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from futago.commands import (
    admin,
    api_key,
    audit,
    backup,
    evaluate,
    keys,
    models,
    package,
    plan,
    secrets,
    train_detector,
    trust,
    twin,
)
from futago.commands.options import DEFAULT_HOME, HomeOption, asker
from futago.demo.errors import DemoError
from futago.errors import FutagoError
from futago.launcher.errors import LaunchError
from shared.errors import AppError, Fault

app = typer.Typer(
    help="Futago: a digital twin, anomaly detection and inspection planning behind one gateway.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

HostOption = Annotated[str, typer.Option("--host", envvar="FUTAGO_HOST", help="Address the gateway listens on.")]
PortOption = Annotated[
    int, typer.Option("--port", envvar="FUTAGO_PORT", min=1, max=65535, help="Port the gateway listens on.")
]
TlsOption = Annotated[
    bool, typer.Option("--tls", envvar="FUTAGO_TLS", help="Speak TLS, with a certificate made for this machine.")
]

app.add_typer(admin.app, name="admin")
app.add_typer(api_key.app, name="api-key")
app.add_typer(audit.app, name="audit")
app.add_typer(backup.app)
app.add_typer(evaluate.app)
app.add_typer(keys.app, name="keys")
app.add_typer(models.app)
app.add_typer(package.app)
app.add_typer(plan.app)
app.add_typer(secrets.app)
app.add_typer(train_detector.app)
app.add_typer(trust.app, name="trust")
app.add_typer(twin.app)


def main() -> None:
    """Run the command line; what a user can mend is told in a sentence, without a traceback."""
    try:
        app()
    except (LaunchError, FutagoError, DemoError, AppError) as error:
        faults = error.faults if isinstance(error, AppError) else ()
        lines = [str(error), *(f"  {_where(fault)}{fault.detail}" for fault in faults)]
        sys.stderr.write("\n".join(lines) + "\n")
        raise SystemExit(error.exit_code if isinstance(error, LaunchError) else 1) from None


def _where(fault: Fault) -> str:
    # A fault of a workbook begins with its cell.
    return "" if "cell" in fault.facts or not fault.pointer else f"{fault.pointer}: "


@app.command()
def up(
    home: HomeOption = DEFAULT_HOME,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8080,
    tls: TlsOption = False,  # noqa: FBT002 (an option)
) -> None:
    """Start the whole suite on this machine and keep it running until Ctrl-C."""
    from futago.launcher import settings
    from futago.launcher.console import Console
    from futago.launcher.home import Home
    from futago.launcher.ports import gateway_url, require_free
    from futago.launcher.up import Up

    place = Home(home.absolute())
    place.make_folders()
    with place.locked(gateway_url(host, port, tls=tls)):
        require_free(host, port)
        outer, console = settings.outer_environment(), Console(sys.stdout)
        asyncio.run(Up(place, host, port, outer=outer, console=console, tls=tls).run())


@app.command()
def status(
    home: HomeOption = DEFAULT_HOME,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,  # noqa: FBT002 (an option)
) -> None:
    """Show the processes of a running suite."""
    from futago.launcher import control
    from futago.launcher.home import Home

    state = control.running_state(Home(home.absolute()))
    typer.echo(json.dumps(asdict(state), indent=1) if as_json else control.table(state, time.time()))


@app.command()
def down(
    home: HomeOption = DEFAULT_HOME,
    timeout_s: Annotated[float, typer.Option("--timeout-s", help="How long to wait until it has stopped [s].")] = 60.0,
) -> None:
    """Stop a running suite from another shell."""
    from futago.launcher import control
    from futago.launcher.home import Home

    control.stop(Home(home.absolute()), timeout_s)
    typer.echo("Stopped.")


@app.command()
def migrate(
    database_url: Annotated[
        str | None, typer.Option("--database-url", envvar="FUTAGO_DATABASE_URL", show_default=False)
    ] = None,
    database_url_file: Annotated[
        Path | None,
        typer.Option(
            "--database-url-file",
            envvar="FUTAGO_DATABASE_URL_FILE",
            exists=True,
            dir_okay=False,
            help="A file that contains the URL, such as a mounted secret.",
        ),
    ] = None,
) -> None:
    """Upgrade the tables of a database to this release; `futago up` does it by itself."""
    if database_url_file is not None and database_url is None:
        database_url = database_url_file.read_text(encoding="utf-8").strip()
    elif database_url is None or database_url_file is not None:
        raise typer.BadParameter("give --database-url or --database-url-file, one of them")
    from futago.migrations import migrate_all

    typer.echo(f"Migrated: {', '.join(migrate_all(database_url))}.")


@app.command()
def demo(
    home: HomeOption = DEFAULT_HOME,
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder with the public data sets; without it, the built-in plant.")
    ] = None,
    url: Annotated[str | None, typer.Option("--url", help="URL of the gateway; by default, that of the home.")] = None,
    solve_s: Annotated[float, typer.Option("--seconds", min=1.0, help="How long the planner may search [s].")] = 20.0,
) -> None:
    """Run a demonstration: publish a twin, train a detector, solve a plan, and print the results."""
    from futago.client import Client
    from futago.demo.run import load_cases, run
    from futago.launcher import settings
    from futago.launcher.home import Home

    place = Home(home.absolute())
    settings.sign_with(place.root)
    with Client(url, credentials=place.credentials, ask_code=asker()) as client:
        typer.echo(run(client, load_cases(data), solve_s=solve_s, say=typer.echo))
