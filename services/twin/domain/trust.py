"""Public keys whose bundles are accepted: the ones of this installation, and those that an administrator enrolled."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.errors import AppError, Kind


class TrustedKeyMissing(AppError):
    """No key of this id was enrolled."""

    kind, code = Kind.MISSING, "twin.trusted_key_missing"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"no key {key_id!r} is enrolled", key_id=key_id)


class TrustedKeyInFolder(AppError):
    """The key lies in the folder of this installation, which no call can change."""

    kind, code = Kind.CONFLICT, "twin.trusted_key_in_folder"

    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"the key {key_id!r} lies in the folder of this installation; `futago trust remove` takes it out",
            key_id=key_id,
        )


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key whose bundles are accepted.

    Parameters
    ----------
    public_key
        PEM, Ed25519.
    enrolled_at, enrolled_by
        `None` for a key in the folder of this installation.
    """

    key_id: str
    public_key: str
    enrolled_at: datetime | None
    enrolled_by: str | None


class TrustedKeys(Protocol):
    """Enrols and removes keys, for all replicas at once."""

    async def list(self) -> Sequence[TrustedKey]:
        """Every trusted key, by id."""
        ...

    async def enrol(self, public_key: str, *, user: str) -> TrustedKey:
        """Accept bundles that this key signed from now on; enrolling it again changes nothing.

        Raises
        ------
        KeyUnusable
            If it is no Ed25519 public key in PEM.
        """
        ...

    async def remove(self, key_id: str, *, user: str) -> None:
        """Accept none of its bundles any more.

        A version that is loaded goes on answering; it is refused when it would have to be loaded again.

        Raises
        ------
        TrustedKeyMissing, TrustedKeyInFolder
            If it was not enrolled by a call.
        """
        ...
