"""What detectors meet since they serve: alarms against the promise, and drift."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from services.anomaly.domain.drift import DriftReport
from services.anomaly.domain.live_counts import MORE_ALARMS, LiveCount, Promise, Verdict, total_of
from services.anomaly.domain.served import ServedDetector

# The card lists so many assets, those with the most alarms first.
_ASSETS_LISTED = 50


class LiveCountResponse(BaseModel):
    """Rows that were scored under the limit in force."""

    rows: int = Field(description="rows with a score")
    alarms: int = Field(description="anomalous rows")
    episodes: int = Field(description="alarms: anomalous rows close to one another are one")
    expected: float | None = Field(description="episodes that the threshold's evidence expects in these rows")
    upper: float | None = Field(description="and how many at most")
    verdict: Verdict
    message: str | None
    first_seen: datetime
    last_seen: datetime

    @classmethod
    def of(cls, count: LiveCount, promise: Promise | None) -> Self:
        """Translate."""
        return cls(**_count_fields(count, promise))


class AssetCountResponse(LiveCountResponse):
    """The same of one asset; null where callers name none."""

    asset: str | None

    @classmethod
    def of(cls, count: LiveCount, promise: Promise | None) -> Self:
        """Translate."""
        return cls(asset=count.asset, **_count_fields(count, promise))


class LiveResponse(LiveCountResponse):
    """All assets together, and those with the most alarms."""

    assets: list[AssetCountResponse]

    @classmethod
    def of_all(cls, counts: Sequence[LiveCount], promise: Promise | None) -> "LiveResponse | None":
        """Translate; `None` before any row was scored."""
        total = total_of(counts)
        if total is None:
            return None
        listed = sorted(counts, key=lambda count: -count.alarm_rows)[:_ASSETS_LISTED]
        assets = [AssetCountResponse.of(count, promise) for count in listed]
        return cls(assets=assets, **_count_fields(total, promise))


class SensorDriftResponse(BaseModel):
    """How a sensor's recent readings differ from the training rows."""

    name: str
    verdict: str = Field(description="stable, drifting, changed, or unknown with too few independent rows")
    independent_rows: float = Field(description="what the recent readings are worth: neighbours resemble one another")
    psi: float = Field(description="population stability index over tenths of the training rows")
    ks: float = Field(description="largest distance between the two distributions at those tenths")
    mean_shift: float = Field(description="in standard deviations of the training rows")
    spread_ratio: float = Field(description="standard deviation over that of the training rows")
    missing_share: float
    correlation_change: float | None = Field(description="largest change of the correlation with another sensor")


class DriftResponse(BaseModel):
    """What was scored recently against what the serving version was trained on."""

    detector: str
    version: str
    asset: str | None = Field(description="null: all assets together")
    verdict: str
    rows: int
    since: datetime | None
    until: datetime | None
    sensors: list[SensorDriftResponse]

    @classmethod
    def of(cls, detector: ServedDetector, report: DriftReport, asset: str | None) -> Self:
        """Translate."""
        return cls(
            detector=detector.name,
            version=detector.version,
            asset=asset,
            verdict=report.verdict,
            rows=report.rows,
            since=report.since,
            until=report.until,
            sensors=[
                SensorDriftResponse(
                    name=sensor.name,
                    verdict=sensor.verdict,
                    independent_rows=sensor.independent_rows,
                    psi=sensor.stability_index,
                    ks=sensor.ks,
                    mean_shift=sensor.mean_shift,
                    spread_ratio=sensor.spread_ratio,
                    missing_share=sensor.missing_share,
                    correlation_change=sensor.correlation_change,
                )
                for sensor in report.sensors
            ],
        )


def _count_fields(count: LiveCount, promise: Promise | None) -> dict[str, object]:
    verdict = Verdict.UNKNOWN if promise is None else promise.verdict(count)
    return {
        "rows": count.rows,
        "alarms": count.alarm_rows,
        "episodes": count.alarms,
        "expected": None if promise is None else promise.expected_alarms * count.rows,
        "upper": None if promise is None else promise.most_alarms * count.rows,
        "verdict": verdict,
        "message": MORE_ALARMS if verdict is Verdict.MORE_ALARMS else None,
        "first_seen": count.first_seen,
        "last_seen": count.last_seen,
    }
