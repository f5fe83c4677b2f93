"""Images `(n, h, w[, c])` from a `.npz` file: one array, whose header is believed only after it was checked."""

import ast
import io
import math
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.typing import NDArray

from services.anomaly.domain.csv_table import TableLimits, UploadTooLarge
from services.anomaly.domain.images import read_images
from services.anomaly.domain.rows import RowsRefused
from services.anomaly.domain.training_requests import Table
from shared.errors import Fault

_CHUNK_BYTES = 1 << 20
_HEADER_BYTES = 10_000
# Versions of the format `.npy` that arrays without named fields are written in, and how they tell the header's length.
_HEADER_LENGTH = {b"\x93NUMPY\x01\x00": "<H", b"\x93NUMPY\x02\x00": "<I"}
_MAGIC_BYTES = 8
_NUMBERS = re.compile(r"[<>|=]?(?:b1|[iu][1248]|f[248])")
# What numpy writes; the others are unpacked in pieces of any size.
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# `zipfile` tells of a damaged or hostile archive by any of these.
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
    ValueError,
    struct.error,
)


def read_image_archive(file: IO[bytes], limits: TableLimits, time_column: str | None) -> Table:
    """Read the images of an archive as rows of pixels.

    Parameters
    ----------
    limits
        Of images and of values; how many pixels one image may have is the detectors' own limit.
    time_column
        Images have none.

    Raises
    ------
    RowsRefused
        If it is no archive of one array of numbers, or is damaged.
    ImagesRefused
        If the array holds no images that a detector takes.
    UploadTooLarge
        If a limit is passed; found from the array's header.
    """
    if time_column is not None:
        raise RowsRefused("images have no times", faults=[Fault("?time_column", "leave it out")])
    file.seek(0)
    try:
        with zipfile.ZipFile(_BoundedReads(file)) as archive:
            array = _read_array(archive, limits)
    except _UNREADABLE as error:
        raise RowsRefused(f"the file is no .npz archive that can be read: {error}") from error
    rows, shape = read_images(array)
    return Table(shape.columns(), rows, None, shape)


class _BoundedReads(io.RawIOBase):
    """Refuses a huge piece: the directory is the one part that `zipfile` reads, and turns into objects, as a whole."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        if size > _CHUNK_BYTES:
            raise RowsRefused("the directory of the archive is too large")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class _Header:
    """What an array says of itself."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[np.generic]


def _read_array(archive: zipfile.ZipFile, limits: TableLimits) -> NDArray[np.generic]:
    entries = archive.infolist()
    if len(entries) != 1:
        raise RowsRefused(f"the archive holds {len(entries)} arrays", faults=[Fault("/file", "one array is needed")])
    if entries[0].compress_type not in _PACKINGS:
        raise RowsRefused("the array is packed in a way that is not read here")
    with archive.open(entries[0]) as member:
        header = _read_header(member)
        _check_size(header.shape, limits)
        array = np.empty(math.prod(header.shape), dtype=header.dtype)
        _fill(member, array)
    return array.reshape(header.shape, order="F" if header.fortran_order else "C")


def _read_header(member: IO[bytes]) -> _Header:
    """Read what `numpy.lib.format` describes; numpy's own reader takes a header of any length into memory."""
    form = _HEADER_LENGTH.get(member.read(_MAGIC_BYTES))
    if form is None:
        raise RowsRefused("the array is written in a form that is not read here")
    (length,) = struct.unpack(form, member.read(struct.calcsize(form)))
    if length > _HEADER_BYTES:
        raise RowsRefused("the header of the array is too long")
    try:
        stated = ast.literal_eval(member.read(length).decode("latin-1").strip())
        shape, fortran_order, kind = (stated[name] for name in ("shape", "fortran_order", "descr"))
    # Python's parser answers a text of nothing but brackets by the last two.
    except (SyntaxError, ValueError, TypeError, KeyError, MemoryError, RecursionError) as error:
        raise RowsRefused("the header of the array cannot be read") from error
    if not isinstance(kind, str) or not _NUMBERS.fullmatch(kind):
        raise RowsRefused("the array holds something else than images", faults=[Fault("/file", "numbers are needed")])
    if not isinstance(shape, tuple) or not all(type(side) is int and side >= 0 for side in shape):
        raise RowsRefused("the array states no shape")
    return _Header(shape, bool(fortran_order), np.dtype(kind))


def _check_size(shape: tuple[int, ...], limits: TableLimits) -> None:
    if len(shape) not in {3, 4}:
        detail = "(n, h, w) or (n, h, w, c) is needed"
        raise RowsRefused(f"an array of {len(shape)} dimensions holds no images", faults=[Fault("/file", detail)])
    if shape[0] > limits.rows or math.prod(shape) > limits.values:
        raise UploadTooLarge(f"the array has the shape {shape}; at most {limits.values} values are taken")


def _fill(member: IO[bytes], array: NDArray[np.generic]) -> None:
    wanted = array.view(np.uint8)
    filled = 0
    while filled < len(wanted):
        chunk = member.read(min(_CHUNK_BYTES, len(wanted) - filled))
        if not chunk:
            raise RowsRefused("the array is shorter than its header says")
        wanted[filled : filled + len(chunk)] = np.frombuffer(chunk, np.uint8)
        filled += len(chunk)
    if member.read(1):
        raise RowsRefused("the array is longer than its header says")
