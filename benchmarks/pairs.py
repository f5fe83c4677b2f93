"""Times several ways to do the same thing in turns, so that a busy moment of the machine hits all of them alike."""

import gc
import os
import statistics
import time
from collections.abc import Callable, Mapping

_ROUNDS = 15
_ROUND_S = 0.05


def pin_to_one_core() -> None:
    """Keep this process on one core, where the system allows it: migrations cost more than what is measured."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def seconds_per_call(ways: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Median over rounds of the time of one call [s], the ways taking turns in each round."""
    calls = {name: _calls_per_round(way) for name, way in ways.items()}
    rounds: dict[str, list[float]] = {name: [] for name in ways}
    gc.disable()
    try:
        for _ in range(_ROUNDS):
            for name, way in ways.items():
                rounds[name].append(_time(way, calls[name]) / calls[name])
    finally:
        gc.enable()
    return {name: statistics.median(times) for name, times in rounds.items()}


def _calls_per_round(way: Callable[[], object]) -> int:
    way()
    return max(1, int(_ROUND_S / max(_time(way, 1), 1e-7)))


def _time(way: Callable[[], object], calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        way()
    return time.perf_counter() - started
