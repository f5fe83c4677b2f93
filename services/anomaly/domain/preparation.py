"""What happens to rows before a model sees them, the same in training and in scoring.

Missing readings are held within limits, rows that must not be judged are marked, a clock pattern and copies of sensors
are taken out. All of it looks back only, and a bounded number of rows: a stream with that many rows of context gets
what one long call gets.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.anomaly.domain.arrays import Flags, Floats, Labels, Times
from services.anomaly.domain.preparation_copies import Copy, set_apart
from services.anomaly.domain.preparation_gaps import Cadence, Patience, after_warm_up, hold, run_starts
from services.anomaly.domain.preparation_off import OffRule
from services.anomaly.domain.preparation_season import Season
from services.anomaly.domain.usability import Reason
from shared.errors import AppError, Fault, Kind


class TimesMissing(AppError):
    """Rows without times cannot be scored by a detector that knows what time of day is normal."""

    kind, code = Kind.INVALID, "anomaly.times_missing"

    def __init__(self, season: str, *, pointer: str = "/timestamps") -> None:
        fault = Fault(pointer, "one time a row is needed")
        super().__init__(f"this detector goes by the time of the {season}: give timestamps", faults=[fault])


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows that a model can compute on, and which of them mean something.

    Parameters
    ----------
    rows
        `(n, c)`, every value finite.
    reasons
        `(n,)` codes of `Reason`, of the rows themselves.
    starts
        `(n,)`; whether a run of consecutive usable rows begins.
    """

    rows: Floats
    reasons: Labels
    starts: Flags

    def after_warm_up(self, warmup_rows: int) -> Labels:
        """`(n,)` reasons of the scores, which depend on this many rows before each."""
        return after_warm_up(self.reasons, self.starts, warmup_rows)


@dataclass(frozen=True, slots=True)
class Preparation:
    """Fitted once, on training rows; part of the detector from then on.

    Parameters
    ----------
    columns
        Names of the sensors.
    cadence
        Known where the training rows had times.
    """

    columns: tuple[str, ...]
    patience: Patience
    cadence: Cadence | None = None
    off: OffRule | None = None
    season: Season | None = None
    copies: tuple[Copy, ...] = ()

    @property
    def lookback_rows(self) -> int:
        """Rows before a row that decide what becomes of it."""
        return self.patience.gap_rows + (0 if self.off is None else self.off.margin_rows)

    def leaves_alone(self, tables: Sequence[Floats], times: Times | None) -> bool:
        """Whether these consecutive tables go to the model as they are: the usual case, and a fast one."""
        if self.off is not None or self.season is not None or self.copies:
            return False
        if times is not None and self.cadence is not None and self.cadence.pauses(times).any():
            return False
        return not any(np.isnan(table).any() for table in tables)

    def apply(self, rows: Floats, times: Times | None) -> Prepared:
        """Prepare `(n, c)` consecutive rows with their `(n,)` increasing times [µs], where these are known.

        Raises
        ------
        TimesMissing
            If the detector goes by the clock and no times are given.
        """
        if self.season is not None and times is None:
            raise TimesMissing(self.season.name)
        prepared = self.screen(rows, times)
        calm = prepared.rows
        if self.season is not None and times is not None:
            calm = calm - self.season.at(times)
        return Prepared(set_apart(calm, self.copies), prepared.reasons, prepared.starts)

    def screen(self, rows: Floats, times: Times | None) -> Prepared:
        """The first half of it: hold what may be held and mark what must not be judged; values stay in their units."""
        paused = np.zeros(len(rows), np.bool_)
        if times is not None and self.cadence is not None:
            paused = self.cadence.pauses(times)
        held, too_much = hold(rows, paused, self.patience)
        reasons = np.where(too_much, Reason.MISSING, Reason.USABLE).astype(np.int8)
        if self.off is not None:
            position = self.columns.index(self.off.column)
            # A reading that is not known says nothing of the machine.
            readings = np.where(np.isnan(rows[:, position]) & too_much, np.nan, held[:, position])
            reasons[self.off.off(readings) & ~too_much] = Reason.MACHINE_OFF
        return Prepared(held, reasons, run_starts(reasons, paused))
