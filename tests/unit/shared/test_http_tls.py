"""TLS of a listener: what is used, when it is used anew, and what a wrong file says."""

import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from futago.launcher.certificate import TlsFiles, make_certificate
from futago.launcher.home import Home
from shared.http.tls import ServerCertificate, authority_file, client_context, usable_certificate


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
