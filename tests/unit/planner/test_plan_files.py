import csv
import io
import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import icalendar
import openpyxl
import pytest

from services.planner import library
from services.planner.domain.compare import NamedPlan, compare_plans
from services.planner.domain.explain import explain
from services.planner.domain.plan_report import FoundAt, History, Language, PlanReport
from services.planner.domain.problem import Problem
from services.planner.exports.calendar_file import write_ics
from services.planner.exports.page import write_page
from services.planner.exports.plan_table import write_csv
from services.planner.workbook.result import write_result
from tests.unit.planner.builders import plan, problem, random_document, random_plan, rule
from tests.unit.planner.workbooks import rows_of

NOW = datetime(2026, 4, 1, tzinfo=UTC)
EVIL = '=HYPERLINK("http://x","A")</script><img src=x onerror=alert(1)>'


def report(of: Problem, starts: list[str] | None = None) -> PlanReport:
    made = random_plan(of, 1) if starts is None else plan(of, starts)
    return PlanReport("abc123", of, made, explain(of, made), bound=10, gap=0.25, stopped_because="seconds", seconds=2.0)


def small(first: str = "A1") -> Problem:
    rules = [rule("daily_limit", level="hard", weight=100, max=1), rule("return_interval", days=900)]
    return problem(devices=[{"id": first}, {"id": "A2"}], rules=[*rules, rule("monthly_levelling", weight=100)])


def test_the_workbook_shows_the_plan_and_its_score():
    content = write_result(report(small(), ["04-25", "04-01"]), Language.JAPANESE)
    assert rows_of(content, "計画") == [
        ("機器種別", "機器名", "検査開始日", "検査終了日", "検査エリア", "回帰日数"),
        ("A", "A2", date(2019, 4, 1), date(2019, 4, 3), 1, 730),
        ("A", "A1", date(2019, 4, 25), date(2019, 4, 29), 1, 754),
    ]
    summary = {row[0]: row[1:] for row in rows_of(content, "サマリ") if row[0]}
    assert summary["return_interval"][:5] == ("soft", 1, 2, -316, "0hard/0medium/-316soft")
    assert summary["daily_limit"][:5] == ("hard", 100, 0, 0, "0hard/0medium/0soft")
    assert summary["合計"][0] == "0hard/0medium/-316soft"
    devices = rows_of(content, "ルール+機器単位")
    assert [row[3:] for row in devices[1:]] == [
        ("A1", 1, 146, -146, "0hard/0medium/-146soft"),
        ("A2", 1, 170, -170, "0hard/0medium/-170soft"),
    ]


def test_a_match_of_a_month_is_shown_with_its_type_and_devices():
    devices = [{"id": f"A{number:02d}"} for number in range(1, 14)]
    of = problem(devices=devices, rules=[rule("monthly_levelling", weight=100)], end="2020-03-31")
    starts = ["04-01", "05-07", "06-03", "07-01", "08-01", "09-02", "10-01", "11-01", "12-02"]
    content = write_result(report(of, [*starts, *starts[:4]]), Language.JAPANESE)
    months = {row[2]: row[3:] for row in rows_of(content, "ルール+計画開始年月")[1:]}
    # 13 devices in 12 months are 1.1 a month; a month with one is 0.1 off.
    assert months["2019-08"] == ("A", 1, 1, -1, "0hard/0medium/-1soft")


@pytest.mark.parametrize("language", Language)
def test_the_workbook_can_be_handed_in_again_and_has_the_same_score(language: Language):
    of = library.read_problem(random_document(7, restricted=True))
    shown = report(of)
    workbook = library.read_workbook(write_result(shown, language, assets=["acme.osaka"] * len(of.devices)))
    again = library.score(workbook.problem, workbook.plan.model_dump(mode="json"))
    # The starts beside the devices are also what disruption measures from: without that rule nothing changes.
    kept = [match for match in shown.explanation.matches if not match.rule.startswith("disruption")]
    assert again.explanation is not None
    assert sum(match.units for match in again.explanation.matches if not match.rule.startswith("disruption")) == sum(
        match.units for match in kept
    )
    assert {device.asset for device in workbook.body.devices} == {"acme.osaka"}


def test_names_that_look_like_formulas_stay_text_in_every_file():
    shown = report(small(EVIL), ["04-25", "04-01"])
    shown = replace(
        shown,
        comparison=compare_plans(
            NamedPlan("=1+1", shown.problem, shown.plan), NamedPlan("b", shown.problem, shown.plan)
        ),
    )
    book = openpyxl.load_workbook(io.BytesIO(write_result(shown, Language.ENGLISH)))
    kinds = {cell.data_type for sheet in book for row in sheet.iter_rows() for cell in row}
    assert "f" not in kinds
    assert any(cell.value == EVIL for row in book["Plan"].iter_rows() for cell in row)
    table = list(csv.reader(io.StringIO(write_csv(shown).decode("utf-8-sig"))))
    assert table[1][1] == "'" + EVIL
    page = write_page(shown)
    assert "<img src=x" not in page
    assert EVIL not in page


