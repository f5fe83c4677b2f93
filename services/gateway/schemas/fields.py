"""Fields and rules that several of the gateway's bodies share."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints

from services.gateway.domain.users import ASSET_PATTERN, USERNAME_PATTERN

# Longer texts are refused by the policy, with a reason; this only keeps nonsense from being looked at.
MAX_TEXT = 4096
_DATE_AND_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ].+")


def _written_out(value: object) -> object:
    # Pydantic would also read a number of seconds, in a text too, as a time.
    if isinstance(value, datetime) or (isinstance(value, str) and _DATE_AND_TIME.fullmatch(value)):
        return value
    raise ValueError("a time is written as in 2026-04-01T00:00:00Z")


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("name the time zone, as in 2026-04-01T00:00:00Z")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("this time lies before the year 1 or after the year 9999 in UTC") from None


def _a_number(value: object) -> object:
    # Pydantic would also read `true`, or a number in a text.
    if isinstance(value, bool | str):
        raise ValueError("this is a whole number")
    return value


# Stands after the bounds of a number, so that the contract names them.
WHOLE = BeforeValidator(_a_number)
Whole = Annotated[int, WHOLE]
Moment = Annotated[datetime, BeforeValidator(_written_out), AfterValidator(_aware)]
Username = Annotated[str, StringConstraints(pattern=USERNAME_PATTERN)]
Asset = Annotated[str, StringConstraints(pattern=ASSET_PATTERN, max_length=255)]


class Body(BaseModel):
    """A request body; a field that is not known is a mistake of the sender, who should hear of it."""

    model_config = ConfigDict(extra="forbid")
