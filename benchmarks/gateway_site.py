"""Gateways in front of one service that answers at once, each a process of its own."""

import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx
from jose import jwt

from benchmarks.http_load import free_port
from benchmarks.twin_site import server
from futago.launcher.certificate import TlsFiles, make_certificate
from futago.launcher.home import Home
from futago.launcher.keys import make_keys
from futago.migrations import migrate_all
from services.gateway.bootstrap import new_admin, store_first_admin
from shared.clock import SystemClock

_SECRET = "a secret of the benchmark's own, thirty-two bytes and more"  # noqa: S105  protects nothing
_UNLIMITED = "3600000000"


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway's process, and the headers of a caller whom it lets in."""

    url: str
    process: subprocess.Popen[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def service() -> Iterator[str]:
    """The service behind the gateways, on the client's core; its URL."""
    port = free_port()
    with server([sys.executable, "-m", "benchmarks.gateway_upstream", str(port)], {}, port) as process:
        os.sched_setaffinity(process.pid, {0})  # where the client is
        yield f"http://127.0.0.1:{port}"


def certificate(folder: Path) -> TlsFiles:
    """What gateways speak TLS with, all the same one."""
    return make_certificate(_home(folder), ("127.0.0.1",))


@contextmanager
def ours(folder: Path, upstream: str, redis_url: str, *, tls: TlsFiles | None = None) -> Iterator[Gateway]:
    """The gateway of the suite, with limits that no client reaches, and an administrator's access token."""
    port = free_port()
    home = _home(folder / f"gateway-{port}")
    database = f"sqlite:///{home.root}/futago.db"
    migrate_all(database)
    admin = new_admin("bench")
    anyio.run(store_first_admin, database, admin, SystemClock())
    keys = make_keys(home)
    environment = {
        "FUTAGO_DATABASE_URL": database,
        "FUTAGO_REDIS_URL": redis_url,
        "FUTAGO_LOG_LEVEL": "info",
        "GATEWAY_PORT": str(port),
        "GATEWAY_ACCESS_KEY_FILE": str(keys.access),
        "GATEWAY_IDENTITY_PRIVATE_KEY_FILE": str(keys.identity),
        "GATEWAY_SECOND_FACTOR_KEY_FILE": str(keys.second_factor),
        "GATEWAY_AUDIT_KEY_FILE": str(keys.audit),
        "GATEWAY_ACCESS_TOKEN_LIFE_S": "3600",
        "GATEWAY_MAX_REQUESTS_PER_HOUR": _UNLIMITED,
        "GATEWAY_BURST_REQUESTS": _UNLIMITED,
        **{f"GATEWAY_{name}_URL": upstream for name in ("TWIN", "ANOMALY", "PLANNER")},
    }
    if tls is not None:
        environment |= {"GATEWAY_TLS_CERT_FILE": str(tls.certificate), "GATEWAY_TLS_KEY_FILE": str(tls.key)}
    with server([sys.executable, "-m", "services.gateway.app"], environment, port) as process:
        url = _url(port, tls)
        token = _log_in(url, admin.username, admin.password, tls)
        yield Gateway(url, process, {"Authorization": f"Bearer {token}"})


@contextmanager
def stock(upstream: str, redis_url: str) -> Iterator[Gateway]:
    """The gateway as it is commonly written."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "benchmarks.gateway_stock:app", "--port", str(port)]
    command += ["--log-level", "error", "--no-access-log", "--no-proxy-headers"]
    environment = {"STOCK_UPSTREAM": upstream, "STOCK_REDIS": redis_url, "STOCK_SECRET": _SECRET}
    token = jwt.encode({"sub": "bench"}, _SECRET, algorithm="HS256")
    with server(command, environment, port) as process:
        yield Gateway(_url(port), process, {"Authorization": f"Bearer {token}"})


@contextmanager
def nginx(folder: Path, upstream: str, *, location: str, tls: TlsFiles | None = None) -> Iterator[Gateway | None]:
    """nginx with one worker, which verifies and counts nothing; `None` where it is missing.

    Parameters
    ----------
    location
        Directives for every path; the service is `http://service`, with pooled connections for those that keep them.
    tls
        What it speaks TLS with; none for plain HTTP.
    """
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        yield None
        return
    port = free_port()
    home = folder / f"nginx-{port}"
    home.mkdir()
    temporary = "".join(
        f"{module}_temp_path {home}/{module};" for module in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    address = upstream.removeprefix("http://")
    listen = f"listen 127.0.0.1:{port};"
    if tls is not None:
        listen = f"listen 127.0.0.1:{port} ssl; ssl_certificate {tls.certificate}; ssl_certificate_key {tls.key};"
    (home / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {home}/pid; error_log {home}/errors crit;"
        f"events {{ worker_connections 512; }}"
        f"http {{ access_log off; {temporary} keepalive_requests 1000000000;"
        f"upstream service {{ server {address}; keepalive 64; keepalive_requests 1000000000; }}"
        f"server {{ {listen} location / {{ {location} }} }} }}"
    )
    with server([program, "-p", str(home), "-c", str(home / "nginx.conf")], {}, port) as process:
        yield Gateway(_url(port, tls), process)


def _home(folder: Path) -> Home:
    home = Home(folder)
    home.make_folders()
    return home


def _url(port: int, tls: TlsFiles | None = None) -> str:
    return f"{'http' if tls is None else 'https'}://127.0.0.1:{port}"


def _log_in(url: str, username: str, password: str, tls: TlsFiles | None) -> str:
    trusted = ssl.create_default_context(cafile=None if tls is None else tls.authority)
    body = {"username": username, "password": password}
    answer = httpx.post(f"{url}/api/v1/auth/login", json=body, verify=trusted)
    return str(answer.raise_for_status().json()["access_token"])
