"""A problem written into the sheets it is read from."""

from collections.abc import Sequence
from datetime import date

from openpyxl.workbook import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from services.planner.domain.constraints.busy_season import BusySeason, BusySeasonStarts
from services.planner.domain.constraints.daily_limit import DailyLimit
from services.planner.domain.constraints.disruption import Disruption
from services.planner.domain.constraints.earliest_start import EarliestStart
from services.planner.domain.constraints.return_interval import ReturnInterval
from services.planner.domain.constraints.return_limit import ReturnLimit
from services.planner.domain.constraints.same_type_spacing import SameTypeSpacing
from services.planner.domain.plan import Plan
from services.planner.domain.plan_report import Language
from services.planner.domain.problem import Problem
from services.planner.domain.rule import Rule
from services.planner.workbook.names import (
    AREAS,
    CALENDAR,
    CLASSES,
    DEFINITIONS,
    DEVICES,
    KEYS,
    RULE_SHEET,
    SEASONS,
    TYPES,
    Sheet,
)
from services.planner.workbook.paper import Shown, add_rows, add_sheet
from services.planner.workbook.words import KINDS, RULES, WEEKDAYS


def write_problem(
    book: Workbook,
    problem: Problem,
    language: Language,
    *,
    plan: Plan | None = None,
    assets: Sequence[str | None] = (),
    country: str | None = None,
) -> None:
    """Add the sheets of a problem to a workbook.

    Parameters
    ----------
    book
        Where they are added.
    problem
        What they hold.
    language
        Of sheet names, headers and keys.
    plan
        The made plan whose starts and areas stand beside the devices; without one, those in the problem.
    assets
        Of each device, if known.
    country
        Whose public holidays count; those of the problem's calendar are then not written out.
    """
    add_rows(_add(book, DEVICES, language), _devices(problem, plan, assets))
    add_rows(_add(book, DEFINITIONS, language), _definitions(problem, language, country))
    add_rows(_add(book, TYPES, language), [(entry.name, entry.inspection_days, None) for entry in problem.types])
    add_rows(
        _add(book, CLASSES, language),
        [(entry.name, entry.device_class) for entry in problem.types if entry.device_class is not None],
    )
    areas = [(area.id, _names(area.types)) for area in problem.areas] if _areas_are_named(problem) else []
    add_rows(_add(book, AREAS, language), areas)
    add_rows(_add(book, SEASONS, language), [_season(rule) for rule in problem.rules if _is_season(rule)])
    add_rows(_add(book, CALENDAR, language), _days(problem, language, country))
    add_rows(_add(book, RULE_SHEET, language), _rules(problem, language))


def _add(book: Workbook, sheet: Sheet, language: Language) -> Worksheet:
    headers = [column.label.text(language) for column in sheet.columns]
    return add_sheet(book, sheet.label.text(language), headers, [column.width for column in sheet.columns])


def _devices(problem: Problem, plan: Plan | None, assets: Sequence[str | None]) -> list[tuple[Shown, ...]]:
    rows: list[tuple[Shown, ...]] = []
    for index, device in enumerate(problem.devices):
        start, area = device.start, device.area
        if plan is not None:
            start, area = plan.start_date(problem, index), problem.areas[plan.area[index]].id
        pinned = True if device.pinned else None
        asset = assets[index] if assets else None
        rows.append((device.type, device.id, device.previous_end, start, area, pinned, device.condition_due, asset))
    return rows


def _definitions(problem: Problem, language: Language, country: str | None) -> list[tuple[Shown, ...]]:
    days = list(WEEKDAYS) if language is Language.ENGLISH else list(WEEKDAYS.values())
    values: dict[str, Shown] = {
        "name": problem.name or None,
        "horizon/start": problem.horizon.start,
        "horizon/end": problem.horizon.end,
        "horizon/work_may_cross_end": problem.horizon.work_may_cross_end,
        "areas": None if _areas_are_named(problem) else len(problem.areas),
        "calendar/country": country,
        "calendar/weekend": ",".join(days[day] for day in sorted(problem.calendar.weekend)),
        "levels": ",".join(problem.levels),
        "daily_limit": next((rule.max_devices for rule in problem.rules if isinstance(rule, DailyLimit)), None),
        "return_limit": next((rule.days for rule in problem.rules if isinstance(rule, ReturnLimit)), None),
        "spacing": next((rule.days for rule in problem.rules if isinstance(rule, SameTypeSpacing)), None),
    }
    return [(key.label.text(language), values[key.field]) for key in KEYS if values.get(key.field) is not None]


def _areas_are_named(problem: Problem) -> bool:
    numbers = range(1, len(problem.areas) + 1)
    return any(area.types is not None or area.id != number for area, number in zip(problem.areas, numbers, strict=True))


def _days(problem: Problem, language: Language, country: str | None) -> list[tuple[Shown, ...]]:
    holidays: list[date] = [] if country is not None else sorted(problem.calendar.holidays)
    rows: list[tuple[Shown, ...]] = [(day, KINDS["holidays"].text(language)) for day in holidays]
    rows += [(day, KINDS["working_days"].text(language)) for day in sorted(problem.calendar.working_days)]
    return rows


def _is_season(rule: Rule) -> bool:
    return isinstance(rule, BusySeason | BusySeasonStarts)


def _season(rule: Rule) -> tuple[Shown, ...]:
    if not isinstance(rule, BusySeason | BusySeasonStarts):
        raise TypeError(f"{rule.key} is no busy season")
    count = "starts" if isinstance(rule, BusySeasonStarts) else None
    scope = (rule.device_class, rule.first, rule.last, rule.max_devices, _names(rule.types))
    return (*scope, count, rule.level, rule.weight, _own_name(rule))


def _rules(problem: Problem, language: Language) -> list[tuple[Shown, ...]]:
    rows: list[tuple[Shown, ...]] = []
    season_written = False
    for rule in problem.rules:
        if _is_season(rule):
            # The seasons themselves, with level and weight of each, have a sheet of their own.
            if season_written:
                continue
            season_written = True
        threshold = None if _is_season(rule) else _threshold(rule)
        types, device_class, name = (None, None, None) if _is_season(rule) else _scope(rule)
        count = rule.count.value if isinstance(rule, Disruption) else None
        label = RULES[rule.rule].text(language)
        rows.append((label, True, rule.level, rule.weight, threshold, types, device_class, count, name))
    return rows


def _threshold(rule: Rule) -> int | date | None:
    if isinstance(rule, EarliestStart):
        return rule.first
    if isinstance(rule, DailyLimit):
        return rule.max_devices
    return rule.days if isinstance(rule, ReturnLimit | ReturnInterval | SameTypeSpacing) else None


def _scope(rule: Rule) -> tuple[str | None, str | None, str | None]:
    return _names(rule.types), rule.device_class, _own_name(rule)


def _own_name(rule: Rule) -> str | None:
    return None if rule.key == rule.rule else rule.key


def _names(names: frozenset[str] | None) -> str | None:
    return None if names is None else ",".join(sorted(names))
