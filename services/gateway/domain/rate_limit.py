"""How fast a caller may go.

An allowance is a promise in two directions: never more than so many requests in any sixty minutes, wherever they start,
and so many at once. What refills is kept as one number per caller, the time at which its allowance will be full again
(generic cell rate algorithm). That alone would let in a whole burst on top of an hour's refill, so

- up to `EXACT_UP_TO` an hour, the moments of the last hour are kept beside it, and counted;
- above, where keeping them would cost too much memory, it refills that much more slowly.

References
----------
.. [1] ITU-T I.371 (2004), Annex A: generic cell rate algorithm
"""

import math
from dataclasses import dataclass
from functools import lru_cache

HOUR_US = 3_600_000_000
# Ten bytes for each moment that is kept: 100 kB for a caller who uses all of it.
EXACT_UP_TO = 10_000


@dataclass(frozen=True, slots=True)
class Limit:
    """An allowance that refills steadily.

    Parameters
    ----------
    name
        As it stands in the `RateLimit` header.
    per_hour
        Most requests in any sixty minutes.
    burst
        Requests that may come at once; where that is more than an hour's, the hour's is what holds.
    """

    name: str
    per_hour: int
    burst: int

    def __post_init__(self) -> None:
        if not 1 <= self.per_hour <= HOUR_US or self.burst < 1:
            raise ValueError("a limit allows one request at least, and a thousand in a millisecond at most")

    @property
    def is_counted(self) -> bool:
        """Whether each request of the last hour is kept."""
        return self.per_hour <= EXACT_UP_TO

    @property
    def at_once(self) -> int:
        """Requests after which the caller waits for a refill; of a large limit, half an hour's at most."""
        return self.burst if self.is_counted else min(self.burst, self.per_hour // 2)

    @property
    def interval_us(self) -> int:
        """Time in which one request refills, in whole microseconds [us].

        Whole, so that sums are exact: with fractions the last request of a burst would now and then be turned away.
        """
        if self.is_counted:
            return HOUR_US // self.per_hour
        return -(-HOUR_US // (self.per_hour - self.at_once))

    @property
    def window_us(self) -> int:
        """Time in which an empty allowance is full again [us]."""
        return self.interval_us * self.at_once


def stricter(limit: Limit, other: Limit) -> Limit:
    """What stands in for a limit on one replica alone: `other`, and never as much as half of `limit`.

    Together with its burst it stays below the hour's allowance, without anything being kept but the one number.

    Examples
    --------
    >>> stricter(Limit("caller", per_hour=1000, burst=2000), Limit("local", per_hour=36_000, burst=100))
    Limit(name='caller', per_hour=500, burst=100)
    """
    per_hour = max(1, min(other.per_hour, limit.per_hour // 2))
    return Limit(limit.name, per_hour, max(1, min(other.burst, limit.burst, per_hour)))


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request may pass, and what is left.

    Parameters
    ----------
    remaining
        Requests that may still come at once.
    retry_after_s
        Wait before the next request passes [s]; 0 if this one did.
    reset_after_s
        Time until the allowance is full again [s].
    """

    allowed: bool
    remaining: int
    retry_after_s: float
    reset_after_s: float


def decide(full_at_us: int | None, now_us: int, limit: Limit) -> tuple[Decision, int]:
    """Let one request pass or not.

    Parameters
    ----------
    full_at_us
        What was kept of the last decision; `None` for a caller not seen before [us].

    Returns
    -------
    The decision, and what has to be kept: when the allowance is full again, on the clock of `now_us` [us].
    """
    # Never further off than a refill of all: what was kept may be of a limit that was changed since.
    started_us = now_us if full_at_us is None else min(max(full_at_us, now_us), now_us + limit.window_us)
    after_us = started_us + limit.interval_us
    wait_us = after_us - limit.window_us - now_us
    if wait_us > 0:
        return decision_of(limit, reset_us=started_us - now_us, wait_us=wait_us), started_us
    return decision_of(limit, reset_us=after_us - now_us, wait_us=0), after_us


def decision_of(limit: Limit, *, reset_us: int, wait_us: int) -> Decision:
    """The decision for an allowance that is full again in `reset_us`, where the next request waits `wait_us`."""
    return Decision(
        allowed=wait_us == 0,
        remaining=0 if wait_us else max(0, (limit.window_us - reset_us) // limit.interval_us),
        retry_after_s=wait_us / 1e6,
        reset_after_s=reset_us / 1e6,
    )


def headers(limit: Limit, decision: Decision) -> tuple[tuple[str, str], tuple[str, str]]:
    """`RateLimit-Policy` and `RateLimit` as structured fields (draft-ietf-httpapi-ratelimit-headers-10).

    Examples
    --------
    >>> headers(Limit("caller", per_hour=3600, burst=10), Decision(True, 9, 0.0, 1.0))
    (('RateLimit-Policy', '"caller";q=10;w=10'), ('RateLimit', '"caller";r=9;t=1'))
    >>> headers(Limit("caller", per_hour=100, burst=2000), Decision(True, 99, 0.0, 3600.0))
    (('RateLimit-Policy', '"caller";q=100;w=3600'), ('RateLimit', '"caller";r=99;t=3600'))
    """
    state = f'"{limit.name}";r={decision.remaining};t={math.ceil(decision.reset_after_s)}'
    return ("RateLimit-Policy", _policy(limit)), ("RateLimit", state)


@lru_cache(maxsize=1024)
def _policy(limit: Limit) -> str:
    if limit.is_counted and limit.burst >= limit.per_hour:
        return f'"{limit.name}";q={limit.per_hour};w={HOUR_US // 1_000_000}'
    return f'"{limit.name}";q={limit.at_once};w={math.ceil(limit.window_us / 1e6)}'
