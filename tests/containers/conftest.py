"""The suite of `deploy/compose.yaml`, started from images that are there, where `FUTAGO_CONTAINERS=1` asks for it.

It needs a Docker Engine with Compose, which `DOCKER_HOST` may name, and the images of `make images`.
`FUTAGO_LAB_KEEP=1` leaves it running afterwards.
"""

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from futago import Client
from futago.launcher.home import Home
from futago.launcher.keys import make_keys

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PROJECT = "futago-lab"
START_S = 600
# How long to wait for what takes seconds on a quiet machine.
PATIENCE_S = 300
WEBHOOK = "http://receiver:9000/"

if os.environ.get("FUTAGO_CONTAINERS") != "1":
    collect_ignore_glob = ["test_*.py"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "containers: needs a Docker Engine and built images")


def wait_until(condition: Callable[[], Any], timeout_s: float, what: str) -> Any:
    """Poll until the condition gives something true."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.5)
    raise AssertionError(f"not within {timeout_s:g} s: {what}")


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def run(*command: str, environment: dict[str, str] | None = None, timeout_s: float = 120) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False, env=environment)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@dataclass
class Stack:
    """One Compose project on free ports, with secrets of its own."""

    folder: Path
    https_port: int
    http_port: int
    prometheus_port: int
    grafana_port: int

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    @property
    def home(self) -> Home:
        """What a client of the suite has on its machine."""
        return Home(self.folder / "home")

    @property
    def url(self) -> str:
        return f"https://localhost:{self.https_port}"

    @property
    def authority(self) -> Path:
        return self.home.root / "authority.pem"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "COMPOSE_PROJECT_NAME": PROJECT,
            "SECRETS": str(self.secrets),
            "HTTPS_PORT": str(self.https_port),
            "HTTP_PORT": str(self.http_port),
            "PROMETHEUS_PORT": str(self.prometheus_port),
            "GRAFANA_PORT": str(self.grafana_port),
        }

    def compose(self, *arguments: str, timeout_s: float = 120) -> str:
        file = str(DEPLOY / "compose.yaml")
        return run("docker", "compose", "-f", file, *arguments, environment=self.environment, timeout_s=timeout_s)

    def make_secrets(self) -> None:
        """As `make secrets` does it: by the gateway's image."""
        run(
            "docker", "run", "--rm", "--network", "none", "--user", "0:0", "--volume", f"{self.secrets}:/secrets",
            "futago-gateway", "futago", "secrets", "/secrets", "--owner", "10001", "--name", "plant.example",
            "--alert-webhook", WEBHOOK,
        )  # fmt: skip

    def start(self) -> None:
        self.compose("up", "--detach", "--no-build", "--pull", "never", "--wait", timeout_s=START_S)

    def remove(self) -> None:
        """With its data: what comes next has other passwords."""
        self.compose("down", "--volumes", "--timeout", "10", timeout_s=300)

    def secret(self, name: str) -> str:
        """A file of the secrets, which belong to another user."""
        mount = f"{self.secrets}:/secrets:ro"
        return run("docker", "run", "--rm", "--network", "none", "--user", "0:0", "--volume", mount, "futago-gateway",
                   "cat", f"/secrets/{name}")  # fmt: skip

    def enter(self) -> None:
        """Take home what a client needs: credentials, and the authority of the certificate."""
        self.home.make_folders()
        self.authority.write_text(self.secret("tls/authority.pem"))
        known = json.loads(self.secret("credentials/credentials.json"))
        document = known | {"url": self.url, "ca_file": str(self.authority)}
        self.home.credentials.write_text(json.dumps(document))

    def client(self) -> Client:
        return Client(credentials=self.home.credentials)

    def containers(self) -> list[dict[str, Any]]:
        """What the engine says of every container of the project."""
        ids = self.compose("ps", "--all", "--quiet").split()
        return list(json.loads(run("docker", "inspect", *ids)))

    def of(self, service: str) -> list[str]:
        """Names of the containers of a service."""
        return self.compose("ps", "--format", "{{.Name}}", service).split()

    def prometheus(self, query: str) -> list[dict[str, Any]]:
        url = f"http://127.0.0.1:{self.prometheus_port}/api/v1/query"
        return list(httpx.get(url, params={"query": query}).json()["data"]["result"])


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole suite, healthy, and a client's home that may publish to it."""
    stack = Stack(tmp_path_factory.mktemp("stack"), *free_ports(4))
    stack.secrets.mkdir(mode=0o700)
    # What a run that was killed has left.
    stack.remove()
    try:
        stack.make_secrets()
        stack.start()
        stack.enter()
        make_keys(stack.home)
        with stack.client() as client:
            for key in stack.home.trust.glob("*.pem"):
                client.trust(key.read_text())
        yield stack
    finally:
        logs = stack.compose("logs", "--no-color", "--tail", "200")
        (stack.folder / "logs.txt").write_text(logs)
        if os.environ.get("FUTAGO_LAB_KEEP") != "1":
            stack.remove()


@dataclass
class Receiver:
    """Stands where people would be told: a container whose log is what it was told."""

    name: str

    def told(self, alert: str, service: str, status: str) -> bool:
        messages = [json.loads(line) for line in run("docker", "logs", self.name).splitlines()]
        return any(
            each["status"] == status
            and each["labels"]["alertname"] == alert
            and each["labels"].get("service") == service
            for message in messages
            for each in message["alerts"]
        )


_RECEIVER = """
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        print(self.rfile.read(int(self.headers["Content-Length"])).decode().strip(), flush=True)
        self.send_response(200)
        self.end_headers()
    def log_message(self, *arguments):
        pass
HTTPServer(("", 9000), Handler).serve_forever()
"""


@pytest.fixture
def receiver(stack: Stack) -> Iterator[Receiver]:
    name = f"{PROJECT}-receiver"
    network = ("--network", f"{PROJECT}_watch", "--network-alias", "receiver")
    # A run that was killed may have left one.
    run("docker", "rm", "--force", name)
    run("docker", "run", "--detach", "--name", name, *network, "futago-gateway", "python", "-c", _RECEIVER)
    try:
        yield Receiver(name)
    finally:
        run("docker", "rm", "--force", name)
