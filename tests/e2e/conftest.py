"""The suite started the way a user starts it, in a new folder, on a free port."""

import json
import os
import signal
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
from futago.launcher.control import running_state
from futago.launcher.home import Home
from futago.launcher.state import State
from tests.leaks import leaks_in_files, secrets_of_home

ROOT = Path(__file__).parents[2]
FUTAGO = ROOT / ".venv" / "bin" / "futago"
START_S = 280.0


def wait_until(condition: Callable[[], Any], timeout_s: float, what: str) -> Any:
    """Poll until the condition gives something true."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {timeout_s:g} s: {what}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Suite:
    """A running suite."""

    home: Path
    port: int
    output: Path
    make: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "FUTAGO_HOME": str(self.home), "FUTAGO_PORT": str(self.port)}

    def start(self) -> None:
        """`make run` in a session of its own, until it says that it is ready."""
        if self.make is not None:
            self.make.wait(timeout=20)
        self.output.write_bytes(b"")
        with self.output.open("ab") as log:
            self.make = subprocess.Popen(
                ["make", "run"], cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(self._ready_or_dead, START_S, "the suite to be ready")
        assert self.make.poll() is None, self.output.read_text()

    def _ready_or_dead(self) -> bool:
        assert self.make is not None
        return self.make.poll() is not None or (self.ready() and "Futago is ready" in self.output.read_text())

    def ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def command(self, *arguments: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        """A `futago` command in another shell."""
        return subprocess.run(
            [FUTAGO, *arguments],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip

    def state(self) -> State:
        """What `futago status` tells, without a process of its own for each look."""
        return running_state(Home(self.home))

    def processes(self) -> dict[str, int]:
        """Process ids by name."""
        return {process.name: process.pid for process in self.state().processes if process.pid}

    def interrupt(self) -> int:
        """Ctrl-C: SIGINT to the whole group, as a terminal does; returns make's exit code."""
        assert self.make is not None
        os.killpg(self.make.pid, signal.SIGINT)
        return self.make.wait(timeout=60)

    def left_running(self) -> list[str]:
        """Command lines of processes that belong to this home and still run."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes()
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            of_this_home = str(self.home).encode() in environment or str(self.home) in command
            if of_this_home and command and int(folder.name) != os.getpid():
                found.append(command)
        return found

    def secrets(self) -> dict[str, str]:
        """All that must not stand in any log; what is made while the suite runs is known by its shape."""
        known = json.loads((self.home / "credentials.json").read_text())
        return secrets_of_home(self.home) | {name: known[name] for name in ("password", "api_key")}

    def client(self) -> Client:
        return Client(credentials=self.home / "credentials.json")


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Suite]:
    folder = tmp_path_factory.mktemp("suite")
    suite = Suite(home=folder / "home", port=free_port(), output=folder / "make-run.log")
    cache = request.config.cache
    assert cache is not None
    # What the planner's search compiles to is kept for the tests that come later, and for the next run.
    (suite.home / "cache").mkdir(parents=True)
    (suite.home / "cache" / "planner-search").symlink_to(cache.mkdir("planner-search"))
    suite.start()
    yield suite
    if suite.make is not None and suite.make.poll() is None:
        suite.interrupt()
    assert wait_until(lambda: not suite.left_running(), 20, "every process to be gone")
    assert leaks_in_files([suite.output, *suite.home.glob("logs/*")], suite.secrets()) == []
