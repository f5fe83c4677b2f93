import contextlib
import io
import random
import zipfile
from datetime import date

import openpyxl
import pytest

from services.planner import library
from services.planner.domain.constraints.busy_season import BusySeason, BusySeasonStarts
from services.planner.domain.plan_report import Language
from services.planner.schemas.workbook import ReadWorkbook, parse_workbook
from services.planner.workbook.errors import WorkbookInvalid, WorkbookTooLarge, WorkbookUnreadable
from services.planner.workbook.paper import empty_book
from services.planner.workbook.template import write_template
from services.planner.workbook.write import write_problem
from shared.errors import AppError
from tests.unit.planner.builders import NoHolidays, random_document
from tests.unit.planner.workbooks import ENGLISH, JAPANESE, Rows, book


def read(content: bytes) -> ReadWorkbook:
    return parse_workbook(content, NoHolidays())


def cells_of(content: bytes) -> dict[str, str]:
    """Where the faults of a workbook are, and what they say."""
    with pytest.raises(WorkbookInvalid) as caught:
        read(content)
    return {str(fault.facts["cell"]): fault.detail for fault in caught.value.faults}


def test_japanese_and_english_names_mean_the_same():
    japanese, english = read(book(JAPANESE)), read(book(ENGLISH))
    assert japanese.body == english.body
    assert japanese.plan == english.plan
    assert [device.previous_end for device in japanese.problem.devices] == [date(2017, 9, 15), date(2017, 4, 20)]
    assert japanese.problem.horizon.start == date(2019, 4, 1)
    assert len(japanese.problem.areas) == 5


def test_without_a_sheet_of_rules_those_of_the_original_case_hold():
    rules = {rule.key: (rule.level, int(rule.weight)) for rule in read(book(JAPANESE)).problem.rules}
    assert rules == {
        "daily_limit": ("hard", 100),
        "area_exclusive": ("hard", 100),
        "return_limit": ("hard", 1),
        "return_interval": ("soft", 1),
        "monthly_levelling": ("soft", 100),
    }


def test_a_made_plan_in_a_workbook_can_be_scored():
    workbook = read(book(JAPANESE))
    scored = library.score(workbook.problem, workbook.plan.model_dump(mode="json"))
    # 900 - 584 and 900 - 826 days; of 2 devices in 12 months 10 months are 0.2 off, and 2 months 0.8.
    assert scored.explanation is not None
    assert str(scored.explanation.score) == "0hard/0medium/-558soft"


@pytest.mark.parametrize(
    "written", ["2017/9/15", "2017-09-15", "2017.9.15", "2017年9月15日", " 2017/9/15 ", date(2017, 9, 15)]
)
def test_a_date_is_read_however_it_is_written(written: str | date):
    rows = [["機器種別", "機器名", "前回検査終了日"], ["A", "A01", written]]
    assert read(book(JAPANESE, 検査対象機器=rows)).problem.devices[0].previous_end == date(2017, 9, 15)


def test_headers_may_stand_below_a_title_and_names_differ_in_width_and_case():
    rows = [["2019年度の機器"], [], ["\uff34\uff39\uff30\uff25", "Device", "previous_end"], ["A", 101, "2017/9/15"]]
    assert read(book(JAPANESE, 検査対象機器=rows)).problem.devices[0].id == "101"


def test_every_fault_names_its_cell_and_all_come_at_once():
    devices: Rows = [
        ["機器種別", "機器名", "前回検査終了日", "検査開始日"],
        ["Z", "A01", "2017/9/15"],
        ["A", "A02", "2017/13/15"],
        ["A", "A03", None, "soon"],
        ["A", "A01", "2017/9/15"],
    ]
    definitions = [*JAPANESE["定義"][:2], ["限度日数", "many"], ["計画年度", 2019], ["colour", "red"]]
    days = [["機器種別", "検査日数", "colour"], ["A", 1.5]]
    found = cells_of(book(JAPANESE, 検査対象機器=devices, 定義=definitions, 検査日数=days))
    assert found.keys() == {
        "検査対象機器!A2",
        "検査対象機器!C3",
        "検査対象機器!C4",
        "検査対象機器!D4",
        "検査対象機器!B5",
        "定義!B3",
        "定義!A5",
        "検査日数!B2",
        "検査日数!C1",
    } - {"検査対象機器!A2"}
    assert found["検査対象機器!C3"] == "検査対象機器!C3: there is no day 2017/13/15"
    assert found["検査対象機器!C4"] == "検査対象機器!C4: a value is needed here"


