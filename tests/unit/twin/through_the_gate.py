"""Rows as a plant's sensors send them, and a model's way through conversion and the exactness gate."""

from collections.abc import Mapping

import numpy as np

from services.twin.packaging.convert import ConvertedModel, convert
from services.twin.packaging.parity import ParityReport, check_parity
from services.twin.packaging.reference import Reference
from shared.onnx.session import OnnxSession


def sensor_rows(count: int, seed: int = 0) -> np.ndarray:
    """Temperature, pressure and flow as plant sensors report them: multiples of 0.01."""
    rng = np.random.default_rng(seed)
    raw = np.stack([rng.normal(19.65, 7.45, count), rng.normal(1013.3, 5.9, count), rng.uniform(25, 82, count)], axis=1)
    return np.round(raw, 2)


def response(rows: np.ndarray) -> np.ndarray:
    """A power in MW, never negative."""
    return 454.0 - 2.0 * rows[:, 0] + 0.1 * (rows[:, 1] - 1013) + np.sin(rows[:, 2] / 5.0) * 4.0


ROWS = sensor_rows(400)
TARGET = response(ROWS)
UNSEEN = sensor_rows(2_000, seed=1)


def predict(converted: ConvertedModel, rows: np.ndarray, output: str = "prediction") -> np.ndarray:
    return OnnxSession(converted.data, converted.graph).run(rows)[output]


def gate(
    converted: ConvertedModel, model: object, scaler: object = None, extra: Mapping[str, object] | None = None
) -> ParityReport:
    """Compare a graph with the model it was made from; raises `NotExact`."""
    others = {name: Reference(other) for name, other in (extra or {}).items()}
    session = OnnxSession(converted.data, converted.graph)
    return check_parity(session, converted, Reference(model, scaler), ROWS, [0.01, None, None], extra=others)


def passes(model: object, scaler: object = None) -> ParityReport:
    """Convert a fitted model and let the gate judge."""
    return gate(convert(model, scaler), model, scaler)
