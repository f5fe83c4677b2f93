"""What keeps a workbook from being read."""

from collections.abc import Sequence

from shared.errors import AppError, Fault, Kind


class WorkbookInvalid(AppError):
    """Cells of the workbook are wrong; every fault is listed with its sheet, row and column."""

    kind, code = Kind.INVALID, "planner.workbook_invalid"

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(f"the workbook has {len(faults)} fault(s)", faults=faults)


class WorkbookUnreadable(AppError):
    """The file is no workbook this reads: another format, macros, or not what it says it is."""

    kind, code = Kind.INVALID, "planner.workbook_unreadable"


class WorkbookTooLarge(AppError):
    """The file is larger than a workbook of the largest problem."""

    kind, code = Kind.TOO_LARGE, "planner.workbook_too_large"
