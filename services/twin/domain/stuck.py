"""Sensors that stand still: a value that repeats to the last digit, reading after reading.

A live sensor is noisy; one that repeats is frozen, or its line is dead and somebody repeats what was heard last. Only
single predictions that name an asset are followed: without one nobody can tell the next reading of a sensor from a
question asked twice, and a batch may well vary one input and leave the others alone on purpose.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

# Repeats are counted against the longest run of equal values among the training rows, times this.
_TIMES_LONGEST_RUN = 3
# Numbers remembered over all models and assets, some 40 MB; beyond that the pair not seen for longest is forgotten.
_REMEMBERED_VALUES = 500_000


@dataclass(frozen=True, slots=True)
class StuckFeature:
    """A feature whose value has repeated for too long.

    Parameters
    ----------
    repeats
        How many readings in a row had this value.
    """

    feature: str
    value: float
    repeats: int


@dataclass(slots=True)
class _Followed:
    values: list[float]
    repeats: list[int] = field(default_factory=list)


class StuckSensors:
    """Follows the readings of each model and asset; one process's memory, bounded.

    Parameters
    ----------
    after_readings
        Fewest equal readings in a row that make a feature stuck; 0 follows nothing.
    """

    def __init__(self, after_readings: int) -> None:
        self._after_readings = after_readings
        self._followed: OrderedDict[tuple[str, str], _Followed] = OrderedDict()
        self._remembered = 0

    def follow(
        self, model: str, asset: str | None, names: Sequence[str], values: Sequence[float], longest_runs: Sequence[int]
    ) -> tuple[StuckFeature, ...]:
        """Take note of a reading, and say which of its features are stuck.

        Parameters
        ----------
        values
            In the order of the names.
        longest_runs
            Longest run of equal values that training saw, for each feature; 0 for one that is not judged because it
            did not vary or took few values only, as a switch does.
        """
        if asset is None or not self._after_readings:
            return ()
        key = (model, asset)
        followed = self._followed.get(key)
        if followed is None or len(followed.values) != len(values):
            self._begin(key, values)
            return ()
        self._followed.move_to_end(key)
        stuck: list[StuckFeature] = []
        repeats = followed.repeats
        for index, (value, former) in enumerate(zip(values, followed.values, strict=True)):
            if value != former:
                repeats[index] = 1
                continue
            repeats[index] += 1
            longest = longest_runs[index]
            if longest and repeats[index] >= max(self._after_readings, _TIMES_LONGEST_RUN * longest):
                stuck.append(StuckFeature(names[index], value, repeats[index]))
        followed.values = list(values)
        return tuple(stuck)

    def _begin(self, key: tuple[str, str], values: Sequence[float]) -> None:
        if (former := self._followed.pop(key, None)) is not None:
            self._remembered -= len(former.values)
        self._followed[key] = _Followed(list(values), [1] * len(values))
        self._remembered += len(values)
        while self._remembered > _REMEMBERED_VALUES and len(self._followed) > 1:
            _, forgotten = self._followed.popitem(last=False)
            self._remembered -= len(forgotten.values)
