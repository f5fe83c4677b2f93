"""`futago api-key`: the keys that SCADA, MES and scripts log in with."""

import json
from collections.abc import Mapping
from typing import Annotated

import typer

from futago.commands.options import DEFAULT_HOME, HomeOption, JsonOption, KeyOption, UrlOption, connect
from futago.key_calls import NewApiKey

app = typer.Typer(help="API keys, for machines and scripts.", no_args_is_help=True)

IdArgument = Annotated[str, typer.Argument(help="As `futago api-key list` shows it.", show_default=False)]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for, such as `historian line 4`.", show_default=False)],
    *,
    owner: Annotated[
        str | None, typer.Option("--owner", help="The user it belongs to; by default, the caller.")
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help="What it may do; repeat it. By default: read, predict and score."),
    ] = None,
    asset: Annotated[
        list[str] | None, typer.Option("--asset", help="Asset subtree it is limited to; repeat it.")
    ] = None,
    network: Annotated[
        list[str] | None,
        typer.Option("--network", help="Network it may be used from, such as 10.20.0.0/16; repeat it."),
    ] = None,
    days: Annotated[
        int | None, typer.Option("--days", min=1, help="How long it is valid [days]; by default, 365.")
    ] = None,
    requests_per_hour: Annotated[
        int | None, typer.Option("--requests-per-hour", min=1, help="Its own limit; needs --burst.")
    ] = None,
    burst: Annotated[int | None, typer.Option("--burst", min=1, help="How many requests at once.")] = None,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a key; its secret is shown only once."""
    if (requests_per_hour is None) != (burst is None):
        raise typer.BadParameter("give --requests-per-hour and --burst together")
    wanted = NewApiKey(
        name=name,
        owner=owner,
        scopes=scope or None,
        assets=asset or (),
        networks=network or (),
        expires_in_days=days,
        requests_per_hour=requests_per_hour,
        burst=burst,
    )
    with connect(home, url, api_key) as client:
        _show_secret(client.create_api_key(wanted), as_json=as_json)


@app.command(name="list")
def show(
    *,
    owner: Annotated[str | None, typer.Option("--owner", help="Only this user's.")] = None,
    state: Annotated[str | None, typer.Option("--state", help="Only `active`, `expired` or `deactivated`.")] = None,
    expires_within_days: Annotated[
        int | None, typer.Option("--expires-within-days", min=0, help="Only keys that expire within so many days.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List your own keys; those of all users, if you may manage keys."""
    with connect(home, url, api_key) as client:
        keys = client.api_keys(owner=owner, state=state, expires_within_days=expires_within_days)
    if as_json:
        typer.echo(json.dumps(keys, indent=1))
        return
    for key in keys:
        typer.echo(_line(key))


@app.command()
def rotate(
    key_id: IdArgument,
    *,
    overlap_s: Annotated[int, typer.Option("--overlap-s", min=0, help="How long the old secret stays valid [s].")] = 0,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a key a new secret, which is shown only once."""
    with connect(home, url, api_key) as client:
        _show_secret(client.rotate_api_key(key_id, overlap_s=overlap_s), as_json=as_json)


@app.command()
def deactivate(
    key_id: IdArgument, home: HomeOption = DEFAULT_HOME, url: UrlOption = None, api_key: KeyOption = None
) -> None:
    """Deactivate a key; all replicas refuse it within two seconds."""
    with connect(home, url, api_key) as client:
        client.deactivate_api_key(key_id)
    typer.echo(f"Deactivated: {key_id}.")


def _show_secret(key: Mapping[str, object], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(key, indent=1))
        return
    # The secret alone on stdout, so that it can go into a file or a vault without being seen.
    typer.echo(key["api_key"])
    typer.echo(f"{_line(key)}\nSend it as X-API-Key. It cannot be shown again.", err=True)


def _line(key: Mapping[str, object]) -> str:
    used = key["last_used_at"] or "never"
    return f"{key['id']}  {key['state']}  {key['owner']}  ends {key['expires_at']}  used {used}  {key['name']}"
