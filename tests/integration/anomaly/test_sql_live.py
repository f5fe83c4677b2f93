"""Counts of live rows in both kinds of database."""

from datetime import UTC, datetime, timedelta

import pytest

from services.anomaly.adapters.sql_live import CountKey, SqlLiveCounts
from services.anomaly.adapters.tables import HISTORY, SCRIPTS
from services.anomaly.domain.live_counts import LiveCount
from shared.database import migrate, open_engine

NOW = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.mark.parametrize("database", ["sqlite_url", "postgres_url"])
def test_counts_of_replicas_add_up(request: pytest.FixtureRequest, database: str):
    url = request.getfixturevalue(database)
    migrate(url, HISTORY, SCRIPTS)
    engine = open_engine(url)
    one, other = SqlLiveCounts(engine), SqlLiveCounts(engine)
    key = CountKey("pump", 1, "limit", "acme.pump1")
    later = NOW + timedelta(hours=1)
    one.add({key: LiveCount("acme.pump1", 100, 5, 2, NOW, NOW)})
    nameless = CountKey("pump", 1, "limit", "")
    totals = other.add(
        {
            key: LiveCount("acme.pump1", 50, 1, 1, later, later),
            nameless: LiveCount(None, 7, 0, 0, later, later),
        }
    )
    assert totals == {
        key: LiveCount("acme.pump1", 150, 6, 3, NOW, later),
        nameless: LiveCount(None, 7, 0, 0, later, later),
    }
    engine.dispose()
