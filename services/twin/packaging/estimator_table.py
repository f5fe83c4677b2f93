"""The rows that an estimator was fitted on, read from a file: its columns in its order, nothing chosen or repaired."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.twin.packaging.csv_table import Column
from services.twin.packaging.dataset import describe_column, find_column
from services.twin.packaging.reference import Matrix, Vector
from shared.errors import JSON


@dataclass(frozen=True, slots=True)
class Table:
    """What an estimator was fitted on, read from a file.

    Parameters
    ----------
    features, target
        Descriptions as `package` takes them.
    rows, values
        `(n, f)` and `(n,)`.
    incomplete
        Number of rows of the file that lack a value and are not here.
    """

    features: tuple[Mapping[str, JSON], ...]
    target: Mapping[str, JSON]
    rows: Matrix
    values: Vector
    incomplete: int


def make_table(columns: Sequence[Column], target: str, features: Sequence[Mapping[str, JSON]] | None) -> Table:
    """The columns of a fitted estimator, exactly those that are named and in that order.

    Parameters
    ----------
    features
        Descriptions with a `name` each; every column but the target, in the order of the file, if `None`.

    Raises
    ------
    DataUnusable
        If a named column is not there.
    CsvUnusable
        If a cell of these columns holds text; names row and column.
    """
    measured = find_column(columns, target)
    if features is None:
        chosen = [column for column in columns if column is not measured]
        features = [describe_column(column, {}, column.numbers()) for column in chosen]
    else:
        chosen = [find_column(columns, str(feature.get("name"))) for feature in features]
        features = [
            {**describe_column(column, {}), **feature} for column, feature in zip(chosen, features, strict=True)
        ]
    numbers = np.stack([column.numbers() for column in (*chosen, measured)], axis=1)
    complete = np.all(np.isfinite(numbers), axis=1)
    return Table(
        features=tuple(features),
        target=describe_column(measured, {}),
        rows=numbers[complete, :-1],
        values=numbers[complete, -1],
        incomplete=int(np.sum(~complete)),
    )
