"""How fast a caller may go: the generic cell rate algorithm.

One number per caller is kept, the time at which its allowance will be full again. That makes it cheap, exact, and
free of the double burst at the edge of a fixed window.

References
----------
.. [1] ITU-T I.371 (2004), Annex A: generic cell rate algorithm
"""

import math
from dataclasses import dataclass


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
        if self.per_hour < 1 or self.burst < 1:
            raise ValueError("a limit allows one request at least")

    @property
    def interval_s(self) -> float:
        """Time in which one request refills [s]."""
        return 3600.0 / self.per_hour

    @property
    def window_s(self) -> float:
        """Time in which an empty allowance is full again [s]."""
        return self.interval_s * self.burst


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
    full_at_s
        What has to be kept: when the allowance is full again, on the clock of `now_s` [s].
    """

    allowed: bool
    remaining: int
    retry_after_s: float
    reset_after_s: float
    full_at_s: float


def decide(full_at_s: float | None, now_s: float, limit: Limit) -> Decision:
    """Let one request pass or not.

    Parameters
    ----------
    full_at_s
        What was kept of the last decision; `None` for a caller not seen before.
    """
    started_s = now_s if full_at_s is None else max(full_at_s, now_s)
    after_s = started_s + limit.interval_s
    earliest_s = after_s - limit.window_s
    # A nanosecond of grace: sums of binary fractions must not turn the last request of a burst away.
    if earliest_s > now_s + 1e-9:
        return Decision(
            allowed=False,
            remaining=0,
            retry_after_s=earliest_s - now_s,
            reset_after_s=started_s - now_s,
            full_at_s=started_s,
        )
    return Decision(
        allowed=True,
        remaining=remaining(after_s - now_s, limit),
        retry_after_s=0.0,
        reset_after_s=after_s - now_s,
        full_at_s=after_s,
    )


def remaining(reset_after_s: float, limit: Limit) -> int:
    """Requests that may come at once while the allowance needs `reset_after_s` to fill [s]."""
    return max(0, math.floor((limit.window_s - reset_after_s) / limit.interval_s + 1e-6))


def headers(limit: Limit, decision: Decision) -> tuple[tuple[str, str], tuple[str, str]]:
    """`RateLimit-Policy` and `RateLimit` as structured fields (draft-ietf-httpapi-ratelimit-headers-10).

    Examples
    --------
    >>> headers(Limit("caller", per_hour=3600, burst=10), Decision(True, 9, 0.0, 1.0, 1.0))
    (('RateLimit-Policy', '"caller";q=10;w=10'), ('RateLimit', '"caller";r=9;t=1'))
    """
    policy = f'"{limit.name}";q={limit.burst};w={math.ceil(limit.window_s)}'
    state = f'"{limit.name}";r={decision.remaining};t={math.ceil(decision.reset_after_s)}'
    return ("RateLimit-Policy", policy), ("RateLimit", state)
