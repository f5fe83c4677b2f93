"""A problem document as it grows out of cells, with the place every part of it came from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from services.planner.workbook.cells import CellFault, Wire, is_empty
from services.planner.workbook.errors import WorkbookInvalid
from services.planner.workbook.grid import Cell, Grid, GridFault, Place
from services.planner.workbook.names import Column
from shared.errors import JSON, Fault

# More than that nobody reads; the answer says how many there are.
FAULT_LIMIT: Final = 1000
# In the words of people who fill in sheets.
_IN_WORDS: Final = {
    "Field required": "a value is needed here",
    "List should have at least 1 item after validation, not 0": "at least one row is needed here",
}

Entry: TypeAlias = dict[str, JSON]


@dataclass(frozen=True, slots=True)
class WorkbookProblem:
    """What a workbook holds.

    Parameters
    ----------
    document
        The problem, as the API takes it in JSON; as far as it could be read.
    assignments
        The made plan: those devices that have a start.
    places
        Where each part of the document stands, by JSON pointer.
    faults
        What is wrong with cells, by JSON pointer.
    sheet_faults
        What is wrong with sheets.
    """

    document: Entry
    assignments: list[JSON]
    places: Mapping[str, Place]
    faults: Mapping[str, str]
    sheet_faults: tuple[GridFault, ...]

    def place_of(self, pointer: str) -> Place | None:
        """Return the place of a part of the document, or of the part it belongs to."""
        while pointer not in self.places and pointer:
            pointer = pointer.rpartition("/")[0]
        return self.places.get(pointer)

    def check(self, of_document: Iterable[Fault] = ()) -> None:
        """Make sure that there is no fault.

        Parameters
        ----------
        of_document
            Faults of the document, by JSON pointer; those of a cell that could not be read are left out.

        Raises
        ------
        WorkbookInvalid
            With every fault of cells, sheets and the document, each with its place.
        """
        faults = [_fault("", entry.detail, entry.place) for entry in self.sheet_faults]
        faults += [_fault(pointer, detail, self.place_of(pointer)) for pointer, detail in self.faults.items()]
        said = {fault.facts.get("cell") for fault in faults}
        for fault in of_document:
            detail = _IN_WORDS.get(fault.detail, fault.detail)
            located = _fault(fault.pointer, detail, self.place_of(fault.pointer))
            # A list that a missing or unreadable sheet would have filled is no second fault.
            if (fault.pointer in self.places or not self.sheet_faults) and located.facts.get("cell") not in said:
                faults.append(located)
        if faults:
            raise WorkbookInvalid(faults[:FAULT_LIMIT])


def _fault(pointer: str, detail: str, place: Place | None) -> Fault:
    facts: dict[str, JSON] = {}
    if place is not None:
        facts = {"sheet": place.sheet, "row": place.row, "column": place.column, "cell": str(place)}
        detail = f"{place}: {detail}"
    return Fault(pointer, detail, facts)


@dataclass(slots=True)
class Draft:
    """Collects the parts, places and faults of a document while it is read."""

    places: dict[str, Place] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    def read(self, cell: Cell, column: Column, pointer: str) -> Wire | None:
        """Read a cell; note its place, and its fault if it has one. An empty cell is `None`."""
        self.places[pointer] = cell.place
        if is_empty(cell.value):
            return None
        try:
            return column.read(cell.value)
        except CellFault as fault:
            self.faults[pointer] = str(fault)
            return None

    def entry(self, grid: Grid, cells: Mapping[str, Cell], pointer: str) -> Entry:
        """Read a row: the fields that have a value."""
        first = next(iter(cells.values())).place
        self.places[pointer] = Place(first.sheet, first.row)
        read: Entry = {}
        for column in grid.sheet.columns:
            if column.field in cells:
                value = self.read(cells[column.field], column, f"{pointer}/{column.field}")
                if value is not None:
                    read[column.field] = value
        return read

    def entries(self, grid: Grid | None, name: str, *, first: int = 0) -> list[Entry]:
        """Read every row of a sheet into a list of the document, from its entry `first` on; none without a sheet."""
        if grid is None:
            return []
        return [self.entry(grid, cells, f"/{name}/{index}") for index, cells in enumerate(grid.rows, first)]
