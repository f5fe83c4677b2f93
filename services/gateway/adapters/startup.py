"""What must be right before the gateway opens."""

from collections.abc import Sequence
from pathlib import Path

from shared.jwt import TokenSigner
from shared.notify import DestinationInvalid, open_destinations
from shared.startup import Check, secret_file


def signing_key(path: Path, purpose: str) -> Check:
    """The file is kept secret and holds a key that tokens can be signed with."""

    def check() -> str | None:
        if reason := secret_file(path, purpose)():
            return reason
        try:
            TokenSigner(path.read_bytes())
        except ValueError as error:
            return f"{purpose}: {path} is of no use ({error})"
        return None

    return check


def notification_urls(urls: Sequence[str]) -> Check:
    """People can be told of alerts at each of these."""

    def check() -> str | None:
        try:
            open_destinations(urls)
        except DestinationInvalid as error:
            return f"notify_urls: {error.message}"
        return None

    return check