def test_a_type_nobody_defined_is_a_fault_of_the_cell_that_names_it():
    devices = [["機器種別", "機器名", "前回検査終了日"], ["A", "A01", "2017/9/15"], ["Z", "A02", "2017/9/15"]]
    assert cells_of(book(JAPANESE, 検査対象機器=devices)) == {
        "検査対象機器!A3": "検査対象機器!A3: no device type is named 'Z'"
    }


def test_a_sheet_without_a_row_is_a_fault_of_the_sheet():
    rows = [["機器種別", "機器名", "前回検査終了日"]]
    assert cells_of(book(JAPANESE, 検査対象機器=rows)) == {
        "検査対象機器": "検査対象機器: at least one row is needed here"
    }


@pytest.mark.parametrize("weight", ["1E999999999", "1E-999999999", "NaN", "inf", "much"])
def test_a_weight_that_is_no_reasonable_number_is_a_fault_of_its_cell(weight: str):
    rules = [["制約", "レベル", "重み"], ["検査エリア重複", "絶対制約", weight]]
    assert cells_of(book(JAPANESE, 制約=rules)).keys() == {"制約!C2"}


def test_sheets_that_say_nothing_are_not_read_and_of_two_that_say_the_same_only_the_first():
    broken = b"<worksheet><sheetData><row r='1'><c r='A1' t='d'><v>soon</v></c></row></sheetData></worksheet>"
    notes = book({**JAPANESE, "notes": [["x"]]})
    assert read(replace_whole(notes, "xl/worksheets/sheet4.xml", broken)).body == read(book(JAPANESE)).body
    twice = book({**JAPANESE, "Devices": JAPANESE["検査対象機器"]})
    assert cells_of(replace_whole(twice, "xl/worksheets/sheet4.xml", broken)) == {
        "Devices": "Devices: sheet '検査対象機器' says the same"
    }


def test_missing_sheets_are_named_in_both_languages():
    found = cells_of(book({"Sheet1": [["x"]]}))
    assert found.keys() == {"検査対象機器", "定義", "検査日数"}
    assert "(Devices)" in found["検査対象機器"]


def test_a_formula_without_a_saved_value_is_refused_and_one_with_a_value_is_read():
    rows = [["機器種別", "機器名", "前回検査終了日"], ["A", '="A"&"01"', "2017/9/15"]]
    content = book(JAPANESE, 検査対象機器=rows)
    assert "has no saved value" in cells_of(content)["検査対象機器!B2"]
    # Two ways to write an empty element, by the two libraries that may write it.
    computed = replace_part(
        content, "xl/worksheets/sheet1.xml", b"<v />", b"<v>A01</v>", b"<v/>", b"<v>A01</v>", b"<v></v>", b"<v>A01</v>"
    )
    computed = replace_part(computed, "xl/worksheets/sheet1.xml", b'<c r="B2">', b'<c r="B2" t="str">')
    assert read(computed).problem.devices[0].id == "A01"


def replace_part(content: bytes, name: str, *changes: bytes) -> bytes:
    """A workbook with other bytes in one of its parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            data = old.read(part)
            if part == name:
                for before, after in zip(changes[::2], changes[1::2], strict=True):
                    data = data.replace(before, after)
            new.writestr(part, data)
    return out.getvalue()


def replace_whole(content: bytes, name: str, data: bytes) -> bytes:
    """A workbook with another part in the place of one of its own."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return replace_part(content, name, archive.read(name), data)


def with_part(name: str, data: bytes) -> bytes:
    """A workbook with one part more."""
    out = io.BytesIO(book(JAPANESE))
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", WorkbookUnreadable),
        (b"no zip at all", WorkbookUnreadable),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 an old one", WorkbookUnreadable),
        (with_part("xl/vbaProject.bin", b"macro"), WorkbookUnreadable),
        (with_part("xl/externalLinks/externalLink1.xml", b"<x/>"), WorkbookUnreadable),
        (with_part("xl/media/zeros.bin", bytes(20_000_000)), WorkbookTooLarge),
        (with_part("xl/media/zeros.bin", bytes(60_000_000)), WorkbookTooLarge),
        (bytes(10 * 1024**2 + 1), WorkbookTooLarge),
    ],
)
def test_what_is_no_plain_workbook_is_refused_before_it_is_parsed(content: bytes, error: type[AppError]):
    with pytest.raises(error):
        read(content)


