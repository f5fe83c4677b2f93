"""Options that several commands share."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from futago.client import Client
from futago.launcher.home import Home

DEFAULT_HOME = Path("var")

HomeOption = Annotated[Path, typer.Option("--home", envvar="FUTAGO_HOME", help="Folder with all data of the suite.")]
UrlOption = Annotated[
    str | None, typer.Option("--url", envvar="FUTAGO_URL", help="URL of the gateway; by default, that of the home.")
]
KeyOption = Annotated[
    str | None,
    typer.Option("--api-key", envvar="FUTAGO_API_KEY", help="An API key; by default, the credentials of the home."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]


def connect(home: Path, url: str | None, api_key: str | None) -> Client:
    """The suite as a command reaches it: by an API key, or with what `futago up` wrote into the home.

    Raises
    ------
    CredentialsMissing, InvalidInput
        If it is not known where the suite is or who calls.
    """
    credentials = Home(home.absolute()).credentials
    if api_key is not None and url is not None:
        return Client(url, api_key=api_key)
    return Client(url, api_key=api_key, credentials=credentials, ask_code=asker())


def asker() -> Callable[[], str] | None:
    """Asks whoever sits at the terminal for a code of the second factor; `None` where nobody does."""
    return _ask_code if sys.stdin.isatty() else None


def _ask_code() -> str:
    # On stderr: what the command prints may be read by a program.
    return str(typer.prompt("Code of the second factor", err=True))