@pytest.mark.parametrize(
    "name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\n=1", "\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20A"]
)
def test_a_name_is_a_formula_to_no_spreadsheet_that_reads_the_csv_file(name: str):
    table = list(csv.reader(io.StringIO(write_csv(report(small(name), ["04-25", "04-01"])).decode("utf-8-sig"))))
    assert table[1][1] == "'" + name


def test_the_gantt_colours_the_days_of_each_inspection_and_marks_a_shared_area():
    content = write_result(report(small(), ["04-02", "04-03"]), Language.ENGLISH)
    sheet = openpyxl.load_workbook(io.BytesIO(content))["Gantt"]
    colours = [sheet.cell(4, column).fill.fgColor.rgb for column in range(2, 8)]
    # The first on the 2nd, 3rd and 4th, the second on the 3rd, 4th and 5th: two days are shared.
    assert [colour == "FFFF4D4D" for colour in colours] == [False, False, True, True, False, False]
    assert colours[1] == colours[4] != colours[0]
    assert sheet.cell(4, 3).value == "A1"
    assert sheet.cell(3, 3).value == 2


def test_the_workbook_compares_with_an_older_plan():
    of = small()
    older, newer = plan(of, ["04-01", "04-01"]), plan(of, ["04-25", "04-01"])
    comparison = compare_plans(NamedPlan("FY2018", of, older), NamedPlan("FY2019", of, newer), Decimal(20_000))
    content = write_result(replace(report(of, ["04-25", "04-01"]), comparison=comparison), Language.JAPANESE)
    rows = {row[0]: row for row in rows_of(content, "比較") if row[0]}
    assert rows["return_interval"][1:4] == (-340, -316, 24)
    assert rows["削減額"][3] == 24 * 20_000
    assert rows["A1"][1:4] == (date(2019, 4, 1), date(2019, 4, 25), 24)


def test_the_calendar_has_an_all_day_event_for_each_inspection_with_a_lasting_identity():
    shown = report(small(), ["04-25", "04-01"])
    first, again = (icalendar.Calendar.from_ical(write_ics(shown, now=NOW)) for _ in range(2))
    events = first.walk("VEVENT")
    assert [str(event["summary"]) for event in events] == ["A1 (A)", "A2 (A)"]
    assert (events[0].decoded("dtstart"), events[0].decoded("dtend")) == (date(2019, 4, 25), date(2019, 4, 30))
    assert [event["uid"] for event in events] == [event["uid"] for event in again.walk("VEVENT")]


def test_a_name_of_several_lines_adds_nothing_to_the_calendar():
    name = "X\r\nEND:VEVENT\nBEGIN:VALARM"
    shown = report(small(name), ["04-25", "04-01"])
    calendar = icalendar.Calendar.from_ical(write_ics(shown, now=NOW))
    assert calendar.walk("VALARM") == []
    assert [str(event["summary"]) for event in calendar.walk("VEVENT")] == [
        "X END:VEVENT BEGIN:VALARM (A)",
        "A2 (A)",
    ]


def test_the_page_needs_no_network_and_shows_gantt_and_convergence():
    shown = replace(report(small(), ["04-25", "04-01"]), history=(FoundAt(0.1, 900, None), FoundAt(1.0, 316, 10)))
    page = write_page(shown)
    assert re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", page.split("</head>")[1]) == []
    figures = json.loads(re.search(r"const figures = (.*);\nfor", page).group(1))
    bar = figures["gantt"]["data"][0]
    # Bars in the order of starts: three working days, and five days with the weekend in between.
    assert list(zip(bar["y"], bar["base"], bar["x"], strict=True)) == [
        ("A2", "2019-04-01", 3 * 86_400_000),
        ("A1", "2019-04-25", 5 * 86_400_000),
    ]
    assert figures["convergence"]["data"][0]["y"] == [900, 316]
    assert "at most 25.00% of the cost can be saved" in page


def test_a_long_history_keeps_its_first_and_newest_entries():
    history = History()
    for second in range(2_000):
        history.add(FoundAt(second, 2_000 - second, None))
    assert len(history.entries) <= History.LONGEST
    assert (history.entries[0].seconds, history.entries[-1].seconds) == (0, 1_999)
