"""A detector that is ready to score, as services and scripts hold it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from services.anomaly.domain.arrays import Flags, Floats, Times
from services.anomaly.domain.attention import AttentionMissing, AttentiveModel, attention_of, has_attention
from services.anomaly.domain.detection import Detection, Scorer
from services.anomaly.domain.drift_tally import Reference
from services.anomaly.domain.held_out import HeldOut
from services.anomaly.domain.images import ImageShape
from services.anomaly.domain.preparation import Preparation
from services.anomaly.domain.preparation_copies import share
from services.anomaly.domain.report import TrainingReport
from services.anomaly.domain.scores import score
from services.anomaly.domain.thresholds import Threshold
from services.anomaly.domain.trained import Column
from shared.errors import JSON


@dataclass(frozen=True, slots=True)
class ServedDetector:
    """One version of a detector.

    Parameters
    ----------
    digest
        Of the bundle it came from; fixes every byte of it.
    threshold
        As published; a limit set later is kept beside the bundle, never in it.
    preparation
        What happens to rows before the scorer sees them.
    card
        What the bundle says of itself.
    report
        What its training left behind for people to look at; none in bundles made before there was such a thing.
    reference
        What its training rows were like; none in bundles made before there was such a thing.
    """

    name: str
    version: str
    digest: str
    columns: tuple[Column, ...]
    preparation: Preparation
    scorer: Scorer
    held_out: HeldOut
    threshold: Threshold
    card: Mapping[str, JSON]
    report: TrainingReport | None
    reference: Reference | None

    @property
    def column_names(self) -> tuple[str, ...]:
        """Sensors in the order the detector takes them."""
        return tuple(column.name for column in self.columns)

    @property
    def image_shape(self) -> ImageShape | None:
        """Of a row, where rows are images."""
        stated = self.card.get("image_shape")
        return None if stated is None else ImageShape.of_json(stated)

    @property
    def realtime(self) -> bool:
        """Whether a caller, or a stream, can wait for its scores; otherwise they are the work of a job."""
        return self.card.get("realtime", True) is True

    @property
    def lookback_rows(self) -> int:
        """Rows of context with which a call gets what one long call gets."""
        return self.scorer.warmup_rows + self.preparation.lookback_rows

    @property
    def has_attention(self) -> bool:
        """Whether it can say which sensors its model looked at."""
        return has_attention(self.scorer.model)

    def times_with_context(self, times: Times, context_times: Times | None, context_rows: int) -> Times:
        """Times of so many rows of context and of the rows; a context without times ends one usual step before."""
        if context_times is not None:
            return np.concatenate((context_times[len(context_times) - context_rows :], times))
        cadence = self.preparation.cadence
        step_us = 1 if cadence is None else cadence.step_us
        first_us = int(times[0]) if len(times) else 0
        return np.concatenate((first_us - step_us * np.arange(context_rows, 0, -1), times))

    def detect(
        self,
        rows: Floats,
        limit: float,
        context: Floats | None = None,
        *,
        times: Times | None = None,
        context_times: Times | None = None,
    ) -> Detection:
        """Score rows against a limit.

        Parameters
        ----------
        rows, context
            `(n, c)` and `(m, c)`, the context just before the rows; NaN where a reading is missing.
        times, context_times
            `(n,)` and `(m,)`, increasing [µs since 1970 in UTC]. Rows without times are consecutive; so are rows with
            times and a context without.

        Raises
        ------
        TimesMissing
            If the detector goes by the clock and the rows have no times.
        """
        before = rows[:0] if context is None else context[max(len(context) - self.lookback_rows, 0) :]
        moments = None if times is None else self.times_with_context(times, context_times, len(before))
        if self.preparation.leaves_alone((before, rows), moments):
            return self.scorer.detect(rows, limit, before)
        prepared = self.preparation.apply(np.concatenate((before, rows)), moments)
        found = self.scorer.detect(prepared.rows[len(before) :], limit, prepared.rows[: len(before)])
        found = found.without(prepared.after_warm_up(self.scorer.warmup_rows)[len(before) :])
        return self._shared(found) if self.preparation.copies else found

    def attention(
        self,
        rows: Floats,
        context: Floats | None = None,
        *,
        times: Times | None = None,
        context_times: Times | None = None,
        wanted: Flags | None = None,
    ) -> Floats:
        """Which sensors the model looked at, for rows given as to `detect`.

        Parameters
        ----------
        wanted
            `(n,)`; rows to say it of, by default all.

        Returns
        -------
        Floats
            `(n, c)`, not negative and 1 in sum; NaN where it was not wanted, and where a window is not whole.

        Raises
        ------
        AttentionMissing
            If it is not of a kind with attention.
        TimesMissing
            If the detector goes by the clock and the rows have no times.
        """
        model = self.scorer.model
        if not isinstance(model, AttentiveModel) or not model.has_attention:
            raise AttentionMissing(str(self.card["kind"]))
        before = rows[:0] if context is None else context[max(len(context) - self.lookback_rows, 0) :]
        moments = None if times is None else self.times_with_context(times, context_times, len(before))
        prepared = self.preparation.apply(np.concatenate((before, rows)), moments)
        asked = np.ones(len(rows), np.bool_) if wanted is None else wanted
        every = np.concatenate((np.zeros(len(before), np.bool_), asked))
        return attention_of(model, prepared, every)[len(before) :]

    def _shared(self, found: Detection) -> Detection:
        parts = share(found.contributions, self.preparation.copies)
        return replace(found, contributions=parts, scores=score(parts))
