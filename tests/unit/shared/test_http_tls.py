"""TLS of a listener: what is used, when it is used anew, and what a wrong file says."""

import os
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import FastAPI

from futago.launcher.certificate import TlsFiles, make_certificate
from futago.launcher.home import Home
from shared.http.app import ServiceApp
from shared.http.metrics import ServiceMetrics
from shared.http.probes import Readiness
from shared.http.server import BoundedServer
from shared.http.tls import ServerCertificate, authority_file, client_context, usable_certificate
from shared.settings import ProcessSettings


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    return make_certificate(Home(tmp_path), ("localhost",))


def test_only_what_is_safe_today_is_spoken(files: TlsFiles):
    context = ServerCertificate(files.certificate, files.key).context
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    names = {cipher["name"] for cipher in context.get_ciphers()}
    assert names
    assert all(name.startswith(("TLS_", "ECDHE-")) for name in names)
    assert not [name for name in names if "CBC" in name or name.endswith("-SHA") or "RC4" in name]


def test_a_renewed_certificate_is_taken_and_the_same_one_is_not(files: TlsFiles, tmp_path: Path):
    certificate = ServerCertificate(files.certificate, files.key)
    assert not certificate.reload_if_changed()
    files.certificate.unlink()
    make_certificate(Home(tmp_path), ("localhost",), datetime.now(UTC) + timedelta(days=1))
    assert certificate.reload_if_changed()
    assert not certificate.reload_if_changed()


def end_s(certificate: Path) -> float:
    return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc.timestamp()


def test_its_end_is_known_and_follows_a_renewal(files: TlsFiles, tmp_path: Path):
    certificate = ServerCertificate(files.certificate, files.key)
    first_s = end_s(files.certificate)
    assert certificate.ends_s == first_s
    files.certificate.unlink()
    make_certificate(Home(tmp_path), ("localhost",), datetime.now(UTC) + timedelta(days=1))
    assert certificate.ends_s == first_s, "what is not served yet does not count"
    certificate.reload_if_changed()
    assert certificate.ends_s == end_s(files.certificate) > first_s


def test_a_chain_ends_with_its_first_certificate_that_does(files: TlsFiles, tmp_path: Path):
    (tmp_path / "other").mkdir()
    older = make_certificate(Home(tmp_path / "other"), ("a",), datetime.now(UTC) - timedelta(days=4 * 365 + 300))
    files.certificate.write_bytes(files.certificate.read_bytes() + older.authority.read_bytes())
    assert ServerCertificate(files.certificate, files.key).ends_s == end_s(older.authority)


class Plant(ProcessSettings):
    service: ClassVar[str] = "plant"


class Served:
    """A server of a process that is never started, and what its metrics tell of TLS."""

    def __init__(self, files: TlsFiles | None = None) -> None:
        self._metrics = ServiceMetrics("plant")
        api = FastAPI()
        tls = {} if files is None else {"tls_cert_file": files.certificate, "tls_key_file": files.key}
        self.server = BoundedServer(ServiceApp(api, api, Readiness(), self._metrics), Plant(port=0, **tls))

    def shown(self) -> list[str]:
        lines = self._metrics.exposition().decode().splitlines()
        return [line for line in lines if line.startswith("futago_tls_")]


def test_the_end_is_a_metric_of_a_process_that_speaks_tls_and_of_no_other(files: TlsFiles):
    assert Served().shown() == []
    (line,) = Served(files).shown()
    assert line.startswith('futago_tls_certificate_not_after_timestamp_seconds{service="plant"} ')
    assert float(line.split()[1]) == end_s(files.certificate)


def changed(certificate: bytes, old: bytes, new: bytes) -> bytes:
    der = x509.load_pem_x509_certificate(certificate).public_bytes(Encoding.DER)
    assert old in der
    return ssl.DER_cert_to_PEM_cert(der.replace(old, new, 1)).encode()


STRANGE: dict[str, Callable[[bytes, bytes], bytes]] = {
    "another kind of block": lambda leaf, _: leaf.replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE"),
    "a version that is none": lambda leaf, _: changed(leaf, b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05"),
    # In DER, a time ends in "Z" (X.690, 11.8.1).
    "a time of another form above it": lambda leaf, above: leaf + changed(above, b"Z\x17\r", b"+\x17\r"),
    "a line of text like the start of a block": lambda leaf, above: leaf + b"-----BEGIN CERTIFICATE----- 2\n" + above,
}


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE)
async def test_a_chain_that_only_openssl_can_read_is_served_and_its_end_is_left_out_with_one_warning(
    files: TlsFiles, strange: Callable[[bytes, bytes], bytes]
):
    good = files.certificate.read_bytes()
    files.certificate.write_bytes(strange(good, files.authority.read_bytes()))
    with structlog.testing.capture_logs() as logged:
        assert usable_certificate(files.certificate, files.key)() is None
        served = Served(files)
    assert [(line["log_level"], line["event"]) for line in logged] == [("warning", "certificate_end_unknown")]
    assert served.shown() == []

    for content, lines in ((good, 1), (strange(good, files.authority.read_bytes()), 0)):
        files.certificate.write_bytes(content)
        os.utime(files.certificate, ns=(lines, lines))
        await served.server.on_tick(0)
        assert len(served.shown()) == lines


def test_a_renewal_that_is_half_done_is_left_for_later(files: TlsFiles, tmp_path: Path):
    certificate, key = ServerCertificate(files.certificate, files.key), files.key.read_bytes()
    (tmp_path / "other").mkdir()
    other = make_certificate(Home(tmp_path / "other"), ("a",))
    files.key.write_bytes(other.key.read_bytes())
    assert not certificate.reload_if_changed()
    files.key.unlink()
    assert not certificate.reload_if_changed()
    files.key.write_bytes(key)
    os.utime(files.key, ns=(1, 1))
    assert certificate.reload_if_changed()


def test_a_certificate_and_a_key_belong_together(files: TlsFiles, tmp_path: Path):
    assert usable_certificate(None, None)() is None
    assert usable_certificate(files.certificate, files.key)() is None
    assert "needs both" in (usable_certificate(files.certificate, None)() or "")
    assert "is of no use" in (usable_certificate(files.certificate, tmp_path / "nowhere")() or "")
    assert "is of no use" in (usable_certificate(files.key, files.certificate)() or "")


def test_an_authority_is_trusted_alone(files: TlsFiles):
    assert client_context(files.authority).cert_store_stats()["x509_ca"] == 1
    assert client_context(files.authority).verify_mode is ssl.CERT_REQUIRED
    assert authority_file(files.authority, "x")() is None
    assert authority_file(None, "x")() is None
    assert "holds no certificate" in (authority_file(files.key, "x")() or "")
