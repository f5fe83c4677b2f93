"""The audit trail on its way out: at least once, in order, whatever dies or is away."""

import json
import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from services.gateway.adapters.audit_destinations import ExportInvalid, open_exports
from services.gateway.adapters.audit_exporter import AuditExporter, Destination, ExportMetrics
from services.gateway.adapters.export_files import LinesFile
from services.gateway.adapters.sql_audit import SqlAudit
from services.gateway.adapters.sql_exports import SqlExports
from services.gateway.adapters.tables import migrate_gateway
from services.gateway.domain.audit import Entry, Event
from shared.database import open_engine
from tests.unit.gateway.fakes import NOW, SOURCE, FakeClock

MESSAGE = re.compile(rb"<(\d+)>1 2026-04-01T00:00:00Z \S+ futago-gateway - (\S+) - (\{.*\})", re.DOTALL)


def event(number: int, action: str = "GET /x", *, success: bool = True) -> Event:
    return Event(NOW, "ann", action, f"/x/{number} 製品", success=success, source=SOURCE)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    migrate_gateway(database_url)
    engine = open_engine(database_url)
    SqlAudit(engine).append([event(number) for number in range(1200)])
    yield engine
    engine.dispose()


@pytest.fixture
def small(sqlite_url: str) -> Iterator[Engine]:
    migrate_gateway(sqlite_url)
    engine = open_engine(sqlite_url)
    SqlAudit(engine).append([event(1), event(2, "user.created", success=False)])
    yield engine
    engine.dispose()


class Shelf:
    """A destination that can be told to fail, before or after it has taken something."""

    name = "shelf:"

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.away = False

    def send(self, entries: Sequence[Entry]) -> None:
        if self.away:
            raise ConnectionRefusedError
        self.taken += [entry.sequence for entry in entries]

    def close(self) -> None: ...


def exporter(engine: Engine, destination: Destination, clock: FakeClock, registry: CollectorRegistry) -> AuditExporter:
    return AuditExporter(destination, SqlExports(engine), clock, ExportMetrics(registry))


def lag(registry: CollectorRegistry) -> float | None:
    return registry.get_sample_value("futago_gateway_audit_export_lag", {"destination": "shelf:"})


def test_entries_go_out_in_order_and_a_restart_goes_on_where_it_was(engine: Engine):
    shelf, clock, registry = Shelf(), FakeClock(), CollectorRegistry()
    first = exporter(engine, shelf, clock, registry)
    assert first.send_some()
    assert (len(shelf.taken), lag(registry)) == (500, 700)
    shelf.away = True
    with pytest.raises(ConnectionRefusedError):
        first.send_some()
    shelf.away = False
    # The process is gone; another may send once it has not been heard of for a while.
    second = exporter(engine, shelf, clock, CollectorRegistry())
    assert not second.send_some()
    clock.advance(seconds=31)
    while second.send_some():
        pass
    assert shelf.taken == list(range(1, 1201))


def test_a_full_file_is_put_aside_and_a_torn_line_does_not_spoil_the_next(small: Engine, tmp_path: Path):
    path = tmp_path / "audit.jsonl"
    path.write_text('{"sequence":1,"at"')
    file = LinesFile("file:", path, rotate_bytes=300)
    assert exporter(small, file, FakeClock(), CollectorRegistry()).send_some()
    assert not path.exists()
    _, *lines = (tmp_path / "audit-2.jsonl").read_text().splitlines()
    assert [json.loads(line)["sequence"] for line in lines] == [1, 2]
    SqlAudit(small).append([event(3)])
    assert exporter(small, LinesFile("other:", path), FakeClock(), CollectorRegistry()).send_some()
    assert path.stat().st_mode & 0o777 == 0o600


def entries_of(messages: Sequence[bytes]) -> list[tuple[int, str, int]]:
    found = []
    for message in messages:
        matched = MESSAGE.fullmatch(message)
        assert matched is not None, message
        found.append((int(matched[1]), matched[2].decode(), json.loads(matched[3])["sequence"]))
    return found


def unframed(stream: bytes) -> list[bytes]:
    messages = []
    while stream:
        length, _, rest = stream.partition(b" ")
        messages.append(rest[: int(length)])
        stream = rest[int(length) :]
    return messages


EXPECTED = [(110, "access", 1), (108, "user.created", 2)]


def test_syslog_over_udp_carries_one_message_a_datagram(small: Engine):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        (syslog,) = open_exports([f"syslog+udp://127.0.0.1:{server.getsockname()[1]}"])
        assert exporter(small, syslog, FakeClock(), CollectorRegistry()).send_some()
        assert entries_of([server.recv(65536), server.recv(65536)]) == EXPECTED
        syslog.close()


class Listener:
    """Takes connections one after another, and keeps what each brought until it ended."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._tls = tls
        self.port = self._server.getsockname()[1]

    def take(self, until: int) -> tuple[socket.socket, bytes]:
        connection, _ = self._server.accept()
        connection.settimeout(5)
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True)
        content = b""
        while len(unframed(content)) < until or not content.endswith(b"}"):
            content += connection.recv(65536)
        return connection, content

    def close(self) -> None:
        self._server.close()


def test_syslog_over_tcp_is_framed_and_the_newest_batch_comes_again_on_a_new_connection(small: Engine):
    listener = Listener()
    (syslog,) = open_exports([f"syslog+tcp://127.0.0.1:{listener.port}"])
    sender = exporter(small, syslog, FakeClock(), CollectorRegistry())
    assert sender.send_some()
    connection, content = listener.take(until=2)
    assert entries_of(unframed(content)) == EXPECTED
    connection.close()
    SqlAudit(small).append([event(3)])
    assert sender.send_some()
    connection, content = listener.take(until=3)
    assert [sequence for _, _, sequence in entries_of(unframed(content))] == [1, 2, 3]
    connection.close()
    listener.close()
    SqlAudit(small).append([event(4)])
    with pytest.raises(OSError, match="refused"):
        sender.send_some()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    certificate, key = tmp_path / "siem.pem", tmp_path / "siem.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-out", certificate, "-keyout", key],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


def test_syslog_over_tls_believes_only_the_server_it_was_told_of(small: Engine, certificate: tuple[Path, Path]):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    listener = Listener(context)
    taken: list[bytes] = []

    def serve() -> None:
        try:
            connection, content = listener.take(until=2)
        except OSError:
            return
        taken.append(content)
        connection.close()

    for query, believed in (("", False), (f"?ca={certificate[0]}", True)):
        server = threading.Thread(target=serve)
        server.start()
        (syslog,) = open_exports([f"syslog+tls://localhost:{listener.port}{query}"])
        sender = exporter(small, syslog, FakeClock(), CollectorRegistry())
        if believed:
            assert sender.send_some()
        else:
            with pytest.raises(ssl.SSLCertVerificationError):
                sender.send_some()
        server.join()
        syslog.close()
    listener.close()
    assert entries_of(unframed(taken[0])) == EXPECTED


@pytest.mark.parametrize(
    "url",
    [
        "file://host/audit.jsonl", "file:audit.jsonl", "file:///no/such/folder/audit.jsonl", "syslog://host",
        "syslog+tcp://", "syslog+tcp://host:99999", "syslog+tls://host?ca=/no/such/file", "syslog+tls://host?x=1",
        "syslog+tcp://user:secret@host", "https://siem.example", "", "syslog+udp://" + "h" * 300,
    ],
)  # fmt: skip
def test_a_url_that_names_no_destination_is_refused(url: str):
    with pytest.raises(ExportInvalid):
        open_exports([url])
