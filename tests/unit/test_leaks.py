"""The look-out for secrets in logs sees them, and nothing else."""

from pathlib import Path

import pytest

from tests.leaks import leaks, leaks_in_files, secrets_of_home

TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZG1pbiJ9." + "c2lnbmF0dXJl" * 4


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (f"Authorization: Bearer {TOKEN}", ["a signed token"]),
        ("key fut_" + "a" * 40, ["an API key"]),
        ("-----BEGIN PRIVATE KEY-----", ["a private key"]),
        ("-----BEGIN EC PRIVATE KEY-----", ["a private key"]),
        ("connecting to redis://:hush@127.0.0.1:6379/0", ["a password in a URL"]),
        ("postgresql+psycopg://futago:hush@db/futago", ["a password in a URL"]),
        ("otpauth://totp/Futago:admin?secret=ABC", ["a second factor"]),
        ("the password is swordfish", ["the admin's"]),
        ("postgresql+psycopg://futago:***@db/futago, redis://127.0.0.1:6379/0, fut_short", []),
        ('{"path":"/api/v1/auth/login","status":200}', []),
    ],
)
def test_a_secret_is_seen_by_its_value_or_by_its_shape(line: str, named: list[str]):
    assert leaks(line, {"the admin's": "swordfish", "empty": ""}) == named


def test_files_are_named_with_what_stands_in_them(tmp_path: Path):
    (tmp_path / "a.log").write_text("swordfish")
    (tmp_path / "b.log").write_text("fine")
    assert leaks_in_files(sorted(tmp_path.glob("*.log")), {"the admin's": "swordfish"}) == ["a.log: the admin's"]


def test_what_a_suite_keeps_secret_is_known(tmp_path: Path):
    (tmp_path / "keys").mkdir()
    (tmp_path / "valkey").mkdir()
    (tmp_path / "keys" / "access.pem").write_text("-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n")
    (tmp_path / "keys" / "access.pub.pem").write_text("-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n")
    (tmp_path / "keys" / "second-factor.key").write_text("00ff")
    (tmp_path / "valkey" / "valkey.conf").write_text("port 1\nrequirepass hush\n")
    assert secrets_of_home(tmp_path) == {"access.pem": "MIGH", "second-factor.key": "00ff", "valkey.conf": "hush"}
