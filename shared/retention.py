"""Removing what need not be kept any longer: about once an hour, a little at a time.

Every replica does it. Two at once take turns, and the second finds nothing left: no replica has to be chosen, and none
is missed when it dies.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import SystemRandom

from anyio import to_thread
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy import ColumnElement, Engine, Table, delete, select, tuple_

from shared.clock import Clock
from shared.database import take_turns, write
from shared.errors import AppError
from shared.log import get_logger

EVERY_S = 3600.0
# A process that has just started has other things to do.
_FIRST_WITHIN_S = 60.0
# Rows of one transaction: short ones let the requests in between.
_BATCH_ROWS = 1000

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rule:
    """What is removed, and when.

    Parameters
    ----------
    what
        Its name in metrics and logs, in the plural.
    keep
        How long it is kept; `None` for ever.
    remove
        Removes what is older than a moment, in short transactions, and says how much; it blocks.
    """

    what: str
    keep: timedelta | None
    remove: Callable[[datetime], int]


class CleanUp:
    """Applies rules again and again.

    Parameters
    ----------
    every_s
        Between two times, give or take a tenth: replicas that start together do not stay together.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        *,
        clock: Clock,
        metrics: CollectorRegistry,
        every_s: float = EVERY_S,
        first_within_s: float = _FIRST_WITHIN_S,
    ) -> None:
        self._rules, self._clock = tuple(rules), clock
        self._every_s, self._first_within_s = every_s, first_within_s
        self._removed = Counter(
            "futago_retention_removed",
            "Rows and files removed because their retention time was over",
            ("what",),
            registry=metrics,
        )
        self._failures = Counter(
            "futago_retention_failures", "Removals that failed; tried again an hour later", ("what",), registry=metrics
        )
        for rule in self._rules:
            # Shown from the start: an alarm on a counter that is not there never rings.
            self._removed.labels(rule.what)
            self._failures.labels(rule.what)

    async def run(self) -> None:
        """Clean up until cancelled."""
        random = SystemRandom()
        await asyncio.sleep(random.uniform(0.0, self._first_within_s))
        while True:
            await self.once()
            await asyncio.sleep(self._every_s * random.uniform(0.9, 1.1))

    async def once(self) -> None:
        """Apply every rule; one that fails is counted, and tried again the next time."""
        for rule in self._rules:
            if rule.keep is None:
                continue
            try:
                removed = await to_thread.run_sync(rule.remove, self._clock.now() - rule.keep)
            except AppError as error:
                self._failures.labels(rule.what).inc()
                log.warning("clean_up_failed", what=rule.what, code=error.code)
            except Exception:
                # A bug in one of them must not keep the others from being removed.
                self._failures.labels(rule.what).inc()
                log.exception("clean_up_failed", what=rule.what)
            else:
                self._removed.labels(rule.what).inc(removed)
                if removed:
                    log.info("cleaned_up", what=rule.what, count=removed)


def days(count: float) -> timedelta | None:
    """A setting in days as a time to keep; 0 is for ever."""
    return timedelta(days=count) if count else None


def delete_rows(engine: Engine, table: Table, old: ColumnElement[bool], *, batch_rows: int = _BATCH_ROWS) -> int:
    """Delete every row that fulfils a condition, in short transactions; returns how many.

    Raises
    ------
    DatabaseUnavailable
        If the database does not answer; what was deleted by then stays deleted.
    """
    key = tuple_(*table.primary_key)
    removed = 0
    while True:
        batch = select(*table.primary_key).where(old).limit(batch_rows)
        with write(engine) as connection:
            take_turns(connection, [f"clean up {table.name}"])
            # Asked again of each row: it may have been changed since it was chosen.
            count = connection.execute(delete(table).where(key.in_(batch), old)).rowcount
        removed += count
        if count < batch_rows:
            return removed
