"""`futago publish`, `models`, `activate`, `rollback`, `withdraw`: the models of a running suite."""

import json
from pathlib import Path
from typing import Annotated

import typer

from futago.commands.options import DEFAULT_HOME, HomeOption, JsonOption, KeyOption, UrlOption, connect
from futago.wire import JsonObject

app = typer.Typer()

ModelArgument = Annotated[str, typer.Argument(help="Name of the model.", show_default=False)]
VersionArgument = Annotated[str, typer.Argument(help="One of its versions.", show_default=False)]


@app.command()
def publish(
    bundle: Annotated[Path, typer.Argument(help="A bundle folder, or a zip of one.", show_default=False)],
    *,
    activate: Annotated[bool, typer.Option("--activate", help="Activate it at once.")] = False,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish a signed bundle; the first version of a model is active at once, a later one after `futago activate`."""
    with connect(home, url, api_key) as client:
        card = client.publish(bundle)
        if activate:
            card = client.activate(card["name"], card["version"])
    _show(card, as_json=as_json)


@app.command()
def models(
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    api_key: KeyOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List the models with their active versions."""
    with connect(home, url, api_key) as client:
        cards = client.models()
    if as_json:
        typer.echo(json.dumps(cards, indent=1, ensure_ascii=False))
        return
    rows = [("MODEL", "VERSION", "TYPE", "RMSE", "TARGET"), *map(_row, cards)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@app.command()
def activate(
    model: ModelArgument,
    version: VersionArgument,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    api_key: KeyOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Make a version the active one; no request is lost."""
    with connect(home, url, api_key) as client:
        _show(client.activate(model, version), as_json=as_json)


@app.command()
def rollback(
    model: ModelArgument,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    api_key: KeyOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Activate the version that was active before."""
    with connect(home, url, api_key) as client:
        _show(client.rollback(model), as_json=as_json)


@app.command()
def withdraw(
    model: ModelArgument,
    version: VersionArgument,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Withdraw a version; the active one only if the model has no other."""
    with connect(home, url, api_key) as client:
        client.withdraw(model, version)
    typer.echo(f"Withdrawn: {model} {version}.")


def _show(card: JsonObject, *, as_json: bool) -> None:
    text = json.dumps(card, indent=1, ensure_ascii=False) if as_json else "{name} {version}: {state}.".format_map(card)
    typer.echo(text)


def _row(card: JsonObject) -> tuple[str, ...]:
    """One line of the list; a model without some of it still has a line."""
    target, rmse = card.get("target", {}), card.get("metrics", {}).get("rmse")
    unit = f" [{target['unit']}]" if target.get("unit") else ""
    return (
        str(card["name"]),
        str(card["version"]),
        str(card.get("model", {}).get("type", "")),
        "" if rmse is None else f"{rmse:.4g}",
        f"{target.get('name', '')}{unit}",
    )
