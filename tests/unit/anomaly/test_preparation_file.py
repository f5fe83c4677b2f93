import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from services.anomaly.adapters.preparation_file import preparation_file, read_preparation
from services.anomaly.domain.preparation import Preparation
from services.anomaly.domain.preparation_copies import Copy
from services.anomaly.domain.preparation_gaps import Cadence, Patience
from services.anomaly.domain.preparation_off import OffRule
from services.anomaly.domain.preparation_season import Season
from shared.onnx.errors import BundleMalformed

COLUMNS = ("flow", "pressure")
FULL = Preparation(
    COLUMNS,
    Patience(3, 1),
    Cadence(1_000_000, 4_500_000),
    OffRule("flow", None, 0.0, 7),
    Season("day", np.arange(12.0).reshape(6, 2) / 7.0, np.array([0.5, 0.0])),
    (Copy(0, 1, 1.0 / 3.0, 1e-300, 0.1),),
)


def test_preparation_is_read_as_it_was_written():
    read = read_preparation(preparation_file(FULL), COLUMNS)
    assert (read.patience, read.cadence, read.off, read.copies) == (FULL.patience, FULL.cadence, FULL.off, FULL.copies)
    assert read.season is not None
    assert FULL.season is not None
    np.testing.assert_array_equal(read.season.profile, FULL.season.profile)
    np.testing.assert_array_equal(read.season.gains, FULL.season.gains)


def test_preparation_that_does_nothing_is_read_as_it_was_written():
    plain = Preparation(COLUMNS, Patience(0, 1))
    assert read_preparation(preparation_file(plain), COLUMNS) == plain


def _drop(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda document: document.pop(name)


def _put(*path: str | int, value: object) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        place: Any = document
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _drop("gap_rows"),
        _put("gap_rows", value=-1),
        _put("gap_rows", value=1.5),
        _put("more", value=1),
        _put("off", "column", value="level"),
        _put("off", "above", value=None),
        _put("off", "below", value=1.0),
        _put("off", "margin_rows", value=-1),
        _put("season", "name", value="moon"),
        _put("season", "phases", value=5),
        _put("season", "gains", value=[0.5]),
        _put("copies", 0, "copy", value=2),
        _put("copies", 0, "original", value=-1),
        _put("cadence", "gap_us", value="long"),
    ],
)
def test_file_that_holds_something_else_is_refused(change: Callable[[dict[str, Any]], None]):
    document = json.loads(preparation_file(FULL))
    change(document)
    with pytest.raises(BundleMalformed):
        read_preparation(json.dumps(document).encode(), COLUMNS)
