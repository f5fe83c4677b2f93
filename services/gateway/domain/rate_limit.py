"""How fast a caller may go: the generic cell rate algorithm.

One number per caller is kept, the time at which its allowance will be full again. That makes it cheap, exact, and
free of the double burst at the edge of a fixed window.

References
----------
.. [1] ITU-T I.371 (2004), Annex A: generic cell rate algorithm
"""

import math
from dataclasses import dataclass

_HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Limit:
    """An allowance that refills steadily.

    Parameters
    ----------
    name
        As it stands in the `RateLimit` header.
    per_hour
        Requests that refill in an hour.
    burst
        Requests that may come at once.
    """

    name: str
    per_hour: int
    burst: int

    def __post_init__(self) -> None:
        if not 1 <= self.per_hour <= _HOUR_US or self.burst < 1:
            raise ValueError("a limit allows one request at least, and a thousand in a millisecond at most")

    @property
    def interval_us(self) -> int:
        """Time in which one request refills, in whole microseconds [us].

        Whole, so that sums are exact: with fractions the last request of a burst would now and then be turned away.
        """
        return _HOUR_US // self.per_hour

    @property
    def window_us(self) -> int:
        """Time in which an empty allowance is full again [us]."""
        return self.interval_us * self.burst


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
    started_us = now_us if full_at_us is None else max(full_at_us, now_us)
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
    """
    policy = f'"{limit.name}";q={limit.burst};w={math.ceil(limit.window_us / 1e6)}'
    state = f'"{limit.name}";r={decision.remaining};t={math.ceil(decision.reset_after_s)}'
    return ("RateLimit-Policy", policy), ("RateLimit", state)
