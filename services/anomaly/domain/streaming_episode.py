"""One alarm for one fault, although its rows come one by one.

An alarm begins with an anomalous row and goes on until so many normal rows have followed that no score shares a
reading with it (an off-delay [1]): a score that flickers around its limit is one alarm. Rows without a score neither
prolong nor end it.

References
----------
.. [1] ANSI/ISA-18.2-2016, Management of Alarm Systems for the Process Industries: off-delay against chattering alarms
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from services.anomaly.domain.alerts import ALERT_LIMIT, CRITICAL_FACTOR, leading_sensors
from services.anomaly.domain.arrays import Times
from services.anomaly.domain.detection import Detection
from services.anomaly.domain.episodes import Episode
from services.anomaly.domain.served import ServedDetector
from shared.clock import rfc3339
from shared.contracts.alert import Alert, Severity
from shared.errors import JSON

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class OpenEpisode:
    """An alarm that goes on.

    Parameters
    ----------
    version
        Of the detector that raised it.
    started_us, last_us
        Times of its first and its newest anomalous row.
    rows
        Anomalous rows so far.
    peak_score, severity, limit, leading
        Of the row with the highest severity: its score, what it was held against, and its leading sensors' shares.
    quiet_rows
        Normal rows since the newest anomalous one.
    """

    version: str
    started_us: int
    last_us: int
    rows: int
    peak_score: float
    severity: float
    limit: float
    leading: Mapping[str, float]
    quiet_rows: int = 0

    @property
    def critical(self) -> bool:
        """Whether somebody must act at once."""
        return self.peak_score >= CRITICAL_FACTOR * self.limit


class Turn(StrEnum):
    """What happens to an alarm."""

    BEGUN = "begun"
    WORSE = "worse"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Change:
    """A turn that people are told of, and the alarm as it then stood.

    Parameters
    ----------
    at_us
        Time of the row that brought it.
    """

    turn: Turn
    episode: OpenEpisode
    at_us: int


def follow_episode(
    episode: OpenEpisode | None,
    detector: ServedDetector,
    found: Detection,
    times_us: Times,
    limits: Sequence[float],
    *,
    off_delay_rows: int,
) -> tuple[OpenEpisode | None, tuple[Change, ...]]:
    """Take an alarm through rows that follow one another.

    Parameters
    ----------
    episode
        What went on before the first of them.
    found, times_us, limits
        What was found in each row, its time, and what it was held against.
    off_delay_rows
        Normal rows that end an alarm.

    Returns
    -------
    tuple
        What goes on after the last row, and the turns: a new alarm is told of as it stands after the rows.
    """
    if episode is None and not found.labels.any():
        return None, ()
    changes: list[Change] = []
    for row, (time_us, label, score) in enumerate(
        zip(times_us.tolist(), found.labels.tolist(), found.scores.tolist(), strict=True)
    ):
        if math.isnan(score):
            continue
        if label:
            grown = _grown(episode, detector, found, row, time_us=time_us, limit=limits[row])
            if episode is None or (grown.critical and not episode.critical):
                changes.append(Change(Turn.BEGUN if episode is None else Turn.WORSE, grown, time_us))
            episode = grown
        elif episode is not None:
            episode = replace(episode, quiet_rows=episode.quiet_rows + 1)
            if episode.quiet_rows >= off_delay_rows:
                changes.append(Change(Turn.OVER, episode, time_us))
                episode = None
    return episode, _told(changes, episode)


def episode_alerts(
    changes: Sequence[Change], detector: ServedDetector, *, asset: str, new_id: Callable[[], str]
) -> tuple[Alert, ...]:
    """What people are told: an alarm once, again if it becomes critical, and that it is over; at most `ALERT_LIMIT`.

    The key is that of the same episode in a batch, so that rows which are scored again later do not tell of it anew.
    """
    return tuple(_alert(change, detector, asset, new_id()) for change in changes[:ALERT_LIMIT])


def _grown(
    episode: OpenEpisode | None, detector: ServedDetector, found: Detection, row: int, *, time_us: int, limit: float
) -> OpenEpisode:
    score, severity = float(found.scores[row]), float(found.severity[row])
    if episode is not None and severity <= episode.severity:
        return replace(episode, last_us=time_us, rows=episode.rows + 1, quiet_rows=0)
    leading = leading_sensors(detector, found, Episode(row, row, row, score))
    if episode is None:
        return OpenEpisode(detector.version, time_us, time_us, 1, score, severity, limit, leading)
    return replace(
        episode,
        last_us=time_us,
        rows=episode.rows + 1,
        quiet_rows=0,
        peak_score=score,
        severity=severity,
        limit=limit,
        leading=leading,
    )


def _told(changes: Sequence[Change], episode: OpenEpisode | None) -> tuple[Change, ...]:
    """Each alarm as it stands at the end; one that began in these rows is not told of twice for getting worse."""
    latest = {change.episode.started_us: change.episode for change in changes}
    if episode is not None:
        latest[episode.started_us] = episode
    begun = {change.episode.started_us for change in changes if change.turn is Turn.BEGUN}
    return tuple(
        replace(change, episode=latest[change.episode.started_us])
        for change in changes
        if change.turn is not Turn.WORSE or change.episode.started_us not in begun
    )


def _alert(change: Change, detector: ServedDetector, asset: str, alert_id: str) -> Alert:
    episode = change.episode
    started = rfc3339(moment(episode.started_us))
    sensors = ", ".join(episode.leading)
    key = f"anomaly:{detector.name}:{episode.version}:{asset}:{started}"
    facts: dict[str, JSON] = {
        "version": episode.version,
        "rows": episode.rows,
        "peak_score": episode.peak_score,
        "threshold": episode.limit,
        "severity": episode.severity,
        "leading_sensors": episode.leading,
        "started_at": started,
        "ended_at": rfc3339(moment(episode.last_us)) if change.turn is Turn.OVER else None,
    }
    if change.turn is Turn.OVER:
        kind, severity, key = "anomaly_over", Severity.INFO, f"{key}:over"
        message = f"{detector.name} finds {asset} normal again after {episode.rows} anomalous rows; mostly {sensors}"
    else:
        kind, severity = "anomalous_rows", Severity.CRITICAL if episode.critical else Severity.WARNING
        message = f"{detector.name} finds anomalous rows at {asset} since {started}; mostly {sensors}"
    return Alert(
        id=alert_id,
        source="anomaly",
        kind=kind,
        severity=severity,
        asset=asset,
        subject=detector.name,
        message=message,
        occurred_at=moment(change.at_us),
        dedup_key=key,
        facts=facts,
    )


def moment(time_us: int) -> datetime:
    """The UTC time so many microseconds after 1970."""
    return _EPOCH + timedelta(microseconds=time_us)
