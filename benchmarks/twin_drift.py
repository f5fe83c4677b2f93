"""Coverage of 90 % intervals while a plant drifts: the calibration alone, and what live quality makes of it."""

import warnings
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
from mapie.regression import TimeSeriesRegressor
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import RandomForestRegressor

from futago.plant import yield_dataset
from services.twin.domain.coverage import CoverageState, next_state
from services.twin.domain.intervals import Calibration, IntervalMethod, Outputs, calibrate
from services.twin.domain.live_correction import LiveCorrection
from services.twin.domain.live_quality import Learner, LiveState, Measured
from services.twin.domain.live_settings import CoverageBand, LiveSettings

Vector = NDArray[np.float64]

_SEEDS = range(3)
_TRAINING_ROWS = 2_000
_CALIBRATION_ROWS = 1_000
_LIVE_ROWS = 6_000
_WINDOW_ROWS = 500
_LEVEL = 0.9
_MINUTE_MS = 60_000
# The step size of MAPIE's tutorial on adaptive conformal inference is 0.05, the paper's 0.005.
_MAPIE_GAMMA = 0.01
_SETTINGS = {
    "split conformal": LiveSettings(),
    "with bias update": LiveSettings(bias_update=True),
    "with adaptive intervals": LiveSettings(adaptive=True),
    "with both": LiveSettings(bias_update=True, adaptive=True),
}
Hits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class DriftingPlant:
    """A model, its calibration, and the plant it meets: `(n,)` predictions and what was measured, in time order."""

    calibration: Calibration
    predicted: Vector
    actual: Vector


def main() -> None:
    """Print overall and worst rolling coverage and the mean width, for each way and delay, then false alarms."""
    plants = [_plant(seed) for seed in _SEEDS]
    print(f"  {len(plants)} simulated plants, {_LIVE_ROWS} rows each; coverage: mean, and range over the plants")
    for delay_rows in (0, 24):
        print(f"  labels arrive {delay_rows} rows later")
        for name, way in _ways().items():
            runs = [way(plant, delay_rows=delay_rows) for plant in plants]
            overall = [float(np.mean(hits)) for hits, _ in runs]
            worst = min(float(np.min(_rolling(hits))) for hits, _ in runs)
            widths = np.concatenate([widths for _, widths in runs])
            finite = np.isfinite(widths)
            endless = f"   {np.sum(~finite)} infinite" if not finite.all() else ""
            print(
                f"    {name:26s} {np.mean(overall):.3f} ({min(overall):.3f} to {max(overall):.3f})"
                f"   worst {_WINDOW_ROWS} rows {worst:.3f}   width {widths[finite].mean():6.2f}" + endless
            )
    _print_alarms()


def _ways() -> Mapping[str, Callable[..., tuple[Hits, Vector]]]:
    ours = {name: partial(_run, settings=settings) for name, settings in _SETTINGS.items()}
    return {**ours, f"MAPIE's ACI, gamma {_MAPIE_GAMMA:g}": _run_mapie}


def _plant(seed: int) -> DriftingPlant:
    """Fouling, a temperature sensor that creeps, and three changes of the catalyst."""
    rng = np.random.default_rng(seed)
    data = yield_dataset(_TRAINING_ROWS + _CALIBRATION_ROWS + _LIVE_ROWS, seed=seed)
    forest = RandomForestRegressor(10, max_depth=8, random_state=seed)
    forest.fit(data.rows[:_TRAINING_ROWS], data.target[:_TRAINING_ROWS])
    held_back = slice(_TRAINING_ROWS, _TRAINING_ROWS + _CALIBRATION_ROWS)
    calibration = calibrate(IntervalMethod.SPLIT, Outputs(forest.predict(data.rows[held_back])), data.target[held_back])
    rows = data.rows[held_back.stop :].copy()
    scale = float(np.std(data.target[held_back] - forest.predict(data.rows[held_back])))
    rows[:, 0] += np.linspace(0.0, 2.0, _LIVE_ROWS)
    fouling = -4.0 * scale * np.linspace(0.0, 1.0, _LIVE_ROWS)
    steps = np.zeros(_LIVE_ROWS)
    for start in np.sort(rng.integers(_LIVE_ROWS, size=3)):
        steps[start:] += rng.normal(scale=2.0 * scale)
    return DriftingPlant(calibration, forest.predict(rows), data.target[held_back.stop :] + fouling + steps)


