"""Lets a request in: who is it, does that still hold, is it not too much, and may it do this."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from services.gateway.domain.access import Route, authorise
from services.gateway.domain.addresses import is_within
from services.gateway.domain.credentials import (
    Authenticator,
    Credential,
    CredentialKind,
    Stamp,
    Verified,
    read_credential,
)
from services.gateway.domain.duties import check_duty
from services.gateway.domain.errors import AddressNotAllowed, RedisAway, TokenRejected, TooManyRequests
from services.gateway.domain.key_errors import ApiKeyInvalid
from services.gateway.domain.rate_limit import Decision, Limit, stricter
from services.gateway.domain.throttling import counted_address
from shared.errors import AppError, Kind


class Charge(NamedTuple):
    """One limit that a request is counted on.

    Parameters
    ----------
    who
        What it is counted as: a user, a key, an address, or one of these and a class of routes.
    """

    who: str
    limit: Limit


@dataclass(frozen=True, slots=True)
class Admission:
    """What the shared memory of all replicas says about a request.

    Parameters
    ----------
    stale
        A floor has passed one of the stamps: the verification no longer counts, and nothing was counted.
    decisions
        Of each limit that was asked; none if stale.
    """

    stale: bool
    decisions: tuple[Decision, ...]


class Gate(Protocol):
    """Rate limits and floors, shared by all replicas."""

    @property
    def era(self) -> int:
        """Grows when floors may have been missed, and everything remembered was dropped."""
        ...

    def admit_at_once(self, charge: Charge, stamps: tuple[Stamp, ...]) -> Decision | None:
        """Count a request on what this process has on loan; `None` if the others have to be asked."""
        ...

    async def admit(self, charges: Sequence[Charge], stamps: tuple[Stamp, ...], *, at_this_moment: bool) -> Admission:
        """Count a request; raise `RedisAway` if nobody can say.

        Parameters
        ----------
        at_this_moment
            The floors as they are now, and not as they were a moment ago.
        """
        ...


class LocalCounter(Protocol):
    """Rate limits of this process alone."""

    def admit(self, who: str, limit: Limit) -> Decision:
        """Count one, if the limit has room for it."""
        ...

    def has_room(self, who: str, limit: Limit) -> bool:
        """Whether one more would be let in."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What is allowed to whom.

    Parameters
    ----------
    caller
        To each user and each key, on all replicas together; a key may have its own.
    heavy
        To the same, of routes that start work of minutes; counted beside `caller`.
    address
        To each address, of routes that are open to everybody.
    local
        Stands in for each of these on this replica alone while Redis is away, if it is the stricter one.
    refused
        Credentials that are refused, to each address: made-up keys must not keep the database busy.
    """

    caller: Limit
    heavy: Limit
    address: Limit
    local: Limit
    refused: Limit


@dataclass(frozen=True, slots=True)
class Allowance:
    """A limit that a request was counted on, and what is left of it."""

    limit: Limit
    decision: Decision


@dataclass(frozen=True, slots=True)
class Entrance:
    """A request that came in.

    Parameters
    ----------
    allowance
        Of the limits it was counted on, the one that has the least left.
    address
        Where it came from.
    without_redis
        It was let in on what was verified before, as Redis is away.
    """

    caller: Verified
    allowance: Allowance
    address: str
    without_redis: bool


class Doorman:
    """Decides about every request.

    Parameters
    ----------
    local
        Counts while Redis is away.
    failures
        Counts credentials that were refused, by address.
    """

    def __init__(
        self, *, authenticator: Authenticator, gate: Gate, limits: Limits, local: LocalCounter, failures: LocalCounter
    ) -> None:
        self._authenticator = authenticator
        self._gate = gate
        self._limits = limits
        self._local = local
        self._failures = failures

    async def admit(self, route: Route, headers: Iterable[tuple[bytes, bytes]], address: str) -> Entrance:
        """Let a request in that is not open to everybody.

        What the caller may do is not yet checked: see `check`.

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
            charges = self._charges(route, remembered)
            # Only what goes on without Redis is let in on loan: about whoever changes something, Redis is always asked.
            if route.without_redis and len(charges) == 1:
                decision = self._gate.admit_at_once(charges[0], remembered.stamps)
                if decision is not None:
                    return Entrance(remembered, Allowance(charges[0].limit, decision), address, without_redis=False)
            era = self._gate.era
            try:
                admission = await self._gate.admit(charges, remembered.stamps, at_this_moment=not route.without_redis)
            except RedisAway:
                if not route.without_redis:
                    raise
                return await self._admit_without_redis(credential, remembered, charges[0], address)
            # Where floors were missed meanwhile, what ended is known to the database alone.
            if not admission.stale and era == self._gate.era:
                return Entrance(remembered, _tightest(charges, admission.decisions), address, without_redis=False)
            self._authenticator.forget(fingerprint)
        return await self._admit_stranger(route, credential, address)

    async def admit_anybody(self, address: str) -> Allowance:
        """Count a request for a route that is open to everybody."""
        charge = Charge(f"address:{counted_address(address)}", self._limits.address)
        decision = self._gate.admit_at_once(charge, ())
        if decision is not None:
            return Allowance(charge.limit, decision)
        try:
            admission = await self._gate.admit((charge,), (), at_this_moment=False)
        except RedisAway:
            return self._count_here(charge)
        return Allowance(charge.limit, admission.decisions[0])

    @staticmethod
    def check(entrance: Entrance, route: Route) -> None:
        """Refuse a request that came in but is too much, from the wrong place, or not the caller's to make.

        Raises
        ------
        TooManyRequests
            If the limit has no room.
        AddressNotAllowed
            If the credential may not be used from where the request came.
        EnrolmentRequired, PasswordChangeRequired
            If the caller has to do something else first.
        NotAllowed
            If the caller lacks the permission.
        """
        check_room(entrance.allowance)
        caller = entrance.caller
        if caller.networks and not is_within(entrance.address, caller.networks):
            raise AddressNotAllowed
        check_duty(caller.duty, route)
        authorise(route, caller.principal)

    def _charges(self, route: Route, caller: Verified) -> tuple[Charge, ...]:
        # Each key has its own allowance: one machine that runs wild must not stop its owner's others.
        who = f"key:{caller.key_id}" if caller.key_id is not None else f"user:{caller.principal.subject}"
        general = Charge(who, caller.limit or self._limits.caller)
        return (general, Charge(f"heavy:{who}", self._limits.heavy)) if route.is_heavy else (general,)

    def _count_here(self, charge: Charge) -> Allowance:
        limit = stricter(charge.limit, self._limits.local)
        return Allowance(limit, self._local.admit(charge.who, limit))

    async def _admit_without_redis(
        self, credential: Credential, remembered: Verified, charge: Charge, address: str
    ) -> Entrance:
        allowance = self._count_here(charge)
        caller = remembered
        if allowance.decision.allowed:
            # The floors cannot be asked; what ended before Redis went away also stands in the database.
            try:
                caller = await self._authenticator.verify(credential)
            except AppError as error:
                if error.kind is not Kind.UNAVAILABLE:
                    self._authenticator.forget(credential.fingerprint)
                    raise
        return Entrance(caller, allowance, address, without_redis=True)

    async def _admit_stranger(self, route: Route, credential: Credential, address: str) -> Entrance:
        network = counted_address(address)
        if not self._failures.has_room(network, self._limits.refused):
            raise TooManyRequests(self._failures.admit(network, self._limits.refused).retry_after_s)
        era = self._gate.era
        try:
            verified = await self._authenticator.verify(credential)
        except AppError as error:
            if error.kind is Kind.UNAUTHENTICATED:
                self._failures.admit(network, self._limits.refused)
            raise
        charges = self._charges(route, verified)
        admission = await self._gate.admit(charges, verified.stamps, at_this_moment=True)
        if admission.stale:
            # Changed between the look into the database and the look into Redis.
            raise TokenRejected if credential.kind is CredentialKind.TOKEN else ApiKeyInvalid
        if era == self._gate.era:
            self._authenticator.remember(credential.fingerprint, verified)
        return Entrance(verified, _tightest(charges, admission.decisions), address, without_redis=False)


def check_room(allowance: Allowance) -> None:
    """Refuse a request that is too much.

    Raises
    ------
    TooManyRequests
        If the limit has no room.
    """
    if not allowance.decision.allowed:
        raise TooManyRequests(allowance.decision.retry_after_s)


def _tightest(charges: Sequence[Charge], decisions: Sequence[Decision]) -> Allowance:
    pairs = zip(charges, decisions, strict=True)
    charge, decision = min(pairs, key=lambda pair: (pair[1].allowed, pair[1].remaining))
    return Allowance(charge.limit, decision)
