"""The gateway as a process of its own, spoken to byte by byte."""

import asyncio
import os
import secrets
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from services.gateway.adapters.tables import migrate_gateway
from services.gateway.bootstrap import new_admin, store_first_admin
from shared.clock import SystemClock
from shared.jobs.tables import migrate_jobs
from tests.integration.conftest import free_port
from tests.integration.gateway.conftest import write_key
from tests.leaks import leaks_in_files

ROOT = Path(__file__).parents[4]
START_LIMIT_S = 60.0
ADDRESS = "127.0.0.1"


@dataclass
class GatewayProcess:
    """A running gateway, its administrator's key and password, and where it writes its log."""

    process: subprocess.Popen[bytes]
    port: int
    key: str
    password: str
    log: Path
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{ADDRESS}:{self.port}"

    @property
    def key_line(self) -> bytes:
        return f"X-API-Key: {self.key}\r\n".encode()

    def connect(self) -> socket.socket:
        return socket.create_connection((ADDRESS, self.port), timeout=10)

    def memory_mib(self) -> float:
        """Resident memory of the process."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1024**2

    def say(self, request: bytes, *, silence_s: float = 5.0) -> bytes:
        """Send bytes as they are, and read until the gateway closes."""
        with self.connect() as connection:
            connection.settimeout(silence_s)
            connection.sendall(request)
            return read_to_the_end(connection)


def read_to_the_end(connection: socket.socket) -> bytes:
    """All that comes until the other side closes; a connection that is kept open is a TimeoutError."""
    answer = b""
    try:
        while chunk := connection.recv(65536):
            answer += chunk
    except ConnectionResetError:
        return answer
    return answer


def environment(folder: Path, redis_url: str, upstream: str, port: int) -> dict[str, str]:
    """What a gateway of the tests' own is told."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    second_factor = folder / "second-factor.key"
    second_factor.touch(mode=0o600)
    second_factor.write_text(secrets.token_hex(32))
    services = {f"GATEWAY_{name}_URL": upstream for name in ("TWIN", "ANOMALY", "PLANNER")}
    return kept | services | {
        "FUTAGO_REDIS_URL": redis_url,
        "FUTAGO_DATABASE_URL": f"sqlite:///{folder / 'gateway.db'}",
        "FUTAGO_DRAIN_S": "0",
        "GATEWAY_ACCESS_KEY_FILE": str(write_key(folder, "access")),
        "GATEWAY_IDENTITY_PRIVATE_KEY_FILE": str(write_key(folder, "identity")),
        "GATEWAY_SECOND_FACTOR_KEY_FILE": str(second_factor),
        "GATEWAY_PORT": str(port),
        # So much is asked here that a limit for callers would only be in the way.
        "GATEWAY_BURST_REQUESTS": "1000000",
    }  # fmt: skip


@contextmanager
def gateway_process(
    folder: Path, redis_url: str, upstream: str, changes: Mapping[str, str] = {}, *, authority: Path | None = None
) -> Iterator[GatewayProcess]:
    """Start a gateway in a folder of its own, and end it.

    Parameters
    ----------
    authority
        That its certificate comes from, where it has one.
    """
    port = free_port()
    settings = environment(folder, redis_url, upstream, port) | changes
    migrate_gateway(settings["FUTAGO_DATABASE_URL"])
    migrate_jobs(settings["FUTAGO_DATABASE_URL"])
    admin = new_admin("admin")
    assert asyncio.run(store_first_admin(settings["FUTAGO_DATABASE_URL"], admin, SystemClock()))
    log = folder / "gateway.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.gateway.app"], cwd=ROOT, env=settings, stdout=output, stderr=output
        )
    scheme = "https" if "GATEWAY_TLS_CERT_FILE" in settings else "http"
    gateway = GatewayProcess(process, port, admin.api_key.text, admin.password, log, scheme)
    try:
        _wait_until_it_answers(gateway, trusting(authority))
        yield gateway
    finally:
        process.terminate()
        process.wait(timeout=60)
    assert leaks_in_files([log], _secrets(settings, gateway)) == []


def _secrets(settings: Mapping[str, str], gateway: GatewayProcess) -> dict[str, str]:
    names = ("GATEWAY_ACCESS_KEY_FILE", "GATEWAY_IDENTITY_PRIVATE_KEY_FILE", "GATEWAY_SECOND_FACTOR_KEY_FILE")
    # The second line of a PEM file, as of the only line of the other, is the key's own.
    files = {name: Path(settings[name]).read_text().splitlines()[:2][-1] for name in names}
    return files | {"password": gateway.password, "key": gateway.key, "Redis": settings["FUTAGO_REDIS_URL"]}


def trusting(authority: Path | None) -> ssl.SSLContext:
    """What a client checks certificates with."""
    return ssl.create_default_context(cafile=str(authority) if authority is not None else None)


def _wait_until_it_answers(gateway: GatewayProcess, verify: ssl.SSLContext) -> None:
    end_s = time.monotonic() + START_LIMIT_S
    with httpx.Client(trust_env=False, verify=verify) as client:
        while True:
            assert gateway.process.poll() is None, gateway.log.read_text()
            try:
                client.get(f"{gateway.url}/healthz")
            except httpx.TransportError:
                assert time.monotonic() < end_s, gateway.log.read_text()
                time.sleep(0.05)
            else:
                return
