"""How many follow searches at once: each stream holds one of the gateway's connections and asks the database."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import AppError, Kind

STREAMS_PER_CALLER = 8
"""One person with a few windows."""
STREAMS = 100
"""Well below the 256 connections that a gateway holds to a service."""


class TooManyStreams(AppError):
    """The caller follows searches over as many connections as one may, or this process has as many as it takes."""

    kind, code = Kind.RATE_LIMITED, "planner.too_many_streams"

    def __init__(self, most: int) -> None:
        super().__init__("too many searches are followed: close one", retry_after_s=5.0, most=most)


class Followers:
    """Counts open streams, of each user together with their keys."""

    def __init__(self) -> None:
        self._streams: Counter[str] = Counter()

    @contextmanager
    def following(self, who: str) -> Iterator[None]:
        """Hold a place for one stream.

        Raises
        ------
        TooManyStreams
            If the user has all that one may have, or all are taken.
        """
        if self._streams[who] >= STREAMS_PER_CALLER:
            raise TooManyStreams(STREAMS_PER_CALLER)
        if self._streams.total() >= STREAMS:
            raise TooManyStreams(STREAMS)
        self._streams[who] += 1
        try:
            yield
        finally:
            self._streams[who] -= 1
            self._streams += Counter()
