"""Settings of what happens to rows before any model sees them; every kind has them."""

from dataclasses import dataclass, field
from enum import StrEnum

from services.anomaly.domain.options.declare import number, whole


class SeasonRule(StrEnum):
    """Whether a pattern that the clock repeats is looked for and taken out."""

    AUTO = "auto"
    KEEP = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedOptions:
    """How much may be missing, and what is done about the clock.

    Parameters
    ----------
    max_gap_rows
        A sensor's last reading stands in for at most this many missing ones, and a pause of at most this many rows is
        none; 0 forgives nothing.
    max_missing_share
        Share of the sensors that may be missing in one row [1]; one sensor always may.
    season
        `auto` takes a daily or other clock pattern out where that shows on later rows, `keep` leaves it in.
    """

    max_gap_rows: int = whole(5, 0, 10_000)
    max_missing_share: float = number(0.5, 0.0, 1.0)
    season: SeasonRule = field(default=SeasonRule.AUTO, metadata={"choices": SeasonRule})
