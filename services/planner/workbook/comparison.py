"""The sheet that puts two plans side by side."""

from openpyxl.styles import Font
from openpyxl.workbook import Workbook

from services.planner.domain.compare import Comparison, DeviceDifference, PlacedDevice
from services.planner.domain.plan_report import Language
from services.planner.workbook.paper import Shown, add_rows, add_sheet
from services.planner.workbook.words import Label

COMPARISON = Label("比較", "Comparison")
_DEVICE_HEADERS = (
    Label("機器名", "device"),
    Label("検査開始日 (前)", "start before"),
    Label("検査開始日 (後)", "start after"),
    Label("移動日数", "days moved"),
    Label("検査エリア (前)", "area before"),
    Label("検査エリア (後)", "area after"),
    Label("スコア (前)", "score before"),
    Label("スコア (後)", "score after"),
)


def write_comparison(book: Workbook, comparison: Comparison, language: Language) -> None:
    """Add the sheet: what differs in all, rule by rule, and device by device."""
    first, second = comparison.names
    headers = ["", first, second, Label("差 (+は改善)", "difference (+ is better)").text(language)]
    sheet = add_sheet(book, COMPARISON.text(language), headers, (26, 22, 22, 22))
    rows: list[tuple[Shown, ...]] = [
        (level, comparison.scores[0].points(level), comparison.scores[1].points(level), comparison.difference(level))
        for level in comparison.scores[0].levels
    ]
    if comparison.saving is not None:
        saving = comparison.saving
        rows.append((Label("1点あたりの費用", "cost per point").text(language), None, None, saving.cost_per_point))
        rows.append((Label("削減額", "saving").text(language), None, None, saving.amount))
    if comparison.warning is not None:
        rows.append((Label("注意", "warning").text(language), comparison.warning))
    rows += [(Label("注記", "note").text(language), note) for note in comparison.notes]
    rule_title = len(rows) + 3
    rows += [(), (Label("ルール", "rule").text(language), *headers[1:])]
    rows += [(entry.rule, entry.first, entry.second, entry.difference) for entry in comparison.by_rule]
    device_title = len(rows) + 3
    rows += [(), tuple(word.text(language) for word in _DEVICE_HEADERS)]
    rows += [_device(entry) for entry in comparison.by_device]
    add_rows(sheet, rows)
    # Three tables on one sheet cannot be filtered as one.
    sheet.auto_filter.ref = None
    for title in (rule_title, device_title):
        for cell in sheet[title]:
            cell.font = Font(bold=True)


def _device(entry: DeviceDifference) -> tuple[Shown, ...]:
    before, after = entry.first, entry.second
    return (
        entry.device,
        None if before is None else before.start,
        None if after is None else after.start,
        entry.moved_days,
        None if before is None else before.area,
        None if after is None else after.area,
        _points(before),
        _points(after),
    )


def _points(placed: PlacedDevice | None) -> str | None:
    return None if placed is None else "/".join(f"{points:f}{level}" for level, points in placed.points.items())
