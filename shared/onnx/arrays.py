"""Arrays inside a bundle: `.npz` files that never hold a pickle and never unpack to more than a limit."""

import io
import tokenize
import zipfile
import zlib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.onnx.bundle import Bundle
from shared.onnx.errors import BundleMalformed

# An array file may claim any size in its header. Only one that is itself larger, with nothing packed, may hold more.
MAX_UNPACKED_BYTES = 256 * 1024 * 1024
# What numpy and zipfile raise over bytes that are no such file, or a damaged one: MemoryError for an array that claims
# to be huge, RuntimeError for a file that claims to be encrypted, and NotImplementedError to be packed in another way.
_UNREADABLE = (
    ValueError,
    KeyError,
    OSError,
    EOFError,
    MemoryError,
    RuntimeError,
    NotImplementedError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def pack_arrays(arrays: Mapping[str, NDArray[np.float64]]) -> bytes:
    """Arrays by name as the content of one `.npz` file; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **dict(arrays))
    return buffer.getvalue()


def read_arrays(
    bundle: Bundle, path: str, dimensions: Mapping[str, int], *, optional: Collection[str] = ()
) -> dict[str, NDArray[np.float64]]:
    """Arrays of finite doubles from one file of a bundle.

    Parameters
    ----------
    dimensions
        How many dimensions each wanted array has, by name; other arrays in the file are not read.
    optional
        Those of them that the file may lack, and then the answer does too.

    Raises
    ------
    BundleMalformed
        If an array is missing, of another type or rank, or not finite.
    """
    arrays = unpack_arrays(bundle.read(path), path, dimensions, optional=optional)
    for name, array in arrays.items():
        if array.dtype != np.float64 or array.ndim != dimensions[name] or not np.all(np.isfinite(array)):
            raise BundleMalformed(f"{name!r} in {path!r} must hold finite doubles", path=path)
    return arrays


def unpack_arrays(
    data: bytes, path: str, names: Iterable[str], *, optional: Collection[str] = ()
) -> dict[str, NDArray[Any]]:
    """Arrays of any type and shape from the content of a file, for callers that check both.

    Parameters
    ----------
    path
        What the file is called in a bundle.
    names, optional
        Wanted arrays, and those of them that the file may lack.

    Raises
    ------
    BundleMalformed
        If the file is damaged, holds a pickle, unpacks to too many bytes or lacks an array.
    """
    wanted = tuple(names)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked_bytes = sum(entry.file_size for entry in archive.infolist())
        if unpacked_bytes > max(MAX_UNPACKED_BYTES, len(data)):
            raise BundleMalformed(f"{path!r} unpacks to too many bytes", path=path, limit_bytes=MAX_UNPACKED_BYTES)
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            return {name: stored[name] for name in wanted if name not in optional or name in stored}
    except _UNREADABLE as error:
        raise BundleMalformed(f"{path!r} does not hold the arrays {', '.join(wanted)}", path=path) from error
