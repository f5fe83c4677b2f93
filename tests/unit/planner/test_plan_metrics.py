"""The worker's metrics of the newest plan."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import Engine, insert

from services.planner.adapters.plan_metrics import PlanMetrics
from services.planner.adapters.tables import metadata, plans
from shared.database import open_engine, write


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    made = open_engine(f"sqlite:///{tmp_path / 'plans.db'}")
    metadata.create_all(made)
    return made


def keep(engine: Engine, plan_id: str, at_ms: int, found: dict[str, object] | None) -> None:
    row = {
        "id": plan_id,
        "name": "year",
        "owner": "ada",
        "assets": [],
        "request": {},
        "found": found,
        "finished": False,
        "stop_requested": False,
        "created_at_ms": at_ms,
        "updated_at_ms": at_ms,
    }
    with write(engine) as connection:
        connection.execute(insert(plans).values(row))


def shown(engine: Engine) -> list[str]:
    registry = CollectorRegistry()
    registry.register(PlanMetrics(engine))
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def test_the_newest_plan_is_shown_with_its_bound_and_gap(engine: Engine):
    keep(engine, "old", 1, {"score": {"hard": -9, "soft": -1}, "bound": 1, "gap": 0.0})
    keep(engine, "new", 2, {"score": {"hard": -2, "medium": -1, "soft": -8414.5}, "bound": 8358, "gap": 0.125})
    assert shown(engine) == [
        'futago_planner_plan_score{level="last"} -8414.5',
        'futago_planner_plan_score{level="earlier"} -3.0',
        "futago_planner_plan_bound 8358.0",
        "futago_planner_plan_gap 0.125",
    ]


def test_without_a_proven_bound_there_is_only_a_score(engine: Engine):
    keep(engine, "new", 2, {"score": {"soft": -5}, "bound": None, "gap": None})
    assert shown(engine) == [
        'futago_planner_plan_score{level="last"} -5.0',
        'futago_planner_plan_score{level="earlier"} 0.0',
    ]


def test_nothing_is_shown_before_the_first_plan(engine: Engine):
    assert shown(engine) == []
    keep(engine, "new", 2, None)
    assert shown(engine) == []


def test_nothing_is_shown_while_the_database_is_away(tmp_path: Path):
    assert shown(open_engine(f"sqlite:///{tmp_path / 'nowhere' / 'plans.db'}")) == []
