"""What is no plan is said to be none, with every reason."""

from datetime import date

import pytest

from services.planner.domain.plan import Assignment, InvalidReason, PlanInvalid, find_invalid, make_plan
from services.planner.domain.problem import Problem
from tests.unit.planner.builders import problem


def assignment(device: str = "A1", start: str = "2019-04-01", area: int | str | None = 1) -> Assignment:
    return Assignment(device, date.fromisoformat(start), area)


ONE_DEVICE = {"devices": [{"id": "A1"}]}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (assignment(start="2019-04-06"), InvalidReason.NOT_A_WORKING_DAY),
        (assignment(start="2019-03-29"), InvalidReason.OUTSIDE_HORIZON),
        (assignment(start="2019-05-01"), InvalidReason.OUTSIDE_HORIZON),
        (assignment(start="2019-04-29"), InvalidReason.PAST_HORIZON),
        (assignment(area=3), InvalidReason.UNKNOWN_AREA),
        (assignment(area=None), InvalidReason.UNKNOWN_AREA),
        (assignment(area="01"), InvalidReason.UNKNOWN_AREA),
    ],
)
def test_an_impossible_assignment_is_reported_with_its_reason(given: Assignment, reason: InvalidReason):
    (found,) = find_invalid(problem(**ONE_DEVICE), [given])
    assert (found.device, found.reason, found.index) == ("A1", reason, 0)


@pytest.mark.parametrize("given", [assignment(), assignment(start="2019-04-26"), assignment(area="2")])
def test_the_last_start_that_fits_and_an_area_written_as_text_are_fine(given: Assignment):
    assert find_invalid(problem(**ONE_DEVICE), [given]) == ()


def test_missing_double_and_unknown_devices_are_all_reported():
    found = find_invalid(problem(), [assignment("A1"), assignment("Z9"), assignment("A1", area=9)])
    assert [(entry.device, entry.reason, entry.index) for entry in found] == [
        ("Z9", InvalidReason.UNKNOWN_DEVICE, 1),
        ("A1", InvalidReason.TWICE, 2),
        ("A1", InvalidReason.UNKNOWN_AREA, 2),
        ("A2", InvalidReason.MISSING, None),
    ]


def test_an_area_that_does_not_take_the_type_is_reported():
    of = problem(types={"A": 1, "B": 1}, areas=[{"id": "hall"}, {"id": "pit", "types": ["B"]}], devices=[{"id": "A1"}])
    (found,) = find_invalid(of, [assignment(area="pit")])
    assert found.reason is InvalidReason.AREA_NOT_ELIGIBLE
    assert find_invalid(of, [assignment(area="hall")]) == ()


def test_invalid_assignments_never_become_a_plan():
    with pytest.raises(PlanInvalid) as refused:
        make_plan(problem(), [assignment("A1", start="2019-04-07")])
    assert [fault.pointer for fault in refused.value.faults] == ["/assignments/0", "/assignments"]


def test_a_plan_reads_back_as_it_was_given():
    of: Problem = problem()
    given = [assignment("A2", "2019-04-02", 2), assignment("A1", "2019-04-08", 1)]
    assert set(make_plan(of, given).assignments(of)) == set(given)
