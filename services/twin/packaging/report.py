"""A training report as one HTML file that needs no network: tables, plots and the plotting library inside it."""

import math
from collections.abc import Iterable, Sequence
from html import escape

import plotly.io

from services.twin.packaging.calibration import DEFAULT_LEVEL
from services.twin.packaging.report_figures import figures, label
from services.twin.packaging.training_record import Training, split_statement

# Nothing may be fetched, whatever a column is called.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'; img-src data: blob:; "
    "font-src data:; worker-src blob:"
)
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1000px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.6em } h2 { font-size: 1.2em; margin-top: 2em }
table { border-collapse: collapse } td, th { padding: .25em .8em; border-bottom: 1px solid #ddd; text-align: right }
td:first-child, th:first-child { text-align: left } tr.chosen { font-weight: 600; background: #eef3fa }
.warning { border-left: 4px solid #d9822b; padding-left: .8em }
"""


def write_report(training: Training, *, name: str, version: str) -> str:
    """The page of one bundle."""
    title = f"{escape(name)} {escape(version)}"
    body = "\n".join([*_summary(training), *_candidates(training), *_intervals(training), *_plots(training)])
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
        f"<body><h1>{title}</h1>\n{body}\n</body></html>\n"
    )


def _summary(training: Training) -> Iterable[str]:
    data, split, found = training.data, training.split, training.examination
    target, unit = label(data.target["name"], data.target.get("unit")), escape(str(data.target.get("unit") or ""))
    yield f"<p>Predicts {target} from {', '.join(label(f['name'], f.get('unit')) for f in data.features)}.</p>"
    held_back = f", {len(split.calibration)} to calibrate the interval" if len(split.calibration) else ""
    yield (
        f"<p>Of {data.rows_read} rows in the file, {len(split.fit)} to learn from{held_back} and {len(split.test)} to "
        f"judge. {escape(split_statement(data, split)).capitalize()}.</p>"
    )
    covered = found.by_level[DEFAULT_LEVEL]
    yield (
        f"<p>On the test rows: RMSE <b>{_shown(found.metrics.rmse)} {unit}</b>, MAE {_shown(found.metrics.mae)} "
        f"{unit}, R² {_shown(found.metrics.r2)}. The 90 % interval holds <b>{covered.coverage:.1%}</b> of them and is "
        f"{_shown(covered.width)} {unit} wide.</p>"
    )
    shares = ", ".join(f"{share:.1%} {state}" for state, share in found.states.items())
    yield f"<p>Where the test rows lie relative to the training rows: {shares}.</p>"
    yield from (f'<p class="warning">{escape(warning)}</p>' for warning in training.warnings)
    if data.notes:
        yield f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in data.notes)}</ul>"


def _candidates(training: Training) -> Iterable[str]:
    yield "<h2>Recipes</h2>"
    head = ["recipe", "CV RMSE", "± sd", "test RMSE", "test MAE", "test R²", "row [µs]", "size [kB]"]
    rows = []
    for finalist in sorted(training.finalists, key=lambda finalist: finalist.trial.rmse):
        cells = [
            escape(finalist.trial.candidate.name),
            *map(_shown, (finalist.trial.rmse, finalist.trial.deviation)),
            *map(_shown, (finalist.test.rmse, finalist.test.mae, finalist.test.r2)),
            f"{finalist.row_us:.0f}",
            f"{finalist.size_bytes / 1e3:,.0f}",
        ]
        rows.append((cells, finalist is training.chosen))
    yield _table(head, rows)
    yield (
        "<p>Chosen by cross-validation on the rows to learn from: of the recipes that are as good as the best within "
        "one standard error of the difference, the smallest. The test columns took no part.</p>"
    )
    yield from (f"<p>{escape(name)} was left out: {escape(why)}.</p>" for name, why in training.unfinished.items())


def _intervals(training: Training) -> Iterable[str]:
    yield "<h2>Intervals on the test rows</h2>"
    yield _table(
        ["level", "coverage", "mean width", "Winkler score"],
        [
            ([f"{level:.0%}", f"{report.coverage:.1%}", _shown(report.width), _shown(report.winkler)], False)
            for level, report in training.examination.by_level.items()
        ],
    )


def _plots(training: Training) -> Iterable[str]:
    for number, (heading, figure) in enumerate(figures(training).items()):
        yield f"<h2>{escape(heading)}</h2>"
        # A fixed id: the same training gives the same page.
        yield plotly.io.to_html(
            figure,
            full_html=False,
            include_plotlyjs=number == 0,
            div_id=f"figure{number}",
            config={"displaylogo": False, "responsive": True},
        )


def _table(head: Sequence[str], rows: Sequence[tuple[Sequence[str], bool]]) -> str:
    """A table of cells that are safe already; marked rows stand out."""
    lines = [f"<tr>{''.join(f'<th>{cell}</th>' for cell in head)}</tr>"]
    for cells, marked in rows:
        tag = '<tr class="chosen">' if marked else "<tr>"
        lines.append(f"{tag}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    return f"<table>{''.join(lines)}</table>"


def _shown(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "-"
