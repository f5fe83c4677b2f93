"""Arrays of a bundle: damaged files are refused by name, and none unpacks to more than a limit."""

import io

import numpy as np
import pytest

from shared.onnx import arrays
from shared.onnx.arrays import pack_arrays, unpack_arrays
from shared.onnx.errors import BundleMalformed

PACKED = pack_arrays({"wide": np.arange(1000.0), "small": np.ones(2)})


def test_arrays_come_back_by_name():
    unpacked = unpack_arrays(PACKED, "some.npz", ["small", "none"], optional=["none"])
    assert {name: array.tolist() for name, array in unpacked.items()} == {"small": [1.0, 1.0]}


def test_array_that_is_missing_is_named():
    with pytest.raises(BundleMalformed, match="none"):
        unpack_arrays(PACKED, "some.npz", ["none"])


def test_no_damage_gets_through_but_as_a_refusal():
    rng = np.random.default_rng(0)
    refused = 0
    for place in rng.integers(len(PACKED), size=300):
        damaged = bytearray(PACKED)
        damaged[place] ^= int(rng.integers(1, 256))
        try:
            unpack_arrays(bytes(damaged), "some.npz", ["wide", "small"])
        except BundleMalformed:
            refused += 1
    assert refused > 200


def test_pickle_is_not_read():
    buffer = io.BytesIO()
    np.savez(buffer, wide=np.array([object()]))
    with pytest.raises(BundleMalformed):
        unpack_arrays(buffer.getvalue(), "some.npz", ["wide"])


def test_what_unpacks_to_more_than_the_limit_is_refused_and_what_was_not_packed_is_not(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(arrays, "MAX_UNPACKED_BYTES", 4000)
    with pytest.raises(BundleMalformed, match="too many bytes"):
        unpack_arrays(PACKED, "some.npz", ["wide"])
    buffer = io.BytesIO()
    np.savez(buffer, wide=np.arange(1000.0))
    assert unpack_arrays(buffer.getvalue(), "some.npz", ["wide"])["wide"].shape == (1000,)
