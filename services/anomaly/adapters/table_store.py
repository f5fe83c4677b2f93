"""Training rows in the store as `.npz`, and the uploads in the database."""

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import numpy as np
from sqlalchemy import Engine, insert, select

from services.anomaly.adapters.tables import uploads
from services.anomaly.domain.training_requests import KeptTable, Table, UploadMissing
from shared.clock import Clock
from shared.database import read, write
from shared.store import Store

UPLOADS = "uploads"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SqlTableStore:
    """Implements `training_requests.TableStore` and `uploads.UploadStore`.

    Parameters
    ----------
    uploads_kept
        How long an upload can be asked for; `None` for ever.
    """

    def __init__(self, engine: Engine, store: Store, *, clock: Clock, uploads_kept: timedelta | None) -> None:
        self._engine = engine
        self._store = store
        self._clock = clock
        self._uploads_kept = uploads_kept

    def keep(self, table: Table) -> KeptTable:
        with tempfile.NamedTemporaryFile(prefix="futago-table-", suffix=".npz") as file:
            # Equal tables make equal files, so the same request made twice has one digest.
            np.savez(
                file,
                rows=table.rows,
                columns=np.array(table.columns, dtype=np.str_),
                times_us=np.array([_to_us(time) for time in table.times or ()], dtype=np.int64),
                image_shape=np.array(table.image_shape or (), dtype=np.int64),
            )
            file.flush()
            return KeptTable(
                self._store.put_file(UPLOADS, Path(file.name)),
                table.columns,
                len(table.rows),
                int(np.isnan(table.rows).sum()),
                (table.times[0], table.times[-1]) if table.times else None,
                table.image_shape,
            )

    def add_upload(self, table: Table, *, by: str, at: datetime) -> tuple[str, KeptTable]:
        kept = self.keep(table)
        upload_id = uuid4().hex
        with write(self._engine) as connection:
            connection.execute(
                insert(uploads).values(
                    upload_id=upload_id,
                    digest=kept.digest,
                    columns=list(kept.columns),
                    rows=kept.rows,
                    created_by=by,
                    created_at_ms=round(at.timestamp() * 1000),
                    missing=kept.missing,
                    first_at_us=None if kept.period is None else _to_us(kept.period[0]),
                    last_at_us=None if kept.period is None else _to_us(kept.period[1]),
                    image_shape=None if kept.image_shape is None else list(kept.image_shape),
                )
            )
        return upload_id, kept

    def upload_owner(self, upload_id: str) -> str | None:
        with read(self._engine) as connection:
            return connection.scalar(select(uploads.c.created_by).where(uploads.c.upload_id == upload_id))

    def upload(self, upload_id: str) -> KeptTable:
        query = select(uploads).where(uploads.c.upload_id == upload_id)
        if self._uploads_kept is not None:
            kept_since = self._clock.now() - self._uploads_kept
            query = query.where(uploads.c.created_at_ms >= round(kept_since.timestamp() * 1000))
        with read(self._engine) as connection:
            row = connection.execute(query).first()
        if row is None:
            raise UploadMissing(upload_id)
        return KeptTable(
            row.digest,
            tuple(row.columns),
            row.rows,
            row.missing,
            None if row.first_at_us is None else (_from_us(row.first_at_us), _from_us(row.last_at_us)),
            None if row.image_shape is None else tuple(row.image_shape),
        )


def fetch_table(store: Store, digest: str, cache_dir: Path, columns: Sequence[str]) -> Table:
    """Read these columns of a kept table.

    Raises
    ------
    StoredFileMissing, StoredFileDamaged, StoreUnavailable
        If the store does not return it.
    """
    path = store.fetch(UPLOADS, digest, cache_dir / UPLOADS)
    with np.load(path, allow_pickle=False) as stored:
        kept = stored["columns"].tolist()
        rows = np.ascontiguousarray(stored["rows"][:, [kept.index(name) for name in columns]])
        times = tuple(map(_from_us, stored["times_us"].tolist()))
        # Tables that were kept before there were images have no such array.
        shape = tuple(stored["image_shape"].tolist()) if "image_shape" in stored else ()
    return Table(tuple(columns), rows, times or None, shape or None)


def _to_us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _from_us(time_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time_us)
