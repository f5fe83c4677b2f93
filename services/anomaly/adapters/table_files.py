"""Tables in files on this machine: CSV, compressed or not, and Parquet."""

import csv
import gzip
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.anomaly.adapters.parquet_table import read_parquet_table
from services.anomaly.domain.csv_table import EVERYTHING, Selection, TableLimits, read_csv
from services.anomaly.domain.labelled_table import LabelledTable, labelled_table
from services.anomaly.domain.rows import RowsRefused
from services.anomaly.domain.training_requests import Table

# A file of one's own may be as large as memory allows; what it says of itself is still checked.
_LIMITS = TableLimits(rows=100_000_000, columns=4096, values=2_000_000_000)
_PARQUET = (".parquet", ".pq")


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is read.

    Parameters
    ----------
    time_column
        The column that holds times.
    selection
        Columns to read.
    encoding
        Of a CSV file, such as `cp932`.
    """

    time_column: str | None = None
    selection: Selection = EVERYTHING
    encoding: str = "utf-8-sig"


WHOLE = Reading()


def read_table_file(path: Path, reading: Reading) -> Table:
    """Read a `.csv`, `.csv.gz` or `.parquet` file.

    Raises
    ------
    RowsRefused
        If the file cannot be read or is no such table.
    """
    try:
        if path.suffix.lower() in _PARQUET:
            with path.open("rb") as file:
                return read_parquet_table(file, _LIMITS, reading.time_column, reading.selection)
        with (
            gzip.open(path, "rt", encoding=reading.encoding, newline="\n")
            if path.suffix.lower() == ".gz"
            else path.open("rt", encoding=reading.encoding, newline="\n") as text
        ):
            return read_csv(text, _LIMITS, time_column=reading.time_column, selection=reading.selection)
    except UnicodeDecodeError as error:
        raise RowsRefused(f"{path.name} is not written in {reading.encoding}") from error
    except (OSError, EOFError, LookupError) as error:
        raise RowsRefused(f"{path} cannot be read: {error}") from error
    except RowsRefused as refusal:
        raise RowsRefused(f"{path.name}: {refusal.message}", faults=refusal.faults) from refusal


def write_table_file(path: Path, table: Table) -> str | None:
    """Write a table as CSV that a service takes; returns the name of its column of times, where it has one."""
    time_column = None
    if table.times is not None:
        time_column = "time"
        while time_column in table.columns:
            time_column += "_"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*([time_column] if time_column else ()), *table.columns])
        for i, row in enumerate(table.rows.tolist()):
            readings = ["" if math.isnan(value) else repr(value) for value in row]
            writer.writerow([*([table.times[i].isoformat()] if table.times else ()), *readings])
    return time_column


def read_labelled_files(
    paths: Sequence[Path], *, label: str, change_point: str | None, reading: Reading
) -> tuple[list[LabelledTable], list[str]]:
    """Read recordings whose truth is known, and the names of those that have no labels; each file once.

    Parameters
    ----------
    label, change_point
        Columns of 0 and 1, as in `labelled_table`.

    Raises
    ------
    RowsRefused
        If a file cannot be used, or none has labels.
    """
    folder = Path(os.path.commonpath([path.parent.absolute() for path in paths]))
    labelled, unlabelled = list[LabelledTable](), list[str]()
    for path in {path.resolve(): path for path in paths}.values():
        name = path.absolute().relative_to(folder).as_posix()
        table = read_table_file(path, reading)
        if label in table.columns:
            labelled.append(labelled_table(table, name, label=label, change_point=change_point))
        else:
            unlabelled.append(name)
    if not labelled:
        raise RowsRefused(f"no file has a column {label!r} of labels")
    return labelled, unlabelled
