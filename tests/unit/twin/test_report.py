"""The report of a training: one page, complete, and safe whatever the columns are called."""

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from services.twin.domain.intervals import judge
from services.twin.packaging.candidates import Candidate
from services.twin.packaging.dataset import Dataset
from services.twin.packaging.examination import Examination, Metrics
from services.twin.packaging.report import write_report
from services.twin.packaging.report_figures import figures
from services.twin.packaging.row_split import split_rows
from services.twin.packaging.selection import Trial
from services.twin.packaging.training_record import Finalist, TrainedTwin, Training

HOSTILE = '</script><img src=x onerror="alert(1)">'


def training(name: str = "temp", *, time_s: np.ndarray | None = None) -> Training:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 2))
    values = rows.sum(axis=1)
    data = Dataset(
        features=({"name": name, "unit": "°C"}, {"name": "flow"}),
        target={"name": f"{name} out", "unit": "MW"},
        rows=rows,
        values=values,
        time_s=time_s,
        groups=None,
        rows_read=210,
        notes=(f"{name}: noted",),
    )
    split = split_rows(rows, time_s=time_s, groups=None, seed=0)
    actual = values[split.test]
    prediction = actual + rng.normal(scale=0.1, size=len(actual))
    lower, upper = prediction - 0.2, prediction + 0.2
    metrics = Metrics(0.1234, 0.0987, 0.9876)
    chosen = Finalist(Trial(Candidate("line", "linear", LinearRegression), (1.5, 1.7)), None, metrics, 12.3, 45_678)
    other = Finalist(Trial(Candidate(name, "forest", LinearRegression), (1.9, 2.1)), None, metrics, 99.0, 1_000)
    examination = Examination(
        actual=actual,
        prediction=prediction,
        lower=lower,
        upper=upper,
        metrics=metrics,
        by_level={0.9: judge(actual, lower, upper, 0.9)},
        by_decile=[(0.9, 4)] * 10,
        importance={name: 2.0, "flow": 1.0},
        states={"in": 0.98, "edge": 0.02, "out": 0.0},
    )
    return Training(data, split, [other, chosen], chosen, {name: "too slow"}, examination, [f"{name}: suspicious"])


def without_scripts(page: str) -> str:
    return re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


def test_the_page_shows_the_figures_of_the_test_and_of_every_recipe():
    page = write_report(training(), name="power", version="1.2")
    text = re.sub(r"<[^>]+>", " ", without_scripts(page))
    for shown in ("power 1.2", "0.1234 MW", "98.0% in", "1.6", "12", "46", "temp was left out: too slow", "suspicious"):
        assert shown in text
    assert page.index("<td>line</td>") < page.index("<td>temp</td>")
    assert page.count('<tr class="chosen"><td>line</td>') == 1
    assert page.count('class="plotly-graph-div"') == len(figures(training())) == 7


def test_the_page_needs_nothing_but_itself():
    page = write_report(training(), name="power", version="1")
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=", page)
    assert "default-src 'none'" in page
    assert page.count("plotly.js v") >= 1


def test_names_of_columns_stay_text(tmp_path: Path):
    page = write_report(training(HOSTILE), name="power", version="1")
    assert HOSTILE not in page
    assert page.count("<script") == page.count("</script>")
    assert "&lt;/script&gt;&lt;img" in without_scripts(page)
    # Plots read a little markup in titles and labels: escaped there too.
    drawn = "".join(str(figure.to_dict()) for figure in figures(training(HOSTILE)).values())
    assert "<img" not in drawn


@pytest.mark.parametrize(
    ("time_s", "title"),
    [
        (None, "row of the file"),
        (np.arange(200.0), "time"),
        (1_775_000_000.0 + np.arange(200.0), "time (UTC)"),
    ],
)
def test_residuals_lie_along_the_time_if_there_is_one(time_s: np.ndarray | None, title: str):
    figure = figures(training(time_s=time_s))["Residuals along the test rows"]
    assert figure.layout.xaxis.title.text.startswith(title)


def test_the_same_training_gives_the_same_page():
    assert write_report(training(), name="p", version="1") == write_report(training(), name="p", version="1")


def test_the_summary_tells_what_the_page_tells(tmp_path: Path):
    found = TrainedTwin.of(tmp_path / "b", tmp_path / "b-report.html", training())
    assert (found.model, found.rmse, found.unit, found.test_rows) == ("line", 0.1234, "MW", 40)
    assert found.width == pytest.approx(0.4)
    assert "drawn by chance" in found.statement
