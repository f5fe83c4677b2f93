"""What must be right before the gateway opens."""

from pathlib import Path

from shared.jwt import TokenSigner
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
