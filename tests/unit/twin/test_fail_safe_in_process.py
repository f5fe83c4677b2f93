"""A twin in process takes the policy on its card, as the served one does."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from services.twin.adapters.onnx_model import ServedModel, load_model
from services.twin.domain.features import QualityBad
from services.twin.library import Twin, package
from shared.onnx.bundle import open_bundle
from shared.onnx.session import ModelFailed
from shared.onnx.settings import KeySettings
from tests.unit.twin.twin_service import FEATURES, GOOD, X, Y

BAD = {**GOOD, "temp": {"quality": "bad"}}


class Breaking:
    """A session that fails once it was told to."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.is_broken = False

    def run_only(self, outputs: Any, rows: np.ndarray) -> Any:
        if self.is_broken:
            raise ModelFailed("broken")
        return self._session.run_only(outputs, rows)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ServedModel]:
    monkeypatch.setenv("FUTAGO_HOME", str(tmp_path / "home"))

    def make(policy: Any) -> ServedModel:
        folder = package(
            LinearRegression().fit(X, Y), X, Y, name="yield", version="1", features=FEATURES, target={"name": "yield"},
            out=tmp_path / "bundle", interval="split", fail_safe=policy,
        )  # fmt: skip
        return load_model(open_bundle(folder, KeySettings().trust()))

    return make


def broken(model: ServedModel) -> tuple[Twin, Breaking]:
    """A twin that has predicted once, and what makes it fail."""
    session = Breaking(model.session)
    twin = Twin(dataclasses.replace(model, session=session))
    assert twin.predict(GOOD).status == "ok"
    return twin, session


@pytest.mark.parametrize(
    ("policy", "status"),
    [("hold", "hold"), ("fallback", "fallback"), ({"policy": "hold", "hold_limit_s": 1e-9}, None), ("reject", None)],
    ids=["hold", "fallback", "held for too long", "reject"],
)
def test_a_bad_value_and_a_model_that_fails_are_answered_as_the_card_says(model: Any, policy: Any, status: str | None):
    twin, session = broken(model(policy))
    session.is_broken = True
    for inputs, error in ((BAD, QualityBad), (GOOD, ModelFailed)):
        if status is None:
            with pytest.raises(error):
                twin.predict(inputs)
        else:
            found = twin.predict(inputs)
            assert found.status == status
            assert found.lower < found.prediction < found.upper
            assert (found.age_s > 0) is (status == "hold")


def test_what_is_held_is_the_last_prediction_of_its_level(model: Any):
    twin, _ = broken(model("hold"))
    last = twin.predict({**GOOD, "temp": 350.0})
    assert twin.predict(BAD).prediction == last.prediction
    with pytest.raises(QualityBad):
        twin.predict(BAD, level=0.8)
