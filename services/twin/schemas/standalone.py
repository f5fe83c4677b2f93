"""What a twin on its own answers besides the suite's calls."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from services.twin.domain.registry import ModelVersion
from services.twin.schemas.base import WireAnswer
from services.twin.schemas.predictions import PredictionResponse


class HealthResponse(WireAnswer):
    """The twin answers; times in seconds."""

    status: Literal["healthy"] = "healthy"
    service: Literal["digital-twin"] = "digital-twin"
    model_version: str
    uptime_seconds: float
    total_requests: int
    timestamp: str


class StandalonePrediction(WireAnswer):
    """One prediction, wrapped."""

    success: Literal[True] = True
    result: PredictionResponse
    request_id: str


class ModelInfoResponse(WireAnswer):
    """The model in four lines; `GET /api/v1/twin/models/{model}` has its whole card."""

    type: str
    version: str
    features: list[str]
    trained_date: str

    @classmethod
    def of(cls, version: ModelVersion) -> Self:
        """The wire form of the one version that there is."""
        card: Mapping[str, Any] = version.card
        return cls(
            type=card["model"]["type"],
            version=version.version,
            features=[feature["name"] for feature in card["features"]],
            # The day of an RFC 3339 time.
            trained_date=card["training_date"][:10],
        )
