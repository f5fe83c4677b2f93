"""What a user says about the columns of a table: options and small JSON files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from futago.errors import FutagoError


class DescriptionUnusable(FutagoError):
    """An option or a file that describes the model is not what it must be."""


def read_units(pairs: Sequence[str], file: Path | None) -> dict[str, str]:
    """Units by column, from a JSON object and from `COLUMN=UNIT` pairs, which go first.

    Raises
    ------
    DescriptionUnusable
        If they are neither.
    """
    units = {} if file is None else _read_json(file)
    if not isinstance(units, Mapping) or not all(isinstance(unit, str) for unit in units.values()):
        raise DescriptionUnusable(f"{file} must hold an object of units by column")
    for pair in pairs:
        column, equals, unit = pair.rpartition("=")
        if not (column and equals and unit):
            raise DescriptionUnusable(f"--unit takes COLUMN=UNIT, not {pair!r}")
        units = {**units, column: unit}
    return dict(units)


def read_features(file: Path | None) -> list[Mapping[str, Any]] | None:
    """The inputs that a JSON list describes; `None` without a file.

    Raises
    ------
    DescriptionUnusable
        If it is no list of objects with a name each.
    """
    if file is None:
        return None
    listed = _read_json(file)
    if not isinstance(listed, list) or not all(isinstance(item, Mapping) and "name" in item for item in listed):
        raise DescriptionUnusable(f"{file} must hold a list of objects with a name each")
    return listed


def fitted_features(estimator: Any) -> list[Mapping[str, Any]] | None:
    """The columns of the table that the estimator was fitted on, if it remembers them."""
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else [{"name": str(name)} for name in names]


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DescriptionUnusable(f"{file} cannot be read as JSON: {error}") from error
