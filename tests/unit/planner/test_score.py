"""Scores are exact and compare level by level."""

import random
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.planner.domain.explain import FilterUnknown, explain
from services.planner.domain.score import Score, exact_decimal
from services.planner.domain.scoring import find_matches, score_plan
from services.planner.schemas.problem import parse_problem
from tests.unit.planner.builders import NoHolidays, plan, problem, random_document, random_plan, rule

LEVELS = ("hard", "soft")


@pytest.mark.parametrize(
    ("better", "worse"), [((0, -99999), (-1, 0)), ((0, 0), (0, -1)), ((-1, -5), (-1, -6)), ((-1, -9), (-2, 0))]
)
def test_the_first_level_that_differs_decides(better: tuple[int, int], worse: tuple[int, int]):
    assert Score(LEVELS, better, 2) > Score(LEVELS, worse, 2)
    assert not Score(LEVELS, worse, 2) > Score(LEVELS, better, 2)


@given(units=st.integers(-(10**40), 10**40), decimals=st.integers(0, 12))
def test_units_become_decimals_without_rounding(units: int, decimals: int):
    assert Fraction(exact_decimal(units, decimals)) == Fraction(units, 10**decimals)


@pytest.mark.parametrize(
    ("weight", "expected"), [("12.345", "-37.035"), (0.1, "-0.3"), (1, "-3"), ("0.000001", "-0.000003"), (0, "0")]
)
def test_decimal_weights_are_exact(weight: object, expected: str):
    of = problem(devices=[{"id": "A1"}], rules=[rule("daily_limit", weight=weight, max=0)], areas=1)
    assert score_plan(of, plan(of, ["04-01"])).points("soft") == Decimal(expected)


def test_a_large_weight_loses_no_digit():
    weight = "123456789012.345678"
    of = problem(devices=[{"id": "A1"}], rules=[rule("daily_limit", weight=weight, max=0)], areas=1)
    assert str(score_plan(of, plan(of, ["04-01"]))) == "0hard/0medium/-370370367037.037034soft"


def test_levels_may_be_named_and_numbered_at_will():
    of = problem(
        levels=["law", "contract", "wish", "taste"],
        rules=[{**rule("daily_limit", max=0), "level": "taste"}, {**rule("area_exclusive"), "level": "contract"}],
    )
    score = score_plan(of, plan(of, ["04-01", "04-01"]))
    assert score.as_numbers() == {"law": 0, "contract": -3, "wish": 0, "taste": -6}
    assert str(score) == "0law/-3contract/0wish/-6taste"


@given(seed=st.integers(0, 10**6))
def test_every_table_of_an_explanation_adds_up_to_the_score(seed: int):
    of = parse_problem(random_document(seed), NoHolidays())
    explanation = explain(of, random_plan(of, seed))
    score = score_plan(of, random_plan(of, seed))
    for table in (explanation.matches, explanation.by_rule, explanation.by_device, explanation.by_month):
        for level, units in zip(score.levels, score.units, strict=True):
            assert sum(entry.units for entry in table if entry.level == level) == units
    assert explanation.score == explanation.total == score


@given(seed=st.integers(0, 10**6))
def test_the_months_divide_the_matches_and_the_total_follows_the_filter(seed: int):
    of = parse_problem(random_document(seed), NoHolidays())
    made = random_plan(of, seed)
    months = sorted({match.month for match in find_matches(of, made)})
    parts = [explain(of, made, month=month) for month in months]
    assert sum(len(part.matches) for part in parts) == len(explain(of, made).matches)
    score = score_plan(of, made)
    assert tuple(sum(column) for column in zip(*(part.total.units for part in parts), strict=True)) in (score.units, ())
    assert all(part.score == score for part in parts)


def test_a_device_is_explained_by_the_matches_it_takes_part_in():
    of = problem(
        devices=[{"id": "A1"}, {"id": "A2"}, {"id": "A3"}],
        rules=[rule("same_type_spacing", days=3), rule("daily_limit", max=1)],
    )
    explanation = explain(of, plan(of, ["04-01", "04-02", "04-26"]), device="A1")
    assert [(match.rule, match.devices) for match in explanation.matches] == [
        ("same_type_spacing", ("A1", "A2")),
        ("daily_limit", ("A1", "A2")),
        ("daily_limit", ("A1", "A2")),
    ]


def test_a_match_of_several_devices_is_shared_to_the_last_unit():
    of = problem(devices=[{"id": f"A{index}"} for index in range(3)], rules=[rule("daily_limit", max=0)], areas=1)
    shares = explain(of, plan(of, ["04-01"] * 3)).by_device
    assert [(entry.part, entry.units) for entry in shares] == [("A0", -300), ("A1", -300), ("A2", -300)]
    of = problem(devices=[{"id": f"A{index}"} for index in range(3)], rules=[rule("daily_limit", max=2)], areas=1)
    shares = explain(of, plan(of, ["04-01"] * 3)).by_device
    assert [entry.units for entry in shares] == [-102, -99, -99]


def test_a_rule_can_be_asked_for_by_its_kind_or_by_its_instance():
    rules = [rule("daily_limit", max=0), rule("daily_limit", max=1), rule("area_exclusive")]
    of, starts = problem(rules=rules), ["04-01", "04-01"]
    assert {match.rule for match in explain(of, plan(of, starts), rule="daily_limit").matches} == {
        "daily_limit-1",
        "daily_limit-2",
    }
    assert {match.rule for match in explain(of, plan(of, starts), rule="daily_limit-2").matches} == {"daily_limit-2"}


@pytest.mark.parametrize("asked", [{"device": "Z1"}, {"rule": "condition"}, {"month": "2020-01"}])
def test_a_filter_that_nothing_carries_is_refused(asked: dict[str, str]):
    of = problem(rules=[rule("daily_limit", max=0)])
    with pytest.raises(FilterUnknown):
        explain(of, plan(of, ["04-01", "04-01"]), **asked)


def test_random_problems_do_cost_points():
    costs = []
    for seed in random.Random(1).sample(range(10**6), 20):
        of = parse_problem(random_document(seed), NoHolidays())
        costs.append(any(score_plan(of, random_plan(of, seed)).units))
    assert sum(costs) > 15
