"""`Twin.observe`: the same learning without a server, kept in a file where one is named."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.twin.adapters.local_live import StateUnreadable
from services.twin.domain.features import QualityBad
from services.twin.domain.live_settings import LiveSettings
from services.twin.domain.observations import ObservationInvalid
from services.twin.library import Twin
from tests.unit.twin.twin_service import GOOD, Bench

CORRECTING = LiveSettings(bias_update=True, adaptive=True)


@pytest.fixture
def folder(bench: Bench) -> Path:
    return bench.bundle(live=CORRECTING)


def test_later_predictions_are_corrected_and_the_observation_itself_is_judged_before(bench: Bench, folder: Path):
    twin = Twin.load(folder, bench.trust)
    before = twin.predict(GOOD)
    verdicts = [twin.observe(GOOD, before.prediction + 5.0) for _ in range(60)]
    assert (verdicts[0].prediction, verdicts[0].lower) == (before.prediction, before.lower)
    assert (verdicts[0].residual, verdicts[0].covered) == (pytest.approx(5.0), False)
    after = twin.predict(GOOD)
    assert after.prediction == pytest.approx(before.prediction + 5.0)
    assert after.lower < after.prediction < after.upper
    many = twin.predict_many([GOOD])
    assert (many.prediction[0], many.lower[0], many.upper[0]) == (after.prediction, after.lower, after.upper)
    quality = twin.quality
    assert quality is not None
    assert quality.rows == 60


def test_a_card_without_live_settings_leaves_every_prediction_as_it_was(bench: Bench):
    twin = Twin.load(bench.bundle(), bench.trust)
    assert twin.quality is None
    before = twin.predict(GOOD)
    for _ in range(20):
        assert twin.observe(GOOD, 0.0).covered is False
    assert twin.predict(GOOD) == before
    quality = twin.quality
    assert quality is not None
    assert (quality.coverage, quality.bias) == (0.0, pytest.approx(-before.prediction))


def test_a_state_file_lets_a_restarted_process_go_on(bench: Bench, folder: Path, tmp_path: Path):
    state = tmp_path / "state.json"
    twin = Twin.load(folder, bench.trust, state=state)
    for second in range(30):
        twin.observe(GOOD, 60.0, f"2026-01-01T00:00:{second:02d}Z")
    restarted = Twin.load(folder, bench.trust, state=str(state))
    assert restarted.predict(GOOD) == twin.predict(GOOD)
    assert restarted.quality == twin.quality
    assert restarted.observe(GOOD, 60.0, datetime(2026, 1, 2, tzinfo=UTC)) == twin.observe(
        GOOD, 60.0, datetime(2026, 1, 2, tzinfo=UTC)
    )


def test_the_state_of_another_bundle_is_left_behind(bench: Bench, folder: Path, tmp_path: Path):
    state = tmp_path / "state.json"
    Twin.load(folder, bench.trust, state=state).observe(GOOD, 60.0)
    other = bench.bundle(version="2", trees=5, live=CORRECTING)
    assert Twin.load(other, bench.trust, state=state).quality is None


def test_a_file_that_holds_something_else_is_refused(bench: Bench, folder: Path, tmp_path: Path):
    state = tmp_path / "state.json"
    damaged = json.dumps({"digest": Twin.load(folder, bench.trust).card["digest"], "revision": 1, "state": {}})
    for content in ("", "[]", "{}", "\x00", damaged):
        state.write_text(content)
        with pytest.raises(StateUnreadable):
            Twin.load(folder, bench.trust, state=state)


def test_a_state_that_cannot_be_written_teaches_nothing(bench: Bench, folder: Path, tmp_path: Path):
    twin = Twin.load(folder, bench.trust, state=tmp_path / "missing" / "state.json")
    with pytest.raises(StateUnreadable):
        twin.observe(GOOD, 60.0)
    assert twin.quality is None


def test_every_fault_is_listed_and_nothing_is_learned(bench: Bench, folder: Path):
    twin = Twin.load(folder, bench.trust)
    cases: list[tuple[tuple[Any, ...], set[str]]] = [
        (({"temp": 999}, 60.0), {"/inputs/temp", "/inputs/pressure"}),
        ((GOOD, float("nan")), {"/actual"}),
        ((GOOD, "60"), {"/actual"}),
        ((GOOD, 60.0, datetime(2026, 1, 1)), {"/timestamp"}),  # noqa: DTZ001 (what is refused)
        (({"temp": 1}, float("inf"), "soon"), {"/inputs/temp", "/inputs/pressure", "/actual", "/timestamp"}),
    ]
    for arguments, pointers in cases:
        with pytest.raises(ObservationInvalid) as caught:
            twin.observe(*arguments)
        assert {fault.pointer for fault in caught.value.faults} == pointers
    with pytest.raises(QualityBad):
        twin.observe({**GOOD, "temp": {"value": 361.5, "quality": "bad"}}, 60.0)
    assert twin.quality is None


def test_numbers_of_numpy_are_numbers(bench: Bench, folder: Path):
    twin = Twin.load(folder, bench.trust)
    verdict = twin.observe({name: np.float64(value) for name, value in GOOD.items()}, np.float32(60.0))
    assert verdict.residual < 0
