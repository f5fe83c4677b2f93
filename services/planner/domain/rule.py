"""What every rule is: a level, a weight, a scope, and matches that cost points."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from services.planner.domain.arrays import BoolArray, IntArray

if TYPE_CHECKING:
    from services.planner.domain.plan import Plan
    from services.planner.domain.problem import DeviceType, Problem

# Bases are counted in hundredths because monthly levelling squares a number with one decimal.
BASE_DECIMALS = 2
HUNDREDTHS = 100


@dataclass(frozen=True, slots=True)
class Match:
    """One place where a plan breaks one rule: a row of the explanation.

    Parameters
    ----------
    rule
        Key of the rule instance.
    level
        Level the points belong to.
    base_hundredths
        How far the rule is broken, in the unit of the rule [1/100].
    units
        Points, never above zero [10**-decimals points of the problem].
    month
        Month the match is reported in, `YYYY-MM`.
    devices
        Ids of the devices involved.
    day
        Day of the match, where it has one.
    area
        Area of the match, where it has one.
    """

    rule: str
    level: str
    base_hundredths: int
    units: int
    month: str
    devices: tuple[str, ...]
    day: date | None = None
    area: int | str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(ABC):
    """One instance of a rule of a problem.

    Parameters
    ----------
    key
        Name of the instance, unique within the problem.
    level
        Name of the score level its points belong to.
    weight
        Points for a base of 1, not negative.
    types
        Device types it is about; none given means all.
    device_class
        Class of device types it is about; none given means all.
    """

    rule: ClassVar[str]

    key: str
    level: str
    weight: Decimal
    types: frozenset[str] | None = None
    device_class: str | None = None

    @abstractmethod
    def matches(self, problem: "Problem", plan: "Plan") -> Iterator[Match]:
        """Yield every match that costs points."""

    def covers(self, device_type: "DeviceType") -> bool:
        """Whether devices of this type are in the scope of the rule."""
        by_name = self.types is None or device_type.name in self.types
        return by_name and (self.device_class is None or device_type.device_class == self.device_class)

    def covered_types(self, problem: "Problem") -> BoolArray:
        """Return `(types,)`: which device types are in scope."""
        return np.array([self.covers(device_type) for device_type in problem.types], dtype=np.bool_)

    def covered_devices(self, problem: "Problem") -> BoolArray:
        """Return `(devices,)`: which devices are in scope."""
        covered: BoolArray = self.covered_types(problem)[problem.type_of]
        return covered

    def match(
        self,
        problem: "Problem",
        base_hundredths: int,
        *,
        month: str,
        devices: tuple[str, ...],
        day: date | None = None,
        area: int | str | None = None,
    ) -> Match:
        """Make a match of this rule, `weight x base` points below zero."""
        return Match(
            rule=self.key,
            level=self.level,
            base_hundredths=base_hundredths,
            units=-problem.weight_units(self) * base_hundredths,
            month=month,
            devices=devices,
            day=day,
            area=area,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRule(Rule):
    """A rule about one device and its start day; the search takes any of them as it is."""

    @abstractmethod
    def base_days(self, problem: "Problem", start_day: IntArray) -> IntArray:
        """Return the base of each device for each start, whatever the scope.

        Parameters
        ----------
        problem
            What is planned.
        start_day
            `(devices,)` or `(starts, 1)` start days [calendar days from the first day of the horizon].

        Returns
        -------
        IntArray
            `(devices,)` or `(starts, devices)`, not negative [calendar days, or 1].
        """

    def matches(self, problem: "Problem", plan: "Plan") -> Iterator[Match]:
        """Yield one match for each device it costs points."""
        base = np.where(self.covered_devices(problem), self.base_days(problem, problem.calendar_day[plan.start]), 0)
        for device in np.flatnonzero(base):
            start = plan.start[device]
            yield self.match(
                problem,
                int(base[device]) * HUNDREDTHS,
                month=problem.month_names[problem.month_of[start]],
                devices=(problem.devices[device].id,),
                day=problem.days[start],
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityRule(Rule):
    """A rule about how many devices in scope are in inspection on one working day."""

    @abstractmethod
    def day_limits(self, problem: "Problem") -> IntArray:
        """Return `(days,)`: the number of devices each working day takes; `NO_LIMIT` for any number."""

    def matches(self, problem: "Problem", plan: "Plan") -> Iterator[Match]:
        """Yield one match for each working day above its limit."""
        excess = plan.in_inspection(problem, self.covered_devices(problem)) - self.day_limits(problem)
        for day in np.flatnonzero(excess > 0):
            yield self.match(
                problem,
                int(excess[day]) * HUNDREDTHS,
                month=problem.days[day].strftime("%Y-%m"),
                devices=plan.devices_on(problem, int(day), self.covered_devices(problem)),
                day=problem.days[day],
            )


# A count of devices no plan comes near to.
NO_LIMIT = 2**40
