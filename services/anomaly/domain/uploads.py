"""Files that a caller sends ahead of a training."""

import io
from datetime import datetime
from typing import IO, Protocol

from services.anomaly.domain.csv_table import TableLimits, read_csv
from services.anomaly.domain.rows import RowsRefused
from services.anomaly.domain.training_requests import KeptTable, Table
from services.anomaly.domain.workbench import Workbench
from shared.clock import Clock
from shared.errors import AppError, Kind


class UploadUnsupported(AppError):
    """The file is of a type that is not read here."""

    kind, code = Kind.UNSUPPORTED, "anomaly.upload_unsupported"

    def __init__(self, media_type: str) -> None:
        super().__init__(
            f"a file of type {media_type!r} is not read; send text/csv", media_type=media_type, available=["text/csv"]
        )


class UploadStore(Protocol):
    """Keeps tables and gives them an id. Its calls wait for a disk: make them in a thread."""

    def add_upload(self, table: Table, *, by: str, at: datetime) -> tuple[str, KeptTable]: ...


class UploadDesk:
    """Reads files in threads and keeps what is in them."""

    def __init__(self, store: UploadStore, workbench: Workbench, limits: TableLimits, clock: Clock) -> None:
        self._store = store
        self._workbench = workbench
        self._limits = limits
        self._clock = clock

    async def accept(self, file: IO[bytes], *, time_column: str | None, by: str) -> tuple[str, KeptTable]:
        """Read a CSV file from its beginning and keep its table; returns the upload's id.

        Raises
        ------
        RowsRefused, UploadTooLarge
            If the file cannot be used.
        Overloaded
            If too many calls are waiting.
        """
        return await self._workbench.run(lambda: self._accept(file, time_column, by))

    def _accept(self, file: IO[bytes], time_column: str | None, by: str) -> tuple[str, KeptTable]:
        file.seek(0)
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="\n")
        try:
            table = read_csv(text, self._limits, time_column=time_column)
        except UnicodeDecodeError as error:
            raise RowsRefused("the file is not UTF-8 text") from error
        finally:
            text.detach()
        return self._store.add_upload(table, by=by, at=self._clock.now())
