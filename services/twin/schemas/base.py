"""What every request and answer of the twin shares."""

from typing import Any

from pydantic import BaseModel, ConfigDict

# What a published model or version may be called; anything else is refused before it reaches the database.
NAME_PATTERN = r"^[A-Za-z0-9._-]{1,64}$"

# Dotted path of a piece of equipment.
ASSET_PATTERN = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$"
# Probability of an interval where a request names none.
DEFAULT_LEVEL = 0.9

# Values by feature name; each a number or {"value", "quality", "timestamp"}. The model's own reader checks them.
Inputs = dict[str, Any]


class WireAnswer(BaseModel):
    """An answer, made once and never changed."""

    model_config = ConfigDict(frozen=True)
