"""Plans that the planner removes after their time, on both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.planner.adapters.sql_plans import SqlPlans
from services.planner.adapters.tables import HISTORY, SCRIPTS
from services.planner.domain.plan_records import PlanMissing, PlanRecord, PlanSummary
from shared.database import migrate, open_engine
from shared.jobs import JobQueue, migrate_jobs
from tests.conftest import SteppingClock
from tests.integration.shared.test_retention import Silent


def record(plan_id: str, clock: SteppingClock) -> PlanRecord:
    now = clock.now()
    summary = PlanSummary(
        id=plan_id, name=plan_id, owner="ada", created_at=now, updated_at=now, assets=(), found=None, finished=True
    )
    return PlanRecord(summary, {}, None)


def test_plans_go_after_their_time_unless_their_search_still_waits(database_url: str, clock: SteppingClock):
    migrate_jobs(database_url)
    migrate(database_url, HISTORY, SCRIPTS)
    engine = open_engine(database_url)
    plans = SqlPlans(engine)
    waiting = JobQueue(engine, Silent(), queue="planner", clock=clock).submit(
        "planner.solve", {}, owner="ada", time_limit_s=60
    )
    old = record("old", clock)
    plans.add(old)
    plans.add(record(waiting.id, clock))
    plans.add(replace(old, summary=replace(old.summary, id="new", updated_at=clock.now() + timedelta(days=10))))
    assert plans.remove_old(clock.now()) == 0
    assert plans.remove_old(clock.now() + timedelta(days=1)) == 1
    with pytest.raises(PlanMissing):
        plans.get("old")
    assert {plan.id for plan in plans.page(limit=10, cursor=None).items} == {waiting.id, "new"}
    engine.dispose()
