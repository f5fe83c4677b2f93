"""A table of readings from a Parquet file, read by a process of its own."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from services.anomaly.domain.csv_table import EVERYTHING, Selection, TableLimits, UploadTooLarge
from services.anomaly.domain.rows import FAULT_LIMIT, RowsRefused
from services.anomaly.domain.training_requests import Table
from shared.errors import Fault
from shared.log import get_logger

_CHILD = "services.anomaly.adapters.parquet_child"
_PATIENCE_S = 300.0
# First and last moment that has a name in UTC, as microseconds since 1970.
_FIRST_US, _LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999

log = get_logger(__name__)


def read_parquet_table(
    file: IO[bytes], limits: TableLimits, time_column: str | None, selection: Selection = EVERYTHING
) -> Table:
    """Read a file of flat columns; integers, floats, decimals and booleans are readings, nulls are missing.

    Parameters
    ----------
    file
        A real file, or one that can become one (`fileno`).
    time_column
        Of a timestamp type; left out, the only column of that type. A timestamp without a zone is UTC.
    selection
        Columns to read; the others may hold anything.

    Raises
    ------
    RowsRefused
        If it is no such table, is damaged or encrypted, or would take too much memory to read.
    UploadTooLarge
        If a limit is passed.
    """
    order: dict[str, object] = {
        "rows": limits.rows,
        "columns": limits.columns,
        "values": limits.values,
        "time_column": time_column,
    }
    order |= {"only": selection.only, "left_out": selection.left_out}
    with tempfile.TemporaryDirectory(prefix="futago-parquet-") as folder:
        readings = Path(folder) / "readings"
        found = _ask_child(file, readings, order)
        if "error" in found:
            raise _refusal(found)
        return _table(found, readings)


def _ask_child(file: IO[bytes], readings: Path, order: Mapping[str, object]) -> Mapping[str, Any]:
    # The reader goes by positions of its own; the file of a spool has to exist on disk first.
    file.flush()
    file.fileno()
    file.seek(0)
    command = [sys.executable, "-m", _CHILD, str(readings), json.dumps(order)]
    try:
        child = subprocess.run(  # noqa: S603 (our own module, and no word of the caller's but the column's name)
            command,
            stdin=file.fileno(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _unreadable() from error
    if child.returncode != 0:
        log.warning("parquet_unreadable", returncode=child.returncode)
        raise _unreadable()
    answer: Mapping[str, Any] = json.loads(child.stdout)
    return answer


def _table(found: Mapping[str, Any], readings: Path) -> Table:
    columns: tuple[str, ...] = tuple(found["columns"])
    rows: int = found["rows"]
    count = rows * len(columns)
    table = np.fromfile(readings, dtype=np.float64, count=count).reshape(rows, len(columns))
    if found["time_column"] is None:
        return Table(columns, table, None)
    moments = np.fromfile(readings, dtype=np.int64, offset=8 * count)
    return Table(columns, table, _times(moments, found["time_column"]))


def _times(moments_us: NDArray[np.int64], name: str) -> tuple[datetime, ...]:
    outside = (moments_us < _FIRST_US) | (moments_us > _LAST_US)
    _refuse(outside, name, "the time is outside the years 1 to 9999 of UTC")
    late = np.concatenate(([False], np.diff(moments_us) <= 0))[: len(moments_us)]
    _refuse(late, name, "the time is not later than the one before")
    naive: list[datetime] = moments_us.astype("datetime64[us]").tolist()
    return tuple(moment.replace(tzinfo=UTC) for moment in naive)


def _refuse(bad: NDArray[np.bool_], name: str, detail: str) -> None:
    rows = np.flatnonzero(bad)[:FAULT_LIMIT].tolist()
    if rows:
        raise RowsRefused("the times cannot be used", faults=[Fault(f"/rows/{row}/{name}", detail) for row in rows])


def _refusal(found: Mapping[str, Any]) -> RowsRefused | UploadTooLarge:
    faults = [Fault(fault["pointer"], fault["detail"]) for fault in found["faults"]]
    kind = UploadTooLarge if found["error"] == UploadTooLarge.code else RowsRefused
    return kind(found["message"], faults=faults)


def _unreadable() -> RowsRefused:
    return RowsRefused("the file is no Parquet that can be read here: damaged, encrypted, or too large in memory")
