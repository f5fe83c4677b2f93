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
        int | None, typer.Option("--owner", help="User id that the containers run as; changing the owner needs root.")
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option("--name", help="Name or address by which clients reach the suite; repeatable.")
    ] = None,
    database_url: Annotated[
        str | None, typer.Option("--database-url", help="URL of your PostgreSQL; by default, that of Compose.")
    ] = None,
    redis_url: Annotated[
        str | None, typer.Option("--redis-url", help="URL of your Redis; by default, that of Compose.")
    ] = None,
    webhook_url: Annotated[
        str, typer.Option("--alert-webhook", help="URL to which Alertmanager posts alerts.")
    ] = NO_WEBHOOK,
    kubernetes: Annotated[
        bool, typer.Option("--kubernetes", help="Print the kubectl commands that make the chart's secrets.")
    ] = False,
    namespace: Annotated[str, typer.Option("--namespace", help="Namespace of those secrets.")] = "futago",
) -> None:
    """Make the keys, passwords and certificate of a deployment; existing ones are kept."""
    place = SecretsFolder(folder.absolute())
    make_secrets(place, Addresses(name or (), database_url, redis_url, webhook_url), owner=owner)
    if kubernetes:
        make_first_password(place)
        typer.echo("\n".join(commands(place, namespace)))
        return
    typer.echo(f"{folder} is complete; keep it as safe as a password. Clients trust {place.tls.authority}.")
    if place.webhook.read_text(encoding="utf-8").strip() == NO_WEBHOOK:
        typer.echo(f"Alertmanager's alerts go nowhere yet: write a webhook URL to {place.webhook}.")
