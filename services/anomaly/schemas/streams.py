"""Streams: what comes in and what goes back."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from services.anomaly.domain.streaming import StreamInput
from services.anomaly.domain.streaming_step import Step
from services.anomaly.schemas.requests import Columns, Rows, Times
from services.anomaly.schemas.responses import ScoreResponse


class StreamRequest(BaseModel):
    """The newest rows of an asset."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: Columns | None = Field(None, description="names of the sensors, in the order of the values (as trained)")
    rows: Rows = Field(description="one list a row, oldest first")
    timestamps: Times = Field(description="one a row, increasing; they tell a row that is sent again from a new one")

    def to_domain(self) -> StreamInput:
        """The rows as the domain reads them."""
        return StreamInput(self.columns, self.rows, self.timestamps)


class StreamResponse(ScoreResponse):
    """Scores of the rows, in their order, with the rows of earlier calls looked back on."""

    repeated: int = Field(description="rows at the beginning that had been scored before; they changed nothing")
    calibrated_threshold: float = Field(description="`threshold` differs from it where the limit has followed drift")

    @classmethod
    def of_step(cls, step: Step, asset: str) -> Self:
        """Translate."""
        scored = ScoreResponse.of(step.scored, asset)
        return cls(
            **{name: getattr(scored, name) for name in ScoreResponse.model_fields},
            repeated=step.repeated,
            calibrated_threshold=step.calibrated_limit,
        )
