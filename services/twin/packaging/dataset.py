"""From the columns of a table to what a model can learn from: features, target, order, groups, and what was left out.

Nothing is repaired in silence: every row and column that is not used is counted and said.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.twin.packaging.csv_table import Column
from services.twin.packaging.errors import DataUnusable
from services.twin.packaging.reference import Matrix, Vector
from services.twin.packaging.sensor_grid import grid_step
from shared.errors import JSON

# A feature that more rows lack costs more rows than it is worth.
_MOST_MISSING = 0.3
_TIME_NAMES = frozenset({"time", "timestamp", "datetime", "date", "日時", "時刻", "日付", "時間"})


@dataclass(frozen=True, slots=True)
class Roles:
    """What the user says about the columns; names with or without their unit.

    Parameters
    ----------
    time, group
        The column that orders the rows, or that tells which rows belong together.
    features
        The inputs; every other column of numbers if empty.
    units
        By column name; they go before those of the header.
    """

    target: str
    time: str | None = None
    group: str | None = None
    features: Sequence[str] = ()
    exclude: Sequence[str] = ()
    units: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows without a gap, in the order of the file.

    Parameters
    ----------
    features, target
        Descriptions as `package` takes them.
    rows, values
        `(n, f)` inputs and `(n,)` measured targets.
    time_s, groups
        `(n,)`, or `None` without such a column.
    rows_read
        Rows of the file; those that lack a value are not among `rows`.
    notes
        What was left out and why, as sentences.
    """

    features: tuple[Mapping[str, JSON], ...]
    target: Mapping[str, JSON]
    rows: Matrix
    values: Vector
    time_s: Vector | None
    groups: NDArray[np.int64] | None
    rows_read: int
    notes: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """Names of the features."""
        return [str(feature["name"]) for feature in self.features]


def make_dataset(columns: Sequence[Column], roles: Roles) -> Dataset:
    """Choose the columns and the rows.

    Raises
    ------
    DataUnusable
        If a named column is not there, no feature is left, or the target never varies.
    CsvUnusable
        If a column of numbers holds text; names row and column.
    """
    if roles.time and roles.group:
        raise DataUnusable("rows are split by time or by group, not both")
    notes: list[str] = []
    units = {find_column(columns, name).name: unit for name, unit in (roles.units or {}).items()}
    target = find_column(columns, roles.target)
    group = find_column(columns, roles.group) if roles.group else None
    time = find_column(columns, roles.time) if roles.time else _recognised_time(columns, target, group, notes)
    used = {column.name for column in (target, group, time) if column is not None}
    chosen = _chosen(columns, roles, used, notes)
    numbers = {column.name: column.numbers() for column in (*chosen, target)}
    if not roles.features:
        chosen = [column for column in chosen if _is_worth_its_rows(column, numbers[column.name], notes)]
    time_s = None if time is None else time.moments_s()
    complete = _complete_rows([*chosen, target], numbers, time, time_s, notes)
    chosen = [column for column in chosen if _varies(column, numbers[column.name][complete], notes)]
    if not chosen:
        raise DataUnusable("no column is left that a model could learn from", notes=notes)
    values = numbers[target.name][complete]
    if len(values) and np.ptp(values) == 0.0:
        raise DataUnusable(f"the target {target.name!r} never varies; there is nothing to learn")
    return Dataset(
        features=tuple(describe_column(column, units, numbers[column.name][complete]) for column in chosen),
        target=describe_column(target, units),
        rows=np.stack([numbers[column.name][complete] for column in chosen], axis=1),
        values=values,
        time_s=None if time_s is None else time_s[complete],
        groups=None if group is None else _numbered(group)[complete],
        rows_read=len(complete),
        notes=tuple(notes),
    )


def find_column(columns: Sequence[Column], wanted: str) -> Column:
    """The column of this name, or of this header.

    Raises
    ------
    DataUnusable
        If there is none.
    """
    for column in columns:
        if wanted.strip() in {column.name, column.header}:
            return column
    names = [column.name for column in columns]
    close = difflib.get_close_matches(wanted, names, 1)
    hint = f"; is it {close[0]!r}?" if close else ""
    raise DataUnusable(f"there is no column {wanted!r} among {', '.join(names)}{hint}", columns=names)


def _recognised_time(
    columns: Sequence[Column], target: Column, group: Column | None, notes: list[str]
) -> Column | None:
    """The first column of dates; none where the user keeps rows apart by group."""
    if group is not None:
        return None
    for column in columns:
        if column is not target and column.holds_moments:
            notes.append(f"{column.name}: taken as the time of the rows")
            return column
    return None


def _chosen(columns: Sequence[Column], roles: Roles, used: set[str], notes: list[str]) -> list[Column]:
    """The feature columns, in the order of the user or of the file."""
    if roles.features:
        named = [find_column(columns, name) for name in roles.features]
        if used & {column.name for column in named}:
            raise DataUnusable("a feature cannot be the target, the time or the group as well", columns=sorted(used))
        return list({column.name: column for column in named}.values())
    excluded = {find_column(columns, name).name for name in roles.exclude}
    chosen = []
    for column in columns:
        if column.name in used | excluded:
            continue
        if column.holds_moments or column.name.lower() in _TIME_NAMES:
            notes.append(f"{column.name}: left out, it is a time")
        elif column.is_text:
            notes.append(f"{column.name}: left out, it holds text")
        else:
            chosen.append(column)
    return chosen


def _is_worth_its_rows(column: Column, values: Vector, notes: list[str]) -> bool:
    """Whether a column that nobody asked for is filled, and does more than number the rows."""
    missing = float(np.mean(np.isnan(values)))
    if missing > _MOST_MISSING:
        notes.append(f"{column.name}: left out, {missing:.0%} of its rows are empty")
        return False
    if len(values) > 1 and np.all(np.diff(values) == 1.0):
        notes.append(f"{column.name}: left out, it numbers the rows")
        return False
    return True


def _complete_rows(
    columns: Sequence[Column],
    numbers: Mapping[str, Vector],
    time: Column | None,
    time_s: Vector | None,
    notes: list[str],
) -> NDArray[np.bool_]:
    gaps = {column.name: np.isnan(numbers[column.name]) for column in columns}
    if time is not None and time_s is not None:
        gaps[time.name] = np.isnan(time_s)
    missing = np.any(list(gaps.values()), axis=0)
    if missing.any():
        where = ", ".join(f"{name} {int(gap.sum())}" for name, gap in gaps.items() if gap.any())
        notes.append(f"{int(missing.sum())} of {len(missing)} rows left out, they lack a value ({where})")
    complete: NDArray[np.bool_] = ~missing
    return complete


def _varies(column: Column, values: Vector, notes: list[str]) -> bool:
    varies = len(values) > 0 and np.ptp(values) > 0.0
    if not varies:
        notes.append(f"{column.name}: left out, it never varies")
    return bool(varies)


def describe_column(column: Column, units: Mapping[str, str], values: Vector | None = None) -> dict[str, JSON]:
    """Name, unit and, where there are values on a grid, the step of the sensor, as `package` takes them."""
    unit = units.get(column.name, column.unit)
    step = None if values is None else grid_step(values)
    return {
        "name": column.name,
        **({} if unit is None else {"unit": unit}),
        **({} if step is None else {"resolution": step}),
    }


def _numbered(column: Column) -> NDArray[np.int64]:
    """Which group each row belongs to; an empty cell is a group of its own kind."""
    _, numbers = np.unique(np.array([cell.strip() for cell in column.cells]), return_inverse=True)
    return numbers.astype(np.int64)
