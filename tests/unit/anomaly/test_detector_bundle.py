"""A bundle whose signer was careless or worse: what does not belong together is refused when it is read."""

import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from services.anomaly.adapters.detector_bundle import read_detector
from services.anomaly.library import Detector
from shared.errors import JSON
from shared.onnx.bundle import open_bundle, write_bundle
from shared.onnx.errors import BundleMalformed
from shared.onnx.signing import SigningKey, TrustStore

NORMAL = np.random.default_rng(0).normal(size=(400, 3))
ARRAYS = ("mean", "scale", "smoothing", "averaged", "hold", "centre", "transform", "held_out", "allowance")

Change = Callable[[np.ndarray], np.ndarray]


class Forger:
    """Signs a detector's bundle again after something in it was changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = SigningKey.load_or_create(folder / "signing.pem")
        self._trust = TrustStore(folder / "trust")
        self._trust.enrol(self._key.public_pem())
        Detector("mahalanobis", smoothing_rows=2).fit(NORMAL).save(folder / "own", key=self._key)
        self._own = open_bundle(folder / "own", self._trust)

    def read(self, files: Mapping[str, bytes], card: Mapping[str, JSON]) -> None:
        kept = {name: self._own.read(name) for name in self._own.manifest.files}
        manifest = replace(self._own.manifest, card={**self._own.manifest.card, **card})
        write_bundle(self._folder / "forged", manifest, {**kept, **files}, self._key)
        read_detector(open_bundle(self._folder / "forged", self._trust))

    def array(self, name: str, change: Change) -> bytes:
        """The calibration with one array changed."""
        with np.load(io.BytesIO(self._own.read("calibration.npz"))) as stored:
            arrays = {each: stored[each] for each in stored}
        buffer = io.BytesIO()
        np.savez(buffer, **{**arrays, name: change(arrays[name])})
        return buffer.getvalue()

    def file(self, name: str) -> bytes:
        return self._own.read(name)


@pytest.fixture(scope="module")
def forger(tmp_path_factory: pytest.TempPathFactory) -> Forger:
    return Forger(tmp_path_factory.mktemp("forged"))


def test_bundle_that_nobody_changed_is_read(forger: Forger):
    forger.read({}, {})


@pytest.mark.parametrize(
    "change",
    [
        lambda array: array.sum(),
        lambda array: array[:0],
        lambda array: array[None, None],
        lambda array: array.astype(np.float32),
        lambda array: array * np.nan,
    ],
    ids=["a number", "empty", "other dimensions", "other type", "no number"],
)
@pytest.mark.parametrize("name", ARRAYS)
def test_array_of_another_kind_is_refused(forger: Forger, name: str, change: Change):
    with pytest.raises(BundleMalformed):
        forger.read({"calibration.npz": forger.array(name, change)}, {})


@pytest.mark.parametrize("name", sorted(set(ARRAYS) - {"held_out"}))
def test_array_that_is_too_long_is_refused(forger: Forger, name: str):
    with pytest.raises(BundleMalformed):
        forger.read({"calibration.npz": forger.array(name, lambda array: np.concatenate((array, array)))}, {})


@pytest.mark.parametrize("file", ["calibration.npz", "reference.npz"])
@pytest.mark.parametrize(
    "damaged",
    [lambda data: data[:0], lambda data: data[: len(data) // 2], lambda data: data.replace(b"\x93NUMPY", b"\x93NUMPX")],
    ids=["empty", "cut", "changed"],
)
def test_damaged_arrays_are_refused(forger: Forger, file: str, damaged: Callable[[bytes], bytes]):
    with pytest.raises(BundleMalformed):
        forger.read({file: damaged(forger.file(file))}, {})


@pytest.mark.parametrize(
    "card",
    [
        {"kind": None},
        {"kind": "gan"},
        {"window_rows": 0},
        {"smoothing_rows": 5, "warmup_rows": 4},
        {"warmup_rows": 7},
        {"image_shape": 1.5},
        {"image_shape": [8, 8, 1]},
        {"constant_columns": None},
        {"blocks": {}},
        {"threshold": {"value": "high"}},
    ],
    ids=",".join,
)
def test_card_that_does_not_suit_the_rest_is_refused(forger: Forger, card: dict[str, JSON]):
    with pytest.raises(BundleMalformed):
        forger.read({}, card)
