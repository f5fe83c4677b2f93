"""The process that reads one Parquet file and ends: the file is its input, the readings go to the file it is told.

A Parquet file can ask for any amount of memory (a page of a few bytes may unpack to gigabytes), and the reader
answers a damaged one by a panic. Both end this process and not the service.
"""

import contextlib
import json
import math
import os
import resource
import sys
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np
from arro3.core import DataType, RecordBatch, Schema
from arro3.io import read_parquet
from numpy.typing import NDArray

from services.anomaly.domain.csv_table import Selection, TableLimits, UploadTooLarge
from services.anomaly.domain.rows import FAULT_LIMIT, RowsRefused, check_columns
from shared.errors import AppError, Fault

# Beyond what the process has when it begins: several batches, and the pages they are cut from.
_MEMORY_BYTES = 1 << 30
_PROCESSOR_S = 120
_BATCH_ROWS = 65_536
_BATCH_VALUES = 1 << 20
_LARGEST = 1e30
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_MICROSECONDS = 10**6


def main() -> None:
    """Read the file on standard input; print what was found, or why it cannot be used."""
    target, order = sys.argv[1], json.loads(sys.argv[2])
    _limit_self()
    limits = TableLimits(order["rows"], order["columns"], order["values"])
    try:
        with open(target, "wb") as readings:  # noqa: PTH123 (a path is all that is needed of it)
            found = _read(readings, limits, order["time_column"], _selection(order))
    except AppError as error:
        faults = [{"pointer": fault.pointer, "detail": fault.detail} for fault in error.faults]
        found = {"error": error.code, "message": error.message, "faults": faults}
    sys.stdout.write(json.dumps(found))


def _limit_self() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (_PROCESSOR_S, _PROCESSOR_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with open("/proc/self/statm", encoding="ascii") as pages:  # noqa: PTH123
            held = int(pages.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (held + _MEMORY_BYTES, held + _MEMORY_BYTES))


def _selection(order: Mapping[str, Any]) -> Selection:
    return Selection(None if order["only"] is None else tuple(order["only"]), tuple(order["left_out"]))


def _read(readings: BinaryIO, limits: TableLimits, time_column: str | None, selection: Selection) -> dict[str, object]:
    schema = read_parquet("/dev/stdin").schema
    if len(schema) > limits.columns:
        raise UploadTooLarge(f"{len(schema)} columns; at most {limits.columns} are taken")
    check_columns(schema.names)
    time = _time_column(schema, time_column)
    columns = [name for name in schema.names if name != time and selection.takes(name)]
    _check_types(schema, columns)
    row_limit = min(limits.rows, limits.values // len(columns))
    batch_rows = max(1, min(_BATCH_ROWS, _BATCH_VALUES // len(columns)))
    rows = 0
    moments: list[NDArray[np.int64]] = []
    faults: list[Fault] = []
    for batch in read_parquet("/dev/stdin", batch_size=batch_rows):
        if rows + batch.num_rows > row_limit:
            raise UploadTooLarge(f"more than {row_limit} rows")
        table = np.column_stack([_numbers(batch, name) for name in columns])
        faults += _absurd(table, columns, rows)
        if time is not None:
            moments.append(_microseconds(batch, time, rows, faults))
        if len(faults) > FAULT_LIMIT:
            break
        readings.write(np.ascontiguousarray(table).tobytes())
        rows += batch.num_rows
    if faults:
        raise RowsRefused("the file cannot be used", faults=faults[:FAULT_LIMIT])
    for moment in moments:
        readings.write(moment.tobytes())
    return {"columns": columns, "rows": rows, "time_column": time}


def _time_column(schema: Schema, named: str | None) -> str | None:
    stamps = [name for name in schema.names if DataType.is_timestamp(schema.field(name).type)]
    if named is not None:
        if named not in stamps:
            detail = f"one of {', '.join(stamps)}" if stamps else "no column is of a timestamp type"
            raise RowsRefused("there is no such time column", faults=[Fault("?time_column", detail)])
        return named
    if len(stamps) > 1:
        raise RowsRefused(
            "several columns hold times", faults=[Fault("?time_column", f"name one of {', '.join(stamps)}")]
        )
    return stamps[0] if stamps else None


def _check_types(schema: Schema, columns: list[str]) -> None:
    if not columns:
        raise RowsRefused("the file holds no column of readings", faults=[Fault("/columns", "at least one is needed")])
    faults = [
        Fault(f"/columns/{schema.get_field_index(name)}", f"{name!r} holds no readings: numbers or booleans are read")
        for name in columns
        if not _is_reading(schema.field(name).type)
    ]
    if faults:
        raise RowsRefused("some columns hold no readings", faults=faults[:FAULT_LIMIT])


def _is_reading(kind: DataType) -> bool:
    inner = kind.value_type if DataType.is_dictionary(kind) else kind
    tests = (DataType.is_integer, DataType.is_floating, DataType.is_decimal, DataType.is_boolean)
    return inner is not None and any(test(inner) for test in tests)


def _numbers(batch: RecordBatch, name: str) -> NDArray[np.float64]:
    """One column as doubles; what is missing is NaN."""
    column = batch.column(name).cast(DataType.float64())
    values = column.to_pylist() if column.null_count else column.to_numpy()
    return np.asarray(values, dtype=np.float64)


def _absurd(table: NDArray[np.float64], columns: list[str], first_row: int) -> Iterator[Fault]:
    bad = np.argwhere(np.abs(table) > _LARGEST)[: FAULT_LIMIT + 1]
    for row, column in bad.tolist():
        yield Fault(f"/rows/{first_row + row}/{columns[column]}", "not a reading a sensor can give")


def _microseconds(batch: RecordBatch, name: str, first_row: int, faults: list[Fault]) -> NDArray[np.int64]:
    column = batch.column(name)
    if column.null_count:
        missing = list(column.cast(DataType.int64()).to_pylist()).index(None)
        faults.append(Fault(f"/rows/{first_row + missing}/{name}", "the time is missing"))
        return np.empty(0, dtype=np.int64)
    ticks = column.cast(DataType.int64()).to_numpy()
    per_second = _PER_SECOND[column.type.time_unit or "us"]
    if per_second > _MICROSECONDS:
        return np.asarray(ticks // (per_second // _MICROSECONDS), dtype=np.int64)
    factor = _MICROSECONDS // per_second
    if len(ticks) and max(abs(int(ticks.min())), abs(int(ticks.max()))) > math.floor(np.iinfo(np.int64).max / factor):
        faults.append(Fault(f"/rows/{first_row}/{name}", "the time is outside the years 1 to 9999 of UTC"))
        return np.empty(0, dtype=np.int64)
    return np.asarray(ticks * factor, dtype=np.int64)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
