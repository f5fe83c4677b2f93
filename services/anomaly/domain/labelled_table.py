"""Tables with a column of truth: sensors apart from labels, rows to learn from apart from rows to judge."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.anomaly.domain.arrays import Floats, Labels, Times
from services.anomaly.domain.evaluation_verdict import LabelledRows
from services.anomaly.domain.rows import RowsRefused, times_us
from services.anomaly.domain.training_requests import Table
from shared.errors import Fault


@dataclass(frozen=True, slots=True)
class LabelledTable:
    """A whole recording whose truth is known.

    Parameters
    ----------
    columns
        Names of the sensors.
    rows
        `(n, c)`, oldest first.
    truth, changed, times
        As in `LabelledRows`.
    """

    name: str
    columns: tuple[str, ...]
    rows: Floats
    truth: Labels
    changed: Labels | None
    times: Times | None

    def taking(self, columns: Sequence[str]) -> "LabelledTable":
        """The same recording with these sensors only, in this order.

        Raises
        ------
        RowsRefused
            If some are not there.
        """
        faults = [Fault("/columns", f"{name!r} is missing") for name in columns if name not in self.columns]
        if faults:
            raise RowsRefused(f"{self.name} lacks sensors that the detector needs", faults=faults)
        rows = np.ascontiguousarray(self.rows[:, [self.columns.index(name) for name in columns]])
        return LabelledTable(self.name, tuple(columns), rows, self.truth, self.changed, self.times)

    def judged_from(self, first: int) -> LabelledRows:
        """The rows from `first` on, to be judged; those before are their context.

        Raises
        ------
        RowsRefused
            If nothing is left to judge.
        """
        if first >= len(self.rows):
            raise RowsRefused(f"{self.name} has {len(self.rows)} rows: none is left to judge after the first {first}")
        return LabelledRows(
            self.name,
            self.rows[first:],
            self.truth[first:],
            None if self.changed is None else self.changed[first:],
            None if self.times is None else self.times[first:],
            self.rows[:first],
            None if self.times is None else self.times[:first],
        )


def labelled_table(table: Table, name: str, *, label: str, change_point: str | None) -> LabelledTable:
    """Take the labels out of a table.

    Parameters
    ----------
    label
        Column of 0 and 1; 1 where something is wrong.
    change_point
        Column of 0 and 1; 1 where something begins or ends.

    Raises
    ------
    RowsRefused
        If a column is missing or holds something else, or no sensor is left.
    """
    truth = _labels(table, name, label)
    changed = None if change_point is None else _labels(table, name, change_point)
    sensors = [i for i, column in enumerate(table.columns) if column not in {label, change_point}]
    if not sensors:
        raise RowsRefused(f"{name} holds no sensor beside its labels")
    return LabelledTable(
        name,
        tuple(table.columns[i] for i in sensors),
        np.ascontiguousarray(table.rows[:, sensors]),
        truth,
        changed,
        None if table.times is None else times_us(table.times),
    )


def _labels(table: Table, name: str, column: str) -> Labels:
    if column not in table.columns:
        fault = Fault("/columns", f"one of {', '.join(table.columns)}")
        raise RowsRefused(f"{name} has no column {column!r}", faults=[fault])
    values = table.rows[:, table.columns.index(column)]
    bad = np.flatnonzero((values != 0) & (values != 1))
    if len(bad):
        fault = Fault(f"/rows/{bad[0]}/{column}", "a label is 0 or 1")
        raise RowsRefused(f"the column {column!r} of {name} holds something else than labels", faults=[fault])
    return values.astype(np.int8)
