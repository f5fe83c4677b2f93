"""How an option states its default and its bounds; `reading` refuses what lies outside them."""

from dataclasses import field


def number(default: float, low: float, high: float) -> float:
    """Declare a number from `low` to `high`, both included."""
    return field(default=default, metadata={"low": low, "high": high})


def whole(default: int, low: int, high: int) -> int:
    """Declare a whole number from `low` to `high`, both included."""
    return field(default=default, metadata={"low": low, "high": high})


def whole_or_auto(low: int, high: int) -> int | None:
    """Declare a whole number that a rule chooses where nobody does."""
    return field(default=None, metadata={"low": low, "high": high})
