import re
from pathlib import Path

import pytest

from benchmarks.sizing import Call, Costs, Fleet, as_text, cores, need

PREDICT = Call({"gateway": 0.0005, "twin": 0.001, "valkey": 0.0001}, sql_rows=1.0, sql_bytes=300.0)
STREAM = Call({"gateway": 0.0005, "anomaly": 0.002, "valkey": 0.0002}, sql_rows=2.0, sql_bytes=500.0)
COSTS = Costs(
    {"predict": PREDICT, "stream": STREAM},
    idle_cores={"gateway": 0.01, "twin": 0.01, "anomaly": 0.01, "valkey": 0.0},
    memory_bytes={"gateway": 1e8, "twin": 2e8, "anomaly": 3e8, "valkey": 1e7},
    redis_bytes_per_stream=8_000.0,
)


def test_a_process_uses_what_it_uses_idle_and_what_each_call_costs_it():
    used = cores({"predict": 100.0, "stream": 50.0}, COSTS)
    assert used == pytest.approx({"gateway": 0.085, "twin": 0.11, "anomaly": 0.11, "valkey": 0.02})
    assert cores({}, COSTS) == COSTS.idle_cores


def test_a_fleet_is_the_sum_of_its_assets():
    found = need(Fleet(10, 100, {"predict": 1.0, "stream": 0.1}), COSTS)
    assert found.calls_hz == pytest.approx(1100.0)
    assert found.cores["twin"] == pytest.approx(1.01)
    assert found.redis_bytes == 8e6
    assert found.sql_rows_a_day == pytest.approx(86_400 * (1000 + 200))
    assert found.sql_bytes_a_day == pytest.approx(86_400 * (1000 * 300 + 100 * 500))


@pytest.mark.parametrize(
    ("busy", "replicas"),
    # 1.01 cores: one core each at most, then at most half of one.
    [(1.0, 2), (0.51, 2), (0.5, 3), (0.25, 5)],
)
def test_replicas_are_enough_to_stay_below_the_share_asked_for(busy: float, replicas: int):
    found = need(Fleet(10, 100, {"predict": 1.0}, busy=busy), COSTS)
    assert found.replicas["twin"] == replicas
    assert found.replicas["anomaly"] == 2, "one could be away"
    assert "valkey" not in found.replicas
    assert found.memory_bytes == found.replicas["gateway"] * 1e8 + replicas * 2e8 + 2 * 3e8


def test_the_table_names_every_process_and_the_sums():
    fleet = Fleet(10, 100, {"predict": 1.0})
    text = as_text(fleet, need(fleet, COSTS))
    assert all(name in text for name in COSTS.idle_cores)
    assert "10 plants of 100 assets, 1000 calls a second" in text
    assert "SQL 86.4 million rows and 25.9 GB a day" in text


def test_the_example_of_the_page_runs(capsys: pytest.CaptureFixture[str]):
    page = Path(__file__).parents[3] / "docs" / "scaling.md"
    (example,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    exec(example, {})
    assert "10 plants of 50 assets, 500 calls a second" in capsys.readouterr().out
