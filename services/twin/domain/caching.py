"""Answers remembered: what makes two questions the same, and what a memory of answers must do."""

from array import array
from collections.abc import Sequence
from typing import Protocol

from services.twin.domain.prediction import Model, Prediction


class PredictionCache(Protocol):
    """Remembers computed predictions; one that is slow or away is no reason for an error."""

    async def get(self, key: bytes, model: Model, level: float) -> Prediction | None:
        """What was remembered under this key, marked as coming from the cache."""
        ...

    def put(self, key: bytes, model: Model, prediction: Prediction) -> None:
        """Remember; must return at once and never raise."""
        ...


class NoCache:
    """Implements `PredictionCache` where nothing is remembered."""

    async def get(self, key: bytes, model: Model, level: float) -> None:
        """None."""

    def put(self, key: bytes, model: Model, prediction: Prediction) -> None:
        """Nothing."""


def cache_key(model: Model, values: Sequence[float], level: float, revision: int) -> bytes:
    """A key that two questions share only if the same bits of the same model answer both alike.

    Parameters
    ----------
    values
        In the model's order; compared to the last bit.
    revision
        Of the correction in force.
    """
    # Names and versions hold no zero byte, so no two of them can be taken for one another.
    who = f"{model.name}\0{model.version}\0{model.digest}\0{revision}\0".encode()
    return who + array("d", (level, *values)).tobytes()
