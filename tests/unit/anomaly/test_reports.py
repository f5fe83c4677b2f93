"""Curves, maps, the report of a training and the pages that show them."""

import json
import re
import struct
import zlib
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from services.anomaly.adapters.report_file import read_report, report_file
from services.anomaly.domain.blocks import Blocks
from services.anomaly.domain.curves import precision_recall_curve, roc_curve
from services.anomaly.domain.detection import Scorer
from services.anomaly.domain.evaluation import auc_pr, auc_roc
from services.anomaly.domain.labelled_thresholds import BestF1, Labelled
from services.anomaly.domain.report import LossCurves, TrainingReport, held_out_scores, loss_curves
from services.anomaly.domain.report_map import MapOf, draw_map, mapped_values, sample_rows
from services.anomaly.domain.runs import Runs
from services.anomaly.domain.scaling import Scaling, ScalingModel
from services.anomaly.domain.scores import Head, Scale
from services.anomaly.domain.thresholds import Threshold
from services.anomaly.exports.heat_map import heat_map
from services.anomaly.exports.page import PAGE_POLICY
from services.anomaly.exports.plot import NORMAL, Axis, Plot, shortened
from services.anomaly.exports.training_page import training_page
from services.anomaly.library import Detector
from shared.onnx.errors import BundleMalformed

NORMAL_ROWS = np.random.default_rng(0).normal(size=(400, 3))
NASTY = ["<script>alert(1)</script>", 'a"b', "温度 & 圧力"]
RNG = np.random.default_rng(1)
TRUTH = RNG.integers(0, 2, 3000).astype(np.int8)
SCORES = RNG.normal(size=3000) + TRUTH


def report(**changes: object) -> TrainingReport:
    rows = [*range(0, 400, 4)]
    made = TrainingReport(
        "vae",
        ("flow", "pressure", "temperature"),
        12.5,
        LossCurves((1.0, 0.5), (1.1, 0.7), 2),
        held_out_scores(np.abs(NORMAL_ROWS)),
        draw_map(MapOf.LATENT, NORMAL_ROWS[::4], rows),
        Blocks(224, 280, 306, 400),
    )
    return replace(made, **changes)


