"""What observations change about a prediction: it is moved, and its interval takes another width."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.twin.domain.adaptive_conformal import LEVELS, AdaptedScores
from services.twin.domain.intervals import Calibration, Outputs, Vector, bounds_from_score

# How many earlier corrections are remembered; beyond that every second one of the older half is forgotten.
_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class LiveCorrection:
    """Implements `serving.Correction`.

    Parameters
    ----------
    revision
        Counts the changes of this version's live state.
    bias
        Added to each prediction [unit of the target].
    scores
        Take the place of the calibration's, if intervals adapt.
    """

    revision: int = 0
    bias: float = 0.0
    scores: AdaptedScores | None = None

    def correct(self, calibration: Calibration, outputs: Outputs, level: float) -> tuple[Vector, Vector, Vector]:
        """Prediction, lower and upper end of each row, `(n,)` [unit of the target].

        Raises
        ------
        LevelInvalid, TooFewResiduals
            If the calibration gives no interval of this level; observations do not widen what may be asked.
        """
        moved = self.moved(outputs)
        lower, upper = bounds_from_score(
            calibration.method, moved, self._score(calibration, level), floor=calibration.floor
        )
        return moved.prediction, lower, upper

    def moved(self, outputs: Outputs) -> Outputs:
        """The outputs with the bias added."""
        if self.bias == 0.0:
            return outputs
        lower, upper = outputs.lower_quantile, outputs.upper_quantile
        return Outputs(
            outputs.prediction + self.bias,
            outputs.spread,
            None if lower is None else lower + self.bias,
            None if upper is None else upper + self.bias,
        )

    def _score(self, calibration: Calibration, level: float) -> float:
        calibrated = calibration.score(level)
        if self.scores is None:
            return calibrated
        if level <= LEVELS[-1]:
            return self.scores.score(level)
        # Beyond what recent rows can tell, the calibration says how much further out the scores reach.
        return self.scores.score(level) + max(0.0, calibrated - calibration.score(LEVELS[-1]))


@dataclass(frozen=True, slots=True)
class PastCorrection:
    """A correction, and the moment from which on it was in force."""

    since_ms: int
    correction: LiveCorrection


@dataclass(frozen=True, slots=True)
class CorrectionHistory:
    """The corrections of a version in the order in which they were learned; the older, the sparser.

    A measured value that comes late is compared with what was answered in its own time: comparing it with what was
    learned meanwhile would make the intervals look better than those that were given out.
    """

    past: tuple[PastCorrection, ...] = ()

    def in_force_at(self, moment_ms: int) -> LiveCorrection:
        """The one that a request of this moment met; the newest for a moment before all of them.

        Such a moment comes from a record that is played back, each observation in its turn.
        """
        if not self.past:
            return LiveCorrection()
        if moment_ms < self.past[0].since_ms:
            return self.past[-1].correction
        return next(past for past in reversed(self.past) if past.since_ms <= moment_ms).correction

    def followed_by(self, correction: LiveCorrection, since_ms: int) -> "CorrectionHistory":
        """With one more; of several learned in the same moment the last one counts."""
        kept: Sequence[PastCorrection] = [past for past in self.past if past.since_ms < since_ms]
        if len(kept) >= _REMEMBERED:
            half = _REMEMBERED // 2
            kept = [*kept[:half:2], *kept[half:]]
        return CorrectionHistory((*kept, PastCorrection(since_ms, correction)))
