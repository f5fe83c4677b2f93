"""From runs of anomalous rows to alerts that a person can act on."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import overload

import numpy as np

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.detection import Detection
from services.anomaly.domain.episodes import Episode
from services.anomaly.domain.served import ServedDetector
from shared.clock import rfc3339
from shared.contracts.alert import Alert, Severity
from shared.errors import JSON

# A call with more runs than this is one problem, not hundreds: the first ones are told.
ALERT_LIMIT = 20
# Times the limit from which somebody must act at once.
CRITICAL_FACTOR = 10.0
_SENSORS_NAMED = 3


@dataclass(frozen=True, slots=True)
class RowsAsLists(Sequence[list[float]]):
    """`(n, c)` rows, each made a list when it is asked for: of a long table only a few are."""

    rows: Floats

    @overload
    def __getitem__(self, index: int) -> list[float]: ...

    @overload
    def __getitem__(self, index: slice) -> "RowsAsLists": ...

    def __getitem__(self, index: int | slice) -> "list[float] | RowsAsLists":
        if isinstance(index, slice):
            return RowsAsLists(self.rows[index])
        row: list[float] = self.rows[index].tolist()
        return row

    def __len__(self) -> int:
        return len(self.rows)


def alerts_of(
    detector: ServedDetector,
    detection: Detection,
    *,
    rows: Sequence[Sequence[float | None]],
    times: Sequence[datetime] | None,
    asset: str | None,
    now: datetime,
    new_id: Callable[[], str],
) -> tuple[Alert, ...]:
    """One alert for each episode, at most `ALERT_LIMIT`.

    The same episode scored again gives the same key, so a list keeps it once: it is known by the time of its first
    row, or where no times are given by that row's values. An episode that has begun before the first scored row is
    known as ongoing: a caller that sends the newest rows again and again would otherwise see it begin anew each time.

    Parameters
    ----------
    rows, times
        As they were scored.
    new_id
        Makes the id of an alert.
    """
    return tuple(
        _alert(detector, detection, episode, rows=rows, times=times, asset=asset, now=now, alert_id=new_id())
        for episode in detection.episodes()[:ALERT_LIMIT]
    )


def leading_sensors(detector: ServedDetector, detection: Detection, episode: Episode) -> dict[str, float]:
    """The sensors with the largest part in an episode's highest score, and their share of it [1]."""
    shares = detection.contributions[episode.peak] / episode.peak_score
    order = np.argsort(-shares, kind="stable")[:_SENSORS_NAMED]
    return {detector.column_names[i]: float(shares[i]) for i in order}


def _alert(
    detector: ServedDetector,
    detection: Detection,
    episode: Episode,
    *,
    rows: Sequence[Sequence[float | None]],
    times: Sequence[datetime] | None,
    asset: str | None,
    now: datetime,
    alert_id: str,
) -> Alert:
    if episode.start == 0 or np.isnan(detection.scores[episode.start - 1]):
        start = "ongoing"
    else:
        start = _fingerprint(rows[episode.start]) if times is None else rfc3339(times[episode.start])
    critical = episode.peak_score >= CRITICAL_FACTOR * detection.limit
    leading = leading_sensors(detector, detection, episode)
    where = f" at {asset}" if asset else ""
    sensors = ", ".join(leading)
    facts: dict[str, JSON] = {
        "version": detector.version,
        "rows": episode.rows,
        "peak_score": episode.peak_score,
        "threshold": detection.limit,
        "severity": float(detection.severity[episode.peak]),
        "leading_sensors": leading,
    }
    if times is not None:
        facts |= {"started_at": rfc3339(times[episode.start]), "ended_at": rfc3339(times[episode.end])}
    return Alert(
        id=alert_id,
        source="anomaly",
        kind="anomalous_rows",
        severity=Severity.CRITICAL if critical else Severity.WARNING,
        asset=asset,
        subject=detector.name,
        message=f"{detector.name} found {episode.rows} anomalous rows{where}; mostly {sensors}",
        occurred_at=now if times is None else times[episode.start],
        dedup_key=f"anomaly:{detector.name}:{detector.version}:{asset or '-'}:{start}",
        facts=facts,
    )


def _fingerprint(row: Sequence[float | None]) -> str:
    return hashlib.sha256(json.dumps(list(row)).encode()).hexdigest()[:16]
