"""A workbook read into the problem document that the API takes in JSON."""

from collections.abc import Mapping
from datetime import date
from typing import Final

from services.planner.workbook.cells import plain
from services.planner.workbook.document import Draft, Entry, WorkbookProblem
from services.planner.workbook.grid import Cell, Grid, GridFault, Place, read_grids
from services.planner.workbook.names import KEYS, Column
from services.planner.workbook.rule_sheet import read_rules
from shared.errors import JSON

# Definitions that are thresholds of rules, not parts of the document.
_THRESHOLDS: Final = ("daily_limit", "return_limit", "spacing")
_HORIZON_NEEDED: Final = "計画開始日 (horizon start) and 計画終了日 (horizon end) are needed, or 計画年度 (fiscal year)"


def read_workbook(content: bytes) -> WorkbookProblem:
    """Read a workbook.

    Its cells are read; whether they make a problem is for whoever validates the document, who hands the faults found
    to `WorkbookProblem.check`.

    Raises
    ------
    WorkbookUnreadable, WorkbookTooLarge
        If the file cannot be parsed, or should not be.
    """
    grids, grid_faults = read_grids(content)
    draft = Draft()
    sheet_faults = list(grid_faults)
    document = _definitions(draft, grids.get("Definitions"), sheet_faults)
    defined: Entry = {name: document.pop(name) for name in _THRESHOLDS if name in document}
    types = _types(draft, grids.get("Inspection days"), grids.get("Classes"), sheet_faults)
    devices = draft.entries(grids.get("Devices"), "devices")
    _calendar(draft, grids.get("Calendar"), document)
    if "Areas" in grids and grids["Areas"].rows:
        document["areas"] = draft.entries(grids["Areas"], "areas")
    classes = frozenset(str(entry["class"]) for entry in types if "class" in entry)
    document["device_types"] = types
    document["devices"] = devices
    for name, sheet in (("device_types", "Inspection days"), ("devices", "Devices")):
        if sheet in grids:
            # Where a sheet without a single row is a fault.
            draft.places[f"/{name}"] = Place(grids[sheet].title)
    rules = read_rules(draft, grids.get("Rules"), grids.get("Busy seasons"), defined, classes)
    document["rules"] = rules
    if "daily_limit" in defined and all(rule.get("rule") != "daily_limit" for rule in rules):
        # Its rule is switched off, and there are still as many areas.
        document.setdefault("areas", defined["daily_limit"])
    return WorkbookProblem(document, _assignments(devices), draft.places, draft.faults, tuple(sheet_faults))


def _definitions(draft: Draft, grid: Grid | None, sheet_faults: list[GridFault]) -> Entry:
    """Read the definitions: parts of the document, and thresholds under their own names."""
    document: Entry = {}
    for cells in grid.rows if grid is not None else ():
        key, value = cells.get("key"), cells.get("value")
        if key is None or value is None:
            continue
        known = _key(key)
        if known is None:
            if isinstance(key.value, str):
                sheet_faults.append(GridFault(key.place, f"no definition is called {key.value[:40]!r}"))
            continue
        pointer = f"/definitions/{known.field}" if known.field in (*_THRESHOLDS, "year") else f"/{known.field}"
        if pointer in draft.places:
            sheet_faults.append(GridFault(key.place, f"{known.label.ja} ({known.label.en}) is defined twice"))
            continue
        read = draft.read(value, known, pointer)
        if read is not None:
            _put(document, known.field, read)
    _fiscal_year(draft, document)
    if grid is not None and not grid.faults and not any(pointer.startswith("/horizon") for pointer in draft.places):
        sheet_faults.append(GridFault(Place(grid.title), _HORIZON_NEEDED))
    return document


def _key(cell: Cell) -> Column | None:
    if not isinstance(cell.value, str):
        return None
    spelling = plain(cell.value)
    return next((column for column in KEYS if spelling in column.label.spellings()), None)


def _put(document: Entry, path: str, value: JSON) -> None:
    *outer, last = path.split("/")
    for part in outer:
        inner = document.setdefault(part, {})
        if isinstance(inner, dict):
            document = inner
    document[last] = value


def _fiscal_year(draft: Draft, document: Entry) -> None:
    """Let a year stand for the horizon from its 1 April to the 31 March after it."""
    year = document.pop("year", None)
    pointer = "/definitions/year"
    if not isinstance(year, int):
        return
    if not date.min.year <= year < date.max.year:
        draft.faults[pointer] = "a fiscal year is expected here, such as 2019"
        return
    for name, day in (("start", date(year, 4, 1)), ("end", date(year + 1, 3, 31))):
        if f"/horizon/{name}" not in draft.places:
            _put(document, f"horizon/{name}", day.isoformat())
            draft.places[f"/horizon/{name}"] = draft.places[pointer]


def _types(draft: Draft, grid: Grid | None, classes: Grid | None, sheet_faults: list[GridFault]) -> list[Entry]:
    types = draft.entries(grid, "device_types")
    by_name: Mapping[object, Entry] = {entry.get("type"): entry for entry in types}
    for index, read in enumerate(draft.entries(classes, "classes")):
        pointer = f"/classes/{index}"
        kind = read.get("type")
        if kind is None or "class" not in read:
            if not any(fault.startswith(pointer) for fault in draft.faults):
                sheet_faults.append(GridFault(draft.places[pointer], "a type and its class are needed here"))
        elif kind not in by_name:
            sheet_faults.append(GridFault(draft.places[f"{pointer}/type"], f"no device type is named {kind!r}"))
        elif by_name[kind].setdefault("class", read["class"]) != read["class"]:
            sheet_faults.append(GridFault(draft.places[f"{pointer}/class"], f"type {kind!r} has another class already"))
    return types


def _calendar(draft: Draft, grid: Grid | None, document: Entry) -> None:
    days: dict[str, list[JSON]] = {"holidays": [], "working_days": []}
    for index, read in enumerate(draft.entries(grid, "calendar_sheet")):
        kind = str(read.get("kind", "holidays"))
        if "date" in read:
            draft.places[f"/calendar/{kind}/{len(days[kind])}"] = draft.places[f"/calendar_sheet/{index}/date"]
            days[kind].append(read["date"])
    for kind, found in days.items():
        if found:
            _put(document, f"calendar/{kind}", found)


def _assignments(devices: list[Entry]) -> list[JSON]:
    return [
        {"device": entry["id"], "start": entry["start"], "area": entry.get("area")}
        for entry in devices
        if "id" in entry and "start" in entry
    ]
