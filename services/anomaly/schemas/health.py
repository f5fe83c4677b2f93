"""The health of an asset as callers get it."""

from datetime import date as calendar_day
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from services.anomaly.domain.health import AssetHealth, ConditionDue, HealthTrend


class HealthTrendResponse(BaseModel):
    """Points of health a day, negative where it becomes worse, with the interval of this confidence."""

    per_day: float
    lower: float
    upper: float
    confidence: float
    significant: bool = Field(description="whether the interval leaves 0 out")

    @classmethod
    def of(cls, trend: HealthTrend) -> Self:
        """Translate."""
        return cls(
            per_day=trend.per_day,
            lower=trend.lower,
            upper=trend.upper,
            confidence=trend.confidence,
            significant=trend.significant,
        )


class ConditionDueResponse(BaseModel):
    """The day health reaches the limit if its trend goes on, and the interval that the trend's gives."""

    date: calendar_day
    earliest: calendar_day
    latest: calendar_day | None = Field(description="null where it lies beyond the horizon")

    @classmethod
    def of(cls, due: ConditionDue) -> Self:
        """Translate."""
        return cls(date=due.day, earliest=due.earliest, latest=due.latest)


class DetectorHealthResponse(BaseModel):
    """What one detector says of the asset."""

    detector: str
    health: float = Field(ge=0, le=100)
    rows: int = Field(description="rows behind it, of its last hours")
    last_at: datetime
    counted: bool = Field(description="false where it has been silent for long while others have not")


class HealthBasisResponse(BaseModel):
    """What stands behind the figures."""

    hours: int = Field(description="hours with rows")
    points: int = Field(description="points that the trend goes through")


class HealthResponse(BaseModel):
    """The health of an asset: 100 is perfectly normal, 50 the detectors' limit; the worst detector counts."""

    asset: str
    health: float | None = Field(ge=0, le=100, description="null where nothing was scored since the last inspection")
    trend: HealthTrendResponse | None = Field(description="null where there is too little for an interval")
    condition_due: ConditionDueResponse | None = Field(description="null where no certain trend leads to the limit")
    limit: float = Field(description="health below which an inspection is due")
    since: datetime | None = Field(description="last inspection, or the first hour known")
    age_s: float | None = Field(description="seconds since the newest row: what is old says little about now")
    detectors: list[DetectorHealthResponse]
    basis: HealthBasisResponse

    @classmethod
    def of(cls, health: AssetHealth) -> Self:
        """Translate."""
        return cls(
            asset=health.asset,
            health=health.health,
            trend=None if health.trend is None else HealthTrendResponse.of(health.trend),
            condition_due=None if health.condition_due is None else ConditionDueResponse.of(health.condition_due),
            limit=health.limit,
            since=health.since,
            age_s=health.age_s,
            detectors=[
                DetectorHealthResponse(
                    detector=each.detector,
                    health=each.health,
                    rows=each.rows,
                    last_at=each.last_at,
                    counted=each.counted,
                )
                for each in health.detectors
            ],
            basis=HealthBasisResponse(hours=health.hours, points=health.points),
        )
