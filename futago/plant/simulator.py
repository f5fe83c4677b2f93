"""The plant itself: machines, controllers, sensors and disturbances stepped through time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from futago.plant import equipment
from futago.plant.control import PiController
from futago.plant.faults import Condition, Fault, condition
from futago.plant.recording import Recording
from futago.plant.tags import TAGS, Tag
from futago.plant.yields import yield_pct

START = datetime(2026, 1, 1, tzinfo=UTC)
LONGEST_STEP_S = 1.0
"""Euler steps stay this short: a fifth of the fastest time constant."""
SETTLING_S = 1800.0
"""Run before the first reading, so that a recording begins at rest."""

FLOW_LAG_S = 5.0
"""The liquid and the valve's actuator take this long to follow."""
EXCHANGER_LAG_S = 40.0
"""Heat stored in the exchanger's tubes."""

FEED_C, FEED_SPREAD_C = 25.0, 1.5
SALT_C, SALT_SPREAD_C = 480.0, 0.8
DISTURBANCE_TIME_S = 900.0
"""Feed and salt supply wander about their mean over a quarter of an hour."""


@dataclass(frozen=True, slots=True)
class Setpoints:
    """Where the loops hold the plant; the defaults give the best yield."""

    temp_c: float = 360.0
    pressure_bar: float = 6.0
    flow_kg_h: float = 100.0
    preheat_c: float = 320.0


@dataclass(slots=True)
class _State:
    flow_kg_h: float
    preheat_c: float
    salt_return_c: float
    reactor_c: float
    pressure_bar: float
    feed_c: float = FEED_C
    salt_c: float = SALT_C


class Plant:
    """A pilot plant in closed loop; the same seed gives the same readings.

    Examples
    --------
    >>> recording = Plant(seed=1).run(rows=60)
    >>> recording.rows.shape
    (60, 13)
    """

    def __init__(self, seed: int, setpoints: Setpoints = Setpoints()) -> None:
        self._seed = seed
        self._setpoints = setpoints

    def run(
        self,
        *,
        hours: float | None = None,
        rows: int | None = None,
        faults: Sequence[Fault] = (),
        sample_s: float = 1.0,
    ) -> Recording:
        """Run from rest and record every sensor.

        Parameters
        ----------
        hours, rows
            Length of the recording; exactly one of them.
        sample_s
            Time between readings [s].

        Raises
        ------
        ValueError
            If the length or the sample time makes no recording.
        """
        if sample_s <= 0.0:
            raise ValueError(f"the sample time has to be positive, not {sample_s}")
        count = _row_count(hours, rows, sample_s)
        return _Run(np.random.default_rng(self._seed), self._setpoints, tuple(faults), sample_s).record(count)


