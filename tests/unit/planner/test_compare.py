from decimal import Decimal

import pytest

from services.planner.domain.compare import Better, NamedPlan, PlansNotComparable, compare_plans
from services.planner.domain.plan import Plan
from services.planner.domain.problem import Problem
from tests.unit.planner.builders import Document, plan, problem, rule

# One device of one day: 3447 points for each day it starts before the 4th, and 85 whatever happens.
RULES = [
    rule("return_interval", days=733, weight=3447),
    rule("daily_limit", weight=85, max=0),
]


def case(*, rules: list[Document] | None = None, **fields: object) -> Problem:
    return problem(types={"A": 1}, devices=[{"id": "A1"}], rules=RULES if rules is None else rules, **fields)


def named(name: str, of: Problem, *starts: str) -> NamedPlan:
    made: Plan = plan(of, starts)
    return NamedPlan(name, of, made)


def test_a_better_plan_is_worth_its_points_in_money():
    of = case()
    older, newer = named("past", of, "04-01"), named("new", of, "04-02")
    found = compare_plans(older, newer, Decimal(20_000))
    assert [str(score) for score in found.scores] == ["0hard/0medium/-10426soft", "0hard/0medium/-6979soft"]
    assert found.saving is not None
    assert (found.saving.points, found.saving.amount) == (3447, 68_940_000)
    assert (found.better, found.warning) == (Better.SECOND, None)


def test_a_plain_warning_says_that_the_old_plan_is_the_better_one():
    of = case()
    found = compare_plans(named("past", of, "04-02"), named("new", of, "04-01"), Decimal(20_000))
    assert found.better is Better.FIRST
    assert found.warning is not None
    assert "the older plan (past) is better" in found.warning
    assert found.saving is not None
    assert found.saving.amount == -68_940_000


def test_plans_of_one_score_are_alike():
    of = case()
    found = compare_plans(named("a", of, "04-01"), named("b", of, "04-01"))
    assert (found.better, found.warning, found.saving, found.notes) == (Better.NEITHER, None, None, ())


def test_an_earlier_level_decides_before_a_later_one():
    of = case(rules=[rule("daily_limit", level="hard", max=0, types=["A"]), *RULES])
    first = named("past", of, "04-02")
    other = case(rules=[rule("daily_limit", level="hard", max=1, types=["A"]), *RULES])
    found = compare_plans(first, named("new", other, "04-01"))
    assert found.better is Better.SECOND
    assert any("rules of the two plans differ" in note for note in found.notes)
    assert any("money counts that level alone" in note for note in found.notes)


def test_rules_add_up_to_the_difference_of_the_scores():
    of = case()
    found = compare_plans(named("past", of, "04-01"), named("new", of, "04-03"))
    assert {entry.rule: entry.difference for entry in found.by_rule} == {"return_interval": 2 * 3447, "daily_limit": 0}
    assert sum(entry.difference for entry in found.by_rule) == found.difference("soft")


def test_devices_show_where_they_went_and_which_plan_lacks_them():
    first = problem(devices=[{"id": "A1"}, {"id": "old"}], rules=[rule("return_interval", days=900)])
    second = problem(devices=[{"id": "A1"}, {"id": "new"}], rules=[rule("return_interval", days=900)])
    found = compare_plans(
        NamedPlan("past", first, plan(first, ["04-01", "04-08"])),
        NamedPlan("new", second, plan(second, ["04-09", "04-08"])),
    )
    moved = {entry.device: (entry.moved_days, entry.first is None, entry.second is None) for entry in found.by_device}
    assert moved == {"A1": (8, False, False), "new": (None, True, False), "old": (None, False, True)}
    a1 = found.by_device[0]
    assert a1.first is not None
    assert a1.second is not None
    assert a1.second.points["soft"] - a1.first.points["soft"] == 8
    assert [note for note in found.notes if "only in the first plan" in note] == [
        "1 device(s) are only in the first plan: old"
    ]


def test_weights_of_different_decimals_compare_by_points():
    whole = case(rules=[rule("daily_limit", weight=1, max=0)])
    finer = case(rules=[rule("daily_limit", weight="0.125", max=0)])
    found = compare_plans(named("a", whole, "04-01"), named("b", finer, "04-01"))
    assert (found.better, found.difference("soft")) == (Better.SECOND, Decimal("0.875"))


def test_scores_of_other_levels_cannot_be_compared():
    with pytest.raises(PlansNotComparable):
        compare_plans(named("a", case(), "04-01"), named("b", case(levels=["hard", "soft"]), "04-01"))
