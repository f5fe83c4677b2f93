"""Which days are worked: the weekend and holidays are data, never knowledge of this code."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import ClassVar, Protocol

from shared.errors import AppError, Kind

# Ten years without enough working days means that the calendar is wrong, not that the work is long.
SEARCH_LIMIT_DAYS = 3653


class CountryUnknown(AppError):
    """No public holidays are known for this country."""

    kind, code = Kind.INVALID, "planner.country_unknown"

    def __init__(self, country: str) -> None:
        super().__init__(f"no public holidays are known for country {country!r}", country=country)


class CalendarTooShort(AppError):
    """There are fewer working days than the work needs."""

    kind, code = Kind.INVALID, "planner.calendar_too_short"

    def __init__(self, after: date, count: int) -> None:
        super().__init__(
            f"the calendar has no {count} working days in the ten years after {after.isoformat()}",
            after=after.isoformat(),
            count=count,
        )


class HolidaySource(Protocol):
    """Where the public holidays of a country come from."""

    def public_holidays(self, country: str, first_year: int, last_year: int) -> frozenset[date]:
        """Return the public holidays of both years and those between; raise `CountryUnknown`."""
        ...


@dataclass(frozen=True, slots=True)
class Calendar:
    """Weekend and holidays rest, unless a day is named as worked.

    Parameters
    ----------
    weekend
        Days of the week, 0 is Monday.
    holidays
        Days off beside the weekend.
    working_days
        Days worked whatever the other two say.
    """

    SATURDAY_AND_SUNDAY: ClassVar[frozenset[int]] = frozenset({5, 6})

    weekend: frozenset[int] = SATURDAY_AND_SUNDAY
    holidays: frozenset[date] = frozenset()
    working_days: frozenset[date] = frozenset()

    def is_worked(self, day: date) -> bool:
        """Whether inspections go on that day."""
        if day in self.working_days:
            return True
        return day.weekday() not in self.weekend and day not in self.holidays

    def worked_between(self, first: date, last: date) -> tuple[date, ...]:
        """Return the working days from `first` to `last`, both included."""
        days = (first + timedelta(offset) for offset in range((last - first).days + 1))
        return tuple(day for day in days if self.is_worked(day))

    def worked_after(self, after: date, count: int) -> tuple[date, ...]:
        """Return the `count` working days that follow `after`.

        Raises
        ------
        CalendarTooShort
            If ten years do not hold that many.
        """
        found: list[date] = []
        day = after
        for _ in range(SEARCH_LIMIT_DAYS):
            if len(found) == count:
                return tuple(found)
            day += timedelta(1)
            if self.is_worked(day):
                found.append(day)
        raise CalendarTooShort(after, count)
