"""Rate limits of this process alone."""

from collections import OrderedDict

from services.gateway.domain.rate_limit import Decision, Limit, decide
from shared.clock import Clock


class LocalLimits:
    """Implements `doorman.LocalCounter`; the least recently seen callers are forgotten first."""

    def __init__(self, clock: Clock, *, size: int = 10_000) -> None:
        self._clock = clock
        self._size = size
        self._full_at_us: OrderedDict[str, int] = OrderedDict()

    def admit(self, who: str, limit: Limit) -> Decision:
        decision, self._full_at_us[who] = decide(self._full_at_us.get(who), self._now_us(), limit)
        self._full_at_us.move_to_end(who)
        while len(self._full_at_us) > self._size:
            self._full_at_us.popitem(last=False)
        return decision

    def has_room(self, who: str, limit: Limit) -> bool:
        decision, _ = decide(self._full_at_us.get(who), self._now_us(), limit)
        return decision.allowed

    def _now_us(self) -> int:
        return int(self._clock.monotonic_s() * 1e6)
