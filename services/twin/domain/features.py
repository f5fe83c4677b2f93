"""From what a caller sends to the row a model takes; every fault is found and said at once.

A row is a mapping from the names of the features to numbers or readings; `values` tells what one of them may be.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike, NDArray

from services.twin.domain.values import LARGEST, FeatureSpec, Quality, pointer_to, read_value
from shared.errors import JSON, AppError, Fault, Kind

Matrix = NDArray[np.float64]

# A body of millions of made-up names is answered with the first of them.
_MOST_UNKNOWN = 100


class InputsInvalid(AppError):
    """The inputs are not what the model takes; each fault is listed."""

    kind, code = Kind.INVALID, "twin.inputs_invalid"


class QualityBad(AppError):
    """The inputs are well formed, and their source calls at least one of them Bad."""

    kind, code = Kind.INVALID, "twin.quality_bad"


@dataclass(frozen=True, slots=True)
class InputRow:
    """A row as it was read, well formed, with what its source says about it.

    Parameters
    ----------
    values
        In the model's order; NaN for a value that is Bad, and finite for every other.
    uncertain
        Features whose value is Uncertain.
    bad
        One fault for each value that is Bad.
    """

    values: Sequence[float]
    uncertain: tuple[str, ...] = ()
    bad: tuple[Fault, ...] = ()

    def known(self) -> list[float | None]:
        """The values, `None` for one that is Bad."""
        return [None if math.isnan(value) else value for value in self.values]

    def require_good(self) -> None:
        """Refuse the row if one of its values is Bad.

        Raises
        ------
        QualityBad
            With each of them.
        """
        if self.bad:
            raise QualityBad("the source calls these values Bad; the model was not asked", faults=self.bad)


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows as one vector `(n,)` for each feature, by name and in any order; all of one length."""

    values: Mapping[str, NDArray[np.float64]]

    def __len__(self) -> int:
        return len(next(iter(self.values.values()), ()))


class InputReader:
    """Reads rows for one model.

    Parameters
    ----------
    features
        In the order the model takes them.
    """

    def __init__(self, features: Sequence[FeatureSpec]) -> None:
        self._features = {feature.name: feature for feature in features}
        # The largest double as the open end also keeps infinity out, and a comparison with NaN is never true.
        self._bounds = [(f.name, *(f.valid_range or (-LARGEST, LARGEST))) for f in features]
        self._lower = np.array([lower for _, lower, _ in self._bounds])
        self._upper = np.array([upper for _, _, upper in self._bounds])

    def read(self, inputs: Mapping[str, JSON], pointer: str = "") -> Sequence[float]:
        """The values in the model's order; as `read_row`, and a Bad value refuses the row.

        Raises
        ------
        InputsInvalid, QualityBad
            If the row cannot be used; every fault is listed.
        """
        row = self.read_row(inputs, pointer)
        row.require_good()
        return row.values

    def read_row(self, inputs: Mapping[str, JSON], pointer: str = "") -> InputRow:
        """The values in the model's order, and what their source says about them.

        Parameters
        ----------
        inputs
            Values by feature name.
        pointer
            JSON pointer to `inputs` in the body, for the faults.

        Raises
        ------
        InputsInvalid
            If a feature is missing, unknown, not a finite number, out of its range or in another unit.
        """
        if len(inputs) == len(self._bounds):
            values = []
            for name, lower, upper in self._bounds:
                value = inputs.get(name)
                kind = type(value)
                # `type` and not `isinstance`: true is an int to isinstance. All else goes the careful way.
                if (kind is not float and kind is not int) or not lower <= value <= upper:  # type: ignore[operator]
                    break
                values.append(float(value))  # type: ignore[arg-type]
            else:
                return InputRow(values)
        return self._read_carefully(inputs, pointer)

    def read_many(self, rows: ArrayLike | Columns | Sequence[Mapping[str, JSON]]) -> Matrix:
        """Many rows at once, as an array with columns in the model's order, as columns by name, or as mappings.

        Returns
        -------
        Matrix
            `(n, f)`.

        Raises
        ------
        InputsInvalid, QualityBad
            If any row cannot be used; every fault of every row is listed.
        """
        if isinstance(rows, Sequence):
            mappings = [row for row in rows if isinstance(row, Mapping)]
            if mappings and len(mappings) == len(rows):
                return self._collect(list(enumerate(mappings)))
        values = self._in_order(rows) if isinstance(rows, Columns) else self._as_matrix(rows)
        inside = np.all((values >= self._lower) & (values <= self._upper), axis=1)
        suspects = [
            (int(i), dict(zip(self._features, values[i].tolist(), strict=True))) for i in np.nonzero(~inside)[0]
        ]
        if suspects:
            self._collect(suspects)
        return values

    def _in_order(self, columns: Columns) -> Matrix:
        if columns.values.keys() != self._features.keys():
            # Read as the first row, which finds each name that is missing or unknown.
            self.read({name: float(values[0]) for name, values in columns.values.items()})
        return np.column_stack([columns.values[name] for name in self._features])

    def _as_matrix(self, rows: object) -> Matrix:
        columns = list(getattr(rows, "columns", ()))
        # A table with its columns in another order would be predicted without a word, and wrongly. Columns that are
        # only numbered have no names.
        if any(isinstance(column, str) for column in columns) and columns != list(self._features):
            raise InputsInvalid("the columns of the table must be the features, in the model's order")
        try:
            values = np.asarray(rows, np.float64)
        except (TypeError, ValueError) as error:
            raise InputsInvalid(f"the rows must be numbers: {error}") from error
        if values.ndim != 2 or values.shape[1] != len(self._features):
            raise InputsInvalid(
                f"the rows must have the {len(self._features)} features as columns", shape=list(values.shape)
            )
        return values

    def _collect(self, rows: Sequence[tuple[int, Mapping[str, JSON]]]) -> Matrix:
        """Read mappings, and raise once for all that cannot be used."""
        values: list[Sequence[float]] = []
        errors: list[InputsInvalid | QualityBad] = []
        for index, row in rows:
            try:
                values.append(self.read(row, f"/{index}"))
            except (InputsInvalid, QualityBad) as error:
                errors.append(error)
        if errors:
            worst = next((error for error in errors if isinstance(error, InputsInvalid)), errors[0])
            raise type(worst)(worst.message, faults=[fault for error in errors for fault in error.faults])
        return np.array(values)

    def _read_carefully(self, inputs: Mapping[str, JSON], pointer: str) -> InputRow:
        faults: list[Fault] = []
        bad: list[Fault] = []
        uncertain: list[str] = []
        values: list[float] = []
        for name, feature in self._features.items():
            where = pointer_to(pointer, name)
            if name not in inputs:
                faults.append(Fault(where, f"{name!r} is missing", feature.facts()))
                continue
            found = read_value(feature, inputs[name], where)
            if isinstance(found, list):
                faults += found
                continue
            values.append(math.nan if found.quality is Quality.BAD else found.number)
            if found.quality is Quality.BAD:
                bad.append(Fault(where, f"the quality of {name!r} is Bad", feature.facts()))
            elif found.quality is Quality.UNCERTAIN:
                uncertain.append(name)
        known = sorted(self._features)
        unknown = islice((name for name in inputs if name not in self._features), _MOST_UNKNOWN)
        faults += [
            Fault(pointer_to(pointer, name), f"{name!r} is not a feature", {"feature": name, "known": known})
            for name in unknown
        ]
        if faults:
            message = "the inputs are not what the model takes; every fault is listed"
            raise InputsInvalid(message, faults=[*faults, *bad])
        return InputRow(values, tuple(uncertain), tuple(bad))