class _Run:
    def __init__(
        self, rng: np.random.Generator, setpoints: Setpoints, faults: tuple[Fault, ...], sample_s: float
    ) -> None:
        self._rng = rng
        self._setpoints = setpoints
        self._faults = faults
        self._sample_s = sample_s
        self._steps_a_sample = math.ceil(sample_s / LONGEST_STEP_S)
        self._step_s = sample_s / self._steps_a_sample
        self._state = _State(setpoints.flow_kg_h, setpoints.preheat_c, 220.0, setpoints.temp_c, setpoints.pressure_bar)
        # Tuned by lambda rules on the model's own step responses: flow in seconds, pressure in a minute, temperatures
        # in a few; the reactor's gain is high because its heat of reaction rises with temperature below 360 °C.
        self._flow_loop = PiController(gain=0.25, integral_time_s=10.0, output_pct=68.0)
        self._preheat_loop = PiController(gain=0.5, integral_time_s=60.0, output_pct=30.0)
        self._reactor_loop = PiController(gain=-6.0, integral_time_s=240.0, output_pct=50.0)
        self._pressure_loop = PiController(gain=-40.0, integral_time_s=60.0, output_pct=50.0)

    def record(self, count: int) -> Recording:
        sound = condition((), 0.0)
        for _ in range(math.ceil(SETTLING_S / self._step_s)):
            self._step(sound)
        rows = np.empty((count, len(TAGS)))
        labels = np.zeros(count, dtype=np.int8)
        for index in range(count):
            time_h = index * self._sample_s / 3600.0
            now = condition(self._faults, time_h)
            for _ in range(self._steps_a_sample):
                self._step(now)
            rows[index] = list(self._readings(now).values())
            labels[index] = any(time_h >= fault.onset_h for fault in self._faults)
        first = np.datetime64(START.replace(tzinfo=None), "ms")
        offsets_ms = np.round(np.arange(count) * self._sample_s * 1000.0).astype("timedelta64[ms]")
        columns, units = tuple(tag.name for tag in TAGS), tuple(tag.unit for tag in TAGS)
        return Recording(columns, units, rows, first + offsets_ms, labels)

    def _step(self, now: Condition) -> None:
        state, step_s, wanted = self._state, self._step_s, self._setpoints
        seen = self._sensed(now, ("flow", "preheat_temp", "temp", "pressure"))
        flow_valve_pct = self._flow_loop.update(wanted.flow_kg_h, seen["flow"], step_s)
        salt_pct = self._preheat_loop.update(wanted.preheat_c, seen["preheat_temp"], step_s)
        coolant_pct = self._reactor_loop.update(wanted.temp_c, seen["temp"], step_s)
        outlet_pct = self._pressure_loop.update(wanted.pressure_bar, seen["pressure"], step_s)

        self._disturb()
        flow_kg_h = equipment.pump_flow(flow_valve_pct, state.pressure_bar, now.head_factor)
        preheat_c, salt_return_c = equipment.exchanger_outlets(
            state.flow_kg_h, state.feed_c, salt_pct, state.salt_c, now.fouling_factor
        )
        heating_k_s = equipment.reactor_heating(
            state.flow_kg_h, state.preheat_c, state.reactor_c, self._yield_pct(now) / 100.0, coolant_pct
        )
        rise_bar_s = equipment.pressure_rise(state.flow_kg_h, state.pressure_bar, state.reactor_c, outlet_pct)
        state.flow_kg_h += (flow_kg_h - state.flow_kg_h) * -math.expm1(-step_s / FLOW_LAG_S)
        thermal = -math.expm1(-step_s / EXCHANGER_LAG_S)
        state.preheat_c += (preheat_c - state.preheat_c) * thermal
        state.salt_return_c += (salt_return_c - state.salt_return_c) * thermal
        state.reactor_c += heating_k_s * step_s
        state.pressure_bar += rise_bar_s * step_s

    def _disturb(self) -> None:
        # First-order autoregression (Ornstein-Uhlenbeck at the step): stays about its mean, forgets in a quarter hour.
        keep = math.exp(-self._step_s / DISTURBANCE_TIME_S)
        push = math.sqrt(1.0 - keep**2)
        feed_push, salt_push = self._rng.normal(size=2)
        state = self._state
        state.feed_c = FEED_C + keep * (state.feed_c - FEED_C) + push * FEED_SPREAD_C * feed_push
        state.salt_c = SALT_C + keep * (state.salt_c - SALT_C) + push * SALT_SPREAD_C * salt_push

    def _yield_pct(self, now: Condition) -> float:
        # The surface is quadratic and would go below zero far away from the operating window.
        return max(0.0, now.activity * yield_pct(self._state.reactor_c, self._state.pressure_bar))

    def _truth(self, now: Condition) -> dict[str, float]:
        state = self._state
        return {
            "flow": state.flow_kg_h,
            "flow_valve": self._flow_loop.output_pct,
            "discharge_pressure": equipment.discharge_pressure(state.flow_kg_h, now.head_factor),
            "motor_power": equipment.motor_power(state.flow_kg_h, now.head_factor),
            "feed_temp": state.feed_c,
            "preheat_temp": state.preheat_c,
            "salt_valve": self._preheat_loop.output_pct,
            "salt_return_temp": state.salt_return_c,
            "temp": state.reactor_c,
            "coolant_valve": self._reactor_loop.output_pct,
            "pressure": state.pressure_bar,
            "outlet_valve": self._pressure_loop.output_pct,
            "yield": self._yield_pct(now),
        }

    def _sensed(self, now: Condition, names: Sequence[str]) -> dict[str, float]:
        truth = self._truth(now)
        noise = self._rng.normal(size=len(names))
        return {
            name: truth[name] + now.biases.get(name, 0.0) + _TAG_OF[name].noise * float(sample)
            for name, sample in zip(names, noise, strict=True)
        }

    def _readings(self, now: Condition) -> dict[str, float]:
        sensed = self._sensed(now, tuple(_TAG_OF))
        return {name: _reading(_TAG_OF[name], value) for name, value in sensed.items()}


_TAG_OF = {tag.name: tag for tag in TAGS}


def _reading(tag: Tag, value: float) -> float:
    # A positioner cannot report less than shut or more than open, whatever its noise.
    within = min(100.0, max(0.0, value)) if tag.unit == "%" else value
    return round(round(within / tag.resolution) * tag.resolution, 10)


def _row_count(hours: float | None, rows: int | None, sample_s: float) -> int:
    if (hours is None) == (rows is None):
        raise ValueError("say how long to run: either hours or rows")
    count = rows if rows is not None else round((hours or 0.0) * 3600.0 / sample_s)
    if count <= 0:
        raise ValueError("a recording needs at least one row")
    return count
