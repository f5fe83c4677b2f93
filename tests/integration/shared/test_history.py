from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry
from redis.exceptions import RedisError
from sqlalchemy import Engine, MetaData, text
from sqlalchemy.exc import DBAPIError

from shared.database import open_engine, read
from shared.database_metrics import DatabaseMetrics
from shared.history import HistoryOff, HistoryWriter, Point, SeriesQuery, SqlHistory, points_table
from shared.redis_client import async_client
from shared.redis_metrics import RedisMetrics

START = datetime(2027, 1, 1, tzinfo=UTC)
METADATA = MetaData()
TABLE = points_table(METADATA, "test_history")


@pytest.fixture
def engine(database_url: str):
    engine = open_engine(database_url)
    METADATA.drop_all(engine)
    METADATA.create_all(engine)
    yield engine
    METADATA.drop_all(engine)
    engine.dispose()


def point(second: float, value: float, *, asset: str = "acme.r1", metric: str = "score") -> Point:
    return Point(metric, "pump", asset, START.timestamp() + second, value)


def query(*, seconds: int = 100, points: int = 500, asset: str = "acme.r1") -> SeriesQuery:
    return SeriesQuery("score", "pump", asset, START, START + timedelta(seconds=seconds), points)


async def test_an_interval_has_one_point_and_the_last_one_written_stays(engine: Engine):
    history = SqlHistory(engine, TABLE, interval_s=10)
    history.add([point(1, 1.0), point(9, 2.0), point(12, 3.0), point(12, 9.0, asset="acme.r2")])
    SqlHistory(engine, TABLE, interval_s=10).add([point(5, 4.0)])
    found = await history.series(query())
    assert found == [(START, 4.0), (START + timedelta(seconds=10), 3.0)]
    assert await history.series(query(asset="acme.r3")) == []


async def test_where_there_are_more_points_each_is_the_mean_of_its_part(engine: Engine):
    history = SqlHistory(engine, TABLE, interval_s=1)
    history.add([point(second, float(second)) for second in range(100)])
    found = await history.series(query(points=4))
    assert [value for _, value in found] == [12.0, 37.0, 62.0, 87.0]
    assert [time for time, _ in found] == [START + timedelta(seconds=second) for second in (0, 25, 50, 75)]
    assert len(await history.series(query(points=7))) <= 7


async def test_what_is_older_than_wanted_goes_and_a_history_that_is_off_says_so(engine: Engine):
    history = SqlHistory(engine, TABLE, interval_s=1)
    history.add([point(0, 1.0), point(50, 2.0)])
    assert history.remove(START + timedelta(seconds=50)) == 1
    assert [value for _, value in await history.series(query())] == [2.0]
    with pytest.raises(HistoryOff):
        await SqlHistory(engine, TABLE, interval_s=0).series(query())


async def test_more_points_than_a_statement_takes_are_written(engine: Engine):
    history = SqlHistory(engine, TABLE, interval_s=1)
    history.add([point(0, 1.0, asset=f"acme.a{number}") for number in range(2_500)])
    with read(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM test_history")).scalar() == 2_500


async def test_points_that_cannot_be_written_are_counted_and_later_ones_are_written(engine: Engine):
    registry = CollectorRegistry()
    waiting = [[point(0, 1.0)], [point(1, 2.0), point(10_000_000, 3.0)]]
    history = SqlHistory(engine, TABLE, interval_s=1)
    writer = HistoryWriter(
        history, lambda: waiting.pop(0), now=lambda: START + timedelta(seconds=2), interval_s=1, metrics=registry
    )
    away = open_engine("sqlite:////nowhere/at/all.db")
    history._engine = away
    await writer.flush()
    assert registry.get_sample_value("futago_history_points_lost_total") == 1
    history._engine = engine
    await writer.flush()
    # The one from months ahead has a wrong clock.
    assert [value for _, value in await history.series(query())] == [2.0]
    away.dispose()


def test_statements_waits_and_failures_of_sql_are_measured(engine: Engine):
    registry = CollectorRegistry()
    DatabaseMetrics(registry, engine)
    with read(engine) as connection:
        connection.execute(text("SELECT 1"))
        assert registry.get_sample_value("futago_sql_connections_in_use") == 1
    with pytest.raises(DBAPIError), engine.connect() as connection:
        connection.execute(text("SELECT nothing FROM nowhere"))
    assert registry.get_sample_value("futago_sql_statement_seconds_count", {"operation": "select"}) == 1
    assert registry.get_sample_value("futago_sql_failures_total") == 1
    waits = registry.get_sample_value("futago_sql_pool_wait_seconds_count")
    assert waits is not None
    assert waits >= 2


async def test_commands_of_redis_are_measured_and_its_errors_counted(redis_url: str):
    registry = CollectorRegistry()
    client = RedisMetrics(registry).watch(async_client(redis_url))
    await client.set("a", "1")
    assert await client.register_script("return redis.call('GET', KEYS[1])")(keys=["a"]) == b"1"
    with pytest.raises(RedisError):
        await client.lpush("a", "1")
    await client.aclose()
    # The script was not known yet: asked for, loaded, asked for again.
    assert registry.get_sample_value("futago_redis_command_seconds_count") == 3
    assert registry.get_sample_value("futago_redis_failures_total") == 2
