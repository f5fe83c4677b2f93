"""The way back in for an administrator who is locked out: by whoever has the machine itself.

It needs no token and no Redis, only the database; so it is no route, and every use stands in the audit trail with the
name that the operating system knows.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol

from services.gateway.domain.audit import Action, Event, Source
from services.gateway.domain.credentials import user_stamp
from services.gateway.domain.errors import RedisAway
from services.gateway.domain.sessions import Floors
from services.gateway.domain.users import User
from shared.clock import Clock
from shared.errors import AppError, Kind


class NoSuchAdministrator(AppError):
    """Only an administrator is recovered; whoever is one helps everybody else."""

    kind: ClassVar[Kind] = Kind.MISSING
    code: ClassVar[str] = "gateway.no_such_administrator"

    def __init__(self, username: str, known: tuple[str, ...]) -> None:
        there_are = ", ".join(map(repr, known)) or "none"
        super().__init__(f"there is no administrator {username!r}; there are: {there_are}", username=username)


@dataclass(frozen=True, slots=True)
class RecoveryRequest:
    """What is done to an administrator's account.

    Parameters
    ----------
    by
        Name of whoever asks, as the operating system knows it.
    without_second_factor
        The second factor is removed as well.
    """

    username: str
    by: str
    without_second_factor: bool


class RecoveryStore(Protocol):
    """Changes the account."""

    async def recover(self, request: RecoveryRequest, password_hash: str, event: Event) -> User:
        """Set the password, enable the user, end every session and write the event, all in one transaction.

        Raise `NoSuchAdministrator` if there is none of this name.
        """
        ...


class Recovery:
    """Gives an administrator a new password."""

    def __init__(self, *, store: RecoveryStore, floors: Floors, clock: Clock) -> None:
        self._store = store
        self._floors = floors
        self._clock = clock

    async def recover(self, request: RecoveryRequest, password_hash: str) -> bool:
        """Let an administrator in again, and everybody out who was in as that user.

        Returns
        -------
        Whether every replica has been told; if not, as Redis is away, what one has verified before may count for ten
        more minutes once it is back.

        Raises
        ------
        NoSuchAdministrator
            If there is none of this name.
        """
        user = await self._store.recover(request, password_hash, _event(request, self._clock.now()))
        try:
            await self._floors.raise_to(user_stamp(user.username, user.generation))
        except RedisAway:
            return False
        return True


def _event(request: RecoveryRequest, now: datetime) -> Event:
    return Event(
        at=now,
        user=f"local:{request.by}",
        action=Action.RECOVERED.value,
        resource=request.username,
        success=True,
        source=Source("local", "recovery"),
        facts={"second_factor_removed": request.without_second_factor},
    )
