"""The workbook of a plan: the plan, why it has its score, a Gantt chart, and the problem it was made for."""

import io
from collections.abc import Sequence
from decimal import Decimal

from openpyxl.workbook import Workbook

from services.planner.domain.plan_report import Language, PlanReport
from services.planner.domain.problem import Problem
from services.planner.domain.score import Score, exact_decimal
from services.planner.workbook.comparison import write_comparison
from services.planner.workbook.gantt import write_gantt
from services.planner.workbook.paper import Shown, add_rows, add_sheet, empty_book
from services.planner.workbook.words import RULES, Label
from services.planner.workbook.write import write_problem

PLAN = Label("計画", "Plan")
SUMMARY = Label("サマリ", "Summary")
BY_DEVICE = Label("ルール+機器単位", "Rule + device")
BY_MONTH = Label("ルール+計画開始年月", "Rule + month")

_TYPE, _DEVICE = Label("機器種別", "type"), Label("機器名", "device")
_RULE, _LEVEL, _NAME = Label("ルール", "rule"), Label("レベル", "level"), Label("説明", "meaning")
_POINTS, _SCORE, _MATCHES = Label("点数", "points"), Label("スコア", "score"), Label("件数", "matches")
_BASE, _MONTH = Label("基礎値", "base"), Label("計画開始年月", "month")
_PLAN_HEADERS = (
    _TYPE,
    _DEVICE,
    Label("検査開始日", "start"),
    Label("検査終了日", "end"),
    Label("検査エリア", "area"),
    Label("回帰日数", "return interval"),
)


def write_result(report: PlanReport, language: Language, *, assets: Sequence[str | None] = ()) -> bytes:
    """Return the workbook of a plan.

    The sheets of the problem are in it too, the plan beside the devices, so that it can be changed and handed in
    again.

    Parameters
    ----------
    report
        What to show.
    language
        Of sheet names and headers.
    assets
        Of each device, if known.
    """
    book = empty_book()
    _add_plan(book, report, language)
    _add_summary(book, report, language)
    _add_devices(book, report, language)
    _add_months(book, report, language)
    write_gantt(book, report.problem, report.plan, language)
    if report.comparison is not None:
        write_comparison(book, report.comparison, language)
    write_problem(book, report.problem, language, plan=report.plan, assets=assets)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _add_plan(book: Workbook, report: PlanReport, language: Language) -> None:
    problem, plan = report.problem, report.plan
    rows = [
        (
            device.type,
            device.id,
            plan.start_date(problem, index),
            plan.end_date(problem, index),
            problem.areas[plan.area[index]].id,
            plan.return_interval_days(problem, index),
        )
        for index, device in enumerate(problem.devices)
    ]
    rows.sort(key=lambda row: (row[2], str(row[4])))
    sheet = add_sheet(book, PLAN.text(language), _texts(_PLAN_HEADERS, language), (10, 16, 13, 13, 12, 12))
    add_rows(sheet, rows)


def _add_summary(book: Workbook, report: PlanReport, language: Language) -> None:
    problem, explanation = report.problem, report.explanation
    headers = (_RULE, _LEVEL, Label("重み", "weight"), _MATCHES, _POINTS, _SCORE, _NAME)
    sheet = add_sheet(book, SUMMARY.text(language), _texts(headers, language), (24, 12, 10, 10, 14, 30, 24))
    broken = {entry.rule: entry for entry in explanation.by_rule}
    rows: list[tuple[Shown, ...]] = []
    for rule in problem.rules:
        entry = broken.get(rule.key)
        units, matches = (0, 0) if entry is None else (entry.units, entry.matches)
        label = RULES[rule.rule].text(language)
        rows.append((rule.key, rule.level, rule.weight, matches, *_points(problem, rule.level, units), label))
    add_rows(sheet, rows)
    facts: list[tuple[Label, Shown]] = [(Label("合計", "total"), str(explanation.score))]
    facts += [(Label(level, level), explanation.score.points(level)) for level in problem.levels]
    facts += [
        (Label("下界 (これ以下の減点の計画はない)", "bound (no plan costs less)"), report.bound),
        (Label("最適値との差", "gap"), None if report.gap is None else f"{report.gap:.2%}"),
        (Label("下界がない理由", "why there is no bound"), report.bound_reason),
        (Label("終了理由", "stopped because"), report.stopped_because),
        (Label("計算時間 (秒)", "seconds"), round(report.seconds, 1) if report.stopped_because else None),
        (Label("試した手の数", "moves tried"), report.iterations or None),
        (Label("計画ID", "plan id"), report.id or None),
    ]
    # A row stays free between the rules, which can be filtered, and the rest.
    add_rows_below = [(label.text(language), value) for label, value in facts if value is not None]
    filtered = sheet.auto_filter.ref
    add_rows(sheet, [(), *add_rows_below])
    sheet.auto_filter.ref = filtered


def _add_devices(book: Workbook, report: PlanReport, language: Language) -> None:
    problem = report.problem
    headers = (_RULE, _LEVEL, _TYPE, _DEVICE, _MATCHES, _BASE, _POINTS, _SCORE)
    sheet = add_sheet(book, BY_DEVICE.text(language), _texts(headers, language), (24, 10, 10, 16, 8, 12, 14, 30))
    types = {device.id: device.type for device in problem.devices}
    weights = {rule.key: rule.weight for rule in problem.rules}
    rows: list[tuple[Shown, ...]] = []
    for entry in report.explanation.by_device:
        points, text = _points(problem, entry.level, entry.units)
        weight = weights[entry.rule]
        base = round(float(-points / weight), 2) if weight else 0
        device = entry.part or ""
        rows.append((entry.rule, entry.level, types.get(device), device, entry.matches, base, points, text))
    add_rows(sheet, rows)


def _add_months(book: Workbook, report: PlanReport, language: Language) -> None:
    problem = report.problem
    headers = (_RULE, _LEVEL, _MONTH, _TYPE, Label("機器数", "devices"), _MATCHES, _POINTS, _SCORE)
    sheet = add_sheet(book, BY_MONTH.text(language), _texts(headers, language), (24, 10, 14, 10, 10, 8, 14, 30))
    types = {device.id: device.type for device in problem.devices}
    sums: dict[tuple[str, str, str, str], tuple[set[str], int, int]] = {}
    for match in report.explanation.matches:
        kinds = {types[device] for device in match.devices}
        key = (match.rule, match.level, match.month, kinds.pop() if len(kinds) == 1 else "")
        devices, matches, units = sums.get(key, (set[str](), 0, 0))
        sums[key] = (devices | set(match.devices), matches + 1, units + match.units)
    order = {rule.key: index for index, rule in enumerate(problem.rules)}
    rows: list[tuple[Shown, ...]] = []
    for key in sorted(sums, key=lambda key: (order[key[0]], *key[2:])):
        rule, level, month, kind = key
        devices, matches, units = sums[key]
        rows.append((rule, level, month, kind or None, len(devices), matches, *_points(problem, level, units)))
    add_rows(sheet, rows)


def _points(problem: Problem, level: str, units: int) -> tuple[Decimal, str]:
    """Return points as a number, and as the score they are a part of."""
    by_level = tuple(units if name == level else 0 for name in problem.levels)
    return exact_decimal(units, problem.decimals), str(Score(problem.levels, by_level, problem.decimals))


def _texts(labels: Sequence[Label], language: Language) -> list[str]:
    return [label.text(language) for label in labels]
