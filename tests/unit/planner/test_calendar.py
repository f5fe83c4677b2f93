"""Working days are data: weekend, public holidays, holidays added and days worked all the same."""

from datetime import date

import pytest

from services.planner.adapters.public_holidays import PackagedHolidays
from services.planner.domain.calendar import Calendar, CalendarTooShort, CountryUnknown
from services.planner.domain.problem import Problem, ProblemInvalid
from services.planner.schemas.problem import ProblemBody, parse_problem
from tests.unit.planner.builders import document, plan, problem


def japan(**calendar: object) -> Problem:
    """One device of 16 days in the Japanese financial year 2019."""
    return parse_problem(
        document(
            types={"A": 16},
            devices=[{"id": "A07", "previous_end": "2017-09-04"}],
            end="2020-03-31",
            calendar={"country": "JP", **calendar},
        ),
        PackagedHolidays(),
    )


def test_the_japanese_financial_year_2019_has_244_working_days():
    assert len(japan().days) == 244


@pytest.mark.parametrize(("start", "end"), [("04-25", date(2019, 5, 24)), ("04-26", date(2019, 5, 27))])
def test_sixteen_working_days_around_the_long_holidays_of_2019(start: str, end: date):
    year = japan()
    assert plan(year, [start]).end_date(year, 0) == end


def test_a_day_worked_all_the_same_ends_the_inspection_a_day_earlier():
    # The source's table ends an inspection from 26 April on 24 May: its calendar lacked one of the days off.
    year = japan(working_days=["2019-05-02"])
    assert plan(year, ["04-26"]).end_date(year, 0) == date(2019, 5, 24)


@pytest.mark.parametrize(
    ("day", "worked"),
    [
        (date(2019, 4, 1), True),
        (date(2019, 4, 6), False),
        (date(2019, 4, 2), False),
        (date(2019, 4, 7), True),
        (date(2019, 4, 3), True),
    ],
)
def test_a_day_named_as_worked_beats_weekend_and_holiday(day: date, worked: bool):
    calendar = Calendar(
        holidays=frozenset({date(2019, 4, 2), date(2019, 4, 3)}),
        working_days=frozenset({date(2019, 4, 7), date(2019, 4, 3)}),
    )
    assert calendar.is_worked(day) is worked


def test_another_weekend_is_another_calendar():
    friday_off = problem(calendar={"weekend": ["fri"]}, start="2019-04-01", end="2019-04-07")
    assert [day.day for day in friday_off.days] == [1, 2, 3, 4, 6, 7]


def test_an_unknown_country_is_named():
    with pytest.raises(CountryUnknown, match="'XX'"):
        parse_problem(document(calendar={"country": "XX"}), PackagedHolidays())


def test_work_that_may_cross_the_end_uses_the_working_days_behind_it():
    crossing = problem(types={"A": 5}, devices=[{"id": "A1"}], cross=True)
    assert crossing.start_count.tolist() == [22]
    assert plan(crossing, ["04-30"]).end_date(crossing, 0) == date(2019, 5, 6)


def test_public_holidays_behind_the_end_are_kept_too():
    crossing = parse_problem(
        document(types={"A": 3}, end="2019-04-26", calendar={"country": "JP"}, cross=True), PackagedHolidays()
    )
    assert plan(crossing, ["04-25", "04-26"]).end_date(crossing, 1) == date(2019, 5, 8)


def test_a_calendar_without_working_days_behind_the_end_is_refused():
    weekend = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    calendar = {"weekend": weekend, "working_days": ["2019-04-01"]}
    with pytest.raises(CalendarTooShort):
        problem(types={"A": 2}, calendar=calendar, cross=True)


def test_a_horizon_without_a_working_day_is_a_fault():
    with pytest.raises(ProblemInvalid) as refused:
        problem(start="2019-04-06", end="2019-04-07")
    assert [fault.pointer for fault in refused.value.faults] == ["/horizon"]


def test_a_kept_problem_has_its_holidays_written_out():
    body = ProblemBody.model_validate(document(calendar={"country": "JP", "holidays": ["2019-08-13"]}))
    settled = body.settled(PackagedHolidays())
    assert settled.calendar.country is None
    assert {date(2019, 8, 13), date(2019, 4, 30)} <= set(settled.calendar.holidays)
    assert settled.to_problem(PackagedHolidays()).days == body.to_problem(PackagedHolidays()).days
