"""What callers get back."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, Field

from services.anomaly.domain.alerts import leading_sensors
from services.anomaly.domain.catalogue import DetectorEntry, DetectorPage
from services.anomaly.domain.scoring import Scored
from services.anomaly.domain.thresholds import Threshold
from services.anomaly.domain.training_requests import KeptTable
from services.anomaly.domain.usability import unusable_rows
from services.anomaly.schemas.live import LiveResponse

# Of a score job; its result is part of every list of jobs.
_EPISODES_TOLD = 20


class ThresholdResponse(BaseModel):
    """A limit, how it was set, and the figures behind it."""

    value: float
    rule: dict[str, Any]
    evidence: dict[str, Any]

    @classmethod
    def of(cls, threshold: Threshold) -> Self:
        """Translate."""
        return cls(value=threshold.value, rule=dict(threshold.rule), evidence=dict(threshold.evidence))


class ThresholdInForce(ThresholdResponse):
    """A limit and, where it was set after publishing, when and by whom."""

    set_at: datetime | None
    set_by: str | None


class ColumnResponse(BaseModel):
    """A sensor and how it was spread while the detector was trained."""

    name: str
    unit: str | None
    minimum: float
    maximum: float
    mean: float
    std: float
    constant: bool


class VersionResponse(BaseModel):
    """A published version."""

    version: int
    digest: str
    size_bytes: int
    created_at: datetime
    job_id: str | None
    comparison: dict[str, Any] | None = Field(
        description="of a version trained to follow another: how both judge its later held-out rows"
    )


class DetectorResponse(BaseModel):
    """A detector's card: that of the version that serves."""

    name: str
    kind: str
    reason: str | None = Field(description="why this kind, where `auto` chose")
    version: int
    digest: str
    window: int = Field(description="rows the model looks at")
    warmup_rows: int = Field(description="rows before a row that its score depends on")
    columns: list[ColumnResponse]
    threshold: ThresholdInForce
    options: dict[str, Any]
    blocks: dict[str, Any] = Field(description="how the training rows were divided")
    preparation: dict[str, Any] = Field(description="what was missing, off, periodic or doubled in the training rows")
    training: dict[str, Any] = Field(description="training report; empty where there is nothing to train")
    period: list[str] | None = Field(description="times of the first and the last training row")
    versions: list[VersionResponse]
    live: LiveResponse | None = Field(
        default=None, description="alarms since it serves, against what the threshold's evidence promises; not in lists"
    )

    @classmethod
    def of(cls, entry: DetectorEntry) -> Self:
        """Translate."""
        card: Mapping[str, Any] = entry.card
        return cls(
            name=entry.name,
            kind=card["kind"],
            reason=card["reason"],
            version=entry.current.version,
            digest=entry.current.digest,
            window=card["window_rows"],
            warmup_rows=card["warmup_rows"],
            columns=[
                ColumnResponse(
                    name=column.name,
                    unit=column.unit,
                    minimum=column.minimum,
                    maximum=column.maximum,
                    mean=column.mean,
                    std=column.std,
                    constant=column.constant,
                )
                for column in entry.columns
            ],
            threshold=ThresholdInForce(
                value=entry.threshold.value,
                rule=dict(entry.threshold.rule),
                evidence=dict(entry.threshold.evidence),
                set_at=entry.threshold_set_at,
                set_by=entry.threshold_set_by,
            ),
            options=card["options"],
            blocks=card["blocks"],
            preparation=card.get("preparation", {}),
            training=card["training"],
            period=card["period"],
            versions=[
                VersionResponse(
                    version=version.version,
                    digest=version.digest,
                    size_bytes=version.size_bytes,
                    created_at=version.created_at,
                    job_id=version.job_id,
                    comparison=None if version.comparison is None else dict(version.comparison),
                )
                for version in entry.versions
            ],
        )


class DetectorList(BaseModel):
    """A part of the detectors, by name."""

    items: list[DetectorResponse]
    next_cursor: str | None

    @classmethod
    def of(cls, page: DetectorPage) -> Self:
        """Translate."""
        return cls(items=[DetectorResponse.of(entry) for entry in page.items], next_cursor=page.next_cursor)


class EpisodeResponse(BaseModel):
    """A run of anomalous rows; `start` and `end` are positions, both included."""

    start: int
    end: int
    rows: int
    peak: int
    peak_score: float
    severity: float = Field(ge=0, le=1)
    leading_sensors: dict[str, float] = Field(description="largest shares of the peak's score")
    started_at: datetime | None
    ended_at: datetime | None


