"""What happens once before the suite is ready: tables, the first user, the demo models."""

import json
import sys
from pathlib import Path

from futago.credentials import Credentials
from futago.launcher.home import write_private
from futago.launcher.processes import Layout
from futago.launcher.spawn import Spawner


async def migrate(spawner: Spawner, layout: Layout) -> None:
    """Bring the tables to their newest shape.

    Raises
    ------
    StepFailed
        If that is not possible; the reason stands in the log.
    """
    await spawner.run("migrate", "Migrating the database", _python("futago", "migrate"), layout.common())


async def make_first_admin(spawner: Spawner, layout: Layout) -> None:
    """Give a new suite its first user, and say in `credentials.json` how to get in and where.

    A suite whose administrator has taken that file away has users already, and keeps them.

    Raises
    ------
    StepFailed
        If the user cannot be made.
    CredentialsMissing
        If the file is there and cannot be used.
    """
    path = layout.home.credentials
    if path.exists():
        _say_where(path, layout)
        return
    command = _python("services.gateway.bootstrap", "--credentials", str(path), "--url", layout.url)
    await spawner.run("bootstrap", "Creating the first user", command, layout.gateway_environment())
    if path.exists():
        _say_where(path, layout)


def _say_where(path: Path, layout: Layout) -> None:
    known = Credentials.read(path)
    authority = layout.tls.authority if layout.tls is not None else None
    if known.url == layout.url and known.ca_file == authority:
        return
    content = json.loads(path.read_text(encoding="utf-8")) | {"url": layout.url}
    content.pop("ca_file", None)
    if authority is not None:
        content["ca_file"] = str(authority)
    write_private(path, json.dumps(content, indent=2).encode() + b"\n")


async def publish_demo_models(spawner: Spawner, layout: Layout) -> None:
    """Train and publish a twin and a detector of the built-in plant, and note that it has been done.

    Raises
    ------
    StepFailed
        If they cannot be trained or published.
    """
    command = _python("futago.launcher.demo_models", str(layout.home.root))
    told = layout.common() | {"FUTAGO_HOME": str(layout.home.root)}
    await spawner.run("demo-models", "Training the demo models", command, told)
    layout.home.demo_marker.write_text(json.dumps({"models": ["yield"], "detectors": ["plant"]}), encoding="utf-8")


def welcome(layout: Layout) -> str:
    """Where the suite is, how to get in, and three things to try."""
    credentials, url = layout.home.credentials, layout.url
    ready = f"\nFutago is ready: {url}  (its API: {url}/docs)"
    stop = (
        "Ctrl-C stops it; in another shell, `futago status` shows its processes and `futago demo` runs a demonstration."
    )
    if not credentials.exists():
        return f"{ready}\nIts users already exist, but {credentials.name} has been removed.\n\n{stop}\n"
    read_key = f"""python3 -c 'import json; print(json.load(open("{credentials}"))["api_key"])'"""
    curl = "curl -s"
    trust = ""
    if layout.tls is not None:
        authority = layout.tls.authority
        curl = f"curl -s --cacert {authority}"
        trust = (
            f"\nIts certificate is signed by an authority of its own, {authority}: import that file into browsers and\n"
            "programs that are to trust it. The `futago` commands use it without that."
        )
    return f"""{ready}{trust}
User {Credentials.read(credentials).username!r}; password and API key are in {credentials}

Try:
  KEY=$({read_key})
  {curl} -H "X-API-Key: $KEY" -H 'Content-Type: application/json' \\
       -d '{{"temp": 360, "pressure": 6.0, "flow": 100}}' '{url}/api/v1/twin/predict?model=yield'
  {curl} -H "X-API-Key: $KEY" {url}/api/v1/twin/models
  {curl} -H "X-API-Key: $KEY" {url}/api/v1/anomaly/detectors

{stop}
"""


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)
