from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from shared.token_keys import (
    PublicKey,
    new_private_key,
    public_jwk,
    read_private_key,
    read_public_keys,
    write_public_keys,
)

UNTIL = datetime(2026, 4, 1, tzinfo=UTC)


def public(until: datetime | None = None) -> PublicKey:
    return PublicKey(read_private_key(new_private_key()).public_key(), until)


def test_keys_are_read_as_they_were_written():
    keys = [public(), public(UNTIL), public(UNTIL.astimezone(timezone(timedelta(hours=9))))]
    read = read_public_keys(write_public_keys(keys))
    assert [(key.key_id, key.until) for key in read] == [(key.key_id, key.until) for key in keys]


def test_a_plain_file_of_one_key_counts_for_good(key_pair: Any):
    (key,) = read_public_keys(key_pair.public)
    assert key.until is None
    assert key.counts_at(datetime.max.replace(tzinfo=UTC))


def test_a_key_counts_until_its_end_and_not_at_it():
    key = public(UNTIL)
    assert key.counts_at(UNTIL - timedelta(microseconds=1))
    assert not key.counts_at(UNTIL)


def test_what_stands_above_another_key_says_nothing_of_this_one():
    first, second = public(UNTIL), public()
    text = write_public_keys([first]) + b"# the one that signs now\n" + write_public_keys([second])
    assert [key.until for key in read_public_keys(text)] == [UNTIL, None]


def test_the_name_of_a_key_is_its_thumbprint():
    # The example of RFC 7638 is an RSA key; this one is of RFC 7515, A.3, its thumbprint made with `jose jwk thp`.
    x = int.from_bytes(bytes.fromhex("7fcdce2770f6c45d4183cbee6fdb4b7b580733357be9ef13bacf6e3c7bd15445"))
    y = int.from_bytes(bytes.fromhex("c7f144cd1bbd9b7e872cdfedb9eeb9f4b3695d6ea90b24ad8a4623288588e5ad"))
    jwk = public_jwk(ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key())
    assert jwk["x"] == "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
    assert jwk["kid"] == "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"


def _other_kinds() -> dict[str, bytes]:
    edwards = ed25519.Ed25519PrivateKey.generate().public_key()
    p384 = ec.generate_private_key(ec.SECP384R1()).public_key()
    info = PublicFormat.SubjectPublicKeyInfo
    return {
        "empty": b"",
        "text": b"no key",
        "Ed25519": edwards.public_bytes(Encoding.PEM, info),
        "P-384": p384.public_bytes(Encoding.PEM, info),
        "private": new_private_key(),
        "broken": b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        "one of two": write_public_keys([public()]) + p384.public_bytes(Encoding.PEM, info),
        "a time without zone": b"# until 2026-04-01T00:00:00\n" + write_public_keys([public()]),
        "no time": b"# until tomorrow\n" + write_public_keys([public()]),
        "not UTF-8": b"# until \xff\n" + write_public_keys([public()]),
    }


@pytest.mark.parametrize("kind", _other_kinds())
def test_a_file_of_anything_else_is_refused(kind: str):
    with pytest.raises(ValueError, match=r"."):
        read_public_keys(_other_kinds()[kind])


def test_a_private_key_behind_a_password_is_refused():
    key = ec.generate_private_key(ec.SECP256R1())
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    with pytest.raises(ValueError, match=r"[Pp]assword"):
        read_private_key(locked)
    open_one = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    assert read_private_key(open_one).public_key() == key.public_key()
