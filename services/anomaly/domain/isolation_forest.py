"""Isolation forest, served: how few random cuts set a row apart from normal ones, and which sensors they were made on.

Liu, Ting & Zhou (2008), Isolation Forest, ICDM. The trees are grown elsewhere; walking down them takes a table a tree
and no library.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.scaling import Scaling

Whole = NDArray[np.int32]
# The largest number of single precision.
_MOST_SINGLE = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees as tables of `t` trees by `m` nodes, each tree's root first; shorter trees are filled up.

    Parameters
    ----------
    sensor
        `(t, m)`: position of the sensor that a node cuts; -1 in a leaf.
    cut
        `(t, m)`: rows up to here go left [standard deviations].
    left, right
        `(t, m)`: nodes below.
    rows
        `(t, m)`: normal rows that came by when the tree was grown.
    low, high
        `(c,)`: range of the rows that the trees were grown on [standard deviations].
    depth
        Cuts between the root and the lowest leaf of any tree.
    """

    sensor: Whole
    cut: Floats
    left: Whole
    right: Whole
    rows: Whole
    low: Floats
    high: Floats
    depth: int

    def leaves(self, points: Floats) -> Whole:
        """`(n, t)`: the leaf of each tree that each of `(n, c)` points ends in."""
        # The cuts were chosen between readings of single precision, and are compared with such.
        single = np.clip(points, -_MOST_SINGLE, _MOST_SINGLE).astype(np.float32)
        trees = np.arange(len(self.sensor))
        node = np.zeros((len(points), len(trees)), np.int32)
        each = np.arange(len(points))[:, None]
        for _ in range(self.depth):
            sensor = self.sensor[trees, node]
            reading = single[each, np.maximum(sensor, 0)]
            below = np.where(reading <= self.cut[trees, node], self.left[trees, node], self.right[trees, node])
            node = np.where(sensor < 0, node, below)
        return node


def usual_depth(rows: Floats) -> Floats:
    """Cuts that it takes on average to set one of this many rows apart (Liu et al. 2008, equation 1)."""
    several = np.maximum(rows, 3.0)
    harmonic = np.log(several - 1.0) + np.euler_gamma
    return np.where(rows > 2, 2.0 * harmonic - 2.0 * (several - 1.0) / several, np.where(rows == 2, 1.0, 0.0))


class ForestModel:
    """The forest as the scorer sees it; a window is as many rows as are averaged before they are asked about.

    A row's score is that of the paper: 2 to the minus of its mean depth over the usual one; near 1 for a row that few
    cuts set apart, below 0.5 for a normal one. It is shared among the sensors by the information of the cuts on its
    way: a cut that leaves `m` of `n` rows beside it tells `log2(n / m)` bits, and those of a short way count more, by
    the length of the way, as in Carletti et al. (2019), Explainable Machine Learning in Industry 4.0 (DIFFI).

    No tree tells a reading far outside of all it was grown on from the outermost one it knows. How far a sensor lies
    outside is therefore added to its part in full; within the range, the score is that of the paper.

    Parameters
    ----------
    scaling
        Of the rows before they are averaged.
    smoothing_rows
        Rows in the causal mean.
    """

    def __init__(self, forest: Forest, scaling: Scaling, *, smoothing_rows: int) -> None:
        self._forest = forest
        self._scaling = scaling
        self._window_rows = smoothing_rows
        self._ways = _ways(forest)
        trees = len(forest.rows)
        self._usual = trees * float(usual_depth(forest.rows[:, 0].astype(float)).mean())

    @property
    def window_rows(self) -> int:
        """Rows in a window."""
        return self._window_rows

    def parts(self, points: Floats) -> Floats:
        """`(n, c)`: each sensor's part, not negative, of the scores of `(n, c)` smoothed and scaled points."""
        leaves = self._forest.leaves(points)
        trees = np.arange(leaves.shape[1])
        depth = self._ways.depth[trees, leaves]
        scores = 2.0 ** -(depth.sum(axis=1) / self._usual)
        bits = self._bits(leaves, 1.0 / np.maximum(depth, 1.0))
        told = bits.sum(axis=1, keepdims=True)
        # Trees that are one leaf tell nothing of any sensor.
        shares = np.divide(bits, told, out=np.full_like(bits, 1.0 / bits.shape[1]), where=told > 0.0)
        outside = points - np.clip(points, self._forest.low, self._forest.high)
        return np.asarray(scores[:, None] * shares + np.abs(outside))

    def _bits(self, leaves: Whole, weights: Floats) -> Floats:
        """`(n, c)`: what the cuts above `(n, t)` leaves told of each sensor, counted by `(n, t)` weights."""
        count, sensors = len(leaves), len(self._scaling.mean)
        trees, first = np.arange(leaves.shape[1]), sensors * np.arange(count)[:, None]
        bits = np.zeros(count * sensors)
        node = leaves
        for _ in range(self._forest.depth):
            place = first + self._ways.sensor[trees, node]
            told = weights * self._ways.told[trees, node]
            bits += np.bincount(place.ravel(), told.ravel(), minlength=len(bits))
            node = self._ways.above[trees, node]
        return bits.reshape(count, sensors)

    def residuals(self, batch: Floats) -> Floats:
        """`(b, c)` numbers of `(b, window_rows, c)` windows whose mean square is the score."""
        return np.asarray(np.sqrt(self.parts(self._scaling.apply(batch).mean(axis=1)) * batch.shape[2]))


@dataclass(frozen=True, slots=True)
class _Ways:
    """The way back from each node of `t` trees by `m` nodes; from a root it leads to the root and tells nothing.

    Parameters
    ----------
    above
        `(t, m)`: the node it hangs from.
    sensor, told
        `(t, m)`: the sensor that was cut there, and what the cut told [bits].
    depth
        `(t, m)`: the depth of a row that ends in the node.
    """

    above: Whole
    sensor: Whole
    told: Floats
    depth: Floats


def _ways(forest: Forest) -> _Ways:
    above, sensor = np.zeros_like(forest.sensor), np.zeros_like(forest.sensor)
    told, cuts = np.zeros(forest.sensor.shape), np.zeros(forest.sensor.shape)
    # Nodes stand behind the node they hang from.
    for node in range(forest.sensor.shape[1]):
        trees = np.flatnonzero(forest.sensor[:, node] >= 0)
        for below in (forest.left[trees, node], forest.right[trees, node]):
            above[trees, below] = node
            sensor[trees, below] = forest.sensor[trees, node]
            told[trees, below] = np.log2(forest.rows[trees, node] / forest.rows[trees, below])
            cuts[trees, below] = cuts[trees, node] + 1.0
    return _Ways(above, sensor, told, cuts + usual_depth(forest.rows.astype(float)))
