"""`futago train-twin`, `package`, `card` and `verify` as a user types them."""

import json
import pickle
from pathlib import Path

import lightgbm
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from typer.testing import CliRunner, Result

from futago import FutagoError, Twin
from futago.cli import app
from shared.errors import AppError

MODULE = """
import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

rows = np.loadtxt("{csv}", delimiter=",", skiprows=1)
X, y = rows[:, :2], rows[:, 2]
fitted = LinearRegression().fit(X, y)

def with_scaler():
    scaler = StandardScaler().fit(X)
    return LinearRegression().fit(scaler.transform(X), y), scaler
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a table and a module, where the command is typed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FUTAGO_HOME", str(tmp_path / "home"))
    write(tmp_path / "plant.csv", 120, 0)
    write(tmp_path / "later.csv", 60, 1)
    # A name of its own for each test: a module is imported once a process.
    (tmp_path / f"{tmp_path.name}.py").write_text(MODULE.format(csv=tmp_path / "plant.csv"))
    return tmp_path


def write(path: Path, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = np.round(rng.uniform(size=(count, 2)) * [40, 4] + [340, 4], 2)
    power = np.round(rows @ [0.5, 3.0] + rng.normal(size=count), 3)
    lines = [
        f"{temp},{pressure},{value}" for (temp, pressure), value in zip(rows.tolist(), power.tolist(), strict=True)
    ]
    path.write_text("\n".join(["temp [°C],pressure [bar],power [MW]", *lines]), encoding="utf-8")


def futago(*words: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, words)))


def package(source: str | Path, *words: str | Path) -> Result:
    return futago("package", source, "--data", "plant.csv", "--target", "power", "--name", "plant", *words)


def test_a_table_becomes_a_twin_with_a_report_and_a_few_lines(work: Path):
    result = futago(
        "train-twin", "plant.csv", "--target", "power", "--unit", "pressure=MPa", "--seconds", "1", "--adapt"
    )
    assert result.exit_code == 0, result.output
    assert "RMSE" in result.output
    assert "90 % interval holds" in result.output
    assert len(result.output.splitlines()) < 10
    card = Twin.load(work / "bundles" / "plant").card
    assert [feature["unit"] for feature in card["features"]] == ["°C", "MPa"]
    assert card["live"]["adaptive"] is True
    assert (work / "bundles" / "plant-report.html").stat().st_size > 1_000_000


@pytest.mark.parametrize("name", ["fitted", "with_scaler"])
def test_an_object_of_a_module_is_packaged(work: Path, name: str):
    result = package(f"{work.name}:{name}", "--version", "2.0", "--out", "made", "--fail-safe", "hold")
    assert result.exit_code == 0, result.output
    twin = Twin.load(work / "made")
    assert (twin.card["name"], twin.card["version"], twin.card["target"]["unit"]) == ("plant", "2.0", "MW")
    assert twin.card["fail_safe"]["policy"] == "hold"
    assert twin.predict({"temp": 360, "pressure": 6}).prediction == pytest.approx(198.0, abs=1.0)


def test_a_description_and_calibration_rows_of_their_own_are_used(work: Path):
    described = [{"name": "temp", "valid_range": [340, 380]}, {"name": "pressure", "unit": "kPa"}]
    (work / "features.json").write_text(json.dumps(described))
    result = package(f"{work.name}:fitted", "--features", "features.json", "--calibration", "later.csv")
    assert result.exit_code == 0, result.output
    card = Twin.load(work / "bundles" / "plant").card
    assert [(feature["unit"], feature["valid_range"]) for feature in card["features"]] == [
        ("°C", [340.0, 380.0]),
        ("kPa", None),
    ]
    assert (card["interval"]["calibration"]["source"], card["interval"]["calibration"]["rows"]) == ("held_out", 60)


def test_a_model_file_of_lightgbm_is_packaged(work: Path):
    rows = np.loadtxt(work / "plant.csv", delimiter=",", skiprows=1)
    parameters = {"verbose": -1, "num_leaves": 4}
    lightgbm.train(parameters, lightgbm.Dataset(rows[:, :2], rows[:, 2]), 3).save_model(work / "model.txt")
    result = package("model.txt", "--calibration", "later.csv")
    assert result.exit_code == 0, result.output
    assert Twin.load(work / "bundles" / "plant").card["interval"]["calibration"]["rows"] == 60


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "model.txt", "model.pt2"])
def test_a_pickle_is_refused_unopened_with_what_to_do_instead(work: Path, name: str):
    class Trap:
        def __reduce__(self) -> tuple:
            return Path.touch, (work / "opened",)

    (work / name).write_bytes(pickle.dumps((LinearRegression(), Trap())))
    result = package(name)
    assert result.exit_code != 0
    assert isinstance(result.exception, AppError)
    assert result.exception.code == "twin.model_file_refused"
    assert "MODULE:FUNCTION" in str(result.exception)
    assert not (work / "opened").exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("nowhere:fitted",), "cannot be loaded: No module named 'nowhere'"),
        (("json:nothing",), "cannot be loaded"),
        (("missing.txt",), "cannot be read"),
        (("plant.csv",), "no model file known here"),
        (("plant.csv:fitted",), "cannot be loaded"),
        (("json:dumps",), "without arguments: missing a required argument: 'obj'"),
        (("json:decoder", "--features", "missing.json"), "cannot be read as JSON"),
    ],
)
def test_what_cannot_be_packaged_is_refused_in_a_sentence(work: Path, words: tuple[str, ...], reason: str):
    result = package(*words)
    assert result.exit_code == 1
    assert isinstance(result.exception, AppError | FutagoError)
    assert reason in str(result.exception)


def test_a_unit_without_a_column_is_refused(work: Path):
    result = futago("train-twin", "plant.csv", "--target", "power", "--unit", "bar")
    assert isinstance(result.exception, FutagoError)
    assert "COLUMN=UNIT" in str(result.exception)


def test_the_card_is_shown_to_people_and_to_programs(work: Path):
    package(f"{work.name}:fitted")
    shown = futago("card", "bundles/plant").output
    for part in ("plant 1.0.0: LinearRegression", "power [MW]", "temp [°C]", "RMSE", "split at 90%"):
        assert part in shown
    assert json.loads(futago("card", "bundles/plant", "--json").output) == Twin.load(work / "bundles" / "plant").card


def test_a_whole_bundle_is_verified_and_a_changed_one_is_not(work: Path):
    package(f"{work.name}:fitted")
    whole = futago("verify", "bundles/plant")
    assert whole.exit_code == 0
    assert Twin.load(work / "bundles" / "plant").card["digest"] in whole.output
    graph = work / "bundles" / "plant" / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"\x00")
    changed = futago("verify", "bundles/plant")
    assert changed.exit_code == 1
    assert isinstance(changed.exception, AppError)
    assert changed.exception.code == "bundle.altered"


class FakeSuite:
    """Remembers what was published and activated."""

    def __init__(self) -> None:
        self.done: list[tuple[str, ...]] = []

    def __enter__(self) -> "FakeSuite":
        return self

    def __exit__(self, *_: object) -> None:
        self.done.append(("closed",))

    def publish(self, bundle: Path) -> dict[str, str]:
        card = Twin.load(bundle).card
        self.done.append(("publish", card["name"], card["version"]))
        return {"name": card["name"], "version": card["version"]}

    def activate(self, name: str, version: str) -> None:
        self.done.append(("activate", name, version))


def test_a_published_bundle_answers_at_once(work: Path, monkeypatch: pytest.MonkeyPatch):
    suite = FakeSuite()
    monkeypatch.setattr("futago.commands.package.connect", lambda *_: suite)
    result = package(f"{work.name}:fitted", "--publish")
    assert result.exit_code == 0, result.output
    assert suite.done == [("publish", "plant", "1.0.0"), ("activate", "plant", "1.0.0"), ("closed",)]
    assert "Published: plant 1.0.0." in result.output
