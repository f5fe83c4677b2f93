"""The audit trail as lines of JSON, in a file or on the standard output."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from services.gateway.domain.audit import Entry
from services.gateway.domain.audit_lines import line_of

ROTATE_BYTES = 64 * 1024**2


class LinesFile:
    """Appends to a file; a full one is put aside as `<name>-<sequence of its last entry>.<suffix>` and kept.

    The file is opened for each batch, so that another program may move it away at any time.
    """

    def __init__(self, name: str, path: Path, *, rotate_bytes: int = ROTATE_BYTES) -> None:
        self.name = name
        self._path = path
        self._rotate_bytes = rotate_bytes

    def send(self, entries: Sequence[Entry]) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            lines = "".join(f"{line_of(entry)}\n" for entry in entries).encode()
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                # A machine that went down in the middle of a line: the entry comes again, on a line of its own.
                lines = b"\n" + lines
            _write_all(descriptor, lines)
            os.fsync(descriptor)
            size += len(lines)
        if size >= self._rotate_bytes:
            aside = self._path.with_name(f"{self._path.stem}-{entries[-1].sequence}{self._path.suffix}")
            self._path.replace(aside)

    def close(self) -> None:
        """Nothing is kept open."""


class LinesOut:
    """Writes to the standard output, where a container's logs are collected."""

    name = "stdout:"

    def send(self, entries: Sequence[Entry]) -> None:
        sys.stdout.write("".join(f"{line_of(entry)}\n" for entry in entries))
        sys.stdout.flush()

    def close(self) -> None:
        """The standard output is not ours to close."""


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
