"""`futago train-detector` and `futago evaluate` as a user types them."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from futago import Detector, FutagoError, Job
from futago.cli import app
from futago.commands.detector_options import OptionUnusable, read_rows, read_settings, read_threshold
from shared.errors import AppError

ROWS = 400


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with normal rows and two labelled recordings, where the command is typed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FUTAGO_HOME", str(tmp_path / "home"))
    write(tmp_path / "normal.csv", 0, None)
    (tmp_path / "runs").mkdir()
    write(tmp_path / "runs" / "a.csv", 1, (250, 300))
    write(tmp_path / "runs" / "b.csv", 2, (300, 370))
    return tmp_path


def write(path: Path, seed: int, fault: tuple[int, int] | None, delimiter: str = ",") -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(loc=[20, 5, 100], size=(ROWS, 3))
    labels = np.zeros(ROWS, int)
    if fault is not None:
        labels[slice(*fault)] = 1
        rows[labels == 1, 1] += 4.0
    moments = np.datetime64("2026-04-01T00:00:00") + 10 * np.arange(ROWS) * np.timedelta64(1, "s")
    changes = np.abs(np.diff(labels, prepend=0))
    columns = ["when", "temp", "pressure", "flow", "comment"] + (["anomaly", "changed"] if fault else [])
    lines = [delimiter.join(columns)]
    for i, (temp, pressure, flow) in enumerate(np.round(rows, 4).tolist()):
        marks = [str(labels[i]), str(changes[i])] if fault else []
        lines.append(delimiter.join([str(moments[i]), str(temp), str(pressure), str(flow), "ok", *marks]))
    path.write_text("\n".join(lines), encoding="utf-8")


def futago(*words: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, words)))


def train(*words: str) -> Result:
    return futago("train-detector", "normal.csv", "--time", "when", "--exclude", "comment", *words)


def evaluate(*words: str | Path) -> Result:
    return futago("evaluate", *words, "--time", "when", "--ignore", "comment", "--changepoint", "changed")


def test_a_file_of_normal_rows_becomes_a_signed_detector_with_a_card_and_a_page(work: Path):
    result = train(
        "--unit", "pressure=bar", "--name", "pump", "--version", "7", "--threshold", "method=margin,factor=2"
    )
    assert result.exit_code == 0, result.output
    for part in ("pump 7: ", "because", "400 rows, 2026-04-01T00:00:00Z", "margin (factor 2)", "pressure [bar]"):
        assert part in result.output
    detector = Detector.load(work / "bundles" / "pump")
    assert detector.columns == ("temp", "pressure", "flow")
    assert detector.card["threshold"]["rule"] == {"method": "margin", "factor": 2.0}
    page = (work / "bundles" / "pump-report.html").read_text(encoding="utf-8")
    assert "<h1>pump 7</h1>" in page
    assert sorted(path.name for path in (work / "bundles").iterdir()) == ["pump", "pump-report.html"]


def test_columns_rows_and_the_place_of_the_bundle_can_be_chosen(work: Path):
    result = train("--column", "flow", "--column", "temp", "--rows", "100:350", "--out", "made/here", "--kind", "pca")
    assert result.exit_code == 0, result.output
    detector = Detector.load(work / "made" / "here")
    assert set(detector.columns) == {"flow", "temp"}
    assert detector.card["blocks"]["rows"] == 250
    assert detector.card["kind"] == "pca"
    assert "normal 1: pca" in result.output


def test_a_network_tells_of_every_epoch(work: Path):
    result = train("--kind", "autoencoder", "--option", "epochs=2", "--option", "hidden_layers=auto")
    assert result.exit_code == 0, result.output
    assert "epoch 2 of at most 2" in result.stderr
    assert "network" in result.stdout
    assert "Loss by epoch" in (work / "bundles" / "normal-report.html").read_text(encoding="utf-8")


def test_the_card_of_a_detector_is_shown_to_people_and_to_programs(work: Path):
    train("--name", "pump")
    assert "pump 1: " in futago("card", "bundles/pump").output
    told = json.loads(futago("card", "bundles/pump", "--json").output)
    assert (told["name"], told["version"], told["blocks"]["rows"]) == ("pump", "1", 400)


def test_rows_while_the_machine_is_off_do_not_count(work: Path):
    result = train("--off", "column=flow,below=90")
    assert result.exit_code == 0, result.output
    assert Detector.load(work / "bundles" / "normal").card["preparation"]["off"]["below"] == 90.0


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--kind", "oracle"), "no detector kind 'oracle'"),
        (("--option", "depth=3"), "cannot be trained with these options"),
        (("--option", "depth"), "NAME=VALUE"),
        (("--threshold", "method=f1"), "needs labels"),
        (("--unit", "speed=m/s"), "no column"),
        (("--rows", "100"), "--rows takes A:B"),
        (("--rows", "0:3"), "training rows"),
        (("--column", "speed"), "no column"),
        (("--off", "column=speed,below=1"), "speed"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_a_sentence_and_leaves_nothing(
    work: Path, words: tuple[str, ...], reason: str
):
    result = train(*words)
    assert result.exit_code == 1
    assert isinstance(result.exception, AppError | FutagoError)
    faults = [fault.detail for fault in getattr(result.exception, "faults", ())]
    assert reason in f"{result.exception} {faults}"
    assert not (work / "bundles").exists()


def test_a_folder_that_holds_something_else_is_left_alone(work: Path):
    (work / "mine").mkdir()
    (work / "mine" / "letter.txt").write_text("dear")
    result = train("--out", "mine")
    assert isinstance(result.exception, AppError)
    assert [path.name for path in (work / "mine").iterdir()] == ["letter.txt"]


def test_an_interrupted_training_leaves_nothing(work: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("futago.commands.train_detector.show_epoch", interrupt)
    result = train("--kind", "autoencoder", "--option", "epochs=2")
    assert result.exit_code != 0
    assert not (work / "bundles").exists()


def test_a_bundle_is_judged_beside_baselines(work: Path):
    train("--name", "pump")
    result = evaluate(
        "bundles/pump", "runs/a.csv", "runs/b.csv", "normal.csv", "--context", "100", "--json", "told.json"
    )
    assert result.exit_code == 0, result.output
    for part in ("normal.csv has no column 'anomaly'", "2 files, 600 rows", "pump 1", "every row anomalous", "NAB"):
        assert part in result.output
    told = json.loads((work / "told.json").read_text(encoding="utf-8"))
    assert "Sensors: temp, pressure, flow\n" in result.output
    assert told["pooled"]["pump 1"]["f1"] > 0.6 > told["pooled"]["every row anomalous"]["f1"]
    assert set(told["files"]) == {"runs/a.csv", "runs/b.csv"}
    assert told["late_start"]["moved_on_same_rows"]["pump 1"]["missed_alarm_rate"] == pytest.approx(0.0, abs=0.05)


def test_a_detector_trained_anew_for_every_file_never_sees_a_judged_row(work: Path):
    result = evaluate(
        "--kind", "auto", "--train-rows", "220", "runs/a.csv", "runs/b.csv", "--jitter", "0", "--json", "x"
    )
    assert result.exit_code == 0, result.output
    told = json.loads((work / "x").read_text(encoding="utf-8"))
    judged = sum(
        told["pooled"]["auto"][name]
        for name in ("true_positives", "false_positives", "false_negatives", "true_negatives")
    )
    assert judged == 2 * (ROWS - 220)
    assert told["late_start"] is None
    assert "Start of every file" not in result.output
    assert result.stderr.splitlines() == ["a.csv", "b.csv"]
    by_hand = 0
    for name in ("a", "b"):
        rows = np.genfromtxt(work / "runs" / f"{name}.csv", delimiter=",", skip_header=1)
        detection = Detector().fit(rows[:220, 1:4]).detect(rows[220:, 1:4], context=rows[:220, 1:4])
        by_hand += int((detection.labels * rows[220:, 5]).sum())
    assert told["pooled"]["auto"]["true_positives"] == by_hand


def test_a_detector_trained_once_is_judged_on_every_file(work: Path):
    result = evaluate("--kind", "mahalanobis", "--train", "normal.csv", "runs/a.csv", "--html", "page.html")
    assert result.exit_code == 0, result.output
    page = (work / "page.html").read_text(encoding="utf-8")
    for part in ("ROC curve", "Map of judged rows", "a.csv", "pressure"):
        assert part in page
    assert "<script" not in page


def test_names_in_a_file_cannot_become_part_of_the_page(work: Path):
    text = (work / "runs" / "a.csv").read_text(encoding="utf-8").replace("pressure", "<img src=x onerror=alert(1)>")
    (work / "<b>圧力.csv").write_text(text, encoding="utf-8")
    result = evaluate("--kind", "auto", "--train-rows", "220", "<b>圧力.csv", "--html", "page.html")
    assert result.exit_code == 0, result.output
    page = (work / "page.html").read_text(encoding="utf-8")
    assert "<img" not in page
    assert "<b>" not in page
    assert "&lt;b&gt;圧力.csv" in page


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_are_found(work: Path, delimiter: str):
    write(work / "runs" / "a.csv", 1, (250, 300), delimiter)
    assert evaluate("--kind", "auto", "--train-rows", "220", "runs/a.csv").exit_code == 0


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("bundles/none", "runs/a.csv"), "manifest.json cannot be read"),
        (("runs/a.csv",), "name the bundle folder"),
        (("--kind", "auto", "runs/a.csv"), "--train FILE or --train-rows N"),
        (("--kind", "auto", "--train-rows", "9", "--train", "normal.csv", "runs/a.csv"), "--train FILE or"),
        (("--kind", "auto", "--train-rows", "220", "--context", "5", "runs/a.csv"), "without --context"),
        (("--train-rows", "220", "bundles/pump", "runs/a.csv"), "go with --kind"),
        (("--kind", "auto", "--train-rows", "220", "normal.csv"), "no file has a column 'anomaly'"),
        (("--kind", "auto", "--train-rows", "400", "runs/a.csv"), "none is left to judge"),
        (("--kind", "auto", "--train-rows", "220", "--label", "temp", "runs/a.csv"), "something else than labels"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_a_sentence(work: Path, words: tuple[str, ...], reason: str):
    result = evaluate(*words)
    assert result.exit_code == 1
    assert isinstance(result.exception, AppError | FutagoError)
    assert reason in str(result.exception)


def test_settings_are_read_as_what_they_look_like():
    assert read_settings(["a=1", "b=0.5", "c=auto", "d=true", "e=null", "f=x=y", "g=[1]"]) == {
        "a": 1, "b": 0.5, "c": "auto", "d": True, "e": None, "f": "x=y", "g": "[1]",
    }  # fmt: skip
    assert read_threshold("method=fpr,max_fpr=0.01") == {"method": "fpr", "max_fpr": 0.01}
    assert read_threshold("pot") == {"method": "pot"}
    assert read_threshold('{"method": "margin", "factor": 2}') == {"method": "margin", "factor": 2}
    assert read_threshold(None) is None
    assert (read_rows("5:"), read_rows(":7"), read_rows(None)) == (slice(5, None), slice(None, 7), slice(None))


def test_a_rule_that_is_no_json_is_refused():
    with pytest.raises(OptionUnusable):
        read_threshold('{"method": ')


@pytest.mark.parametrize("text", ["a", "=1", "a="])
def test_what_is_no_setting_is_refused(text: str):
    with pytest.raises(OptionUnusable):
        read_settings([text])
    with pytest.raises(OptionUnusable):
        read_settings(["a=1", "a=2"])


class FakeSuite:
    """Takes a file, trains at once, and remembers what it was asked."""

    def __init__(self) -> None:
        self.sent = ""
        self.wanted: dict[str, object] = {}

    def __enter__(self) -> "FakeSuite":
        return self

    def __exit__(self, *_: object) -> None:
        self.wanted["closed"] = True

    def upload(self, file: Path, *, time_column: str | None) -> dict[str, str]:
        self.sent = file.read_text(encoding="utf-8")
        self.wanted["time_column"] = time_column
        return {"upload_id": "u1"}

    def train_detector(self, name: str, kind: str, columns: tuple[str, ...], **wanted: object) -> Job:
        self.wanted |= {"name": name, "kind": kind, "columns": columns, **wanted}
        return Job("j1", "anomaly.train", "queued")

    def wait(self, job: Job, timeout_s: float, on_progress: Callable[[Job], None]) -> Job:
        on_progress(replace(job, state="running", fraction=0.5, message="epoch 1 of at most 2"))
        result = {"detector": "pump", "version": 3, "kind": "pca", "threshold": 7.25}
        return replace(job, state="succeeded", result=result)


def test_a_detector_can_be_trained_by_the_running_suite_instead(work: Path, monkeypatch: pytest.MonkeyPatch):
    suite = FakeSuite()
    monkeypatch.setattr("futago.commands.train_detector.connect", lambda *_: suite)
    result = train(
        "--publish", "--name", "pump", "--kind", "pca", "--rows", "0:200", "--column", "flow", "--unit", "flow=l/h"
    )
    assert result.exit_code == 0, result.output
    assert "Published: pump 3, pca, limit 7.25." in result.output
    assert "50% epoch 1 of at most 2" in result.stderr
    assert not (work / "bundles").exists()
    lines = suite.sent.splitlines()
    assert lines[0] == "time,flow"
    assert lines[1].startswith("2026-04-01T00:00:00+00:00,")
    assert len(lines) == 201
    assert suite.wanted == {
        "time_column": "time", "name": "pump", "kind": "pca", "columns": ("flow",), "upload_id": "u1", "options": {},
        "threshold": None, "units": {"flow": "l/h"}, "off": None, "closed": True,
    }  # fmt: skip


def test_the_suite_keeps_its_own_bundles_and_versions(work: Path):
    result = train("--publish", "--out", "here")
    assert isinstance(result.exception, OptionUnusable)
    assert "no --out" in str(result.exception)
