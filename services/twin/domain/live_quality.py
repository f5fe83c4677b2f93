"""How good a version is on what was measured after its predictions, and what it learns from that.

One state per version, changed by one observation after the other: each is judged by the correction that was in force
before it, and only then does it change that correction.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self, cast

import numpy as np

from services.twin.domain.adaptive_conformal import (
    LEVELS,
    AdaptedScores,
    Experts,
    adapted_scores,
    rank_share,
    typical_scores,
)
from services.twin.domain.bias import shrunken_bias
from services.twin.domain.coverage import CoverageAlarm, CoverageState, likely_range, next_state
from services.twin.domain.intervals import Calibration, Outputs, Vector, scores_of
from services.twin.domain.live_correction import CorrectionHistory, LiveCorrection, PastCorrection
from services.twin.domain.live_settings import REFERENCE_LEVEL, LiveSettings
from shared.errors import JSON


@dataclass(frozen=True, slots=True)
class Learner:
    """The parts of a version that learning needs."""

    settings: LiveSettings
    calibration: Calibration


@dataclass(frozen=True, slots=True)
class Measured:
    """A value that was measured, beside what the graph says about its inputs.

    Parameters
    ----------
    outputs
        Of one row, without any correction.
    actual
        What was measured [unit of the target].
    observed_at_ms, received_at_ms
        When it was measured, and when that became known [ms since 1970].
    """

    outputs: Outputs
    actual: float
    observed_at_ms: int
    received_at_ms: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """One observation against the prediction of its time.

    Parameters
    ----------
    prediction, lower, upper
        Corrected as a request of that time met it [unit of the target].
    residual
        Actual minus prediction [unit of the target].
    learned
        False where it is older than everything in a full window, and tells nothing about the present.
    """

    prediction: float
    lower: float
    upper: float
    residual: float
    covered: bool
    learned: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """What the window keeps of an observation.

    Parameters
    ----------
    raw
        Actual minus prediction without correction [unit of the target].
    residual
        Actual minus prediction as it was given out [unit of the target].
    score
        How badly it fitted, in the measure of the interval method.
    """

    observed_at_ms: int
    received_at_ms: int
    raw: float
    residual: float
    score: float
    covered: bool


@dataclass(frozen=True, slots=True)
class RollingFigures:
    """The figures of the newest rows.

    Parameters
    ----------
    coverage
        Share inside its 90 % interval [1]; `coverage_range` is where the true share lies with 95 % confidence.
    rmse, mae, bias
        Of the residuals; the bias is their mean [unit of the target].
    """

    rows: int
    coverage: float
    coverage_range: tuple[float, float]
    rmse: float
    mae: float
    bias: float


@dataclass(frozen=True, slots=True)
class LiveState:
    """What is known of one version from observations.

    Parameters
    ----------
    revision
        Counts the changes.
    rows
        Observations so far, late ones included.
    since_ms, last_observed_at_ms
        The oldest and the newest measurement [ms since 1970].
    window
        The newest observations by the time of measurement, oldest first.
    """

    revision: int = 0
    rows: int = 0
    since_ms: int | None = None
    last_observed_at_ms: int | None = None
    window: tuple[Seen, ...] = ()
    experts: Experts | None = None
    history: CorrectionHistory = field(default_factory=CorrectionHistory)
    alarm: CoverageAlarm = field(default_factory=CoverageAlarm)

    @property
    def correction(self) -> LiveCorrection | None:
        """What is in force; `None` where nothing corrects."""
        return self.history.past[-1].correction if self.history.past else None

    @property
    def adapted_level(self) -> float | None:
        """Which quantile of the recent scores serves the level 0.9 now; `None` where intervals do not adapt."""
        return None if self.experts is None else float(self.experts.levels()[LEVELS.index(REFERENCE_LEVEL)])

    def figures(self) -> RollingFigures | None:
        """The rolling figures; `None` before the first observation."""
        rows = len(self.window)
        if not rows:
            return None
        covered, _ = self.newest_covered(rows)
        return RollingFigures(
            rows=rows,
            coverage=covered / rows,
            coverage_range=likely_range(covered, rows),
            # `hypot` neither overflows nor loses small ones.
            rmse=math.hypot(*(seen.residual for seen in self.window)) / math.sqrt(rows),
            mae=math.fsum(abs(seen.residual) / rows for seen in self.window),
            bias=math.fsum(seen.residual / rows for seen in self.window),
        )

    def newest_covered(self, rows: int) -> tuple[int, int]:
        """How many of the newest rows, at most so many, lay inside their interval; and how many rows there were."""
        newest = self.window[-rows:]
        return sum(seen.covered for seen in newest), len(newest)

    def observe(self, measured: Measured, learner: Learner) -> tuple["LiveState", Verdict]:
        """Judge one observation, then learn from it."""
        settings = learner.settings
        correction = self._in_force_at(measured.observed_at_ms, settings)
        verdict, seen = _judge(measured, correction, learner.calibration)
        counted = replace(
            self,
            revision=self.revision + 1,
            rows=self.rows + 1,
            since_ms=_extreme(min, self.since_ms, measured.observed_at_ms),
            last_observed_at_ms=_extreme(max, self.last_observed_at_ms, measured.observed_at_ms),
        )
        if len(self.window) >= settings.window_rows and measured.observed_at_ms < self.window[0].observed_at_ms:
            return counted, replace(verdict, learned=False)
        return _learn(counted, seen, learner), verdict

    def _in_force_at(self, moment_ms: int, settings: LiveSettings) -> LiveCorrection:
        return self.history.in_force_at(moment_ms) if settings.corrects else LiveCorrection()

    def to_json(self) -> dict[str, JSON]:
        """As it is stored."""
        return {
            "rows": self.rows,
            "since_ms": self.since_ms,
            "last_observed_at_ms": self.last_observed_at_ms,
            "window": [_seen_to_json(seen) for seen in self.window],
            "experts": None if self.experts is None else self.experts.to_json(),
            "history": [_past_to_json(past) for past in self.history.past],
            "alarm": [self.alarm.state.value, self.alarm.since_ms],
        }

    @classmethod
    def of(cls, document: Mapping[str, JSON], revision: int) -> Self:
        """Read what `to_json` wrote; whatever else stands there was not written by this program."""
        # Written by `to_json` alone, inside the same database.
        window = cast("Sequence[Sequence[float]]", document["window"])
        experts = cast("Mapping[str, JSON] | None", document["experts"])
        history = cast("Sequence[Sequence[JSON]]", document["history"])
        alarm_state, alarm_since_ms = cast("tuple[str, int | None]", document["alarm"])
        return cls(
            revision=revision,
            rows=cast("int", document["rows"]),
            since_ms=cast("int | None", document["since_ms"]),
            last_observed_at_ms=cast("int | None", document["last_observed_at_ms"]),
            window=tuple(map(_seen_of, window)),
            experts=None if experts is None else Experts.of(experts),
            history=CorrectionHistory(tuple(map(_past_of, history))),
            alarm=CoverageAlarm(CoverageState(alarm_state), alarm_since_ms),
        )


def _learn(state: LiveState, seen: Seen, learner: Learner) -> LiveState:
    settings = learner.settings
    window = _with(state.window, seen)[-settings.window_rows :]
    experts, history = None, CorrectionHistory()
    if settings.corrects:
        scores = None
        if settings.adaptive:
            before = _recent_scores(_known_at(seen.observed_at_ms, state.window), len(state.window), learner)
            experts = (state.experts or Experts.new()).after(rank_share(before, seen.score))
            scores = adapted_scores(_recent_scores(window, len(window), learner), experts)
        bias = shrunken_bias([one.raw for one in window]) if settings.bias_update else 0.0
        history = state.history.followed_by(LiveCorrection(state.revision, bias, scores), seen.received_at_ms)
    learned = replace(state, window=window, experts=experts, history=history)
    covered, rows = learned.newest_covered(settings.coverage_band.rows)
    coverage = next_state(state.alarm.state, covered=covered, rows=rows, band=settings.coverage_band)
    alarm = state.alarm if coverage is state.alarm.state else CoverageAlarm(coverage, seen.received_at_ms)
    return replace(learned, alarm=alarm)


def _extreme(choose: Callable[[int, int], int], known: int | None, new: int) -> int:
    return new if known is None else choose(known, new)


def _judge(measured: Measured, correction: LiveCorrection, calibration: Calibration) -> tuple[Verdict, Seen]:
    actual = measured.actual
    prediction, lower, upper = (
        float(values[0]) for values in correction.correct(calibration, measured.outputs, REFERENCE_LEVEL)
    )
    moved = correction.moved(measured.outputs)
    score = float(scores_of(calibration.method, moved, np.array([actual]), calibration.floor)[0])
    covered = lower <= actual <= upper
    raw = actual - float(measured.outputs.prediction[0])
    residual = actual - prediction
    return (
        Verdict(prediction, lower, upper, residual, covered, learned=True),
        Seen(measured.observed_at_ms, measured.received_at_ms, raw, residual, score, covered),
    )


def _with(window: Sequence[Seen], seen: Seen) -> tuple[Seen, ...]:
    """The window with one more at its place in time; of equal times the one that came later stands later."""
    place = bisect_right(window, seen.observed_at_ms, key=lambda one: one.observed_at_ms)
    return (*window[:place], seen, *window[place:])


def _known_at(moment_ms: int, window: Sequence[Seen]) -> Sequence[Seen]:
    """What had been received by then; everything where that is less than half.

    A record that is played back was never known in its own time, and a burst may push out all that was.
    """
    known = [one for one in window if one.received_at_ms <= moment_ms]
    return known if 2 * len(known) >= len(window) else window


def _recent_scores(window: Sequence[Seen], window_rows: int, learner: Learner) -> Vector:
    """Scores, ascending; for as many rows as the window lacks of being full, the calibration stands in."""
    missing = learner.settings.window_rows - window_rows
    own = np.array([one.score for one in window])
    return np.sort(np.concatenate([own, typical_scores(learner.calibration.scores, missing)]))


def _seen_to_json(seen: Seen) -> list[JSON]:
    return [seen.observed_at_ms, seen.received_at_ms, seen.raw, seen.residual, seen.score, seen.covered]


def _seen_of(document: Sequence[float]) -> Seen:
    observed_at_ms, received_at_ms, raw, residual, score, covered = document
    return Seen(int(observed_at_ms), int(received_at_ms), raw, residual, score, bool(covered))


def _past_to_json(past: PastCorrection) -> list[JSON]:
    correction = past.correction
    scores = None if correction.scores is None else correction.scores.to_json()
    return [past.since_ms, correction.revision, correction.bias, scores]


def _past_of(document: Sequence[JSON]) -> PastCorrection:
    since_ms, revision, bias, scores = cast("tuple[int, int, float, Sequence[JSON] | None]", document)
    return PastCorrection(
        since_ms, LiveCorrection(revision, bias, None if scores is None else AdaptedScores.of(scores))
    )
