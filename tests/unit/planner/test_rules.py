"""Each rule by itself: just inside, just outside, and what it is not about."""

from typing import Any

import pytest

from services.planner.domain.constraints.monthly_levelling import monthly_share_tenths
from services.planner.domain.plan import Plan
from services.planner.domain.problem import Problem
from services.planner.domain.scoring import find_matches, score_plan
from tests.unit.planner.builders import plan, problem, rule


def points(of: Problem, made: Plan) -> float:
    """Points on the last level."""
    return float(score_plan(of, made).points("soft"))


def devices(*types: str, **fields: object) -> list[dict[str, Any]]:
    return [{"id": f"{kind}{index}", "type": kind, **fields} for index, kind in enumerate(types)]


# Inspections of type A take 3 working days: 04-01 is a Monday, so 04-01 .. 04-03, 04-04 .. 04-08.
@pytest.mark.parametrize(
    ("starts", "expected"),
    [
        (["04-01", "04-01", "04-04"], 0),
        (["04-01", "04-01", "04-01"], -3),
        (["04-01", "04-02", "04-03"], -1),
        (["04-01", "04-01", "04-03"], -1),
    ],
)
def test_daily_limit_costs_a_point_for_each_device_and_day_above_it(starts: list[str], expected: float):
    of = problem(devices=devices("A", "A", "A"), rules=[rule("daily_limit", max=2)])
    assert points(of, plan(of, starts)) == expected


def test_daily_limit_of_nobody_costs_every_inspection_day():
    of = problem(rules=[rule("daily_limit", max=0, weight=100)], areas=1)
    assert points(of, plan(of, ["04-01", "04-01"])) == -600


@pytest.mark.parametrize(
    ("second", "area", "expected"),
    [("04-01", 1, 0), ("04-01", 0, -3), ("04-03", 0, -1), ("04-04", 0, 0)],
)
def test_area_exclusive_costs_a_point_for_each_shared_day(second: str, area: int, expected: float):
    of = problem(rules=[rule("area_exclusive")])
    assert points(of, plan(of, ["04-01", second], [0, area])) == expected


def test_area_exclusive_counts_every_device_above_one():
    of = problem(devices=devices("A", "A", "A"), rules=[rule("area_exclusive")])
    assert points(of, plan(of, ["04-01"] * 3)) == -6


@pytest.mark.parametrize(("start", "expected"), [("04-10", 0), ("04-11", -1), ("04-12", -2), ("04-01", 0)])
def test_return_limit_costs_calendar_days_past_it(start: str, expected: float):
    of = problem(devices=devices("A", previous_end="2019-03-31"), rules=[rule("return_limit", days=10)])
    assert points(of, plan(of, [start])) == expected


@pytest.mark.parametrize(("start", "expected"), [("04-10", 0), ("04-09", -1), ("04-11", 0), ("04-01", -9)])
def test_return_interval_costs_calendar_days_short_of_it(start: str, expected: float):
    of = problem(devices=devices("A", previous_end="2019-03-31"), rules=[rule("return_interval", days=10)])
    assert points(of, plan(of, [start])) == expected


def test_return_interval_takes_its_days_from_the_return_limit():
    rules = [rule("return_limit", days=900, level="hard"), rule("return_interval")]
    of = problem(devices=devices("A", previous_end="2017-02-17"), rules=rules)
    made = plan(of, ["04-19"])
    assert made.return_interval_days(of, 0) == 791
    assert points(of, made) == -109


# The season is 04-03 .. 04-05, one device at a time.
@pytest.mark.parametrize(
    ("starts", "expected"),
    [
        (["04-01", "04-01"], -1),
        (["04-02", "04-02"], -2),
        (["04-03", "04-03"], -3),
        (["04-08", "04-08"], 0),
        (["04-03", "04-08"], 0),
    ],
)
def test_busy_season_costs_each_day_of_it_above_its_limit(starts: list[str], expected: float):
    of = problem(rules=[rule("busy_season", max=1, **{"from": "2019-04-03", "to": "2019-04-05"})])
    assert points(of, plan(of, starts)) == expected


