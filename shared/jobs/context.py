"""What a handler is given: its payload, and the only ways to tell the world about its work."""

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine

from shared.clock import Clock
from shared.database import DatabaseUnavailable
from shared.errors import JSON
from shared.jobs.attempts import Attempt
from shared.log import get_logger

PROGRESS_INTERVAL_S = 0.5

T = TypeVar("T")

log = get_logger(__name__)


class Ledger(Protocol):
    """Where an attempt writes; each call raises `AttemptLost` once the job is another's."""

    def report(self, attempt: Attempt, progress: Mapping[str, JSON]) -> None: ...

    def save(self, attempt: Attempt, action: Callable[[Connection], T]) -> T: ...

    def succeed(
        self,
        attempt: Attempt,
        action: Callable[[Connection], Mapping[str, JSON]],
        progress: Mapping[str, JSON] | None,
    ) -> Mapping[str, JSON]: ...


class JobContext:
    """One attempt at a job, as its handler sees it.

    Parameters
    ----------
    options
        What the worker process was configured with and hands to each handler, such as the URL of the store.
    engine
        The database, for reading; what the job publishes goes through `commit` or `save`.
    """

    def __init__(
        self, attempt: Attempt, ledger: Ledger, *, options: Mapping[str, JSON], engine: Engine, clock: Clock
    ) -> None:
        self.job_id = attempt.job_id
        self.payload = attempt.payload
        self.owner = attempt.owner
        self.attempt = attempt.number
        self.time_limit_s = attempt.time_limit_s
        self.options = options
        self.engine = engine
        self._held = attempt
        self._ledger = ledger
        self._clock = clock
        self._progress: Mapping[str, JSON] | None = None
        self._reported_s = float("-inf")
        self._committed = False

    @property
    def committed(self) -> bool:
        """Whether the result is published: the job has succeeded whatever happens now."""
        return self._committed

    def progress(self, fraction: float, message: str, **facts: JSON) -> None:
        """Say how far the work is; written at most twice a second, so it may be called in a tight loop.

        Parameters
        ----------
        fraction
            Done so far, 0 to 1 [1].

        Raises
        ------
        AttemptLost
            If the job was cancelled or given to another worker: stop.
        """
        self._progress = {**facts, "fraction": fraction, "message": message}
        now_s = self._clock.monotonic_s()
        if now_s - self._reported_s >= PROGRESS_INTERVAL_S:
            self._reported_s = now_s
            try:
                self._ledger.report(self._held, self._progress)
            except DatabaseUnavailable:
                # The next report or the result will do: no work is lost for want of a word about it.
                log.warning("job_progress_unwritten", job=self.job_id)

    def save(self, action: Callable[[Connection], T]) -> T:
        """Write something on the way, such as the best plan so far, unless the job is another's by now.

        Raises
        ------
        AttemptLost
            If the job was cancelled or given to another worker; the action has not run.
        """
        return self._ledger.save(self._held, action)

    def commit(self, action: Callable[[Connection], Mapping[str, JSON]]) -> Mapping[str, JSON]:
        """Publish: run the action and end the job with what it returns as its result, in one transaction.

        However often the job is delivered, this happens once. A handler that publishes nothing in the database
        just returns its result.

        Raises
        ------
        AttemptLost
            If the job was cancelled or given to another worker; the action has not run.
        RuntimeError
            If the job was committed before.
        """
        if self._committed:
            raise RuntimeError("a job is committed once")
        result = self._ledger.succeed(self._held, action, self._progress)
        self._committed = True
        return result
