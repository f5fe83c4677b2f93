"""TLS of a listener: what is used, when it is used anew, and what a wrong file says."""

import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest
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


def test_the_end_is_a_metric_of_a_process_that_speaks_tls_and_of_no_other(files: TlsFiles):
    class Plain(ProcessSettings):
        service: ClassVar[str] = "plant"

    def shown(settings: ProcessSettings) -> list[str]:
        metrics = ServiceMetrics("plant")
        api = FastAPI()
        BoundedServer(ServiceApp(api, api, Readiness(), metrics), settings)
        lines = metrics.exposition().decode().splitlines()
        return [line for line in lines if line.startswith("futago_tls_")]

    assert shown(Plain(port=0)) == []
    (line,) = shown(Plain(port=0, tls_cert_file=files.certificate, tls_key_file=files.key))
    assert line.startswith('futago_tls_certificate_not_after_timestamp_seconds{service="plant"} ')
    assert float(line.split()[1]) == end_s(files.certificate)


@pytest.mark.parametrize("strange", ["another kind of block", "a version that is none"])
def test_a_certificate_that_only_openssl_takes_is_refused_with_a_reason(files: TlsFiles, strange: str):
    good = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    if strange == "another kind of block":
        files.certificate.write_bytes(good.public_bytes(Encoding.PEM).replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE"))
    else:
        version_3, version_6 = b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05"
        der = good.public_bytes(Encoding.DER).replace(version_3, version_6, 1)
        files.certificate.write_text(ssl.DER_cert_to_PEM_cert(der))
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.certificate, files.key)
    assert "RFC 5280" in (usable_certificate(files.certificate, files.key)() or "")


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
