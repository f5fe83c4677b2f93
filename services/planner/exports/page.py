"""A plan as one HTML file that needs no network: Gantt chart, convergence, points by rule and by device."""

import json
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Final

from services.planner.domain.plan_report import PlanReport
from services.planner.domain.rule import Rule
from services.planner.domain.score import exact_decimal

# Above this a row for each device is taller than anybody scrolls; then each area has one.
_DEVICE_ROWS: Final = 150
_ROW_PX: Final = 17
_DAY_MS: Final = 86_400_000
_MOST_LISTED: Final = 500
# Nothing may be fetched, whatever a device is called.
POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'; img-src data: blob:; "
    "font-src data:; worker-src blob:"
)
_COLOURS: Final = (
    "#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#e15759", "#76b7b2", "#edc948", "#9c755f", "#ff9da7", "#bab0ac",
)  # fmt: skip
_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1200px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.6em } h2 { font-size: 1.2em; margin-top: 2em }
table { border-collapse: collapse } td, th { padding: .2em .8em; border-bottom: 1px solid #ddd; text-align: right }
td:first-child, th:first-child, td:nth-child(2), th:nth-child(2) { text-align: left }
.score { font-size: 1.3em; font-weight: 600 } .warning { border-left: 4px solid #d9822b; padding-left: .8em }
"""


def write_page(report: PlanReport) -> str:
    """Return the page."""
    from plotly.offline import get_plotlyjs  # noqa: PLC0415 (takes a second, and other files do without it)

    title = escape(report.problem.name or report.id or "Inspection plan")
    figures = {"gantt": _gantt(report), **({"convergence": _convergence(report)} if report.history else {})}
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>\n'
        f"<script>{get_plotlyjs()}</script></head>\n<body><h1>{title}</h1>\n"
        + "\n".join(_body(report))
        + f"\n<script>const figures = {_script(figures)};\n"
        "for (const [name, figure] of Object.entries(figures))\n"
        "  Plotly.newPlot(name, figure.data, figure.layout, {responsive: true, displaylogo: false});\n"
        "</script></body></html>\n"
    )


def _script(value: object) -> str:
    """Return JSON that cannot end the script it stands in."""
    text = json.dumps(value, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _body(report: PlanReport) -> Iterable[str]:
    problem, explanation = report.problem, report.explanation
    yield f'<p class="score">{escape(str(explanation.score))}</p>'
    if report.gap is not None and report.bound is not None:
        saved = f"at most {report.gap:.2%} of the cost can be saved"
        yield f"<p>No plan costs less than {report.bound:,g} points: {saved}.</p>"
    elif report.bound_reason is not None:
        yield f"<p>How far this is from the best plan is not known: {escape(report.bound_reason)}.</p>"
    if report.stopped_because is not None:
        reason = escape(report.stopped_because.replace("_", " "))
        yield f"<p>{report.iterations:,} moves in {report.seconds:.1f} s; the search ended because of: {reason}.</p>"
    hard = [level for level in problem.levels[:-1] if explanation.score.points(level)]
    if hard:
        names = ", ".join(escape(level) for level in hard)
        yield f'<p class="warning">Rules of the level {names} are broken; see the points below.</p>'
    yield '<h2>Gantt chart</h2><div id="gantt"></div>'
    if report.history:
        yield '<h2>Convergence</h2><div id="convergence"></div>'
    yield "<h2>Points by rule</h2>"
    broken = {entry.rule: entry for entry in explanation.by_rule}
    rows = [_rule_row(report, rule, broken[rule.key].units if rule.key in broken else 0) for rule in problem.rules]
    yield _table(("rule", "level", "weight", "points"), rows)
    yield "<h2>Plan</h2>"
    yield _table(("device", "type", "start", "end", "area", "return interval"), _plan_rows(report))
    if len(problem.devices) > _MOST_LISTED:
        number = len(problem.devices)
        yield f"<p>The first {_MOST_LISTED} of {number} devices; the workbook and the CSV file have all.</p>"


def _rule_row(report: PlanReport, rule: Rule, units: int) -> tuple[str, ...]:
    return rule.key, rule.level, f"{rule.weight:f}", f"{exact_decimal(units, report.problem.decimals):,f}"


def _plan_rows(report: PlanReport) -> list[tuple[str, ...]]:
    problem, plan = report.problem, report.plan
    order = plan.start.argsort(kind="stable")[:_MOST_LISTED]
    return [
        (
            problem.devices[index].id,
            problem.devices[index].type,
            plan.start_date(problem, index).isoformat(),
            plan.end_date(problem, index).isoformat(),
            str(problem.areas[plan.area[index]].id),
            str(plan.return_interval_days(problem, index)),
        )
        for index in map(int, order)
    ]


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(header)}</th>" for header in headers)
    body = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>\n{body}</table>"


def _gantt(report: PlanReport) -> dict[str, Any]:
    problem, plan = report.problem, report.plan
    by_area = len(problem.devices) > _DEVICE_ROWS
    # Plotly reads some HTML in its texts: names are shown as they are.
    areas = [escape(str(area.id)) for area in problem.areas]
    order = [int(index) for index in plan.start.argsort(kind="stable")]
    rows = areas if by_area else [escape(problem.devices[index].id) for index in order]
    traces: list[dict[str, Any]] = []
    for number, device_type in enumerate(problem.types):
        members = [index for index in order if problem.type_of[index] == number]
        if not members:
            continue
        names = [escape(problem.devices[index].id) for index in members]
        spans = [(plan.start_date(problem, index), plan.end_date(problem, index)) for index in members]
        places = [areas[plan.area[index]] for index in members]
        intervals = [plan.return_interval_days(problem, index) for index in members]
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": escape(device_type.name),
                "marker": {"color": _COLOURS[number % len(_COLOURS)], "line": {"color": "white", "width": 1}},
                "y": places if by_area else names,
                "base": [start.isoformat() for start, _ in spans],
                "x": [((end - start).days + 1) * _DAY_MS for start, end in spans],
                "text": names if by_area else places,
                "textposition": "inside",
                "textangle": 0,
                "insidetextanchor": "middle",
                "hovertext": [
                    f"{name}: {start} to {end}, area {place}, {interval} days after the one before"
                    for name, (start, end), place, interval in zip(names, spans, places, intervals, strict=True)
                ],
                "hoverinfo": "text",
            }
        )
    layout = {
        "barmode": "overlay",
        "height": 140 + _ROW_PX * max(8, len(rows)),
        "margin": {"l": 90, "r": 20, "t": 40, "b": 40},
        "legend": {"orientation": "h", "y": 0.0, "yanchor": "top"},
        "xaxis": {
            "type": "date",
            "side": "top",
            "range": [problem.horizon.start.isoformat(), problem.horizon.end.isoformat()],
            "dtick": "M1",
            "tickformat": "%Y-%m",
            "gridcolor": "#ddd",
        },
        "yaxis": {
            "type": "category",
            "categoryorder": "array",
            "categoryarray": rows[::-1],
            "dtick": 1,
            "title": {"text": "area" if by_area else ""},
        },
        "plot_bgcolor": "white",
    }
    return {"data": traces, "layout": layout}


def _convergence(report: PlanReport) -> dict[str, Any]:
    seconds = [point.seconds for point in report.history]
    step = {"type": "scatter", "mode": "lines+markers", "line": {"shape": "hv"}, "x": seconds}
    traces = [{**step, "name": "cost of the best plan", "y": [point.cost for point in report.history]}]
    if any(point.bound is not None for point in report.history):
        traces.append({**step, "name": "no plan costs less", "y": [point.bound for point in report.history]})
    layout = {
        "height": 380,
        "margin": {"l": 80, "r": 20, "t": 20, "b": 50},
        "xaxis": {"title": {"text": "time of the search [s]"}},
        "yaxis": {"title": {"text": f"cost [{escape(report.problem.levels[-1])} points]"}, "tickformat": ","},
        "legend": {"orientation": "h"},
    }
    return {"data": traces, "layout": layout}
