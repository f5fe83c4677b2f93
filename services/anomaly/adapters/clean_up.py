"""What the anomaly service keeps for a time only.

Rows in the database go first. A file goes once no row and no unfinished job refers to it, and it was not put into the
store within the last day: whoever puts one writes down where it lies after that.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Column, Engine, select

from services.anomaly.adapters.detector_store import DETECTORS
from services.anomaly.adapters.job_orders import QUEUE
from services.anomaly.adapters.sql_scores import SCORES
from services.anomaly.adapters.table_store import UPLOADS
from services.anomaly.adapters.tables import history, live, scores, uploads, versions
from shared.database import read
from shared.jobs.retention import unfinished_payloads
from shared.retention import Rule, delete_rows
from shared.store import Store, forget_unused

# Longer than any request or publication takes from the file to the row or job that refers to it.
_FILES_KEPT = timedelta(days=1)
# An upload is refused when its time is over and removed only later: a request that found it can still make its job.
UPLOAD_GRACE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Kept:
    """How long things are kept; `None` is for ever."""

    uploads: timedelta | None
    scores: timedelta | None
    live_counts: timedelta | None
    cached_files: timedelta | None
    history: timedelta | None


def rules(engine: Engine, store: Store, cache_dir: Path, kept: Kept) -> list[Rule]:
    """Make the rules of one replica."""
    files = _Files(engine)
    return [
        Rule(
            "uploads",
            None if kept.uploads is None else kept.uploads + UPLOAD_GRACE,
            lambda before: delete_rows(engine, uploads, uploads.c.created_at_ms < _to_ms(before)),
        ),
        Rule(
            "scores",
            kept.scores,
            lambda before: delete_rows(engine, scores, scores.c.created_at_ms < _to_ms(before)),
        ),
        Rule(
            "live_counts",
            kept.live_counts,
            lambda before: delete_rows(engine, live, live.c.last_seen_ms < _to_ms(before)),
        ),
        Rule(
            "history",
            kept.history,
            lambda before: delete_rows(engine, history, history.c.at_ms < _to_ms(before)),
        ),
        Rule("kept_tables", _FILES_KEPT, lambda before: store.sweep(UPLOADS, files.tables, written_before=before)),
        Rule("score_files", _FILES_KEPT, lambda before: store.sweep(SCORES, files.scores, written_before=before)),
        Rule(
            "orphan_bundles", _FILES_KEPT, lambda before: store.sweep(DETECTORS, files.bundles, written_before=before)
        ),
        Rule("cached_files", kept.cached_files, lambda before: forget_cached_files(cache_dir, before)),
    ]


def forget_cached_files(cache_dir: Path, used_before: datetime) -> int:
    """Delete what was fetched from the store and not needed since a moment; returns how many files."""
    return sum(forget_unused(cache_dir / prefix, used_before=used_before) for prefix in (UPLOADS, SCORES, DETECTORS))


class _Files:
    """Which files are referred to."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def tables(self, digests: Sequence[str]) -> AbstractSet[str]:
        with read(self._engine) as connection:
            query = select(uploads.c.digest).where(uploads.c.digest.in_(digests))
            wanted = set(connection.execute(query).scalars())
            for payload in unfinished_payloads(connection, QUEUE):
                wanted.update(str(payload[name]) for name in ("table", "context") if payload.get(name) is not None)
        return wanted

    def scores(self, digests: Sequence[str]) -> AbstractSet[str]:
        return self._named(scores.c.digest, digests)

    def bundles(self, digests: Sequence[str]) -> AbstractSet[str]:
        return self._named(versions.c.archive, digests)

    def _named(self, column: Column[str], digests: Sequence[str]) -> AbstractSet[str]:
        with read(self._engine) as connection:
            return frozenset(connection.execute(select(column).where(column.in_(digests))).scalars())


def _to_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
