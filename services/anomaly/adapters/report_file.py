"""The report of a training as a file of its bundle."""

from collections.abc import Mapping

import numpy as np

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.blocks import Blocks
from services.anomaly.domain.report import HeldOutScores, LossCurves, TrainingReport
from services.anomaly.domain.report_map import Map, MapOf
from shared.errors import JSON
from shared.onnx.errors import BundleMalformed
from shared.onnx.json_fields import Fields, canonical_bytes, parse_object

REPORT_FILE = "report.json"


def report_file(report: TrainingReport) -> bytes:
    """The file."""
    return canonical_bytes(report.to_json())


def read_report(file: bytes) -> TrainingReport:
    """Read the file again.

    Raises
    ------
    BundleMalformed
        If it holds something else.
    """
    document = parse_object(file)
    fields = Fields(document, REPORT_FILE)
    columns = _texts(document, "columns")
    held_out = fields.item("held_out", _held_out)
    if len(held_out.shares) != len(columns) or len(held_out.edges) != len(held_out.counts) + 1:
        raise BundleMalformed(f"the held-out scores of {REPORT_FILE} are not what they must be")
    return TrainingReport(
        fields.text("kind"),
        columns,
        fields.number("limit"),
        fields.optional_item("losses", _losses),
        held_out,
        _map(fields.mapping("latent")) if fields.present("latent") else None,
        fields.item("blocks", _blocks),
    )


def _losses(fields: Fields) -> LossCurves:
    return LossCurves(fields.numbers("fit"), fields.numbers("stop"), fields.whole("best_epoch"))


def _held_out(fields: Fields) -> HeldOutScores:
    return HeldOutScores(
        fields.whole("rows"),
        fields.numbers("edges"),
        tuple(int(count) for count in fields.numbers("counts")),
        fields.number("highest"),
        fields.numbers("shares"),
    )


def _blocks(fields: Fields) -> Blocks:
    return Blocks(*(fields.whole(name) for name in ("fit_end", "limit_start", "first_scored", "rows")))


def _map(document: Mapping[str, JSON]) -> Map:
    fields = Fields(document, f"{REPORT_FILE}.latent")
    explained = fields.numbers("explained")
    mean = np.array(fields.numbers("mean"))
    rows = tuple(int(row) for row in fields.numbers("rows"))
    axes, points = _table(document, "axes"), _table(document, "points")
    if len(explained) != 2 or axes.shape != (2, len(mean)) or points.shape != (len(rows), 2):
        raise BundleMalformed(f"the map of {REPORT_FILE} is not what it must be")
    of = fields.text("of")
    if of not in set(MapOf):
        raise BundleMalformed(f"{REPORT_FILE} has a map of {of!r}")
    return Map(MapOf(of), mean, axes, (explained[0], explained[1]), rows, points)


def _table(document: Mapping[str, JSON], name: str) -> Floats:
    try:
        table = np.array(document.get(name), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BundleMalformed(f"{name!r} of {REPORT_FILE} is no table of numbers") from error
    if table.ndim != 2 or not np.isfinite(table).all():
        raise BundleMalformed(f"{name!r} of {REPORT_FILE} is no table of numbers")
    return table


def _texts(document: Mapping[str, JSON], name: str) -> tuple[str, ...]:
    values = document.get(name)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise BundleMalformed(f"{name!r} of {REPORT_FILE} is no list of names")
    return tuple(map(str, values))
