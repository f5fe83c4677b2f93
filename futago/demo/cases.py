"""What the three parts of the demonstration work on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from futago.wire import JsonObject


@dataclass(frozen=True, slots=True)
class TwinCase:
    """A regression: rows to learn from, and rows to be judged by.

    Parameters
    ----------
    model
        Name to publish under.
    features
        Name, unit and range of each column, as packaging takes them.
    rows, target
        `(n, f)` and `(n,)`, in the order of `features`.
    """

    title: str
    model: str
    features: tuple[JsonObject, ...]
    target_name: str
    target_unit: str
    rows: NDArray[np.float64]
    target: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AnomalyCase:
    """Rows of normal operation to learn from, then labelled rows to be judged by.

    Parameters
    ----------
    rows
        `(n, f)`, oldest first.
    labels
        `(n,)` 1 where something is wrong.
    train_rows
        So many rows at the beginning are for training.
    """

    title: str
    detector: str
    columns: tuple[str, ...]
    rows: NDArray[np.float64]
    labels: NDArray[np.int8]
    train_rows: int


@dataclass(frozen=True, slots=True)
class PlanningCase:
    """A planning problem, and the plan somebody made for it by hand."""

    title: str
    problem: JsonObject
    past_plan: JsonObject
