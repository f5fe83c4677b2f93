"""Which rows fit a model, which calibrate its interval and which judge it, so that the judgement is honest.

Rows that resemble each other must not stand on both sides: neighbours in time, rows of one batch or machine, and rows
with the same inputs. The test rows are set aside first and take no part in any choice.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, TimeSeriesSplit

from services.twin.packaging.errors import DataUnusable
from services.twin.packaging.reference import Matrix, Vector

Indices = NDArray[np.int64]

FEWEST_ROWS = 50
FEWEST_GROUPS = 5

_TEST_SHARE = 0.2
# Of the rows that are not for the test.
_CALIBRATION_SHARE = 0.2
_FOLDS = 5
# In blocks of time, the first half is only ever learned from.
_FIRST_BLOCK_SHARE = 0.5
# Below this share of repeated inputs the repeats are left out of the fit; above it they are data, and go together.
_MOST_REPEATS = 0.05


class SplitKind(StrEnum):
    """What keeps the test rows apart."""

    SHUFFLED = "shuffled"
    """By chance; rows with the same inputs stay together."""
    ORDERED = "ordered"
    """By time: the test rows are the last, the calibration rows those before them."""
    GROUPED = "grouped"
    """By group: no group is on two sides."""


@dataclass(frozen=True, slots=True)
class RowSplit:
    """Row numbers of each part; the parts have no row in common.

    Parameters
    ----------
    calibration
        Empty if the interval is calibrated on out-of-fold errors of the rows of the fit.
    folds
        Pairs of learned and judged rows, all of them from `fit`.
    left_out
        Number of rows that repeat the inputs of a row in `fit` and would be on both sides of a fold.
    """

    kind: SplitKind
    fit: Indices
    calibration: Indices
    test: Indices
    folds: tuple[tuple[Indices, Indices], ...]
    left_out: int = 0


def split_rows(rows: Matrix, *, time_s: Vector | None, groups: NDArray[np.int64] | None, seed: int) -> RowSplit:
    """Divide the rows.

    Parameters
    ----------
    rows
        `(n, f)` inputs.
    time_s
        `(n,)`; if given, the split is by time.
    groups
        `(n,)` number of each row's group; if given and there is no time, the split is by group.

    Raises
    ------
    DataUnusable
        If there are too few rows, groups or different inputs.
    """
    if len(rows) < FEWEST_ROWS:
        raise DataUnusable(
            f"{len(rows)} usable rows are too few to fit, calibrate and judge a model; {FEWEST_ROWS} are needed",
            needed=FEWEST_ROWS,
            count=len(rows),
        )
    if time_s is not None:
        return _by_time(time_s)
    if groups is not None:
        return _by_group(groups, seed)
    _, same, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    if len(counts) < FEWEST_GROUPS:
        raise DataUnusable(
            f"the inputs of all rows together are only {len(counts)} different ones; {FEWEST_GROUPS} are needed",
            needed=FEWEST_GROUPS,
            count=len(counts),
        )
    if 1.0 - len(counts) / len(rows) > _MOST_REPEATS:
        return _by_group(same.reshape(-1), seed)
    return _by_chance(same.reshape(-1), seed)


def _by_chance(same: Indices, seed: int) -> RowSplit:
    rest, test = _draw(same, _TEST_SHARE, np.random.default_rng(seed))
    _, first = np.unique(same[rest], return_index=True)
    fit = rest[np.sort(first)]
    return RowSplit(
        SplitKind.SHUFFLED, fit, fit[:0], test, _group_folds(fit, np.arange(len(fit)), seed), len(rest) - len(fit)
    )


def _by_group(groups: Indices, seed: int) -> RowSplit:
    count = len(np.unique(groups))
    if count < FEWEST_GROUPS:
        raise DataUnusable(
            f"a split by group needs {FEWEST_GROUPS} groups, there are {count}", needed=FEWEST_GROUPS, count=count
        )
    rng = np.random.default_rng(seed)
    rest, test = _draw(groups, _TEST_SHARE, rng)
    inner, calibration = _draw(groups[rest], _CALIBRATION_SHARE, rng)
    fit = rest[inner]
    return RowSplit(SplitKind.GROUPED, fit, rest[calibration], test, _group_folds(fit, groups[fit], seed))


def _by_time(time_s: Vector) -> RowSplit:
    order = np.argsort(time_s, kind="stable")
    test_start = _border(time_s[order], len(order) - round(_TEST_SHARE * len(order)))
    fit_end = _border(time_s[order[:test_start]], test_start - round(_CALIBRATION_SHARE * test_start))
    if fit_end < FEWEST_ROWS // 2 or test_start == len(order):
        raise DataUnusable("too many rows have the same time for a split by time; name a group column instead")
    fit = order[:fit_end]
    block = max(int(len(fit) * (1.0 - _FIRST_BLOCK_SHARE)) // _FOLDS, 1)
    folds = tuple((fit[seen], fit[judged]) for seen, judged in TimeSeriesSplit(_FOLDS, test_size=block).split(fit))
    return RowSplit(SplitKind.ORDERED, fit, order[fit_end:test_start], order[test_start:], folds)


def _border(ascending_s: Vector, at: int) -> int:
    """The border moved back to where the time changes: rows of one moment stay together."""
    return int(np.searchsorted(ascending_s, ascending_s[min(at, len(ascending_s) - 1)], side="left"))


def _draw(groups: Indices, share: float, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """The rows that stay and those of groups drawn until they hold the share; at least one group each."""
    names, number, counts = np.unique(groups, return_inverse=True, return_counts=True)
    order = rng.permutation(len(names))
    held = np.cumsum(counts[order])
    taken = min(max(int(np.searchsorted(held, share * len(groups))) + 1, 1), len(names) - 1)
    drawn = np.isin(number.reshape(-1), order[:taken])
    return np.nonzero(~drawn)[0], np.nonzero(drawn)[0]


def _group_folds(fit: Indices, groups: Indices, seed: int) -> tuple[tuple[Indices, Indices], ...]:
    folds = GroupKFold(min(_FOLDS, len(np.unique(groups))), shuffle=True, random_state=seed)
    return tuple((fit[seen], fit[judged]) for seen, judged in folds.split(fit, groups=groups))
