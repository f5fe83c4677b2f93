"""What the training rows were like, as a file of the bundle."""

import io
from collections.abc import Mapping

import numpy as np

from services.anomaly.domain.drift_tally import BINS, Reference, tally_arrays, tally_of, tally_shapes
from shared.onnx.arrays import unpack_arrays
from shared.onnx.errors import BundleMalformed

DRIFT_FILE = "reference.npz"


def drift_file(reference: Reference) -> bytes:
    """The file."""
    buffer = io.BytesIO()
    own = {"mean": reference.mean, "spread": reference.spread, "edges": reference.edges}
    np.savez(buffer, allow_pickle=False, **own, **tally_arrays(reference.tally))
    return buffer.getvalue()


def read_drift(file: bytes, sensors: int) -> Reference:
    """Read the file again.

    Raises
    ------
    BundleMalformed
        If it holds something else, or is about another number of sensors.
    """
    shapes: Mapping[str, tuple[int, ...]] = {
        "mean": (sensors,),
        "spread": (sensors,),
        "edges": (sensors, BINS - 1),
        **tally_shapes(sensors),
    }
    arrays = unpack_arrays(file, DRIFT_FILE, shapes)
    for name, shape in shapes.items():
        array = arrays[name]
        if array.shape != shape or array.dtype.kind not in "if" or not np.isfinite(array.astype(np.float64)).all():
            raise BundleMalformed(f"the array {name!r} of {DRIFT_FILE} is not what it must be")
    mean, spread, edges = (np.asarray(arrays.pop(name), np.float64) for name in ("mean", "spread", "edges"))
    if not (spread > 0.0).all():
        raise BundleMalformed(f"a spread of {DRIFT_FILE} is not above 0")
    return Reference(mean, spread, edges, tally_of(list(arrays.values())))
