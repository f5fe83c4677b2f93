"""Fields and rules that several of the gateway's bodies share."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from services.gateway.domain.users import ASSET_PATTERN, USERNAME_PATTERN

# Longer texts are refused by the policy, with a reason; this only keeps nonsense from being looked at.
MAX_TEXT = 4096


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("name the time zone, as in 2026-04-01T00:00:00Z")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("this time lies before the year 1 or after the year 9999 in UTC") from None


Moment = Annotated[datetime, AfterValidator(_aware)]
Username = Annotated[str, StringConstraints(pattern=USERNAME_PATTERN)]
Asset = Annotated[str, StringConstraints(pattern=ASSET_PATTERN, max_length=255)]


class Body(BaseModel):
    """A request body; a field that is not known is a mistake of the sender, who should hear of it."""

    model_config = ConfigDict(extra="forbid")
