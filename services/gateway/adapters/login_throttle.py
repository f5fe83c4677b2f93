"""Counts attempts to log in, in Redis."""

import hashlib
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.gateway.adapters.redis_gate import RedisCounter
from services.gateway.domain.errors import RedisAway, TooManyAttempts
from services.gateway.domain.rate_limit import Limit


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """How many attempts are let in.

    Parameters
    ----------
    pair
        As one user from one address: what stops a guesser.
    user
        As one user from anywhere: what stops many guessers. Much wider, so that they do not lock the user out.
    address
        From one address as anybody: what stops one guesser with a list of users.
    """

    pair: Limit
    user: Limit
    address: Limit


class RedisLoginThrottle:
    """Implements `sessions.LoginThrottle`."""

    def __init__(self, redis: Redis, counter: RedisCounter, limits: LoginLimits) -> None:
        self._redis = redis
        self._counter = counter
        self._limits = limits

    async def admit(self, username: str, address: str) -> None:
        for key, limit in (
            (f"futago:login:address:{_digest(address)}", self._limits.address),
            (_pair_key(username, address), self._limits.pair),
            (f"futago:login:user:{_digest(username)}", self._limits.user),
        ):
            decision = (await self._counter.count(key, limit)).decision
            if decision is not None and not decision.allowed:
                raise TooManyAttempts(decision.retry_after_s)

    async def forgive(self, username: str, address: str) -> None:
        try:
            await self._redis.delete(_pair_key(username, address))
        except RedisError as error:
            raise RedisAway from error


def _pair_key(username: str, address: str) -> str:
    return f"futago:login:pair:{_digest(username)}:{_digest(address)}"


def _digest(text: str) -> str:
    # Names that were tried can be anything, passwords in the wrong field included: they are not kept.
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