def test_entities_are_not_expanded():
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]><workbook>&b;</workbook>'
    content = book(JAPANESE)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        original = archive.read("xl/workbook.xml")
    for part in (bomb, bomb.decode().encode("utf-16"), b"<!-- " + b"x" * 9000 + b" -->" + bomb):
        with pytest.raises(WorkbookUnreadable):
            read(replace_part(content, "xl/workbook.xml", original, part))


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_workbook_is_refused_or_read_and_never_a_crash(seed: int):
    chance = random.Random(seed)
    content = book(JAPANESE)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        part = chance.choice(archive.namelist())
        data = bytearray(archive.read(part))
    original = bytes(data)
    for _ in range(chance.randint(1, 8)):
        position = chance.randrange(len(data))
        if chance.random() < 0.5:
            data[position] = chance.randrange(256)
        else:
            del data[position : position + chance.randint(1, 40)]
        if not data:
            break
    with contextlib.suppress(AppError):
        read(replace_part(content, part, original, bytes(data)))


@pytest.mark.parametrize("language", Language)
def test_the_template_can_be_read_as_it_is(language: Language):
    workbook = read(write_template(language))
    assert [device.id for device in workbook.problem.devices] == ["A01", "A02", "B01"]
    assert workbook.body.calendar.country == "JP"
    # The optional rules stand in the sheet, switched off.
    assert [rule.key for rule in workbook.problem.rules] == [
        "daily_limit",
        "area_exclusive",
        "return_limit",
        "busy_season",
        "same_type_spacing",
        "return_interval",
        "monthly_levelling",
    ]


def test_the_template_explains_every_rule_and_column_in_both_languages_and_offers_choices():
    sheet = openpyxl.load_workbook(io.BytesIO(write_template(Language.JAPANESE)))["制約"]
    for row in range(1, sheet.max_row + 1):
        comment = sheet.cell(row, 1).comment
        assert comment is not None
        assert len(comment.text.splitlines()) >= 3
    offered = {area.min_col for check in sheet.data_validations.dataValidation for area in check.sqref.ranges}
    assert 2 in offered


@pytest.mark.parametrize("seed", range(25))
def test_a_problem_written_into_a_workbook_is_read_back_the_same(seed: int):
    problem = library.read_problem(random_document(seed, restricted=seed % 2 == 0))
    workbook = empty_book()
    write_problem(workbook, problem, list(Language)[seed % 2])
    file = io.BytesIO()
    workbook.save(file)
    back = read(file.getvalue()).problem
    for part in ("horizon", "calendar", "levels", "areas", "types", "devices", "days"):
        assert getattr(back, part) == getattr(problem, part), part
    seasons = (BusySeason, BusySeasonStarts)
    assert [rule for rule in back.rules if not isinstance(rule, seasons)] == [
        rule for rule in problem.rules if not isinstance(rule, seasons)
    ]
    assert {rule.key: rule for rule in back.rules} == {rule.key: rule for rule in problem.rules}


def test_a_season_takes_level_and_weight_from_the_sheet_of_rules_unless_it_has_its_own():
    content = book(
        JAPANESE,
        分類=[["機器種別", "分類"], ["A", "large"]],
        繁忙期=[
            ["分類", "開始日", "終了日", "上限台数", "重み"],
            ["large", "2019/7/1", "2019/9/30", 3, None],
            ["large", "2019/12/1", "2019/12/31", 1, 7],
        ],
        制約=[
            ["制約", "有効", "レベル", "重み"],
            ["繁忙期", "はい", "考慮制約", 50],
            ["検査エリア重複", "いいえ", "絶対制約", 1],
        ],
    )
    rules = read(content).problem.rules
    assert [(rule.key, rule.level, rule.weight) for rule in rules] == [
        ("busy_season-1", "medium", 50),
        ("busy_season-2", "medium", 7),
    ]
