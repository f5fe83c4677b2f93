"""Looks for secrets where none may stand: in what processes print and log."""

import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

# What a secret looks like, whoever made it: a signed token, an API key, a private key, a password in a URL.
SHAPES: Mapping[str, re.Pattern[str]] = {
    "a signed token": re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}"),
    "an API key": re.compile(r"\bfut_[0-9A-Za-z]{30,}"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a password in a URL": re.compile(r"\b(?:rediss?|postgresql(?:\+psycopg)?)://[^\s:/@]*:(?!\*\*\*)[^\s@*]+@"),
    "a second factor": re.compile(r"otpauth://\S+secret="),
}


def leaks(text: str, secrets: Mapping[str, str]) -> list[str]:
    """Names of the secrets, and of the shapes of such, that stand in the text."""
    known = [name for name, secret in secrets.items() if secret and secret in text]
    return known + [name for name, shape in SHAPES.items() if shape.search(text)]


def leaks_in_files(files: Iterable[Path], secrets: Mapping[str, str]) -> list[str]:
    """The same for files, each named."""
    found = ((path, leaks(path.read_text(encoding="utf-8", errors="replace"), secrets)) for path in files)
    return [f"{path.name}: {name}" for path, names in found for name in names]


def secrets_of_home(home: Path) -> dict[str, str]:
    """Everything secret that a suite keeps in its folder, by name."""
    secrets = {}
    for path in (*home.glob("keys/*"), *home.glob("tls/*.key.pem"), home / "valkey" / "valkey.conf"):
        if not path.is_file() or path.name.endswith(".pub.pem"):
            continue
        text = path.read_text(encoding="utf-8")
        if path.name == "valkey.conf":
            text = next(line.split()[1] for line in text.splitlines() if line.startswith("requirepass"))
        # Of a PEM file its first line of key, which no other file has.
        lines = [line for line in text.splitlines() if not line.startswith("-----")]
        secrets[path.name] = lines[0].strip() if lines else ""
    return secrets


class LeakWatch(logging.Handler):
    """Notes each line of this process's log in which a secret stands."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        names = leaks(record.getMessage(), {})
        if names:
            self.found.append(f"{record.name}: {', '.join(names)}")
