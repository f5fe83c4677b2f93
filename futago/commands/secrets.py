"""`futago secrets`: keys, passwords and addresses of a deployment."""

from pathlib import Path
from typing import Annotated

import typer

from futago.deployment.kubernetes import commands
from futago.deployment.secrets_folder import NO_WEBHOOK, Addresses, SecretsFolder, make_first_password, make_secrets

app = typer.Typer()


@app.command()
def secrets(
    folder: Annotated[Path, typer.Argument(help="The folder to make or to complete.", show_default=False)],
    *,
    owner: Annotated[
        int | None, typer.Option("--owner", help="User id that the containers run as; giving files away needs root.")
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option("--name", help="Name or address by which clients reach the suite; repeatable.")
    ] = None,
    database_url: Annotated[
        str | None, typer.Option("--database-url", help="PostgreSQL of your own, instead of the one of Compose.")
    ] = None,
    redis_url: Annotated[
        str | None, typer.Option("--redis-url", help="Redis of your own, instead of the one of Compose.")
    ] = None,
    webhook_url: Annotated[
        str, typer.Option("--alert-webhook", help="Where Alertmanager posts alerts of operations.")
    ] = NO_WEBHOOK,
    kubernetes: Annotated[
        bool, typer.Option("--kubernetes", help="Print the commands that make the secrets of the chart.")
    ] = False,
    namespace: Annotated[str, typer.Option("--namespace", help="Where to make them.")] = "futago",
) -> None:
    """Make the keys, passwords and certificate of a deployment; what is there already stays as it is."""
    place = SecretsFolder(folder.absolute())
    make_secrets(place, Addresses(name or (), database_url, redis_url, webhook_url), owner=owner)
    if kubernetes:
        make_first_password(place)
        typer.echo("\n".join(commands(place, namespace)))
        return
    typer.echo(f"{folder} is complete; keep it as you keep a password. Clients trust {place.tls.authority}.")
    if place.webhook.read_text(encoding="utf-8").strip() == NO_WEBHOOK:
        typer.echo(f"Alerts of operations go nowhere yet: write an address into {place.webhook}.")
