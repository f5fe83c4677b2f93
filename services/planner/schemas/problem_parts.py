"""The parts of a planning problem on the wire: horizon, calendar, areas, types, devices."""

from datetime import timedelta
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from services.planner.domain.problem import Area, Device, DeviceType, Horizon
from services.planner.schemas.base import AreaId, Body, Name, PlainDate

# Ten years: longer plans are a slip of the pen, and the search keeps a table of devices x working days.
HORIZON_LIMIT_DAYS = 3653

Weekday: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class HorizonBody(Body):
    """First and last day inspections may start and, unless work may cross the end, be worked on."""

    start: PlainDate
    end: PlainDate
    work_may_cross_end: bool = Field(default=False, strict=True)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end < self.start:
            raise PydanticCustomError("horizon", "the horizon ends before it begins")
        if self.end - self.start > timedelta(HORIZON_LIMIT_DAYS):
            raise PydanticCustomError("horizon", "the horizon is longer than ten years")
        return self

    def to_horizon(self) -> Horizon:
        """Return the horizon of the domain."""
        return Horizon(self.start, self.end, self.work_may_cross_end)


class CalendarBody(Body):
    """Weekend, public holidays of a country, holidays added and working days taken back."""

    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = Field(
        None, description="ISO 3166-1 code, such as JP"
    )
    weekend: list[Weekday] = Field(default=["sat", "sun"], max_length=7)
    holidays: list[PlainDate] = Field(default=[], max_length=10_000)
    working_days: list[PlainDate] = Field(default=[], max_length=10_000)


class AreaBody(Body):
    """A place to inspect in; `types` are those it takes, none given means all."""

    id: AreaId
    types: list[Name] | None = Field(None, min_length=1)

    def to_area(self) -> Area:
        """Return the area of the domain."""
        return Area(self.id, None if self.types is None else frozenset(self.types))


class DeviceTypeBody(Body):
    """What devices of one type share."""

    type: Name
    inspection_days: int = Field(ge=1, le=3653, strict=True, description="working days, counting the start day")
    device_class: Name | None = Field(None, alias="class")

    def to_type(self) -> DeviceType:
        """Return the device type of the domain."""
        return DeviceType(self.type, self.inspection_days, self.device_class)


class DeviceBody(Body):
    """A device to inspect; `start` and `area` are those of a plan made before."""

    id: Name
    type: Name
    previous_end: PlainDate
    start: PlainDate | None = None
    area: AreaId | None = None
    pinned: bool = Field(default=False, strict=True, description="stay at `start`, and in `area` if given")
    condition_due: PlainDate | None = None
    asset: Name | None = Field(None, description="where the device stands, a dotted path such as acme.osaka.r101")

    @model_validator(mode="after")
    def _pinned_somewhere(self) -> Self:
        if self.pinned and self.start is None:
            raise PydanticCustomError("pinned", "a pinned device needs a start")
        return self

    def to_device(self) -> Device:
        """Return the device of the domain."""
        return Device(
            id=self.id,
            type=self.type,
            previous_end=self.previous_end,
            start=self.start,
            area=self.area,
            pinned=self.pinned,
            condition_due=self.condition_due,
        )
