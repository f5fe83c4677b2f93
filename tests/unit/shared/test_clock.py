from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.clock import rfc3339


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 4, 1, tzinfo=UTC), "2026-04-01T00:00:00Z"),
        (datetime(2026, 4, 1, 9, tzinfo=timezone(timedelta(hours=9))), "2026-04-01T00:00:00Z"),
        (datetime(2026, 4, 1, 0, 0, 0, 250_000, tzinfo=UTC), "2026-04-01T00:00:00.250Z"),
        (datetime(2026, 4, 1, 0, 0, 0, 999, tzinfo=UTC), "2026-04-01T00:00:00Z"),
    ],
)
def test_a_time_is_written_in_utc(moment: datetime, text: str):
    assert rfc3339(moment) == text


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        rfc3339(datetime(2026, 4, 1))  # noqa: DTZ001 (the fault under test)
