"""The certificate of a suite on one machine."""

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store

from futago.launcher.certificate import TlsFiles, keep_certificate, make_certificate, names_of_machine
from futago.launcher.home import Home

NOW = datetime(2026, 4, 1, tzinfo=UTC)
NAMES = ("127.0.0.1", "::1", "localhost", "plant")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def leaf(files: TlsFiles) -> x509.Certificate:
    return x509.load_pem_x509_certificate(files.certificate.read_bytes())


def contents(files: TlsFiles) -> tuple[bytes, bytes]:
    return files.authority.read_bytes(), files.certificate.read_bytes()


def test_it_covers_every_name_and_a_client_that_trusts_the_authority_takes_it(home: Home):
    files = make_certificate(home, NAMES, NOW)
    store = Store([x509.load_pem_x509_certificate(files.authority.read_bytes())])
    chain = (
        PolicyBuilder().store(store).time(NOW).build_server_verifier(x509.DNSName("localhost")).verify(leaf(files), [])
    )
    assert len(chain) == 2
    named = leaf(files).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {str(name.value) for name in named} == set(NAMES)


def test_a_server_and_a_client_can_use_the_files(home: Home):
    files = make_certificate(home, NAMES)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.certificate, files.key)
    assert ssl.create_default_context(cafile=str(files.authority)).cert_store_stats()["x509_ca"] == 1


def test_it_lasts_no_longer_than_browsers_take(home: Home):
    certificate = leaf(make_certificate(home, NAMES, NOW))
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc <= timedelta(days=397)


def test_the_authority_can_vouch_for_this_machine_alone(home: Home):
    authority = x509.load_pem_x509_certificate(make_certificate(home, NAMES, NOW).authority.read_bytes())
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    permitted = {str(name.value) for name in constraints.value.permitted_subtrees or ()}
    assert permitted == {"127.0.0.0/8", "127.0.0.1/32", "::1/128", "localhost", "plant"}


def test_nobody_but_the_owner_reads_the_keys(home: Home):
    make_certificate(home, NAMES, NOW)
    modes = {path.name: path.stat().st_mode & 0o777 for path in home.tls.iterdir()}
    assert set(modes) == {"authority.pem", "authority.key.pem", "gateway.pem", "gateway.key.pem"}
    assert set(modes.values()) == {0o600}


def test_what_is_good_is_left_as_it_is(home: Home):
    before = contents(make_certificate(home, NAMES, NOW))
    assert contents(make_certificate(home, NAMES[1:], NOW + timedelta(days=300))) == before


@pytest.mark.parametrize(
    ("names", "later", "new_authority"),
    [
        (NAMES, timedelta(days=370), False),
        (NAMES, timedelta(days=5 * 365 - 20), True),
        ((*NAMES, "other.example"), timedelta(0), True),
    ],
)
def test_it_is_made_anew_near_its_end_and_for_new_names(
    home: Home, names: Sequence[str], later: timedelta, new_authority: bool
):
    authority, certificate = contents(make_certificate(home, NAMES, NOW))
    new = make_certificate(home, names, NOW + later)
    assert new.certificate.read_bytes() != certificate
    assert (new.authority.read_bytes() != authority) is new_authority
    assert leaf(new).not_valid_after_utc > NOW + later + timedelta(days=10)


@pytest.mark.parametrize("damaged", ["authority.pem", "authority.key.pem", "gateway.pem", "gateway.key.pem"])
def test_a_file_that_is_lost_or_damaged_is_made_anew(home: Home, damaged: str):
    make_certificate(home, NAMES, NOW)
    (home.tls / damaged).write_text("nonsense")
    files = make_certificate(home, NAMES, NOW)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.certificate, files.key)
    assert leaf(files).issuer == x509.load_pem_x509_certificate(files.authority.read_bytes()).subject


def test_files_of_somebody_else_are_made_anew(home: Home):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "plant")])
    plain = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(days=900))
    without_names = plain.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    for part, content in {
        "gateway.key.pem": encrypted,
        "authority.key.pem": encrypted,
        "gateway.pem": without_names,
        "authority.pem": without_names,
    }.items():
        make_certificate(home, NAMES, NOW)
        (home.tls / part).write_bytes(content)
        files = make_certificate(home, NAMES, NOW)
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.certificate, files.key)
        assert leaf(files).issuer == x509.load_pem_x509_certificate(files.authority.read_bytes()).subject


class _Stop(Exception):
    """Enough days have gone by."""


async def looked_after(home: Home, moments: Sequence[datetime]) -> list[str]:
    """What is said of the certificate while the clock shows these moments, one at each look."""
    said: list[str] = []
    left = list(moments)

    async def sleep(_: float) -> None:
        if not left:
            raise _Stop

    with pytest.raises(_Stop):
        await keep_certificate(home, NAMES, said.append, now=lambda: left.pop(0), sleep=sleep)
    return said


async def test_while_the_suite_runs_it_is_made_anew_near_its_end_and_once(home: Home):
    files = make_certificate(home, NAMES, NOW)
    authority, certificate = contents(files)
    assert await looked_after(home, [NOW + timedelta(days=days) for days in (1, 300, 366)]) == []
    assert contents(files) == (authority, certificate)
    near_end = NOW + timedelta(days=368)
    assert await looked_after(home, [near_end, near_end]) == ["The certificate of the gateway was made anew."]
    assert files.authority.read_bytes() == authority
    assert leaf(files).not_valid_after_utc > near_end + timedelta(days=390)


async def test_clients_are_told_of_a_new_authority(home: Home):
    files = make_certificate(home, NAMES, NOW)
    (said,) = await looked_after(home, [NOW + timedelta(days=5 * 365 - 20)])
    assert str(files.authority) in said


async def test_a_renewal_that_fails_is_told_and_tried_again(home: Home):
    files = make_certificate(home, NAMES, NOW)
    # In the place where the next certificate is written first; a folder cannot be put aside like a file.
    (home.tls / ".gateway.key.pem.new").mkdir()
    near_end = NOW + timedelta(days=368)
    before = contents(files)
    (said,) = await looked_after(home, [near_end])
    assert "cannot be renewed" in said
    assert contents(files) == before
    (home.tls / ".gateway.key.pem.new").rmdir()
    assert await looked_after(home, [near_end]) == ["The certificate of the gateway was made anew."]


def test_the_machine_is_known_by_its_own_name_and_by_the_one_it_is_reached_at():
    assert {"localhost", "127.0.0.1", "::1", "plant.example"} <= set(names_of_machine("plant.example"))
    assert "0.0.0.0" not in names_of_machine("0.0.0.0")
