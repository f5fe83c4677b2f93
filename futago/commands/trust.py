"""`futago trust`: whose bundles are accepted, by this home or by a running suite."""

import json
from pathlib import Path
from typing import Annotated

import typer

from futago.commands.options import DEFAULT_HOME, HomeOption, JsonOption, KeyOption, UrlOption, connect
from futago.launcher.home import Home
from shared.errors import AppError, Kind
from shared.onnx.signing import TrustStore

app = typer.Typer(
    help="The keys whose bundles are accepted, by this home or, with --url, by a running suite.", no_args_is_help=True
)


class KeyNotTrusted(AppError):
    """The home has no such key."""

    kind, code = Kind.MISSING, "trust.key_missing"

    def __init__(self, key_id: str, folder: Path) -> None:
        super().__init__(f"no key {key_id!r} in {folder}", key_id=key_id)


@app.command()
def add(
    key: Annotated[
        Path,
        typer.Argument(
            help="Public key: PEM, Ed25519.", exists=True, dir_okay=False, readable=True, show_default=False
        ),
    ],
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Accept bundles that this key signed."""
    public_key = key.read_bytes()
    if url is None:
        key_id = _store(home).enrol(public_key)
    else:
        with connect(home, url, api_key) as client:
            key_id = client.trust(public_key.decode(errors="replace"))["key_id"]
    typer.echo(f"Trusted: {key_id}.")


@app.command(name="list")
def show(
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    api_key: KeyOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List the trusted keys."""
    if url is None:
        keys = [{"key_id": key_id, "public_key": pem} for key_id, pem in _store(home).public_keys().items()]
    else:
        with connect(home, url, api_key) as client:
            keys = [dict(key) for key in client.trusted_keys()]
    if as_json:
        typer.echo(json.dumps(keys, indent=1))
        return
    for key in keys:
        typer.echo(
            "  ".join(str(key[name]) for name in ("key_id", "source", "enrolled_at", "enrolled_by") if key.get(name))
        )


@app.command()
def remove(
    key_id: Annotated[str, typer.Argument(help="As `futago trust list` shows it.", show_default=False)],
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Accept no more bundles of this key; models that are loaded keep serving until they have to be loaded again."""
    if url is not None:
        with connect(home, url, api_key) as client:
            client.distrust(key_id)
    elif not _store(home).withdraw(key_id):
        raise KeyNotTrusted(key_id, Home(home.absolute()).trust)
    typer.echo(f"Trusted no longer: {key_id}.")


def _store(home: Path) -> TrustStore:
    return TrustStore(Home(home.absolute()).trust)
