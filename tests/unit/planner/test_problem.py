"""Reading a problem: every fault at once, each with its place."""

from typing import Any

import pytest

from services.planner.domain.problem import ProblemInvalid
from services.planner.schemas.problem import parse_problem
from tests.unit.planner.builders import NoHolidays, document, problem, rule


def faults(given: object) -> dict[str, str]:
    """Pointers of the faults and what they say."""
    with pytest.raises(ProblemInvalid) as refused:
        parse_problem(given, NoHolidays())
    return {fault.pointer: fault.detail for fault in refused.value.faults}


def changed(path: str, value: object, **fields: Any) -> dict[str, Any]:
    """A document with one place changed."""
    whole = document(**fields)
    place: Any = whole
    *way, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    for part in way:
        place = place[part]
    place[last] = value
    return whole


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("horizon/start", "2019/04/01"),
        ("horizon/start", 1554076800),
        ("horizon/end", "2019-02-30"),
        ("devices/1/type", "Z"),
        ("devices/1/id", "A1"),
        ("devices/0/area", 3),
        ("devices/0/previous_end", None),
        ("device_types/0/inspection_days", 0),
        ("device_types/0/inspection_days", 2.5),
        ("device_types/0/inspection_days", 23),
        ("rules/0/weight", -1),
        ("rules/0/weight", "NaN"),
        ("rules/0/weight", True),
        ("rules/0/level", "hart"),
        ("rules/0/types", []),
        ("rules/0/class", "large"),
        ("rules/0/max", "2"),
        ("rules/0/maximum", 2),
        ("calendar/weekend", "sun"),
        ("areas", 0),
        ("areas", True),
        ("devices", []),
        ("levels", []),
    ],
)
def test_one_fault_is_one_pointer(path: str, value: object):
    assert list(faults(changed(path, value, rules=[rule("daily_limit", max=2)]))) == [f"/{path}"]


def test_faults_of_shape_and_between_parts_are_listed_together():
    given = document(rules=[rule("daily_limit", max="two"), rule("busy_seson"), {**rule("condition"), "level": "x"}])
    given["devices"] = [
        {"id": "A1", "type": "A", "previous_end": "2017-04-01"},
        {"id": "A1", "type": "B", "previous_end": "2017-04-01"},
        {"id": "A3", "type": "A", "previous_end": "yesterday", "pinned": True},
    ]
    assert set(faults(given)) == {
        "/devices/1/id",
        "/devices/1/type",
        "/devices/2/previous_end",
        "/rules/0/max",
        "/rules/1",
        "/rules/2/level",
    }


def test_a_name_is_not_called_unknown_while_the_list_it_may_be_in_has_faults():
    given = document(devices=[{"id": "B1", "type": "B"}])
    given["device_types"].append({"type": "B"})
    assert list(faults(given)) == ["/device_types/1/inspection_days"]


@pytest.mark.parametrize("given", [None, [], "problem", {"devices": 5, "rules": None, "areas": {}}])
def test_what_is_no_problem_at_all_is_still_answered_with_faults(given: object):
    assert faults(given)


def test_a_slash_in_a_name_is_escaped_in_the_pointer():
    given = document()
    given["a/b~c"] = 1
    assert list(faults(given)) == ["/a~1b~0c"]


def test_braces_in_the_input_are_quoted_and_not_interpreted():
    assert "{device}" in faults(changed("devices/0/type", "{device}"))["/devices/0/type"]


def test_pinned_devices_need_a_start_that_can_be_kept():
    assert list(faults(document(devices=[{"id": "A1", "pinned": True}]))) == ["/devices/0"]
    weekend = document(devices=[{"id": "A1", "pinned": True, "start": "2019-04-06"}])
    late = document(devices=[{"id": "A1", "pinned": True, "start": "2019-04-30"}])
    assert list(faults(weekend)) == list(faults(late)) == ["/devices/0/start"]


def test_a_device_no_area_takes_is_a_fault():
    given = document(types={"A": 1, "B": 1}, areas=[{"id": 1, "types": ["B"]}])
    assert faults(given) == {
        "/devices/0/type": "no area takes type 'A'",
        "/devices/1/type": "no area takes type 'A'",
    }


def test_areas_default_to_the_daily_limit_and_are_needed_without_one():
    given = document(rules=[rule("daily_limit", max=4)])
    given["areas"] = None
    assert [area.id for area in parse_problem(given, NoHolidays()).areas] == [1, 2, 3, 4]
    given["rules"] = []
    assert list(faults(given)) == ["/areas"]


def test_a_return_interval_needs_days_unless_one_return_limit_has_them():
    two_limits = [rule("return_limit", days=900), rule("return_limit", days=800)]
    assert list(faults(document(rules=[rule("return_interval")]))) == ["/rules/0/days"]
    assert list(faults(document(rules=[*two_limits, rule("return_interval")]))) == ["/rules/2/days"]


def test_instances_of_a_rule_never_share_a_name():
    rules = [rule("condition"), rule("condition"), rule("condition", name="condition-1")]
    keys = [entry.key for entry in problem(rules=rules).rules]
    assert len(set(keys)) == 3
