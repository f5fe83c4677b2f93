"""Why a device is where it is: what each other place would cost, and what no plan can keep."""

from datetime import date
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from services.planner.domain.alternatives import find_alternatives
from services.planner.domain.arrays import frozen_ints
from services.planner.domain.explain import explain
from services.planner.domain.feasibility import ConflictKind, find_conflicts
from services.planner.domain.plan import Plan
from services.planner.domain.problem import Problem, ProblemInvalid
from services.planner.domain.scoring import score_plan
from services.planner.schemas.problem import parse_problem
from tests.unit.planner.builders import NoHolidays, plan, problem, random_document, random_plan, rule
from tests.unit.planner.planted import planted_document


def random_problem(seed: int) -> Problem:
    try:
        return parse_problem(random_document(seed, restricted=seed % 2 == 1, longest_days=60), NoHolidays())
    except ProblemInvalid:
        assume(False)
        raise


@settings(max_examples=80)
@given(seed=st.integers(0, 10**6))
def test_an_alternative_changes_the_score_by_what_it_says(seed: int):
    of = random_problem(seed)
    made = random_plan(of, seed)
    device = seed % len(of.devices)
    now = score_plan(of, made)
    places = find_alternatives(of, made, device, 400)
    assert len(places) == int(of.start_count[device]) - 1
    area_index = {area.id: index for index, area in enumerate(of.areas)}
    for place in places[:: max(1, len(places) // 8)]:
        start, area = made.start.copy(), made.area.copy()
        start[device], area[device] = of.days.index(place.start), area_index[place.area]
        moved = score_plan(of, Plan(frozen_ints(start), frozen_ints(area)))
        assert tuple(new - old for new, old in zip(moved.units, now.units, strict=True)) == place.change.units
        assert sum(part.units for part in place.by_rule) == sum(place.change.units)


def test_the_best_alternative_comes_first():
    rules = [rule("return_interval", days=2000), rule("daily_limit", level="hard", max=1)]
    of = problem(rules=rules)
    places = find_alternatives(of, plan(of, ["04-01", "04-26"]), 0, 3)
    assert [place.start for place in places] == [date(2019, 4, 23), date(2019, 4, 22), date(2019, 4, 19)]
    assert [place.change.units[-1] for place in places] == [22_00, 21_00, 18_00]


def test_matches_can_be_chosen_by_area_and_by_day():
    rules = [rule("area_exclusive"), rule("return_interval", days=2000)]
    of = problem(rules=rules)
    made = plan(of, ["04-01", "04-02"])
    shared = explain(of, made, area="1", rule="area_exclusive")
    assert [match.day for match in shared.matches] == [date(2019, 4, 2), date(2019, 4, 3)]
    assert len(explain(of, made, day=date(2019, 4, 2)).matches) == 2
    whole = explain(of, made)
    for table in (whole.by_area, whole.by_day):
        assert sum(entry.units for entry in table) == sum(whole.total.units)


def test_a_limit_passed_on_the_first_day_is_found_before_the_search():
    rules = [rule("return_limit", level="hard", days=900)]
    of = problem(devices=[{"id": "A1", "previous_end": "2016-03-01"}, {"id": "A2"}], rules=rules)
    (conflict,) = find_conflicts(of)
    assert (conflict.kind, conflict.devices, conflict.first) == (
        ConflictKind.LIMIT_PASSED,
        ("A1",),
        date(2019, 4, 1),
    )
    assert "by 226" in conflict.detail


def test_a_week_with_more_pinned_devices_than_a_day_takes_is_found():
    pinned = [{"id": f"A{number}", "start": "2019-04-10", "pinned": True} for number in range(3)]
    of = problem(devices=pinned, rules=[rule("daily_limit", level="hard", max=2)])
    weeks = [conflict for conflict in find_conflicts(of) if conflict.kind is ConflictKind.WEEK_OVER_CAPACITY]
    assert [(conflict.first, conflict.devices) for conflict in weeks] == [(date(2019, 4, 8), ("A0", "A1", "A2"))]


@pytest.mark.parametrize(("devices", "in_conflict"), [(7, 0), (8, 8), (12, 8)])
def test_more_work_than_room_is_found_with_a_smallest_set_of_devices(devices: int, in_conflict: int):
    rules = [rule("daily_limit", level="hard", max=1)]
    given: list[dict[str, Any]] = [{"id": f"A{number}"} for number in range(devices)]
    # 22 working days in April take 7 inspections of 3 days.
    conflicts = find_conflicts(problem(devices=given, rules=rules))
    assert [len(conflict.devices) for conflict in conflicts] == ([in_conflict] if in_conflict else [])


def test_a_plan_that_can_be_made_has_no_conflict():
    given = planted_document(devices=24, areas=2, seed=1)
    assert find_conflicts(parse_problem(given["problem"], NoHolidays())) == ()


@settings(max_examples=100)
@given(seed=st.integers(0, 10**6))
def test_a_plan_that_keeps_every_early_rule_is_never_called_impossible(seed: int):
    of = random_problem(seed)
    score = score_plan(of, random_plan(of, seed))
    if not any(score.units[:-1]):
        assert find_conflicts(of) == ()
    for conflict in find_conflicts(of):
        assert conflict.devices
        assert conflict.rules
        assert conflict.detail