@pytest.mark.parametrize(
    ("starts", "expected"),
    [
        (["04-02", "04-03", "04-08"], 0),
        (["04-03", "04-04", "04-08"], -1),
        (["04-03", "04-04", "04-05"], -2),
        (["04-02", "04-02", "04-02"], 0),
    ],
)
def test_busy_season_can_count_those_sent_in_during_all_of_it(starts: list[str], expected: float):
    season = {"from": "2019-04-03", "to": "2019-04-05", "count": "starts"}
    of = problem(devices=devices("A", "A", "A"), rules=[rule("busy_season", max=1, **season)])
    assert points(of, plan(of, starts)) == expected


@pytest.mark.parametrize(
    ("second", "expected"), [("04-15", 0), ("04-12", -3), ("04-01", -14), ("04-16", 0), ("04-02", -13)]
)
def test_same_type_spacing_costs_the_days_two_starts_are_too_close(second: str, expected: float):
    of = problem(rules=[rule("same_type_spacing", days=14)])
    assert points(of, plan(of, ["04-01", second])) == points(of, plan(of, [second, "04-01"])) == expected


def test_same_type_spacing_is_about_every_pair_of_one_type_and_no_other():
    of = problem(types={"A": 1, "B": 1}, devices=devices("A", "A", "A", "B"), rules=[rule("same_type_spacing", days=2)])
    assert points(of, plan(of, ["04-01", "04-02", "04-03", "04-02"])) == -2
    assert points(of, plan(of, ["04-01", "04-01", "04-01", "04-01"])) == -6


def test_monthly_levelling_costs_a_hundredth_for_a_tenth_off_the_share():
    # The source's own figure: 13 devices in 12 months are 1.1 a month, one of them costs 100 x 0.1^2 = 1.00.
    of = problem(
        types={"A": 1}, devices=devices(*"A" * 13), end="2020-03-31", rules=[rule("monthly_levelling", weight=100)]
    )
    months = ["04", "05", "06", "07", "08", "09", "10", "11", "12"]
    made = plan(
        of,
        [f"{month}-15" if month not in ("06", "09", "12") else f"{month}-17" for month in months] * 1 + ["04-16"] * 4,
    )
    costs = {match.month: match.units for match in find_matches(of, made)}
    assert costs["2019-05"] == -1_00
    assert costs["2020-01"] == -121_00
    assert costs["2019-04"] == -(39**2) * 100


@pytest.mark.parametrize(
    ("devices_of_type", "months", "tenths"),
    [(13, 12, 11), (12, 12, 10), (1, 20, 1), (1, 21, 0), (3, 20, 2), (0, 12, 0)],
)
def test_the_monthly_share_is_rounded_half_up_to_a_tenth(devices_of_type: int, months: int, tenths: int):
    assert monthly_share_tenths(devices_of_type, months) == tenths


def test_monthly_levelling_counts_months_without_a_start_and_months_begun():
    of = problem(types={"A": 1}, start="2019-04-20", end="2019-06-05", rules=[rule("monthly_levelling")])
    # 2 devices in 3 months are 0.7 a month.
    assert points(of, plan(of, ["04-22", "04-22"])) == pytest.approx(-(1.3**2) - 2 * 0.7**2)
    assert points(of, plan(of, ["04-22", "06-03"])) == pytest.approx(-2 * 0.3**2 - 0.7**2)


@pytest.mark.parametrize(("start", "expected"), [("04-10", 0), ("04-11", -1), ("04-08", 0), ("04-15", -5)])
def test_condition_costs_calendar_days_past_the_due_date(start: str, expected: float):
    of = problem(devices=devices("A", "A"), rules=[rule("condition")])
    assert points(of, plan(of, [start, "04-26"])) == 0
    due = problem(devices=[*devices("A", condition_due="2019-04-10"), {"id": "free"}], rules=[rule("condition")])
    assert points(due, plan(due, [start, "04-26"])) == expected


