"""The plots of a training report; names of columns are shown as text, never read as markup."""

import math
from collections.abc import Callable
from html import escape

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from services.twin.packaging.examination import Examination
from services.twin.packaging.reference import Vector
from services.twin.packaging.training_record import Training

_MOST_POINTS = 3_000
_MOST_HISTOGRAMS = 24
_HISTOGRAMS_A_ROW = 4
_BINS = 30
# Legible to eyes that do not tell red from green.
_BLUE, _ORANGE, _GREY = "#3b6fb6", "#d9822b", "#8a8f98"


def label(name: object, unit: object = None) -> str:
    """A name with its unit, safe inside a figure or a page."""
    return escape(str(name)) + (f" [{escape(str(unit))}]" if unit else "")


def figures(training: Training) -> dict[str, go.Figure]:
    """Each plot by the heading it stands under."""
    draw: dict[str, Callable[[Training], go.Figure]] = {
        "Predicted and measured": _predicted_and_measured,
        "Residuals over the prediction": _residuals_over_prediction,
        "Residuals along the test rows": _residuals_along_rows,
        "Coverage by level": _coverage_by_level,
        "Coverage at 90 % by tenth of the prediction": _coverage_by_decile,
        "Importance of the features": _importance,
        "Distribution of the features": _distributions,
    }
    return {heading: _dressed(make(training)) for heading, make in draw.items()}


def _dressed(figure: go.Figure) -> go.Figure:
    return figure.update_layout(
        template="plotly_white", height=figure.layout.height or 380, margin={"l": 70, "r": 20, "t": 60, "b": 60}
    )


def _target(training: Training) -> str:
    return label(training.data.target["name"], training.data.target.get("unit"))


def _thinned(count: int) -> slice:
    return slice(None, None, math.ceil(count / _MOST_POINTS))


def _points(x: Vector, y: Vector) -> go.Scatter:
    return go.Scatter(x=x, y=y, mode="markers", marker={"size": 4, "opacity": 0.5, "color": _BLUE}, showlegend=False)


def _predicted_and_measured(training: Training) -> go.Figure:
    found, target = training.examination, _target(training)
    few = _thinned(len(found.actual))
    ends = [
        float(min(found.actual.min(), found.prediction.min())),
        float(max(found.actual.max(), found.prediction.max())),
    ]
    return go.Figure(
        [
            _points(found.actual[few], found.prediction[few]),
            go.Scatter(x=ends, y=ends, mode="lines", line={"color": _GREY}, showlegend=False),
        ],
        {"xaxis": {"title": f"measured {target}"}, "yaxis": {"title": f"predicted {target}"}},
    )


def _residuals_over_prediction(training: Training) -> go.Figure:
    return _residuals(training, training.examination.prediction, f"predicted {_target(training)}")


def _residuals_along_rows(training: Training) -> go.Figure:
    data, test = training.data, training.split.test
    if data.time_s is None:
        return _residuals(training, test.astype(np.float64), "row of the file, incomplete ones not counted")
    if data.time_s.max() < 1e8:  # a counter, not a date
        return _residuals(training, data.time_s[test], "time")
    moments = data.time_s[test].astype("datetime64[s]")
    return _residuals(training, moments, "time (UTC)")


def _residuals(training: Training, x: Vector, title: str) -> go.Figure:
    found: Examination = training.examination
    few = _thinned(len(x))
    errors = found.actual - found.prediction
    figure = go.Figure(
        _points(x[few], errors[few]),
        {"xaxis": {"title": title}, "yaxis": {"title": f"measured minus predicted {_target(training)}"}},
    )
    return figure.add_hline(0.0, line={"color": _GREY})


def _coverage_by_level(training: Training) -> go.Figure:
    levels = training.examination.by_level
    asked = [f"{level:.0%}" for level in levels]
    return go.Figure(
        [
            go.Bar(name="asked", x=asked, y=list(levels), marker={"color": _GREY}),
            go.Bar(name="found", x=asked, y=[report.coverage for report in levels.values()], marker={"color": _BLUE}),
        ],
        {"xaxis": {"title": "level"}, "yaxis": {"title": "share of test rows inside", "range": [0, 1]}},
    )


def _coverage_by_decile(training: Training) -> go.Figure:
    parts = training.examination.by_decile
    figure = go.Figure(
        go.Bar(
            x=list(range(1, len(parts) + 1)),
            y=[coverage for coverage, _ in parts],
            text=[f"{count} rows" for _, count in parts],
            marker={"color": _BLUE},
        ),
        {
            "xaxis": {"title": "tenth of the test rows, from the lowest to the highest prediction", "dtick": 1},
            "yaxis": {"title": "share inside", "range": [0, 1]},
        },
    )
    return figure.add_hline(0.9, line={"color": _ORANGE, "dash": "dash"})


def _importance(training: Training) -> go.Figure:
    growth = dict(reversed(list(training.examination.importance.items())))
    return go.Figure(
        go.Bar(x=list(growth.values()), y=[label(name) for name in growth], orientation="h", marker={"color": _BLUE}),
        {
            "xaxis": {"title": f"growth of the RMSE when the feature is shuffled, {_target(training)}"},
            "yaxis": {"type": "category", "automargin": True},
            "height": 160 + 24 * len(growth),
        },
    )


def _distributions(training: Training) -> go.Figure:
    """Histograms of the rows that were learned from and of the test rows."""
    data, split = training.data, training.split
    count = min(len(data.features), _MOST_HISTOGRAMS)
    lines = math.ceil(count / _HISTOGRAMS_A_ROW)
    titles = [label(feature["name"], feature.get("unit")) for feature in data.features[:count]]
    figure = make_subplots(lines, min(count, _HISTOGRAMS_A_ROW), subplot_titles=titles, vertical_spacing=0.35 / lines)
    for number in range(count):
        column = data.rows[:, number]
        edges = np.linspace(column.min(), column.max(), _BINS + 1)
        for name, rows, colour in (("fit", split.fit, _BLUE), ("test", split.test, _ORANGE)):
            share = np.histogram(column[rows], edges)[0] / len(rows)
            bars = go.Scatter(
                x=(edges[:-1] + edges[1:]) / 2,
                y=share,
                line={"shape": "hvh", "color": colour},
                name=name,
                showlegend=number == 0,
            )
            figure.add_trace(bars, number // _HISTOGRAMS_A_ROW + 1, number % _HISTOGRAMS_A_ROW + 1)
    return figure.update_layout(height=120 + 200 * lines)