class ContributionResponse(BaseModel):
    """What an anomalous row's score is made of; the parts add up to it."""

    row: int
    score: float
    severity: float = Field(ge=0, le=1)
    sensors: dict[str, float]
    attention: dict[str, float] | None = Field(
        default=None,
        description="share of the model's attention that each sensor received, of kinds that have any; not what the "
        "score is made of",
    )


class UnusableResponse(BaseModel):
    """Rows without a score, one after the other; `start` and `end` are positions, both included."""

    start: int
    end: int
    reason: str = Field(description="warm_up, after_gap, missing or machine_off")


class ScoreResponse(BaseModel):
    """Scores of the rows, in their order.

    A row's score is null, and its label 0, where it is not usable; `unusable` says why.
    """

    detector: str
    version: str
    asset: str | None
    scores: list[float | None]
    labels: list[int]
    threshold: float
    episodes: list[EpisodeResponse]
    contributions: list[ContributionResponse]
    unusable: list[UnusableResponse]

    @classmethod
    def of(cls, scored: Scored, asset: str | None, *, most_explained_rows: int | None = None) -> Self:
        """Translate.

        Parameters
        ----------
        most_explained_rows
            Contributions are told of so many anomalous rows at most, those with the highest scores.
        """
        detector, found, times = scored.ready.detector, scored.detection, scored.times
        anomalous = found.labels.nonzero()[0]
        explained = np.sort(anomalous[np.argsort(-found.scores[anomalous], kind="stable")[:most_explained_rows]])
        return cls(
            detector=detector.name,
            version=detector.version,
            asset=asset,
            scores=_without_nan(found.scores.tolist()),
            labels=found.labels.tolist(),
            threshold=found.limit,
            episodes=[
                EpisodeResponse(
                    start=episode.start,
                    end=episode.end,
                    rows=episode.rows,
                    peak=episode.peak,
                    peak_score=episode.peak_score,
                    severity=float(found.severity[episode.peak]),
                    leading_sensors=leading_sensors(detector, found, episode),
                    started_at=None if times is None else times[episode.start],
                    ended_at=None if times is None else times[episode.end],
                )
                for episode in found.episodes()
            ],
            contributions=[
                ContributionResponse(
                    row=row,
                    score=float(found.scores[row]),
                    severity=float(found.severity[row]),
                    sensors=dict(zip(detector.column_names, found.contributions[row].tolist(), strict=True)),
                    attention=_attention(scored, row),
                )
                for row in explained.tolist()
            ],
            unusable=[
                UnusableResponse(start=rows.start, end=rows.end, reason=rows.reason.word)
                for rows in unusable_rows(found.reasons)
            ],
        )


class ScoreJobResult(BaseModel):
    """What a score job tells at its end; all scores lie at `scores_url`.

    There, contributions are those of the anomalous rows with the highest scores: 10 000 rows at most, fewer where a row
    has more than 100 sensors.
    """

    detector: str
    version: str
    asset: str | None
    rows: int
    scored: int = Field(description="rows with a score")
    anomalous: int
    threshold: float
    episode_count: int
    episodes: list[EpisodeResponse] = Field(description="the first of them")
    scores_url: str

    @classmethod
    def of(cls, scores: ScoreResponse, job_id: str) -> Self:
        """Sum up."""
        return cls(
            detector=scores.detector,
            version=scores.version,
            asset=scores.asset,
            rows=len(scores.scores),
            scored=sum(score is not None for score in scores.scores),
            anomalous=sum(scores.labels),
            threshold=scores.threshold,
            episode_count=len(scores.episodes),
            episodes=scores.episodes[:_EPISODES_TOLD],
            scores_url=f"/api/v1/anomaly/scores/{job_id}",
        )


class UploadResponse(BaseModel):
    """A file that was read and kept."""

    upload_id: str
    rows: int
    columns: list[str]
    missing: int = Field(description="readings that are not there")
    period: list[datetime] | None = Field(description="times of the first and the last row")
    image_shape: list[int] | None = Field(description="height, width and channels of a row that is an image")

    @classmethod
    def of(cls, upload_id: str, kept: KeptTable) -> Self:
        """Translate."""
        return cls(
            upload_id=upload_id,
            rows=kept.rows,
            columns=list(kept.columns),
            missing=kept.missing,
            period=None if kept.period is None else list(kept.period),
            image_shape=None if kept.image_shape is None else list(kept.image_shape),
        )


class StatusResponse(BaseModel):
    """Whether the service works, for whom, and what it can train."""

    status: str
    kinds: list[str]
    user: str


def _attention(scored: Scored, row: int) -> dict[str, float] | None:
    if scored.attention is None:
        return None
    return dict(zip(scored.ready.detector.column_names, scored.attention[row].tolist(), strict=True))


def _without_nan(values: Sequence[float]) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values]
