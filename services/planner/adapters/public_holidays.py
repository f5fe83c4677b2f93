"""Public holidays from the `holidays` package."""

from datetime import date

import holidays

from services.planner.domain.calendar import CountryUnknown


class PackagedHolidays:
    """A `HolidaySource` that needs no network."""

    def public_holidays(self, country: str, first_year: int, last_year: int) -> frozenset[date]:
        try:
            found = holidays.country_holidays(country, years=range(first_year, last_year + 1), expand=False)
        except NotImplementedError:
            raise CountryUnknown(country) from None
        return frozenset(found)
