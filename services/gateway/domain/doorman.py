"""Lets a request in: who is it, does that still hold, is it not too much, and may it do this."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from services.gateway.domain.access import Route, authorise
from services.gateway.domain.credentials import (
    Authenticator,
    Credential,
    CredentialKind,
    Stamp,
    Verified,
    read_credential,
)
from services.gateway.domain.errors import ApiKeyInvalid, RedisAway, TokenRejected, TooManyRequests
from services.gateway.domain.rate_limit import Decision, Limit
from shared.errors import AppError, Kind


@dataclass(frozen=True, slots=True)
class Admission:
    """What the shared memory of all replicas says about a request.

    Parameters
    ----------
    stale
        A floor has passed one of the stamps: the verification no longer counts, and nothing was counted.
    decision
        Of the rate limit; `None` if stale.
    """

    stale: bool
    decision: Decision | None


class Gate(Protocol):
    """Rate limit and floors, shared by all replicas, in one round trip."""

    async def admit(self, who: str, stamps: tuple[Stamp, ...]) -> Admission:
        """Count a request; raise `RedisAway` if nobody can say."""
        ...


class LocalCounter(Protocol):
    """A rate limit of this process alone."""

    def admit(self, who: str) -> Decision:
        """Count one, if the limit has room for it."""
        ...

    def has_room(self, who: str) -> bool:
        """Whether one more would be let in."""
        ...


@dataclass(frozen=True, slots=True)
class Entrance:
    """A request that came in.

    Parameters
    ----------
    limit, decision
        The rate limit it was counted on, and what is left of it.
    without_redis
        It was let in on what was verified before, as Redis is away.
    """

    caller: Verified
    limit: Limit
    decision: Decision
    without_redis: bool


class Doorman:
    """Decides about every request that is not open to everybody.

    Parameters
    ----------
    limit
        Of each caller, on all replicas together.
    local_limit, local
        The stricter one that stands in on this replica while Redis is away.
    failures
        Counts credentials that were refused, by address: made-up keys must not keep the database busy.
    """

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        gate: Gate,
        limit: Limit,
        local: LocalCounter,
        local_limit: Limit,
        failures: LocalCounter,
    ) -> None:
        self._authenticator = authenticator
        self._gate = gate
        self._limit = limit
        self._local = local
        self._local_limit = local_limit
        self._failures = failures

    async def admit(self, route: Route, headers: Iterable[tuple[bytes, bytes]], address: str) -> Entrance:
        """Let a request in.

        The permission is not yet checked: see `check`.

        Raises
        ------
        AppError
            Of kind `UNAUTHENTICATED` if the credential does not count, `UNAVAILABLE` if Redis is away and the route
            or the caller cannot go on without.
        """
        credential = read_credential(headers)
        fingerprint = credential.fingerprint
        remembered = self._authenticator.recall(fingerprint)
        if remembered is not None:
            try:
                admission = await self._gate.admit(_counted_as(remembered), remembered.stamps)
            except RedisAway:
                if not route.without_redis:
                    raise
                return await self._admit_without_redis(credential, remembered)
            if admission.decision is not None:
                return Entrance(remembered, self._limit, admission.decision, without_redis=False)
            self._authenticator.forget(fingerprint)
        return await self._admit_stranger(credential, address)

    @staticmethod
    def check(entrance: Entrance, route: Route) -> None:
        """Refuse a request that came in but is too much, or is not the caller's to make.

        Raises
        ------
        TooManyRequests
            If the limit has no room.
        NotAllowed
            If the caller lacks the permission.
        """
        if not entrance.decision.allowed:
            raise TooManyRequests(entrance.decision.retry_after_s)
        authorise(route, entrance.caller.principal)

    async def _admit_without_redis(self, credential: Credential, remembered: Verified) -> Entrance:
        decision = self._local.admit(_counted_as(remembered))
        caller = remembered
        if decision.allowed:
            # The floors cannot be asked; what ended before Redis went away also stands in the database.
            try:
                caller = await self._authenticator.verify(credential)
            except AppError as error:
                if error.kind is not Kind.UNAVAILABLE:
                    self._authenticator.forget(credential.fingerprint)
                    raise
        return Entrance(caller, self._local_limit, decision, without_redis=True)

    async def _admit_stranger(self, credential: Credential, address: str) -> Entrance:
        if not self._failures.has_room(address):
            raise TooManyRequests(self._failures.admit(address).retry_after_s)
        try:
            verified = await self._authenticator.verify(credential)
        except AppError as error:
            if error.kind is Kind.UNAUTHENTICATED:
                self._failures.admit(address)
            raise
        admission = await self._gate.admit(_counted_as(verified), verified.stamps)
        if admission.decision is None:
            # Changed between the look into the database and the look into Redis.
            raise TokenRejected if credential.kind is CredentialKind.TOKEN else ApiKeyInvalid
        self._authenticator.remember(credential.fingerprint, verified)
        return Entrance(verified, self._limit, admission.decision, without_redis=False)


def _counted_as(caller: Verified) -> str:
    # Each key has its own allowance: one machine that runs wild must not stop its owner's others.
    return f"key:{caller.key_id}" if caller.key_id is not None else f"user:{caller.principal.subject}"
