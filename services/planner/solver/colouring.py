"""Areas for start days that are settled, where all areas are alike.

With no day above the number of areas, giving every inspection the area that was freed first is exact (interval graphs
are perfect). With more, the best possible is that every area has its equal share of every day; such a division exists
because the days of an inspection are consecutive [1]_, and dividing two areas' inspections evenly again and again
finds it.

References
----------
.. [1] de Werra (1971), Equitable colorations of graphs, Rev. française d'informatique et de recherche opérationnelle 5
"""

import heapq
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from services.planner.domain.arrays import IntArray, frozen_ints

Span = tuple[int, int]


def colour_areas(start: IntArray, length: IntArray, exclusive: Sequence[int], areas: int) -> IntArray:
    """Return an area for each inspection such that areas are shared as little as the start days allow.

    Parameters
    ----------
    start, length
        `(devices,)` first working day and number of working days of each inspection.
    exclusive
        Devices that must not share an area; the others go where there is room, or anywhere.
    areas
        Number of areas.

    Returns
    -------
    IntArray
        `(devices,)` such that on each day the areas' shared days add up to `max(0, inspections - areas)`.
    """
    spans = [(int(first), int(first + days)) for first, days in zip(start, length, strict=True)]
    chosen = [0] * len(spans)
    crowded = _first_free(spans, sorted(exclusive, key=lambda device: spans[device]), areas, chosen)
    if crowded:
        _divide_evenly(spans, exclusive, areas, chosen)
    rest = set(range(len(spans))) - set(exclusive)
    _first_free(spans, sorted(rest, key=lambda device: spans[device]), areas, chosen)
    return frozen_ints(chosen)


def _first_free(spans: Sequence[Span], order: Sequence[int], areas: int, chosen: list[int]) -> bool:
    """Give each device the area free for the longest; tell whether any had to share."""
    free_from = [(0, area) for area in range(areas)]
    crowded = False
    for device in order:
        first, end = spans[device]
        free, area = heapq.heappop(free_from)
        crowded |= free > first
        chosen[device] = area
        heapq.heappush(free_from, (max(free, end), area))
    return crowded


def _divide_evenly(spans: Sequence[Span], devices: Sequence[int], areas: int, chosen: list[int]) -> None:
    days = max(spans[device][1] for device in devices)
    members: list[list[int]] = [[] for _ in range(areas)]
    for device in devices:
        members[chosen[device]].append(device)
    counts = [_count(spans, group, days) for group in members]
    settled = False
    while not settled:
        settled = True
        for left, right in combinations(range(areas), 2):
            if np.abs(counts[left] - counts[right]).max() <= 1:
                continue
            members[left], members[right] = _halve(spans, members[left] + members[right])
            counts[left], counts[right] = _count(spans, members[left], days), _count(spans, members[right], days)
            settled = False
    for area, group in enumerate(members):
        for device in group:
            chosen[device] = area


def _count(spans: Sequence[Span], devices: Sequence[int], days: int) -> IntArray:
    change = np.zeros(days + 1, dtype=np.int64)
    for device in devices:
        change[spans[device][0]] += 1
        change[spans[device][1]] -= 1
    return np.cumsum(change)


def _halve(spans: Sequence[Span], devices: Sequence[int]) -> tuple[list[int], list[int]]:
    """Divide inspections in two so that on every day the halves differ by one at most.

    All first days and ends are put in order and taken two by two. Two first days (or two ends) side by side belong to
    different halves, a first day and an end to the same one: then every pair leaves the halves level.
    """
    # Each inspection is two points: 2 * position is its first day, 2 * position + 1 its end.
    points = sorted(range(2 * len(devices)), key=lambda point: (spans[devices[point // 2]][point % 2], point))
    partner = {}
    for left, right in zip(points[::2], points[1::2], strict=True):
        partner[left], partner[right] = right, left
    half: dict[int, int] = {}
    for position in range(len(devices)):
        point, side = 2 * position, 0
        while point // 2 not in half:
            half[point // 2] = side
            other_end = point ^ 1
            point_next = partner[other_end]
            side = side if (other_end % 2) != (point_next % 2) else 1 - side
            point = point_next
    return (
        [device for position, device in enumerate(devices) if half[position] == 0],
        [device for position, device in enumerate(devices) if half[position] == 1],
    )
