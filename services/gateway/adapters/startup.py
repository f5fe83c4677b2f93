"""What must be right before the gateway opens."""

from collections.abc import Callable, Sequence
from pathlib import Path

from services.gateway.adapters.audit_destinations import ExportInvalid, open_exports
from services.gateway.adapters.audit_seal_keys import SealKey, read_seal_key
from services.gateway.adapters.sealed_secrets import SecretBox
from shared.jwt import TokenSigner
from shared.notify import DestinationInvalid, open_destinations
from shared.startup import Check, readable_file, secret_file
from shared.token_keys import read_public_keys


def signing_key(path: Path, purpose: str) -> Check:
    """The file is kept secret and holds a key that tokens can be signed with."""
    return _secret_key(path, purpose, lambda: TokenSigner(path.read_bytes()))


def verifying_keys(paths: Sequence[Path], purpose: str) -> Check:
    """Each file holds keys that tokens can be verified with."""

    def check() -> str | None:
        for path in paths:
            if reason := readable_file(path, purpose)():
                return reason
            try:
                read_public_keys(path.read_bytes())
            except ValueError as error:
                return f"{purpose}: {path} is of no use ({error})"
        return None

    return check


def sealing_key(path: Path, purpose: str) -> Check:
    """The file is kept secret and holds a key that secrets can be encrypted with."""
    return _secret_key(path, purpose, lambda: SecretBox.read(path))


def audit_keys(signing: Path | None, others: Sequence[Path]) -> Check:
    """The audit trail can be signed with a key of its own, if there is one, and former keys can be read."""

    def check() -> str | None:
        if signing is not None and (reason := secret_file(signing, "the key that signs the audit trail")()):
            return reason
        try:
            if signing is not None:
                SealKey(signing.read_bytes())
            for path in others:
                read_seal_key(path.read_bytes())
        except (OSError, ValueError) as error:
            return f"the keys of the audit trail are of no use ({error})"
        return None

    return check


def audit_exports(urls: Sequence[str]) -> Check:
    """The audit trail can be exported to each of these."""

    def check() -> str | None:
        try:
            open_exports(urls)
        except ExportInvalid as error:
            return f"audit_export_urls: {error.message}"
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


def _secret_key(path: Path, purpose: str, use: Callable[[], object]) -> Check:
    def check() -> str | None:
        if reason := secret_file(path, purpose)():
            return reason
        try:
            use()
        except ValueError as error:
            return f"{purpose}: {path} is of no use ({error})"
        return None

    return check
