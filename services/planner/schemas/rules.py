"""The rules of a problem on the wire; the union `RuleBody` is where a new rule is added."""

from decimal import Decimal
from typing import Annotated, Literal, TypeAlias, TypedDict

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from services.planner.domain.constraints.area_exclusive import AreaExclusive
from services.planner.domain.constraints.busy_season import BusySeason, BusySeasonStarts
from services.planner.domain.constraints.condition import Condition
from services.planner.domain.constraints.daily_limit import DailyLimit
from services.planner.domain.constraints.disruption import Disruption, DisruptionCount
from services.planner.domain.constraints.earliest_start import EarliestStart
from services.planner.domain.constraints.monthly_levelling import MonthlyLevelling
from services.planner.domain.constraints.return_interval import ReturnInterval
from services.planner.domain.constraints.return_limit import ReturnLimit
from services.planner.domain.constraints.same_type_spacing import SameTypeSpacing
from services.planner.domain.rule import Rule
from services.planner.schemas.base import Body, Name, PlainDate


def _exact_number(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticCustomError("weight", "a weight is a number, or a decimal in quotes")
    # A JSON number such as 0.1 arrives as a float; its shortest decimal form is what the sender wrote.
    return Decimal(repr(value)) if isinstance(value, float) else value


Weight: TypeAlias = Annotated[
    Decimal,
    BeforeValidator(_exact_number, json_schema_input_type=int | float | str),
    Field(ge=0, max_digits=18, decimal_places=6, allow_inf_nan=False),
]
Days: TypeAlias = Annotated[int, Field(ge=0, le=36525, description="calendar days", strict=True)]
Devices: TypeAlias = Annotated[int, Field(ge=0, le=1_000_000, description="devices", strict=True)]


class ScopeFields(TypedDict):
    """The fields every rule of the domain has."""

    key: str
    level: str
    weight: Decimal
    types: frozenset[str] | None
    device_class: str | None


class AnyRuleBody(Body):
    """What every rule has."""

    name: Name | None = Field(None, description="name of this instance in explanations; made from the rule if left out")
    level: Name
    weight: Weight = Field(description="points for a base of 1; in quotes a decimal stays exact")
    types: list[Name] | None = Field(None, min_length=1, description="only devices of these types")
    device_class: Name | None = Field(None, alias="class", description="only devices of this class")

    def scope(self, key: str) -> ScopeFields:
        """Return the common fields of the rule of the domain."""
        return ScopeFields(
            key=key,
            level=self.level,
            weight=self.weight,
            types=None if self.types is None else frozenset(self.types),
            device_class=self.device_class,
        )


class DailyLimitBody(AnyRuleBody):
    """No working day has more than `max` devices in inspection."""

    rule: Literal["daily_limit"]
    max: Devices

    def to_rule(self, key: str) -> Rule:
        """Return the rule of the domain."""
        return DailyLimit(**self.scope(key), max_devices=self.max)


class AreaExclusiveBody(AnyRuleBody):
    """An area holds one device at a time."""

    rule: Literal["area_exclusive"]

    def to_rule(self, key: str) -> Rule:
        """Return the rule of the domain."""
        return AreaExclusive(**self.scope(key))


class ReturnLimitBody(AnyRuleBody):
    """A device comes back within `days` of its previous end."""

    rule: Literal["return_limit"]
    days: Days

    def to_rule(self, key: str) -> Rule:
        """Return the rule of the domain."""
        return ReturnLimit(**self.scope(key), days=self.days)


class ReturnIntervalBody(AnyRuleBody):
    """A device comes back no earlier than `days` after its previous end."""

    rule: Literal["return_interval"]
    days: Days | None = Field(None, description="those of the return limit, if left out")

    def to_rule(self, key: str, limit_days: int | None = None) -> Rule:
        """Return the rule of the domain; `limit_days` stands in for days left out."""
        days = self.days if self.days is not None else limit_days
        if days is None:
            raise ValueError("the days of a return interval must be resolved before")
        return ReturnInterval(**self.scope(key), days=days)


class BusySeasonBody(AnyRuleBody):
    """No working day of the season has more than `max` devices in inspection; or: no more are sent in during it."""

    rule: Literal["busy_season"]
    first: PlainDate = Field(alias="from")
    last: PlainDate = Field(alias="to")
    max: Devices
    count: Literal["simultaneous", "starts"] = "simultaneous"

    @model_validator(mode="after")
    def _in_order(self) -> "BusySeasonBody":
        if self.last < self.first:
            raise PydanticCustomError("busy_season", "the season ends before it begins")
        return self

    def to_rule(self, key: str) -> Rule:
        """Return the rule of the domain."""
        made = BusySeasonStarts if self.count == "starts" else BusySeason
        return made(**self.scope(key), first=self.first, last=self.last, max_devices=self.max)


class SameTypeSpacingBody(AnyRuleBody):
    """Devices of one type start at least `days` apart."""

    rule: Literal["same_type_spacing"]
    days: Days

    def to_rule(self, key: str) -> Rule:
        """Return the rule of the domain."""
        return SameTypeSpacing(**self.scope(key), days=self.days)


class MonthlyLevellingBody(AnyRuleBody):
    """Every month sends in as many devices of a type as the others."""

    rule: Literal["monthly_levelling"]

    def to_rule(self, key: str) -> Rule:
        """Return the rule of the domain."""
        return MonthlyLevelling(**self.scope(key))


class ConditionBody(AnyRuleBody):
    """A device starts by its `condition_due` date."""

    rule: Literal["condition"]

    def to_rule(self, key: str) -> Rule:
        """Return the rule of the domain."""
        return Condition(**self.scope(key))


class DisruptionBody(AnyRuleBody):
    """A device stays at its `start` in the problem."""

    rule: Literal["disruption"]
    count: DisruptionCount = DisruptionCount.DAYS

    def to_rule(self, key: str) -> Rule:
        """Return the rule of the domain."""
        return Disruption(**self.scope(key), count=self.count)


class EarliestStartBody(AnyRuleBody):
    """No device begins before a day, unless it is pinned."""

    rule: Literal["earliest_start"]
    first: PlainDate = Field(alias="from")

    def to_rule(self, key: str) -> Rule:
        """Return the rule of the domain."""
        return EarliestStart(**self.scope(key), first=self.first)


RuleBody: TypeAlias = Annotated[
    DailyLimitBody
    | AreaExclusiveBody
    | ReturnLimitBody
    | BusySeasonBody
    | SameTypeSpacingBody
    | ReturnIntervalBody
    | MonthlyLevellingBody
    | ConditionBody
    | DisruptionBody
    | EarliestStartBody,
    Field(discriminator="rule"),
]
