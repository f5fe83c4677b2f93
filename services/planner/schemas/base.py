"""Types every body of the planner is written with."""

import re
from datetime import date, datetime
from typing import Annotated, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

DATE_PATTERN = re.compile(r"\d{4}-\d{2}-\d{2}")


def _only_a_date(value: object) -> object:
    # Pydantic would also read a number of seconds or a time of day as a date.
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and DATE_PATTERN.fullmatch(value):
        return value
    raise PydanticCustomError("plain_date", "a date is written YYYY-MM-DD")


PlainDate: TypeAlias = Annotated[date, BeforeValidator(_only_a_date, json_schema_input_type=date)]
# PostgreSQL keeps no text with a zero byte in it.
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
AreaId: TypeAlias = Annotated[int, Field(strict=True)] | Name


class Body(BaseModel):
    """A body: unknown fields are faults, because a misspelt rule would silently not hold."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
