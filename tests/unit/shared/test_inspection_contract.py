"""The wire form of a finished inspection."""

from datetime import UTC, date, datetime

import pytest

from shared.contracts.fields import PayloadInvalid
from shared.contracts.inspection import FinishedInspection

RECORDED = datetime(2026, 4, 3, 9, 30, tzinfo=UTC)


def inspection(finished: date = date(2026, 4, 1)) -> FinishedInspection:
    return FinishedInspection("acme.pump", finished, RECORDED)


def test_what_is_written_is_read_back():
    assert FinishedInspection.from_json(inspection().to_json()) == inspection()


@pytest.mark.parametrize(
    ("finished", "ended_at"),
    [
        (date(2026, 4, 1), datetime(2026, 4, 2, tzinfo=UTC)),
        (date(2026, 4, 3), RECORDED),
        (date(2026, 5, 1), RECORDED),
    ],
)
def test_it_ended_with_its_last_day_or_when_it_was_told(finished: date, ended_at: datetime):
    assert inspection(finished).ended_at == ended_at


@pytest.mark.parametrize("change", [{"asset": ""}, {"finished": "soon"}, {"finished": None}, {"recorded_at": "2026"}])
def test_field_that_cannot_be_read_is_named(change: dict[str, object]):
    with pytest.raises(PayloadInvalid, match=next(iter(change))):
        FinishedInspection.from_json({**inspection().to_json(), **change})
