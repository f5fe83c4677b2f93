"""Alerts and jobs as they happen, for whoever may see them, for as long as they may."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

from services.gateway.domain.credentials import Verified
from services.gateway.domain.floors import FRESH_S, KnownFloors
from services.gateway.domain.jobs import may_see
from shared.clock import Clock
from shared.contracts.alert import Alert
from shared.contracts.job import Job
from shared.principal import Principal

# Without a word for this long a comment is sent: proxies give up on a connection that is silent [s].
HEARTBEAT_S = 10.0
# How often it is asked whether the caller still counts [s]. Floors are heard of half a second later at most: together
# less than the two seconds within which a revocation holds.
CHECK_S = 0.5


@dataclass(frozen=True, slots=True)
class Happening:
    """An alert that was raised, or a job that moved.

    Parameters
    ----------
    position
        Where it stands among all of them; a reader who comes back names the last one it has.
    """

    position: str
    what: Alert | Job


class EndReason(StrEnum):
    """Why a stream ends."""

    EXPIRED = "expired"
    REVOKED = "revoked"
    TOO_SLOW = "too_slow"
    UNAVAILABLE = "unavailable"
    RESTARTING = "restarting"


@dataclass(frozen=True, slots=True)
class Begin:
    """The stream is open; what happens after `position` follows."""

    position: str


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Nothing happened for a while."""


@dataclass(frozen=True, slots=True)
class End:
    """The last word."""

    reason: EndReason


Word: TypeAlias = Begin | Happening | Heartbeat | End


class Subscription(Protocol):
    """One reader's share of what happens."""

    @property
    def position(self) -> str:
        """Where it begins."""
        ...

    async def next(self, timeout_s: float) -> Happening | EndReason | None:
        """What happened next, `None` if nothing did in time, or why there will be nothing more."""
        ...


class EventFeed(Protocol):
    """Reads what happens, once for all readers of this process."""

    def subscribe(
        self, who: str, after: str | None, *, owner: str | None = None
    ) -> AbstractAsyncContextManager[Subscription]:
        """Follow from a position, or from now; by a key, also named as one of its owner's.

        Raise `TooManyStreams` if the caller follows often enough, `RedisAway` if nothing can be read, `InvalidQuery`
        if the position was never given out.
        """
        ...


class EventDesk:
    """Follows for a caller what happens."""

    def __init__(self, *, feed: EventFeed, floors: KnownFloors, clock: Clock) -> None:
        self._feed = feed
        self._floors = floors
        self._clock = clock

    async def follow(self, caller: Verified, after: str | None) -> AsyncGenerator[Word]:
        """Tell what happens until the caller's credential ends or is revoked.

        Parameters
        ----------
        after
            Position of the last thing the caller has seen.

        Raises
        ------
        TooManyStreams, RedisAway, InvalidQuery
            Before the first word, as for `EventFeed.subscribe`.
        """
        user = caller.principal.subject
        who, owner = (user, None) if caller.key_id is None else (f"key:{caller.key_id}", user)
        era = self._floors.era
        async with self._feed.subscribe(who, after, owner=owner) as subscription:
            yield Begin(subscription.position)
            now_s = self._clock.monotonic_s()
            check_s, told_s = now_s + CHECK_S, now_s
            while True:
                found = await subscription.next(max(check_s - self._clock.monotonic_s(), 0.0))
                now_s = self._clock.monotonic_s()
                # First whether the caller still counts: nothing is told to one who no longer does.
                if now_s >= check_s:
                    check_s = now_s + CHECK_S
                    if (reason := self._ended(caller, era, now_s)) is not None:
                        yield End(reason)
                        return
                if isinstance(found, EndReason):
                    yield End(found)
                    return
                if found is not None and _concerns(caller.principal, found.what):
                    told_s = now_s
                    yield found
                elif now_s - told_s >= HEARTBEAT_S:
                    told_s = now_s
                    yield Heartbeat()

    def _ended(self, caller: Verified, era: int, now_s: float) -> EndReason | None:
        if self._clock.now() >= caller.expires_at:
            return EndReason.EXPIRED
        if self._floors.ended(caller.stamps):
            return EndReason.REVOKED
        # Nobody can say whether the caller still counts: the door finds out, when the reader comes back.
        if self._floors.era != era or self._floors.age_s(now_s) > FRESH_S:
            return EndReason.UNAVAILABLE
        return None


def _concerns(caller: Principal, what: Alert | Job) -> bool:
    return caller.may_reach(what.asset) if isinstance(what, Alert) else may_see(caller, what)
