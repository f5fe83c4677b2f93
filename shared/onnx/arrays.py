"""Arrays inside a bundle: `.npz` files that never hold a pickle and never unpack to more than a limit."""

import io
import zipfile
from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from shared.onnx.bundle import Bundle
from shared.onnx.errors import BundleMalformed

# An array file may claim any size in its header; no calibration comes near this.
MAX_UNPACKED_BYTES = 256 * 1024 * 1024


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
    data = bundle.read(path)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked_bytes = sum(entry.file_size for entry in archive.infolist())
        if unpacked_bytes > MAX_UNPACKED_BYTES:
            raise BundleMalformed(f"{path!r} unpacks to too many bytes", path=path, limit_bytes=MAX_UNPACKED_BYTES)
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in dimensions if name not in optional or name in stored}
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        names = ", ".join(dimensions)
        raise BundleMalformed(f"{path!r} does not hold the arrays {names}", path=path) from error
    for name, array in arrays.items():
        if array.dtype != np.float64 or array.ndim != dimensions[name] or not np.all(np.isfinite(array)):
            raise BundleMalformed(f"{name!r} in {path!r} must hold finite doubles", path=path)
    return arrays
