"""The trees of an isolation forest as a file of a bundle."""

import io

import numpy as np
from numpy.typing import NDArray

from services.anomaly.domain.isolation_forest import Forest
from shared.onnx.arrays import unpack_arrays
from shared.onnx.errors import BundleMalformed

FOREST_FILE = "forest.npz"
_TABLES = ("sensor", "cut", "left", "right", "rows")
_RANGE = ("low", "high")


def forest_file(forest: Forest) -> bytes:
    """The bytes of `FOREST_FILE`."""
    buffer = io.BytesIO()
    np.savez(buffer, **{name: getattr(forest, name) for name in (*_TABLES, *_RANGE)})
    return buffer.getvalue()


def read_forest(stored: bytes, sensors: int) -> Forest:
    """Read trees over this many sensors.

    Raises
    ------
    BundleMalformed
        If walking down the tables would not end in a leaf of every tree.
    """
    arrays = unpack_arrays(stored, FOREST_FILE, (*_TABLES, *_RANGE))
    sensor, cut, left, right, rows = (arrays[name] for name in _TABLES)
    low, high = (arrays[name] for name in _RANGE)
    whole = (sensor, left, right, rows)
    shapely = sensor.ndim == 2 and sensor.size > 0 and all(table.shape == sensor.shape for table in (cut, *whole))
    if not shapely or cut.dtype != np.float64 or any(table.dtype != np.int32 for table in whole):
        raise BundleMalformed(f"{FOREST_FILE} holds no tables of trees")
    for bound in (low, high):
        if bound.shape != (sensors,) or bound.dtype != np.float64 or not np.isfinite(bound).all():
            raise BundleMalformed(f"{FOREST_FILE} holds no range of the sensors")
    if not (np.isfinite(cut).all() and (sensor >= -1).all() and (sensor < sensors).all() and (rows >= 1).all()):
        raise BundleMalformed(f"{FOREST_FILE} holds values that no tree has")
    return Forest(sensor, cut, left, right, rows, low, high, _depth(sensor, left, right))


def _depth(sensor: NDArray[np.int32], left: NDArray[np.int32], right: NDArray[np.int32]) -> int:
    """Cuts above the lowest leaf; refuses trees that a walk would not come out of."""
    nodes = sensor.shape[1]
    inner = sensor >= 0
    here = np.arange(nodes)
    for below in (left, right):
        # Every way leads to nodes further back, so that it ends.
        if (inner & ((below <= here) | (below >= nodes))).any():
            raise BundleMalformed(f"{FOREST_FILE} holds a tree that is none")
    depth = np.zeros(sensor.shape, np.int32)
    trees = np.arange(len(sensor))
    for node in range(nodes):
        for below in (left, right):
            cuts = inner[:, node]
            depth[trees[cuts], below[cuts, node]] = depth[cuts, node] + 1
    return int(depth.max())
