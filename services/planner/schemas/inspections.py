"""Finished inspections on the wire."""

import uuid
from datetime import datetime
from typing import Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from services.planner.domain.inspections import Inspection, InspectionPage
from services.planner.schemas.base import Body, Name, PlainDate
from services.planner.schemas.plans import Moment


class InspectionRequest(Body):
    """An inspection that is over."""

    device: Name
    asset: Name | None = Field(None, description="where the device stands, as in the problem")
    started: PlainDate
    finished: PlainDate = Field(description="last day")
    findings: str = Field("", max_length=20_000, pattern=r"^[^\x00]*$", description="what was found, in words")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.finished < self.started:
            raise PydanticCustomError("inspection", "the inspection finished before it started")
        return self

    def to_inspection(self, *, recorded_by: str, recorded_at: datetime) -> Inspection:
        """Return the inspection of the domain."""
        return Inspection(
            id=uuid.uuid4().hex,
            device=self.device,
            asset=self.asset,
            started=self.started,
            finished=self.finished,
            findings=self.findings,
            recorded_by=recorded_by,
            recorded_at=recorded_at,
        )


class InspectionBody(Body):
    """A recorded inspection."""

    id: str
    device: str
    asset: str | None
    started: PlainDate
    finished: PlainDate
    findings: str
    recorded_by: str
    recorded_at: Moment

    @classmethod
    def of(cls, inspection: Inspection) -> Self:
        """Write an inspection down."""
        return cls(
            id=inspection.id,
            device=inspection.device,
            asset=inspection.asset,
            started=inspection.started,
            finished=inspection.finished,
            findings=inspection.findings,
            recorded_by=inspection.recorded_by,
            recorded_at=inspection.recorded_at,
        )


class InspectionListBody(Body):
    """A part of the list of inspections, newest first."""

    items: list[InspectionBody]
    next_cursor: str | None

    @classmethod
    def of(cls, page: InspectionPage, reachable: tuple[Inspection, ...]) -> Self:
        """Write down what the caller may see of a page."""
        return cls(items=[InspectionBody.of(entry) for entry in reachable], next_cursor=page.next_cursor)
