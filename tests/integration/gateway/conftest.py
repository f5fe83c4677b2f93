"""A gateway of the test's own: real Valkey and SQLite, real services behind it, each in this process."""

import asyncio
import contextlib
import functools
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import SecretStr
from sqlalchemy import Engine
from starlette.types import ASGIApp

from services.gateway.adapters.tables import migrate_gateway
from services.gateway.app import create_app
from services.gateway.bootstrap import FirstAdmin, new_admin, store_first_admin
from services.gateway.settings import GatewaySettings
from shared.clock import SystemClock
from shared.database import open_engine
from shared.http.app import ServiceApp
from shared.jobs.tables import migrate_jobs


def write_key(folder: Path, name: str) -> Path:
    """A P-256 key pair: `<name>.pem` and `<name>.pub.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = folder / f"{name}.pem"
    private.touch(mode=0o600)
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{name}.pub.pem").write_bytes(public)
    return private


def write_secret(folder: Path, name: str) -> Path:
    """A key that encrypts at rest: `<name>.key`."""
    path = folder / f"{name}.key"
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(32))
    return path


@contextlib.asynccontextmanager
async def serve(app: ASGIApp) -> AsyncIterator[str]:
    """Serve an application on a loopback port, and give its URL."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False, server_header=False)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done(), "the server did not start"
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def running(app: ServiceApp) -> AsyncIterator[httpx.AsyncClient]:
    """Run an application with its lifespan, without a socket of its own."""
    async with app.api.router.lifespan_context(app.api):
        transport = httpx.ASGITransport(app, client=("192.0.2.7", 40000))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            yield client


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A gateway's tables, on each kind of database."""
    with migrated(database_url) as engine:
        yield engine


@pytest.fixture
def sqlite_engine(sqlite_url: str) -> Iterator[Engine]:
    """A gateway's tables where any column holds anything."""
    with migrated(sqlite_url) as engine:
        yield engine


@contextlib.contextmanager
def migrated(url: str) -> Iterator[Engine]:
    """A database with the tables of a gateway."""
    migrate_gateway(url)
    engine = open_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def settings(tmp_path: Path, sqlite_url: str, redis_url: str) -> GatewaySettings:
    return make_settings(tmp_path, sqlite_url, redis_url)


@functools.cache
def _migrated() -> bytes:
    """A database with the tables of a gateway: made once, as each test has one of its own."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "migrated.db"
        for migrate in (migrate_gateway, migrate_jobs):
            migrate(f"sqlite:///{database}")
        return database.read_bytes()


def make_settings(tmp_path: Path, sqlite_url: str, redis_url: str) -> GatewaySettings:
    """Keys, tables and settings of a gateway with nothing behind it."""
    database = Path(sqlite_url.removeprefix("sqlite:///"))
    if not database.exists():
        database.write_bytes(_migrated())
    access = write_key(tmp_path, "access")
    identity = write_key(tmp_path, "identity")
    # Port 9, discard: nothing answers there.
    nowhere = "http://127.0.0.1:9"
    return GatewaySettings(
        redis_url=SecretStr(redis_url),
        database_url=SecretStr(sqlite_url),
        identity_private_key_file=identity,
        access_key_file=access,
        second_factor_key_file=write_secret(tmp_path, "second-factor"),
        metrics_networks=(ip_network("192.0.2.0/24"), ip_network("127.0.0.0/8")),
        twin_url=nowhere,
        anomaly_url=nowhere,
        planner_url=nowhere,
        drain_s=0,
    )


@pytest.fixture
async def admin(settings: GatewaySettings) -> FirstAdmin:
    admin = new_admin("admin")
    assert await store_first_admin(settings.database_url.get_secret_value(), admin, SystemClock())
    return admin


@pytest.fixture
async def gateway(settings: GatewaySettings, admin: FirstAdmin) -> AsyncIterator[httpx.AsyncClient]:
    async with running(create_app(settings)) as client:
        yield client


@pytest.fixture
async def token(gateway: httpx.AsyncClient, admin: FirstAdmin) -> str:
    """An access token of the administrator."""
    answer = await gateway.post("/api/v1/auth/login", json={"username": "admin", "password": admin.password})
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]
