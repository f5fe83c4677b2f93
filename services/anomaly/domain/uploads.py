"""Files that a caller sends ahead of a training or of scores."""

import io
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import IO, Protocol

from services.anomaly.domain.csv_table import TableLimits, read_csv
from services.anomaly.domain.rows import RowsRefused
from services.anomaly.domain.training_requests import KeptTable, Table
from services.anomaly.domain.workbench import Workbench
from shared.clock import Clock
from shared.errors import AppError, Fault, Kind


class FileFormat(StrEnum):
    """What is read, by the media type it is asked for with."""

    CSV = "text/csv"
    PARQUET = "application/vnd.apache.parquet"
    IMAGES = "application/x-npz"


_MEDIA_TYPES: Mapping[str, FileFormat] = {
    **{form.value: form for form in FileFormat},
    "application/parquet": FileFormat.PARQUET,
    "application/x-parquet": FileFormat.PARQUET,
    "application/npz": FileFormat.IMAGES,
}
_SUFFIXES: Mapping[str, FileFormat] = {
    ".csv": FileFormat.CSV,
    ".parquet": FileFormat.PARQUET,
    ".pq": FileFormat.PARQUET,
    ".npz": FileFormat.IMAGES,
}


class UploadUnsupported(AppError):
    """The file is of a type that is not read here."""

    kind, code = Kind.UNSUPPORTED, "anomaly.upload_unsupported"

    def __init__(self, media_type: str) -> None:
        available = [form.value for form in FileFormat]
        super().__init__(
            f"a file of type {media_type!r} is not read; send one of {', '.join(available)}",
            media_type=media_type,
            available=available,
        )


def format_of(media_type: str, file_name: str = "") -> FileFormat:
    """How to read a file: the ending of its name says more than a media type that a program guessed.

    Raises
    ------
    UploadUnsupported
        If neither is known.

    Examples
    --------
    >>> format_of("application/octet-stream", "Pump.PARQUET").name
    'PARQUET'
    """
    suffix = file_name.lower().rpartition(".")
    by_name = _SUFFIXES.get(f".{suffix[2]}") if suffix[1] else None
    form = by_name or _MEDIA_TYPES.get(media_type.partition(";")[0].strip().lower())
    if form is None:
        raise UploadUnsupported(media_type)
    return form


class UploadStore(Protocol):
    """Keeps tables and gives them an id. Its calls wait for a disk: make them in a thread."""

    def add_upload(self, table: Table, *, by: str, at: datetime) -> tuple[str, KeptTable]: ...


class TableReader(Protocol):
    """Reads a file of one format from its beginning."""

    def __call__(self, file: IO[bytes], limits: TableLimits, time_column: str | None, /) -> Table:
        """The table in the file; raises `RowsRefused` and `UploadTooLarge`."""
        ...


class UploadDesk:
    """Reads files in threads and keeps what is in them.

    Parameters
    ----------
    readers
        One for each format.
    """

    def __init__(
        self,
        store: UploadStore,
        readers: Mapping[FileFormat, TableReader],
        workbench: Workbench,
        limits: TableLimits,
        clock: Clock,
    ) -> None:
        self._store = store
        self._readers = readers
        self._workbench = workbench
        self._limits = limits
        self._clock = clock

    async def accept(
        self, file: IO[bytes], form: FileFormat, *, time_column: str | None, by: str
    ) -> tuple[str, KeptTable]:
        """Read a file from its beginning and keep its table; returns the upload's id.

        Raises
        ------
        RowsRefused, ImagesRefused, UploadTooLarge
            If the file cannot be used.
        Overloaded
            If too many calls are waiting.
        """
        return await self._workbench.run(lambda: self._accept(file, form, time_column, by))

    def _accept(self, file: IO[bytes], form: FileFormat, time_column: str | None, by: str) -> tuple[str, KeptTable]:
        table = self._readers[form](file, self._limits, time_column)
        if len(table.rows) == 0:
            raise RowsRefused("the file holds no rows", faults=[Fault("/file", "at least one is needed")])
        return self._store.add_upload(table, by=by, at=self._clock.now())


def read_csv_file(file: IO[bytes], limits: TableLimits, time_column: str | None) -> Table:
    """Read CSV in UTF-8; errors as for `read_csv`."""
    file.seek(0)
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="\n")
    try:
        return read_csv(text, limits, time_column=time_column)
    except UnicodeDecodeError as error:
        raise RowsRefused("the file is not UTF-8 text") from error
    finally:
        text.detach()
