"""Whether a row resembles the rows that the model learned from; a valid range alone does not tell.

Two questions: is each value inside what training saw, and is the combination one that training saw (Mahalanobis
distance)? A hot pump at high pressure may be new even where each value alone is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

# Beyond the training range by this share of it is a different plant, not the edge of the known one.
_RANGE_MARGIN = 0.1
# The edge begins where one training row in a thousand lies; "out" where none ever came near.
_EDGE_QUANTILE = 0.999
_OUT_FACTOR = 1.5
# Directions in which the training rows hardly vary, relative to the widest, carry rounding and nothing else.
_SMALLEST_EIGENVALUE = 1e-10
# With more features a distance costs more than it tells; ranges remain.
MAX_DISTANCE_FEATURES = 256
# A feature that took fewer values is a switch, a setpoint or a grade, and may stand still for as long as it likes.
_FEWEST_VALUES = 20
# A feature is named as a cause when it brings at least this share of the squared distance.
_CAUSE_SHARE = 0.25


class State(StrEnum):
    """Where a row lies."""

    IN = "in"
    EDGE = "edge"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Applicability:
    """Where a row lies, and the features that put it there."""

    state: State
    features: tuple[str, ...] = ()

    def doubting(self, features: Sequence[str]) -> "Applicability":
        """The same with features that cannot be trusted: at the edge at least, and these named too."""
        if not features:
            return self
        state = State.EDGE if self.state is State.IN else self.state
        return Applicability(state, tuple(dict.fromkeys((*self.features, *features))))


_IN = Applicability(State.IN)


@dataclass(frozen=True, slots=True)
class TrainingRegion:
    """The part of the input space that training rows came from.

    Parameters
    ----------
    minimum, maximum, mean
        `(f,)` of the training rows.
    whitener
        `(f, r)`: a centred row times this has independent parts of variance 1; `r = 0` asks for no distance.
    edge_distance, out_distance
        Mahalanobis distance at which the edge and the outside begin [1].
    longest_run
        `(f,)` most equal values in a row among the training rows; 0 for a feature that took only a few values, as a
        switch or a setpoint does.
    """

    minimum: Vector
    maximum: Vector
    mean: Vector
    whitener: Matrix
    edge_distance: float
    out_distance: float
    longest_run: Vector


def learn_region(rows: Matrix) -> TrainingRegion:
    """Describe the training rows `(n, f)`; all values finite."""
    minimum, maximum, mean = rows.min(axis=0), rows.max(axis=0), rows.mean(axis=0)
    std = rows.std(axis=0)
    scale = np.where(std > 0, std, 1.0)
    if rows.shape[1] > MAX_DISTANCE_FEATURES:
        whitener = np.empty((rows.shape[1], 0))
    else:
        standardised = (rows - mean) / scale
        values, vectors = np.linalg.eigh(standardised.T @ standardised / len(rows))
        kept = values > _SMALLEST_EIGENVALUE * max(values[-1], 1.0)
        whitener = (vectors[:, kept] / np.sqrt(values[kept])) / scale[:, np.newaxis]
    distances = np.linalg.norm((rows - mean) @ whitener, axis=1)
    return TrainingRegion(
        minimum=minimum,
        maximum=maximum,
        mean=mean,
        whitener=np.ascontiguousarray(whitener),
        edge_distance=float(np.quantile(distances, _EDGE_QUANTILE)),
        out_distance=float(_OUT_FACTOR * distances.max()),
        longest_run=np.array([_longest_run(column) for column in rows.T], np.float64),
    )


def _longest_run(column: Vector) -> int:
    if len(np.unique(column)) < _FEWEST_VALUES:
        return 0
    changes = np.flatnonzero(np.diff(column)) + 1
    return int(np.diff(changes, prepend=0, append=len(column)).max())


class ApplicabilityCheck:
    """Places rows relative to the training rows."""

    def __init__(self, names: Sequence[str], region: TrainingRegion) -> None:
        self.names = tuple(names)
        self.longest_runs = tuple(map(int, region.longest_run.tolist()))
        margin = _RANGE_MARGIN * (region.maximum - region.minimum)
        # Python floats: comparing a handful of them costs less than one call into numpy.
        self._limits = list(
            zip(
                region.minimum.tolist(),
                region.maximum.tolist(),
                (region.minimum - margin).tolist(),
                (region.maximum + margin).tolist(),
                strict=True,
            )
        )
        self._mean, self._whitener = region.mean, region.whitener
        self._edge_squared, self._out_squared = region.edge_distance**2, region.out_distance**2

    def place(self, values: Sequence[float], row: Vector) -> Applicability:
        """Place one row, given both as Python floats and as an array `(f,)`."""
        edge, out = self._beyond(values)
        if out:
            return Applicability(State.OUT, tuple(out))
        whitened = (row - self._mean) @ self._whitener
        return self._by_distance(values, edge, float(whitened @ whitened))

    def place_known(self, values: Sequence[float | None]) -> Applicability:
        """Place a row of which some values are not known, by the ranges of the others."""
        centre: list[float] = self._mean.tolist()
        edge, out = self._beyond([at if value is None else value for value, at in zip(values, centre, strict=True)])
        missing = [name for name, value in zip(self.names, values, strict=True) if value is None]
        return Applicability(State.OUT if out else State.EDGE, (*missing, *(out or edge)))

    def place_all(self, rows: Matrix) -> list[Applicability]:
        """Place each row of `(n, f)`."""
        # A value near the largest double overflows; its row is out by its range, whatever the distance says.
        with np.errstate(over="ignore", invalid="ignore"):
            whitened = (rows - self._mean) @ self._whitener
            squared: list[float] = np.einsum("ij,ij->i", whitened, whitened).tolist()
        return [self._place(values, distance) for values, distance in zip(rows.tolist(), squared, strict=True)]

    def _place(self, values: Sequence[float], squared: float) -> Applicability:
        edge, out = self._beyond(values)
        return Applicability(State.OUT, tuple(out)) if out else self._by_distance(values, edge, squared)

    def _beyond(self, values: Sequence[float]) -> tuple[list[str], list[str]]:
        """Features a little beyond what training saw, and those far beyond."""
        edge: list[str] = []
        out: list[str] = []
        for name, value, (lower, upper, far_lower, far_upper) in zip(self.names, values, self._limits, strict=True):
            if not lower <= value <= upper:
                (edge if far_lower <= value <= far_upper else out).append(name)
        return edge, out

    def _by_distance(self, values: Sequence[float], edge: list[str], squared: float) -> Applicability:
        if not edge and squared <= self._edge_squared:
            return _IN
        if squared <= self._edge_squared:
            return Applicability(State.EDGE, tuple(edge))
        state = State.OUT if squared > self._out_squared else State.EDGE
        return Applicability(state, tuple(dict.fromkeys((*edge, *self._causes(values)))))

    def _causes(self, values: Sequence[float]) -> tuple[str, ...]:
        """Features that bring the distance: the terms of `z' S z` sum to it."""
        centred = np.asarray(values) - self._mean
        terms = centred * (self._whitener @ (centred @ self._whitener))
        order = np.argsort(-terms)
        causes = [self.names[i] for i in order if terms[i] >= _CAUSE_SHARE * terms.sum()]
        return tuple(causes) or (self.names[int(order[0])],)
