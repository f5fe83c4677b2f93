"""Small shares of a caller's allowance that this process may hand out without asking Redis again.

A round trip for each request costs more than all the rest of letting it in. So a caller who comes often is given a
few requests ahead, on loan. What keeps that exact:

- A share is a `SHARE_OF_LEFT`-th of what is left at most, `LARGEST` at most, and never more than refills while it is
  out: a share that nobody uses, or that dies with its process, has grown back by the time it ends.
- It is charged as if used at its end. Whenever it is used until then, no stretch of time sees more requests than the
  limit allows in it.
- A limit whose requests are counted one by one is never lent: the last of a hundred must not sit on another replica.

Whoever was refused is refused here until the time that Redis named: the wait only ever grows.
"""

from collections import OrderedDict
from dataclasses import dataclass

from services.gateway.domain.rate_limit import Decision, Limit

LIFE_S = 0.25
SMALLEST, LARGEST = 8, 64
SHARE_OF_LEFT = 64


@dataclass(slots=True)
class _Lease:
    limit: Limit
    granted: int
    unused: int
    remaining: int
    asked_at_s: float
    full_at_s: float
    closed_until_s: float


class Leases:
    """What this process holds, by caller; the least recently seen are forgotten first."""

    def __init__(self, *, size: int = 10_000) -> None:
        self._size = size
        self._leases: OrderedDict[str, _Lease] = OrderedDict()

    def take(self, who: str, limit: Limit, now_s: float) -> Decision | None:
        """Decide without asking, or `None` if it has to be asked."""
        lease = self._leases.get(who)
        if lease is None or (lease.limit is not limit and lease.limit != limit):
            return None
        if lease.closed_until_s > now_s:
            return Decision(
                allowed=False,
                remaining=0,
                retry_after_s=lease.closed_until_s - now_s,
                reset_after_s=max(0.0, lease.full_at_s - now_s),
            )
        if not lease.unused or now_s - lease.asked_at_s >= LIFE_S:
            return None
        lease.unused -= 1
        return Decision(
            allowed=True,
            remaining=lease.remaining + lease.unused,
            retry_after_s=0.0,
            reset_after_s=max(0.0, lease.full_at_s - now_s),
        )

    def wanted(self, who: str, limit: Limit, now_s: float) -> int:
        """How many to ask for beside the request at hand: none of a newcomer, then four times as many each time."""
        lease = self._leases.get(who)
        if limit.is_counted or lease is None or now_s - lease.asked_at_s >= LIFE_S:
            return 0
        return min(LARGEST, max(SMALLEST, 4 * lease.granted))

    def keep(self, who: str, limit: Limit, granted: int, decision: Decision, asked_at_s: float) -> None:
        """Remember what Redis said; what is still on loan and unused stays so.

        Parameters
        ----------
        granted
            Requests on loan, beside the one that was asked for.
        asked_at_s
            A moment before Redis decided, so that a lease never outlives what it was charged for [s].
        """
        lease = self._leases.get(who)
        if decision.allowed and not granted and lease is not None and asked_at_s - lease.asked_at_s < LIFE_S:
            return
        self._leases[who] = _Lease(
            limit=limit,
            granted=granted,
            unused=granted,
            remaining=decision.remaining,
            asked_at_s=asked_at_s,
            full_at_s=asked_at_s + decision.reset_after_s,
            closed_until_s=asked_at_s + decision.retry_after_s,
        )
        self._leases.move_to_end(who)
        while len(self._leases) > self._size:
            self._leases.popitem(last=False)
