"""The sheets of rules and busy seasons; without them, the rules of the original case."""

from collections.abc import Mapping
from typing import Final

from services.planner.workbook.document import Draft, Entry
from services.planner.workbook.grid import Grid
from services.planner.workbook.names import RULE_SHEET
from shared.errors import JSON

# What the threshold of a rule is called on the wire, and the definition that stands in for it.
_THRESHOLDS: Final = {
    "daily_limit": ("max", "daily_limit"),
    "return_limit": ("days", "return_limit"),
    "same_type_spacing": ("days", "spacing"),
    "return_interval": ("days", None),
    "earliest_start": ("from", None),
}
# Level and weight by rule, of a workbook without a sheet of rules.
_USUAL: Final[Mapping[str, tuple[str, int]]] = {
    "daily_limit": ("hard", 100),
    "area_exclusive": ("hard", 100),
    "return_limit": ("hard", 1),
    "busy_season": ("soft", 100),
    "same_type_spacing": ("soft", 10),
    "return_interval": ("soft", 1),
    "monthly_levelling": ("soft", 100),
}
_SEASON: Final = "busy_season"
# What a row for busy seasons says for each season that does not say it itself.
_OF_SEASONS: Final = frozenset({"level", "weight", "types", "class"})


def read_rules(
    draft: Draft, rules: Grid | None, seasons: Grid | None, defined: Mapping[str, JSON], classes: frozenset[str]
) -> list[Entry]:
    """Read the rules of a workbook.

    Parameters
    ----------
    draft
        Notes places and faults.
    rules, seasons
        The two sheets, if there are any.
    defined
        Thresholds among the definitions; their places are known to the draft as `/definitions/…`.
    classes
        The classes there are, to tell them from types in the column of scopes.
    """
    if rules is None:
        wanted = [_usual(name) for name in _USUAL if _is_possible(name, seasons, defined)]
    else:
        wanted = [draft.entry(rules, cells, f"/rule_sheet/{index}") for index, cells in enumerate(rules.rows)]
    made: list[Entry] = []
    seasons_placed = False
    for index, entry in enumerate(wanted):
        source = f"/rule_sheet/{index}"
        if entry.pop("on", True) is False:
            seasons_placed = seasons_placed or entry.get("rule") == _SEASON
            continue
        _resolve_scope(entry, classes)
        if entry.get("rule") == _SEASON:
            # One row switches all seasons on and says what they weigh.
            if not seasons_placed:
                made += _seasons(draft, seasons, entry, first=len(made))
            seasons_placed = True
            continue
        pointer = f"/rules/{len(made)}"
        _move(draft, source, pointer)
        _set_threshold(draft, entry, pointer, defined)
        made.append(entry)
    if not seasons_placed:
        made += _seasons(draft, seasons, _usual(_SEASON), first=len(made))
    return made


def _usual(name: str) -> Entry:
    level, weight = _USUAL[name]
    return {"rule": name, "level": level, "weight": weight}


def _is_possible(name: str, seasons: Grid | None, defined: Mapping[str, JSON]) -> bool:
    if name == _SEASON:
        return seasons is not None
    if name == "return_interval":
        return "return_limit" in defined
    needed = _THRESHOLDS.get(name, (None, None))[1]
    return needed is None or needed in defined


def _set_threshold(draft: Draft, entry: Entry, pointer: str, defined: Mapping[str, JSON]) -> None:
    threshold = entry.pop("threshold", None)
    field, definition = _THRESHOLDS.get(str(entry.get("rule")), ("threshold", None))
    if f"{pointer}/threshold" in draft.places:
        draft.places[f"{pointer}/{field}"] = draft.places.pop(f"{pointer}/threshold")
    if f"{pointer}/threshold" in draft.faults:
        draft.faults[f"{pointer}/{field}"] = draft.faults.pop(f"{pointer}/threshold")
    if threshold is not None:
        entry[field] = threshold
    elif definition is not None and definition in defined:
        entry[field] = defined[definition]
        draft.places[f"{pointer}/{field}"] = draft.places[f"/definitions/{definition}"]


def _resolve_scope(entry: Entry, classes: frozenset[str]) -> None:
    scope = entry.pop("scope", None)
    if isinstance(scope, list) and len(scope) == 1 and scope[0] in classes:
        entry.setdefault("class", scope[0])
    elif scope is not None:
        entry.setdefault("types", scope)


def _seasons(draft: Draft, seasons: Grid | None, rule: Entry, *, first: int) -> list[Entry]:
    shared: Entry = {name: value for name, value in rule.items() if name in _OF_SEASONS}
    read = draft.entries(seasons, "rules", first=first)
    return [{"rule": _SEASON, **shared, **entry} for entry in read]


def _move(draft: Draft, source: str, target: str) -> None:
    """Let what was noted of a row of the sheet stand where its rule stands in the document."""
    for column in ("", *(f"/{column.field}" for column in RULE_SHEET.columns)):
        if source + column in draft.places:
            draft.places[target + column] = draft.places[source + column]
        if source + column in draft.faults:
            draft.faults[target + column] = draft.faults.pop(source + column)
