"""What score jobs found: a file of JSON each in the store, and where it lies in the database."""

import tempfile
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, insert, select

from services.anomaly.adapters.tables import scores
from services.anomaly.domain.score_jobs import KeptScores, ScoresMissing
from shared.database import read
from shared.store import Store

SCORES = "scores"


class SqlScores:
    """Implements `score_jobs.ScoreShelf`.

    Parameters
    ----------
    cache_dir
        Local folder for files that can be fetched again.
    """

    def __init__(self, engine: Engine, store: Store, *, cache_dir: Path) -> None:
        self._engine = engine
        self._store = store
        self._cache_dir = cache_dir / SCORES

    def find(self, job_id: str) -> KeptScores:
        with read(self._engine) as connection:
            row = connection.execute(select(scores).where(scores.c.job_id == job_id)).first()
        if row is None:
            raise ScoresMissing(job_id)
        return KeptScores(self._store.fetch(SCORES, row.digest, self._cache_dir), row.asset, row.owner)


def keep_scores(store: Store, content: str) -> str:
    """Put a result in the store; returns its digest."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="futago-scores-") as file:
        file.write(content)
        file.flush()
        return store.put_file(SCORES, Path(file.name))


def add_scores(
    connection: Connection, digest: str, *, job_id: str, asset: str | None, owner: str | None, at: datetime
) -> None:
    """Note where the result of a job lies, in the caller's transaction."""
    connection.execute(
        insert(scores).values(
            job_id=job_id, digest=digest, asset=asset, owner=owner, created_at_ms=round(at.timestamp() * 1000)
        )
    )
