"""A suite of real processes for tests that attack it: started with one command, with a user of each role."""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from futago.credentials import Credentials
from futago.launcher.home import Home
from futago.launcher.ports import free_ports
from futago.launcher.state import State
from shared.principal import Role

ROOT = Path(__file__).parents[2]
START_LIMIT_S = 600.0
STOP_LIMIT_S = 60.0
# Who attacks is one caller from one address: the limits that stop that have tests of their own.
_NO_LIMITS = {
    "GATEWAY_MAX_REQUESTS_PER_HOUR": "3600000000",
    "GATEWAY_BURST_REQUESTS": "1000000",
    "GATEWAY_HEAVY_REQUESTS_PER_HOUR": "3600000000",
    "GATEWAY_HEAVY_BURST_REQUESTS": "1000000",
    "GATEWAY_OPEN_REQUESTS_PER_HOUR": "3600000000",
    "GATEWAY_OPEN_BURST_REQUESTS": "1000000",
    "GATEWAY_LOGIN_BURST": "1000000",
    "GATEWAY_USER_ATTEMPTS_PER_HOUR": "3600000",
    "GATEWAY_USER_BURST": "1000000",
    "GATEWAY_ADDRESS_ATTEMPTS_PER_HOUR": "3600000",
    "GATEWAY_ADDRESS_BURST": "1000000",
    "GATEWAY_ACCESS_TOKEN_LIFE_S": "3600",
}
# The embedded server is not ours to judge; workers answer nobody.
_JUDGED = frozenset({"gateway", "twin", "anomaly", "planner", "anomaly-worker", "planner-worker"})


@dataclass(frozen=True, slots=True)
class Login:
    """A user of the running suite."""

    username: str
    password: str = field(repr=False)
    role: Role


@dataclass(frozen=True, slots=True)
class RunningSuite:
    """Where a suite answers, and who may come in.

    Parameters
    ----------
    logins
        One user of each role.
    """

    home: Home
    url: str
    logins: Mapping[Role, Login]

    def token(self, role: Role) -> str:
        """A new access token."""
        return log_in(self.url, self.logins[role])

    def processes(self) -> Mapping[str, int]:
        """Process ids by name, as the supervisor last told them."""
        told = State.read(self.home.state).processes
        return {status.name: status.pid for status in told if status.pid and status.name in _JUDGED}

    def ports(self) -> Mapping[str, int]:
        """Ports that each process listens on."""
        told = State.read(self.home.state).processes
        return {status.name: status.port for status in told if status.port and status.name in _JUDGED}

    def memory_bytes(self) -> Mapping[str, int]:
        """Resident memory of each process."""
        return {name: _resident_bytes(pid) for name, pid in self.processes().items()}

    def logged_faults(self) -> list[str]:
        """Lines of the logs that tell of a bug: an exception that nobody expected."""
        return [
            f"{log.stem}: {line.strip()}"
            for log in sorted(self.home.logs.glob("*.log"))
            for line in log.read_text(encoding="utf-8", errors="replace").splitlines()
            if "Traceback (most recent call last)" in line or "request_failed" in line
        ]


@contextlib.contextmanager
def running_suite(folder: Path, *, compiled: Path, demo_models: bool) -> Iterator[RunningSuite]:
    """Start a suite in a new folder, and stop it at the end.

    Parameters
    ----------
    compiled
        Folder that keeps what the planner's search compiles to, for the next suite.
    demo_models
        Whether the models of the built-in plant are trained first, which takes a while.
    """
    home = Home(folder / "home")
    home.make_folders()
    (home.cache / "planner-search").symlink_to(compiled)
    if not demo_models:
        home.demo_marker.write_text("{}", encoding="utf-8")
    port = free_ports(1)[0]
    environment = {**os.environ, **_NO_LIMITS, "FUTAGO_HOME": str(home.root), "FUTAGO_PORT": str(port)}
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "futago", "up"],
            cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        _wait_until_ready(process, folder / "up.log")
        url = f"http://127.0.0.1:{port}"
        yield RunningSuite(home, url, _make_users(url, Credentials.read(home.credentials)))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=STOP_LIMIT_S)


def log_in(url: str, login: Login) -> str:
    """An access token of a user."""
    said = {"username": login.username, "password": login.password}
    answer = httpx.post(f"{url}/api/v1/auth/login", json=said, timeout=30)
    answer.raise_for_status()
    token: str = answer.json()["access_token"]
    return token


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    end_s = time.monotonic() + START_LIMIT_S
    while "Futago is ready" not in log.read_text(encoding="utf-8", errors="replace"):
        if process.poll() is not None or time.monotonic() > end_s:
            raise AssertionError(f"the suite did not start:\n{log.read_text(encoding='utf-8', errors='replace')}")
        time.sleep(0.1)


def _make_users(url: str, first: Credentials) -> Mapping[Role, Login]:
    """One user of each role, made by the first administrator."""
    logins = {role: Login(f"attacker-{role.value}", secrets.token_urlsafe(24), role) for role in Role}
    with httpx.Client(base_url=url, headers={"X-API-Key": first.api_key or ""}, timeout=30) as client:
        for login in logins.values():
            said = {"username": login.username, "password": login.password, "role": login.role.value}
            client.post("/api/v1/users", json=said).raise_for_status()
    return logins


def _resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no resident memory: it is gone")
