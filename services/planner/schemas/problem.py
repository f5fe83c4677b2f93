"""A planning problem on the wire, and every fault of it at once."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from typing import Annotated, Final, Self, TypeVar

from pydantic import Field, ModelWrapValidatorHandler, TypeAdapter, ValidationError, model_validator

from services.planner.domain.calendar import Calendar, HolidaySource
from services.planner.domain.problem import Area, Problem, ProblemInvalid, build_problem
from services.planner.domain.rule import Rule
from services.planner.schemas.base import Body, Name
from services.planner.schemas.cross_checks import Parts, cross_check, default_areas, limit_days
from services.planner.schemas.faults import faults_of, merged
from services.planner.schemas.problem_parts import AreaBody, CalendarBody, DeviceBody, DeviceTypeBody, HorizonBody
from services.planner.schemas.rules import ReturnIntervalBody, RuleBody

DEFAULT_LEVELS: Final = ("hard", "medium", "soft")
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MOST_AREAS = 10_000
# No list of a problem may be longer.
_MOST_DEVICES = 20_000

T = TypeVar("T")


class ProblemBody(Body):
    """Devices to inspect within a horizon, and the rules a plan is scored by."""

    name: str = Field("", max_length=200, pattern=r"^[^\x00]*$")
    horizon: HorizonBody
    calendar: CalendarBody = CalendarBody()
    levels: list[Name] = Field(list(DEFAULT_LEVELS), min_length=1, max_length=10, description="first counts first")
    areas: (
        Annotated[int, Field(ge=1, le=_MOST_AREAS, strict=True)]
        | Annotated[list[AreaBody], Field(min_length=1, max_length=_MOST_AREAS)]
        | None
    ) = Field(None, description="a number, or each one; the daily limit, if left out")
    device_types: list[DeviceTypeBody] = Field(min_length=1, max_length=10_000)
    devices: list[DeviceBody] = Field(min_length=1, max_length=_MOST_DEVICES)
    rules: list[RuleBody] = Field(max_length=200)

    @model_validator(mode="wrap")
    @classmethod
    def _every_fault(cls, document: object, handler: ModelWrapValidatorHandler["ProblemBody"]) -> "ProblemBody":
        try:
            body = handler(document)
        except ValidationError as shape:
            raise merged(cls.__name__, document, shape, cross_check(_readable(document))) from None
        faults = cross_check(body.parts())
        if faults:
            raise merged(cls.__name__, document, None, faults)
        return body

    def parts(self) -> Parts:
        """Return the parts that are checked against each other."""
        return Parts(
            levels=self.levels,
            areas=list(enumerate(self.areas)) if isinstance(self.areas, list) else self.areas,
            types=list(enumerate(self.device_types)),
            devices=list(enumerate(self.devices)),
            rules=list(enumerate(self.rules)),
        )

    def settled(self, holidays: HolidaySource) -> Self:
        """Return the same problem with the country's public holidays written out.

        A plan kept for years must not change its score because a holiday was moved since.
        """
        calendar = self._calendar(holidays)
        written = self.calendar.model_copy(update={"country": None, "holidays": sorted(calendar.holidays)})
        return self.model_copy(update={"calendar": written})

    def settled_calendar(self) -> Calendar:
        """Return the calendar of a problem whose public holidays are written out."""
        if self.calendar.country is not None:
            raise ValueError("the public holidays of this problem are not written out")
        return Calendar(
            weekend=frozenset(WEEKDAYS.index(day) for day in self.calendar.weekend),
            holidays=frozenset(self.calendar.holidays),
            working_days=frozenset(self.calendar.working_days),
        )

    def to_problem(self, holidays: HolidaySource, pointer: str = "") -> Problem:
        """Return the problem of the domain.

        Parameters
        ----------
        holidays
            Where the public holidays of the calendar's country come from.
        pointer
            JSON pointer of this body in the one it came in, for faults.

        Raises
        ------
        ProblemInvalid
            If days do not fit the calendar; every fault is listed.
        CountryUnknown
            If no public holidays are known for the calendar's country.
        """
        return build_problem(
            name=self.name,
            horizon=self.horizon.to_horizon(),
            calendar=self._calendar(holidays),
            levels=self.levels,
            areas=self._areas(),
            types=[entry.to_type() for entry in self.device_types],
            devices=[entry.to_device() for entry in self.devices],
            rules=self._rules(),
            pointer=pointer,
        )

    def _calendar(self, holidays: HolidaySource) -> Calendar:
        public: frozenset[date] = frozenset()
        if self.calendar.country is not None:
            longest = max(entry.inspection_days for entry in self.device_types)
            # Inspections that cross the end need the holidays behind it; a year has 200 working days at least.
            years_beyond = 1 + longest // 200 if self.horizon.work_may_cross_end else 0
            last_year = min(self.horizon.end.year + years_beyond, date.max.year)
            public = holidays.public_holidays(self.calendar.country, self.horizon.start.year, last_year)
        return Calendar(
            weekend=frozenset(WEEKDAYS.index(day) for day in self.calendar.weekend),
            holidays=public | frozenset(self.calendar.holidays),
            working_days=frozenset(self.calendar.working_days),
        )

    def _areas(self) -> list[Area]:
        if isinstance(self.areas, list):
            return [entry.to_area() for entry in self.areas]
        number = default_areas(self.rules) if self.areas is None else self.areas
        return [Area(area) for area in range(1, number + 1)]

    def _rules(self) -> list[Rule]:
        names = Counter(entry.rule for entry in self.rules)
        taken = {entry.name for entry in self.rules}
        seen: Counter[str] = Counter()
        made: list[Rule] = []
        for entry in self.rules:
            seen[entry.rule] += 1
            key = entry.name
            if key is None:
                key = entry.rule if names[entry.rule] == 1 else f"{entry.rule}-{seen[entry.rule]}"
                while key in taken:
                    key += "'"
                taken.add(key)
            if isinstance(entry, ReturnIntervalBody):
                made.append(entry.to_rule(key, limit_days(self.rules)))
            else:
                made.append(entry.to_rule(key))
        return made


def parse_problem(document: object, holidays: HolidaySource) -> Problem:
    """Read a problem from JSON data.

    Raises
    ------
    ProblemInvalid
        With every fault and its JSON pointer.
    CountryUnknown
        If no public holidays are known for the calendar's country.
    """
    try:
        body = ProblemBody.model_validate(document)
    except ValidationError as error:
        raise ProblemInvalid(faults_of(error)) from None
    return body.to_problem(holidays)


_AREA: Final = TypeAdapter(AreaBody).validate_python
_TYPE: Final = TypeAdapter(DeviceTypeBody).validate_python
_DEVICE: Final = TypeAdapter(DeviceBody).validate_python
_RULE: Final[Callable[[object], RuleBody]] = TypeAdapter[RuleBody](RuleBody).validate_python


def _readable(document: object) -> Parts:
    """Return what can be read of a document that has faults of shape."""
    whole = document if isinstance(document, Mapping) else {}
    levels = whole.get("levels", DEFAULT_LEVELS)
    areas, types, devices, rules = (whole.get(name) for name in ("areas", "device_types", "devices", "rules"))
    readable_areas = _each(areas, _AREA) if isinstance(areas, list) else areas
    parts = Parts(
        levels=[entry for entry in levels if isinstance(entry, str)] if isinstance(levels, list | tuple) else (),
        areas=readable_areas if isinstance(readable_areas, list | int) else None,
        types=_each(types, _TYPE),
        devices=_each(devices, _DEVICE),
        rules=_each(rules, _RULE),
    )
    short = {
        name
        for name, given, read in (
            ("device_types", types, parts.types),
            ("rules", rules, parts.rules),
        )
        if not isinstance(given, list) or len(read) < len(given)
    }
    if isinstance(areas, list) and isinstance(readable_areas, list) and len(readable_areas) < len(areas):
        short.add("areas")
    # A number that is too large is refused for that alone: to name that many areas would take all memory.
    too_many = isinstance(areas, int) and areas > _MOST_AREAS
    if too_many or not isinstance(areas, list | int | None) or isinstance(areas, bool):
        short.add("areas")
    return replace(parts, incomplete=frozenset(short))


def _each(entries: object, read: Callable[[object], T]) -> list[tuple[int, T]]:
    readable: list[tuple[int, T]] = []
    # What is too long is refused for that: to read on to the end of it could take minutes.
    for index, entry in enumerate(entries[:_MOST_DEVICES] if isinstance(entries, list) else ()):
        try:
            readable.append((index, read(entry)))
        except ValidationError:
            continue  # its own faults are in the list already
    return readable
