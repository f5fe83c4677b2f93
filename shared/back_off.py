"""Ever longer pauses while something is away."""

import asyncio
from collections.abc import Awaitable, Callable
from random import SystemRandom

FIRST_S = 0.2
LONGEST_S = 10.0

_random = SystemRandom()


class BackOff:
    """Each pause of a run of failures is up to twice as long as the one before.

    Parameters
    ----------
    first_s, longest_s
        The first pause, and what no pause exceeds [s].
    sleep, spread
        How to wait, and what share of a pause to take: from half of it to all, so that those who lost something at
        the same time do not come back in one moment.
    """

    def __init__(
        self,
        *,
        first_s: float = FIRST_S,
        longest_s: float = LONGEST_S,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        spread: Callable[[float, float], float] = _random.uniform,
    ) -> None:
        self._first_s, self._longest_s = first_s, longest_s
        self._next_s = first_s
        self._sleep, self._spread = sleep, spread

    async def pause(self) -> None:
        """Wait after a failure."""
        pause_s = self._next_s * self._spread(0.5, 1.0)
        self._next_s = min(2 * self._next_s, self._longest_s)
        await self._sleep(pause_s)

    def reset(self) -> None:
        """Begin anew with the shortest pause: it works again."""
        self._next_s = self._first_s