@pytest.mark.parametrize(("start", "expected"), [("04-10", 0), ("04-09", -1), ("04-11", 0), ("04-05", -5)])
def test_earliest_start_costs_calendar_days_before_it(start: str, expected: float):
    of = problem(devices=devices("A"), rules=[rule("earliest_start", **{"from": "2019-04-10"})])
    assert points(of, plan(of, [start])) == expected


def test_pinned_device_may_have_begun_before_the_earliest_start():
    pinned = devices("A", start="2019-04-05", pinned=True)
    of = problem(devices=pinned, rules=[rule("earliest_start", **{"from": "2019-04-10"})])
    assert points(of, plan(of, ["04-05"])) == 0


@pytest.mark.parametrize(
    ("start", "count", "expected"),
    [
        ("04-10", "days", 0),
        ("04-15", "days", -5),
        ("04-08", "days", -2),
        ("04-10", "devices", 0),
        ("04-15", "devices", -1),
    ],
)
def test_disruption_costs_the_days_moved_or_the_fact(start: str, count: str, expected: float):
    of = problem(devices=[*devices("A", start="2019-04-10"), {"id": "new"}], rules=[rule("disruption", count=count)])
    assert points(of, plan(of, [start, "04-26"])) == expected


@pytest.mark.parametrize(
    ("scope", "expected"),
    [({}, -6), ({"types": ["A"]}, -3), ({"class": "small"}, -3), ({"types": ["A"], "class": "small"}, 0)],
)
def test_types_and_class_narrow_a_rule(scope: dict[str, object], expected: float):
    of = problem(
        types={"A": 3, "B": 3},
        classes={"A": "large", "B": "small"},
        devices=devices("A", "B"),
        rules=[rule("daily_limit", max=0, **scope)],
        areas=1,
    )
    assert points(of, plan(of, ["04-01", "04-01"])) == expected


def test_a_rule_may_stand_several_times_and_each_instance_has_its_own_points():
    rules = [
        rule("busy_season", max=0, **{"from": "2019-04-01", "to": "2019-04-01"}),
        rule("busy_season", max=0, weight=10, **{"from": "2019-04-02", "to": "2019-04-03"}),
        rule("busy_season", max=0, name="audit", **{"from": "2019-04-03", "to": "2019-04-03"}),
    ]
    of = problem(devices=devices("A"), rules=rules)
    costs: dict[str, int] = {}
    for match in find_matches(of, plan(of, ["04-01"])):
        costs[match.rule] = costs.get(match.rule, 0) + match.units
    assert costs == {"busy_season-1": -100, "busy_season-2": -2000, "audit": -100}


def test_a_device_past_its_limit_on_the_first_day_is_226_days_over_whatever_one_does():
    # Previous end 1 March 2016, limit 900 days: the source's example of a case that cannot be planned.
    of = problem(
        devices=devices("A", previous_end="2016-03-01"),
        end="2020-03-31",
        rules=[rule("return_limit", level="hard", days=900)],
    )
    (match,) = find_matches(of, plan(of, ["04-01"]))
    assert (match.base_hundredths, match.units, match.devices) == (226_00, -226_00, ("A0",))
    assert str(score_plan(of, plan(of, ["04-01"]))) == "-226hard/0medium/0soft"


@pytest.mark.parametrize(
    ("previous_end", "start", "days"), [("2017-04-20", "04-25", 735), ("2017-09-04", "04-26", 599)]
)
def test_return_intervals_of_the_source(previous_end: str, start: str, days: int):
    of = problem(devices=devices("A", previous_end=previous_end))
    assert plan(of, [start]).return_interval_days(of, 0) == days
