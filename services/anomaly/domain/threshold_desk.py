"""Setting a detector's limit anew: on its held-out normal scores, or on labelled rows."""

from collections.abc import Mapping, Sequence

import numpy as np

from services.anomaly.domain.catalogue import Catalogue, Ready
from services.anomaly.domain.false_alarms import stated_rows_per_day, with_false_alarms
from services.anomaly.domain.labelled_thresholds import Labelled, LabelledRule
from services.anomaly.domain.scoring import CallLimits, ScoreInput, detect, read_rows
from services.anomaly.domain.threshold_rules import read_rule
from services.anomaly.domain.thresholds import RuleRefused, Threshold
from services.anomaly.domain.workbench import Workbench
from shared.clock import Clock
from shared.errors import JSON, Fault


class ThresholdDesk:
    """Sets limits in threads.

    Parameters
    ----------
    limits
        Of the labelled rows of one call.
    """

    def __init__(self, catalogue: Catalogue, workbench: Workbench, *, clock: Clock, limits: CallLimits) -> None:
        self._catalogue = catalogue
        self._workbench = workbench
        self._clock = clock
        self._limits = limits

    async def set(
        self,
        name: str,
        rule: Mapping[str, JSON],
        *,
        given: ScoreInput | None,
        labels: Sequence[int] | None,
        by: str,
    ) -> Threshold:
        """Compute a limit and put it in force.

        Parameters
        ----------
        given, labels
            Rows and their truth, 0 or 1; both for a labelled method, neither for another.
        by
            Who asks.

        Raises
        ------
        DetectorMissing
            If there is no detector of this name.
        RuleRefused, TooFewRows
            If the method cannot be used like this.
        RowsRefused, TooManyRows
            If the labelled rows cannot be used.
        """
        return await self._workbench.run(lambda: self._set(name, rule, given, labels, by))

    def _set(
        self,
        name: str,
        rule: Mapping[str, JSON],
        given: ScoreInput | None,
        labels: Sequence[int] | None,
        by: str,
    ) -> Threshold:
        wanted = read_rule(rule)
        ready = self._catalogue.ready(name)
        if isinstance(wanted, LabelledRule):
            threshold = wanted.settle(self._labelled(ready, given, labels, wanted.method))
        else:
            if given is not None or labels is not None:
                raise RuleRefused(
                    f"the threshold method {wanted.method!r} takes no labels",
                    faults=[Fault("/labels", "leave rows and labels out")],
                )
            threshold = wanted.settle(ready.detector.held_out)
        detector = ready.detector
        threshold = with_false_alarms(
            threshold, detector.held_out, rows_of_a_day=stated_rows_per_day(detector.threshold)
        )
        self._catalogue.set_threshold(ready, threshold, by=by, at=self._clock.now())
        return threshold

    def _labelled(self, ready: Ready, given: ScoreInput | None, labels: Sequence[int] | None, method: str) -> Labelled:
        if given is None or labels is None:
            fault = Fault("/labels", "give rows and one label a row, 0 for normal and 1 for anomalous")
            raise RuleRefused(f"the threshold method {method!r} needs labels", faults=[fault])
        if len(labels) != len(given.rows):
            fault = Fault("/labels", f"{len(labels)} labels for {len(given.rows)} rows")
            raise RuleRefused("one label a row is needed", faults=[fault])
        self._limits.check(given)
        rows, context = read_rows(ready, given)
        scores = detect(ready, given, rows, context).scores
        known = np.isfinite(scores)
        return Labelled(scores[known], np.array(labels, dtype=np.int8)[known])