class Reader(HTMLParser):
    """Which elements a page has, and whether every one is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self._open: list[str] = []
        self.texts: list[str] = []
        self.feed(page)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag != "meta":
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_curves_go_from_nothing_called_to_everything_called():
    roc = roc_curve(TRUTH, SCORES)
    assert (roc.x[0], roc.y[0], roc.x[-1], roc.y[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert len(roc.x) == 200
    assert np.trapezoid(roc.y, roc.x) == pytest.approx(auc_roc(TRUTH, SCORES), abs=0.01)
    precise = precision_recall_curve(TRUTH, SCORES, most=3000)
    assert np.sum(np.diff(precise.x, prepend=0.0) * precise.y) == pytest.approx(auc_pr(TRUTH, SCORES))


def test_rows_with_equal_scores_are_one_point_of_a_curve():
    assert roc_curve(np.array([0, 1, 0, 1], np.int8), np.ones(4)).x == (0.0, 1.0)


def test_points_of_a_map_are_the_two_directions_of_largest_variance():
    values = RNG.normal(size=(300, 4)) * [0.1, 3.0, 1.0, 0.01]
    drawn = draw_map(MapOf.LATENT, values, range(300))
    assert drawn is not None
    assert np.abs(drawn.axes[0, 1]) > 0.99
    assert np.abs(drawn.axes[1, 2]) > 0.99
    assert drawn.explained[0] > 0.8 > drawn.explained[1] > 0.05
    np.testing.assert_allclose(drawn.place(values), drawn.points)


def test_values_of_one_dimension_lie_on_a_line_and_two_rows_are_no_map():
    drawn = draw_map(MapOf.LATENT, RNG.normal(size=(50, 1)), range(50))
    assert drawn is not None
    assert (drawn.points[:, 1] == 0).all()
    assert drawn.explained == (1.0, 0.0)
    assert draw_map(MapOf.LATENT, np.zeros((2, 3)), range(2)) is None


def test_rows_that_never_moved_are_a_map_of_one_point():
    drawn = draw_map(MapOf.SMOOTHED_ROWS, np.ones((20, 3)), range(20))
    assert drawn is not None
    assert (drawn.points == 0).all()
    assert drawn.explained == (0.0, 0.0)


def test_a_sample_spans_the_rows():
    assert sample_rows(0, 5) == [0, 1, 2, 3, 4]
    spread = sample_rows(10, 100_000)
    assert (len(spread), spread[0], spread[-1]) == (1000, 10, 99_999)
    assert sample_rows(5, 5) == []


class Doubling:
    """A model of two rows whose latent is their sum."""

    window_rows = 2

    def residuals(self, batch: np.ndarray) -> np.ndarray:
        return batch[:, -1]

    def latent(self, batch: np.ndarray) -> np.ndarray:
        return batch.sum(axis=1)


def head(smoothing_rows: int) -> Head:
    return Head((Scale(smoothing_rows, np.zeros(2), np.eye(2)),))


def test_a_map_of_latents_looks_at_windows_that_end_at_its_rows_and_never_across_a_break():
    rows = np.arange(1200.0).reshape(600, 2)
    of, values, places = mapped_values(Scorer(Doubling(), head(1)), Runs(rows, np.array([300])), most=1000)
    assert of is MapOf.LATENT
    assert places == [*range(1, 300), *range(301, 600)]
    np.testing.assert_array_equal(values, rows[places] + rows[np.array(places) - 1])


@pytest.mark.parametrize("most", [7, 1000])
def test_a_map_without_a_network_is_of_smoothed_rows(most: int):
    rows = np.random.default_rng(5).normal(size=(200, 2))
    scaling = Scaling(np.array([1.0, 2.0]), np.array([2.0, 4.0]), ())
    of, values, places = mapped_values(Scorer(ScalingModel(scaling), head(9)), Runs(rows, np.array([50])), most=most)
    assert of is MapOf.SMOOTHED_ROWS
    assert len(places) == min(most, 200 - 2 * 8)
    assert not {50, 57} & set(places)
    np.testing.assert_allclose(values, [scaling.apply(rows[place - 8 : place + 1]).mean(axis=0) for place in places])


def test_rows_too_few_for_one_score_have_no_place_on_a_map():
    of, values, places = mapped_values(Scorer(Doubling(), head(1)), Runs.unbroken(np.zeros((1, 2))), most=10)
    assert (len(values), places) == (0, [])
    assert draw_map(of, values, places) is None


def test_shares_of_the_sensors_add_up_even_where_all_scores_are_zero():
    assert sum(held_out_scores(np.abs(NORMAL_ROWS)).shares) == pytest.approx(1.0, abs=1e-4)
    assert held_out_scores(np.zeros((3, 4))).shares == (0.25, 0.25, 0.25, 0.25)


@pytest.mark.parametrize("changes", [{}, {"losses": None}, {"map": None}])
def test_a_report_is_read_back_from_its_file(changes: dict[str, object]):
    written = report(**changes)
    read = read_report(report_file(written))
    assert read.to_json() == written.to_json()
    assert read.latent_json() == written.latent_json()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document.pop("limit"),
        lambda document: document["held_out"].update(shares=[1.0]),
        lambda document: document["held_out"].update(counts=[1]),
        lambda document: document["latent"].update(of="hidden"),
        lambda document: document["latent"].update(points=[[1.0, 2.0]]),
        lambda document: document["latent"].update(axes=[[1.0], [1.0, 2.0]]),
        lambda document: document["latent"].update(explained=[1.0]),
        lambda document: document.update(columns=[1, 2, 3]),
        lambda document: document.update(blocks=7),
    ],
)
def test_a_file_that_is_no_report_is_refused(spoil: Callable[[dict], object]):
    document = json.loads(report_file(report()))
    spoil(document)
    with pytest.raises(BundleMalformed):
        read_report(json.dumps(document).encode())


def test_losses_are_those_of_the_card():
    card = {"fit_loss": [2.0, 1.0], "stop_loss": [2.5, 1.5], "best_epoch": 2, "epochs": 2}
    assert loss_curves(card) == LossCurves((2.0, 1.0), (2.5, 1.5), 2)
    assert loss_curves({}) is None


def test_a_bundle_carries_the_report_of_its_training(tmp_path: Path):
    detector = Detector("autoencoder", epochs=2).fit(NORMAL_ROWS, columns=["a", "b", "c"])
    detector.save(tmp_path / "bundle")
    made, loaded = detector.report, Detector.load(tmp_path / "bundle").report
    assert made is not None
    assert loaded is not None
    assert loaded.to_json() == made.to_json()
    assert made.map is not None
    assert made.map.of is MapOf.LATENT
    assert made.losses is not None
    assert len(made.losses.fit) == 2
    assert made.limit == detector.threshold.value
    assert {made.block(row) for row in made.map.rows} == {"fit", "stop", "limit"}


def test_a_statistical_detector_has_a_map_of_its_smoothed_sensors():
    made = Detector("mahalanobis").fit(NORMAL_ROWS).report
    assert made is not None
    assert made.losses is None
    assert made.map is not None
    assert made.map.of is MapOf.SMOOTHED_ROWS
    assert made.held_out.highest < made.limit


def test_a_page_is_whole_runs_nothing_and_fetches_nothing():
    page = training_page(report(columns=tuple(NASTY)), title=f"{NASTY[0]} 1")
    names = Reader(page).names
    assert "script" not in names
    assert PAGE_POLICY in page
    assert "script-src" not in PAGE_POLICY
    assert names.count("svg") == 4
    assert "温度 &amp; 圧力" in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)


def test_a_limit_set_on_labelled_rows_is_shown_with_what_it_did_to_them():
    labelled = Labelled(np.abs(SCORES) + 0.1, TRUTH)
    threshold = BestF1().settle(labelled)
    page = training_page(report(), title="pump", threshold=threshold)
    assert "ROC curve" in page
    counts = threshold.evidence["confusion"]
    assert isinstance(counts, dict)
    assert f"{counts['true_positives']:,}" in "".join(Reader(page).texts)
    plain = training_page(report(), title="pump", threshold=Threshold(3.0, {"method": "value", "value": 3.0}, {}))
    assert "Limit in force" in plain
    assert "ROC curve" not in plain


def test_axes_have_round_ticks_within_their_range():
    assert Axis(0.0, 1.0, "").ticks() == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert Axis(1.0, 3.0, "", whole=True).ticks() == [1.0, 2.0, 3.0]
    powers = Axis(-2.0, 3.0, "", powers=True)
    assert [powers.text(tick) for tick in powers.ticks()] == ["0.01", "0.1", "1", "10", "100", "1000"]
    flat = Axis.around([5.0, 5.0], "")
    assert flat.low < 5.0 < flat.high
    assert Axis.around([np.nan], "").ticks()


def test_a_long_line_keeps_its_peak_and_its_gap():
    y = np.zeros(50_000)
    y[31_234] = 1.0
    y[10_000:12_000] = np.nan
    plot = Plot(Axis(0, 50_000, "row"), Axis(0, 1, "score"), "line")
    plot.line(np.arange(50_000), y, NORMAL)
    lines = re.findall(r'<polyline[^>]*points="([^"]*)"', plot.svg())
    assert len(lines) == 2
    places = [float(point.split(",")[1]) for line in lines for point in line.split()]
    assert min(places) == 22.0
    assert len(places) < 2000


def test_names_are_cut_by_the_room_they_take():
    assert shortened("pressure") == "pressure"
    assert shortened("x" * 40) == "x" * 21 + "…"
    assert len(shortened("温度センサー計測値です長い")) < 13
    assert shortened("") == ""


def test_a_heat_map_is_a_picture_of_one_line_a_sensor_the_strongest_on_top():
    contributions = np.zeros((30, 3))
    contributions[10:20, 2], contributions[:, 1] = 5.0, 0.1
    svg = heat_map(NASTY, contributions, 5.0, "contributions")
    encoded = re.search(r"base64,([^\"]*)", svg)
    assert encoded is not None
    png = b64decode(encoded.group(1))
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    assert (width, height) == (30, 3)
    size = struct.unpack(">I", png[33:37])[0]
    lines = np.frombuffer(zlib.decompress(png[41 : 41 + size]), np.uint8).reshape(3, 1 + 3 * 30)
    assert (lines[:, 0] == 0).all()
    strongest = lines[0, 1:].reshape(30, 3)
    assert strongest[15].sum() < strongest[0].sum() == 3 * 255
    assert svg.index("温度 &amp; 圧力") < svg.index("a&quot;b") < svg.index("&lt;script&gt;")


def test_a_short_peak_stays_visible_in_a_long_heat_map():
    contributions = np.zeros((9_000, 1))
    contributions[4_321] = 2.0
    svg = heat_map(["flow"], contributions, 1.0, "contributions")
    png = b64decode(svg.split("base64,")[1].split('"')[0])
    size = struct.unpack(">I", png[33:37])[0]
    pixels = np.frombuffer(zlib.decompress(png[41 : 41 + size]), np.uint8)[1:].reshape(-1, 3)
    assert len(pixels) == 900
    assert (pixels.sum(axis=1) < 3 * 255).sum() == 1
