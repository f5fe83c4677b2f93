"""Missing readings and pauses: what the last reading may stand in for, and where rows stop being consecutive."""

from dataclasses import dataclass

import numpy as np

from services.anomaly.domain.arrays import Flags, Floats, Labels, Times
from services.anomaly.domain.usability import Reason


@dataclass(frozen=True, slots=True)
class Patience:
    """How much may be missing before nothing is guessed any more.

    Parameters
    ----------
    gap_rows
        Missing readings in a row that a sensor's last reading stands in for.
    sensors
        Sensors that may be missing at once.
    """

    gap_rows: int
    sensors: int


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often rows come.

    Parameters
    ----------
    step_us
        Median time between two training rows [µs].
    gap_us
        A longer step is a pause: the rows on its two sides are not consecutive [µs].
    """

    step_us: int
    gap_us: int

    def pauses(self, times: Times) -> Flags:
        """`(n,)`; whether a row comes after a pause."""
        return np.concatenate((np.zeros(min(len(times), 1), np.bool_), np.diff(times) > self.gap_us))


def find_cadence(times: Times, patience: Patience) -> Cadence | None:
    """The usual step of `(n,)` increasing times [µs]; none where there is no step.

    As many rows may be lost as readings of one sensor may be missing; half a step more is jitter.

    Examples
    --------
    >>> find_cadence(np.array([0, 10, 20, 60, 70]), Patience(gap_rows=2, sensors=1))
    Cadence(step_us=10, gap_us=35)
    """
    if len(times) < 2:
        return None
    step_us = float(np.median(np.diff(times)))
    return Cadence(max(round(step_us), 1), round((patience.gap_rows + 1.5) * step_us))


def hold(rows: Floats, pauses: Flags, patience: Patience) -> tuple[Floats, Flags]:
    """Let the last reading of a sensor stand in for missing ones, looking back only and never across a pause.

    A held reading counts like one that was taken, in the score and in the contributions: for a few rows the sensor is
    taken to be where it was seen last. An alarm therefore outlives a few lost readings.

    Parameters
    ----------
    rows
        `(n, c)`, NaN where missing.
    pauses
        `(n,)`; whether a row comes after a pause.

    Returns
    -------
    tuple
        `(n, c)` finite rows, and `(n,)` whether too much is missing: such a row's own values mean nothing.
    """
    missing = np.isnan(rows)
    sensors = np.flatnonzero(missing.any(axis=0))
    if not len(sensors):
        return rows, np.zeros(len(rows), np.bool_)
    position = np.arange(len(rows))[:, None]
    gone = missing[:, sensors]
    last = np.maximum.accumulate(np.where(gone, -1, position), axis=0)
    first = np.maximum.accumulate(np.where(pauses, position[:, 0], 0))[:, None]
    believed = (last >= first) & (position - last <= patience.gap_rows)
    held = rows.copy()
    # What is beyond belief becomes 0 only so that arithmetic on it is harmless.
    held[:, sensors] = np.where(believed, np.take_along_axis(rows[:, sensors], np.maximum(last, 0), axis=0), 0.0)
    too_much = (gone & ~believed).any(axis=1) | (gone.sum(axis=1) > patience.sensors)
    return held, too_much


def run_starts(reasons: Labels, pauses: Flags) -> Flags:
    """`(n,)`; whether a run of consecutive usable rows begins with this row."""
    usable = reasons == Reason.USABLE
    return np.asarray(usable & (pauses | ~np.concatenate(([False], usable[:-1]))))


def after_warm_up(reasons: Labels, starts: Flags, warmup_rows: int) -> Labels:
    """Reasons of the scores, from those of the rows: a row is scored once its run is long enough.

    Parameters
    ----------
    reasons
        `(n,)` of the rows themselves.
    starts
        `(n,)`; whether a run begins.
    warmup_rows
        Rows before a row that its score depends on.
    """
    position = np.arange(len(reasons))
    begun = np.maximum.accumulate(np.where(starts, position, 0))
    warming = (reasons == Reason.USABLE) & (position - begun < warmup_rows)
    why = np.where(begun == 0, Reason.WARM_UP, Reason.AFTER_GAP)
    return np.where(warming, why, reasons).astype(np.int8)
