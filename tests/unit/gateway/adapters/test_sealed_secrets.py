"""Secrets encrypted at rest."""

from pathlib import Path

import pytest

from services.gateway.adapters.sealed_secrets import SecretBox
from services.gateway.adapters.startup import sealing_key
from services.gateway.domain.factor_errors import SecondFactorUnreadable

BOX = SecretBox(bytes(range(32)))
SECRET = b"12345678901234567890"


def test_what_was_sealed_opens_for_its_owner():
    sealed = BOX.seal(SECRET, "olga")
    assert BOX.open(sealed, "olga") == SECRET
    assert SECRET not in sealed
    assert BOX.seal(SECRET, "olga") != sealed


def test_it_opens_for_nobody_else_and_by_no_other_key():
    sealed = BOX.seal(SECRET, "olga")
    flipped = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for box, text, owner in (
        (BOX, sealed, "pia"),
        (SecretBox(bytes(32)), sealed, "olga"),
        (BOX, flipped, "olga"),
        (BOX, b"", "olga"),
        (BOX, sealed[:5], "olga"),
    ):
        with pytest.raises(SecondFactorUnreadable):
            box.open(text, owner)


@pytest.mark.parametrize("content", ["", "00" * 31, "zz" * 32, "00" * 33, "-----BEGIN PRIVATE KEY-----"])
def test_a_file_that_holds_no_key_keeps_the_gateway_from_starting(tmp_path: Path, content: str):
    path = tmp_path / "second-factor.key"
    path.touch(mode=0o600)
    path.write_text(content)
    assert "64 hexadecimal digits" in (sealing_key(path, "the key")() or "")


def test_a_key_as_openssl_writes_it_is_taken_and_one_that_all_can_read_is_not(tmp_path: Path):
    path = tmp_path / "second-factor.key"
    path.touch(mode=0o600)
    path.write_text("0f" * 32 + "\n")
    assert sealing_key(path, "the key")() is None
    assert SecretBox.read(path).open(SecretBox.read(path).seal(SECRET, "olga"), "olga") == SECRET
    path.chmod(0o644)
    assert "chmod 600" in (sealing_key(path, "the key")() or "")