def _run(plant: DriftingPlant, *, settings: LiveSettings, delay_rows: int) -> tuple[Hits, Vector]:
    """Predict each row with what was learned so far, and learn from it when its label arrives; hits and widths."""
    learner, state = Learner(settings, plant.calibration), LiveState()
    hits = np.empty(len(plant.actual), dtype=np.bool_)
    widths = np.empty(len(plant.actual))
    waiting: deque[tuple[int, Outputs]] = deque()
    for now in range(len(plant.actual)):
        outputs = Outputs(plant.predicted[now : now + 1])
        correction = state.correction or LiveCorrection()
        _, lower, upper = correction.correct(plant.calibration, outputs, _LEVEL)
        hits[now] = lower[0] <= plant.actual[now] <= upper[0]
        widths[now] = upper[0] - lower[0]
        waiting.append((now, outputs))
        if len(waiting) > delay_rows:
            row, former = waiting.popleft()
            # The label arrives between this row and the next.
            measured = Measured(former, float(plant.actual[row]), row * _MINUTE_MS, now * _MINUTE_MS + 1)
            state, _ = state.observe(measured, learner)
    return hits, widths


class _Known(RegressorMixin, BaseEstimator):
    """Hands on predictions that were made already, so that all ways have the same."""

    def fit(self, rows: ArrayLike, target: ArrayLike) -> Self:  # noqa: ARG002 (of the protocol)
        self.fitted_ = True
        return self

    def predict(self, rows: ArrayLike) -> Vector:
        return np.asarray(rows, np.float64)[:, 0]


def _run_mapie(plant: DriftingPlant, *, delay_rows: int) -> tuple[Hits, Vector]:
    """The same with MAPIE: its level adapts, and its scores follow the newest rows."""
    scores = plant.calibration.scores
    nothing = np.zeros((len(scores), 1))
    mapie = TimeSeriesRegressor(_Known().fit(nothing, scores), method="aci", cv="prefit")
    mapie.fit(nothing, scores)
    hits = np.empty(len(plant.actual), dtype=np.bool_)
    widths = np.empty(len(plant.actual))
    with warnings.catch_warnings():
        # It says at every row that two arguments, which are not given here, have no effect.
        warnings.simplefilter("ignore", UserWarning)
        for now in range(len(plant.actual)):
            rows = plant.predicted[now : now + 1, np.newaxis]
            _, bounds = mapie.predict(rows, confidence_level=_LEVEL, allow_infinite_bounds=True)
            hits[now] = bounds[0, 0, 0] <= plant.actual[now] <= bounds[0, 1, 0]
            widths[now] = bounds[0, 1, 0] - bounds[0, 0, 0]
            if (row := now - delay_rows) >= 0:
                label = plant.predicted[row : row + 1, np.newaxis], plant.actual[row : row + 1]
                mapie.adapt_conformal_inference(*label, gamma=_MAPIE_GAMMA, confidence_level=_LEVEL)
                mapie.update(*label, ensemble=False)
    return hits, widths


def _rolling(hits: Hits) -> Vector:
    return np.convolve(hits, np.full(_WINDOW_ROWS, 1.0 / _WINDOW_ROWS), mode="valid")


def _print_alarms() -> None:
    """How often the coverage alarm cries wolf, and how soon it sees a fall."""
    band, rng = CoverageBand(), np.random.default_rng(0)
    print(f"  alarms on {band.rows} rows, band {band.lower:g} to {band.upper:g}, 100 runs of 10,000 rows each")
    for coverage in (0.9, band.lower, 0.8, 0.7, 0.5):
        first = [_first_alarm(rng.random(10_000) < coverage, band) for _ in range(100)]
        alarmed = [rows for rows in first if rows is not None]
        after = f", after {np.median(alarmed):.0f} rows (median)" if alarmed else ""
        print(f"    true coverage {coverage:.2f}: {len(alarmed)} of 100 runs alarm{after}")


def _first_alarm(hits: Hits, band: CoverageBand) -> int | None:
    counted = np.concatenate([[0], np.cumsum(hits)])
    for end in range(1, len(hits) + 1):
        rows = min(end, band.rows)
        covered = int(counted[end] - counted[end - rows])
        if next_state(CoverageState.OK, covered=covered, rows=rows, band=band) is not CoverageState.OK:
            return end
    return None


if __name__ == "__main__":
    main()
