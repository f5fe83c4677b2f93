"""Training rows described in a bundle: read as written, and refused when something is wrong with them."""

import io

import numpy as np
import pytest

from services.anomaly.adapters.drift_file import drift_file, read_drift
from services.anomaly.domain.drift_tally import fit_reference, tally_arrays
from shared.onnx.errors import BundleMalformed

REFERENCE = fit_reference(np.random.default_rng(0).normal(size=(300, 3)))


def changed(**arrays: np.ndarray) -> bytes:
    with np.load(io.BytesIO(drift_file(REFERENCE))) as stored:
        kept = dict(stored)
    buffer = io.BytesIO()
    np.savez(buffer, **{name: array for name, array in (kept | arrays).items() if array is not None})
    return buffer.getvalue()


def test_description_is_read_as_it_was_written():
    read = read_drift(drift_file(REFERENCE), 3)
    np.testing.assert_array_equal(read.edges, REFERENCE.edges)
    for name, array in tally_arrays(REFERENCE.tally).items():
        np.testing.assert_array_equal(tally_arrays(read.tally)[name], array)


@pytest.mark.parametrize(
    "file",
    [
        b"no archive",
        changed(spread=np.zeros(3)),
        changed(mean=np.full(3, np.nan)),
        changed(bins=np.zeros((3, 4))),
        changed(edges=np.array([["a"] * 9] * 3)),
    ],
)
def test_description_that_is_something_else_is_refused(file: bytes):
    with pytest.raises(BundleMalformed):
        read_drift(file, 3)


def test_description_of_other_sensors_is_refused():
    with pytest.raises(BundleMalformed):
        read_drift(drift_file(REFERENCE), 4)
