"""`futago twin`: one bundle served on its own, with no other process."""

from pathlib import Path
from typing import Annotated

import typer

from futago.commands.options import DEFAULT_HOME, HomeOption
from futago.launcher.home import Home

app = typer.Typer()


@app.command()
def twin(
    bundle: Annotated[Path, typer.Option("--bundle", help="The bundle folder to serve.", show_default=False)],
    *,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; any but a loopback address needs an API key.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on.")] = 8000,
    trust: Annotated[
        Path | None, typer.Option("--trust", help="Folder of trusted public keys; by default, that of the home.")
    ] = None,
    api_key_file: Annotated[
        Path | None, typer.Option("--api-key-file", help="File with the key that callers send as X-API-Key.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option("--state", help="File that keeps what was learned from observations.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Serve one bundle on its own, without gateway, database or Redis."""
    from services.twin import standalone  # noqa: PLC0415 (ONNX Runtime, which only this command needs)

    trust_dir = trust or Home(home.absolute()).trust
    told = {"bundle": bundle, "host": host, "port": port, "trust_dir": trust_dir}
    standalone.run(told | {"api_key_file": api_key_file, "state_file": state})
