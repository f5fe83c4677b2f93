"""A certificate for the machine the suite runs on, from an authority of the suite's own.

The authority's certificate is what a browser or a client is asked to trust. It is limited to the names of this machine
(RFC 5280, section 4.2.1.10), so that whoever gets hold of its key can pretend to be this machine and nobody else.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from futago.launcher.home import Home, write_private

# Browsers take none that is valid for longer (CA/Browser Forum Baseline Requirements, 6.3.2).
LEAF_LIFE = timedelta(days=397)
AUTHORITY_LIFE = timedelta(days=5 * 365)
RENEW_BEFORE_END = timedelta(days=30)
LOOK_EVERY_S = 12 * 3600.0
# For clocks that are a little behind.
_BACKDATED = timedelta(minutes=5)
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_LOOPBACK_NETWORKS = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where each part lies.

    Parameters
    ----------
    authority
        Certificate that clients are given to trust.
    certificate, key
        What the gateway shows, and keeps.
    """

    authority: Path
    certificate: Path
    key: Path


def names_of_machine(host: str) -> tuple[str, ...]:
    """What the suite is called: by itself, by this machine, and by those who reach it at `host`."""
    own = socket.gethostname().lower()
    named = {*_LOOPBACK_NAMES, own, host}
    return tuple(sorted(name for name in named if name and not _is_unspecified(name) and name.isascii()))


def make_certificate(home: Home, names: Sequence[str], now: datetime | None = None) -> TlsFiles:
    """The certificate of a home, brought up to date as `renew` does."""
    folder = home.tls
    folder.mkdir(mode=0o700, exist_ok=True)
    files = TlsFiles(folder / "authority.pem", folder / "gateway.pem", folder / "gateway.key.pem")
    renew(files, folder / "authority.key.pem", names, now or datetime.now(UTC))
    return files


async def keep_certificate(
    home: Home,
    names: Sequence[str],
    say: Callable[[str], None],
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Look twice a day whether the certificate of a home is to be made anew, until cancelled.

    The gateway takes a new one by itself. Where it cannot be made, the next look tries again.
    """
    while True:
        await sleep(LOOK_EVERY_S)
        try:
            before = _read(home.tls / "authority.pem"), _read(home.tls / "gateway.pem")
            files = make_certificate(home, names, now())
            after = _read(files.authority), _read(files.certificate)
        except OSError as error:
            say(f"The certificate cannot be renewed: {error.strerror}. Futago will try again.")
            continue
        if after[0] != before[0]:
            say(f"The certificate authority was renewed: clients have to trust {files.authority} from now on.")
        elif after[1] != before[1]:
            say("The certificate of the gateway was made anew.")


def renew(files: TlsFiles, authority_key_file: Path, names: Sequence[str], now: datetime) -> None:
    """Make what is missing, is near its end or does not cover the names; all else is left as it is."""
    authority, authority_key = _read(files.authority), _read_key(authority_key_file)
    if authority is None or authority_key is None or _ends_soon(authority, now) or not _permits(authority, names):
        authority_key = ec.generate_private_key(ec.SECP256R1())
        authority = _authority(authority_key, names, now)
        write_private(authority_key_file, _pem(authority_key))
        write_private(files.authority, authority.public_bytes(Encoding.PEM))
    leaf, key = _read(files.certificate), _read_key(files.key)
    if (
        leaf is None
        or key is None
        or key.public_key() != leaf.public_key()
        or leaf.issuer != authority.subject
        or _ends_soon(leaf, now)
        or not set(names) <= _named(leaf)
    ):
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = _leaf(key, names, authority, authority_key, now)
        write_private(files.key, _pem(key))
        write_private(files.certificate, leaf.public_bytes(Encoding.PEM))


def _authority(key: ec.EllipticCurvePrivateKey, names: Sequence[str], now: datetime) -> x509.Certificate:
    # Its number in its name: an authority made anew must not be taken for the one before it.
    number = x509.random_serial_number()
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, f"Futago on {socket.gethostname()[:32]}, {number:x}"[:64])]
    )
    permitted = [x509.IPAddress(network) for network in _LOOPBACK_NETWORKS]
    return (
        _begun(name, name, key.public_key(), now=now, life=AUTHORITY_LIFE, number=number)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(
            x509.NameConstraints([*permitted, *(_constraint(name) for name in names)], excluded_subtrees=None),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _leaf(
    key: ec.EllipticCurvePrivateKey,
    names: Sequence[str],
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    now: datetime,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Futago gateway")])
    life = min(LEAF_LIFE, authority.not_valid_after_utc - now)
    return (
        _begun(
            subject,
            authority.subject,
            key.public_key(),
            now=now,
            life=life,
            number=x509.random_serial_number(),
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _begun(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    *,
    now: datetime,
    life: timedelta,
    number: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(number)
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + life - _BACKDATED)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _constraint(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_network(name))
    except ValueError:
        return x509.DNSName(name)


def _is_unspecified(name: str) -> bool:
    try:
        return ip_address(name).is_unspecified
    except ValueError:
        return False


def _permits(authority: x509.Certificate, names: Sequence[str]) -> bool:
    try:
        permitted = authority.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees
    except x509.ExtensionNotFound:
        return False
    return {_constraint(name) for name in names} <= set(permitted or ())


def _named(leaf: x509.Certificate) -> set[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {str(name.value) for name in names}


def _ends_soon(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_after_utc - now < RENEW_BEFORE_END


def _read(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey | None:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (FileNotFoundError, ValueError, TypeError):  # the last: it is encrypted
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
