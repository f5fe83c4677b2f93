"""What each sensor had to do with each score, over time: a picture of one pixel a cell."""

import base64
import struct
import zlib
from collections.abc import Sequence
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.anomaly.domain.arrays import Floats
from services.anomaly.exports.plot import LEFT_PX, shortened

# More columns than pixels cannot be seen.
_COLUMNS = 900
_LINE_PX = 16
# Width of the picture, and of the names on its right: a plot of the same two shares its time axis.
WIDTH_PX: Final = 1000
NAMES_PX: Final = 190


def heat_map(names: Sequence[str], contributions: Floats, limit: float, title: str, *, most: int = 20) -> str:
    """Draw `(n, c)` contributions as a picture, the sensors that matter most on top.

    White is nothing, the full colour is a contribution as large as the limit: that sensor alone would raise an alarm.
    """
    known = np.nan_to_num(contributions)
    order = np.argsort(-known.sum(axis=0), kind="stable")[:most]
    cells = _strongest(known[:, order]) / max(limit, np.finfo(np.float64).tiny)
    picture = base64.b64encode(_png(_coloured(np.sqrt(np.clip(cells, 0.0, 1.0)).T))).decode("ascii")
    height = _LINE_PX * len(order) + 4
    lines = [
        f'<text x="{WIDTH_PX - NAMES_PX + 8}" y="{_LINE_PX * line + 13}">{escape(shortened(names[i]))}</text>'
        for line, i in enumerate(order.tolist())
    ]
    return (
        f'<svg viewBox="0 0 {WIDTH_PX} {height}" role="img" aria-label="{escape(title)}">'
        f'<image x="{LEFT_PX}" y="2" width="{WIDTH_PX - LEFT_PX - NAMES_PX}" height="{height - 4}" '
        f'preserveAspectRatio="none" style="image-rendering: pixelated" href="data:image/png;base64,{picture}"/>'
        f"{''.join(lines)}</svg>"
    )


def _strongest(cells: Floats) -> Floats:
    """The strongest of every few rows: a short peak stays visible."""
    each = -(-len(cells) // _COLUMNS)
    if each <= 1:
        return cells
    padded = np.pad(cells, ((0, -len(cells) % each), (0, 0)))
    return np.asarray(padded.reshape(-1, each, cells.shape[1]).max(axis=1))


def _coloured(shares: Floats) -> NDArray[np.uint8]:
    """From white through orange to dark red, `(h, w, 3)`."""
    stops = np.array([[255, 255, 255], [253, 190, 110], [209, 73, 91], [90, 10, 40]], dtype=np.float64)
    place = np.linspace(0.0, 1.0, len(stops))
    return np.stack([np.interp(shares, place, stops[:, i]) for i in range(3)], axis=-1).astype(np.uint8)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    """A picture of `(h, w, 3)` in the format every browser reads (ISO/IEC 15948)."""
    height, width, _ = pixels.shape
    # Every line begins with the number of its filter: none.
    lines = np.concatenate((np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)), axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
