"""What can go wrong in the plant, when, and how badly."""

import math
from dataclasses import dataclass
from enum import StrEnum

from futago.plant.tags import TAGS


class FaultKind(StrEnum):
    """The faults the plant knows; each shows in other sensors."""

    FOULING = "fouling"
    CATALYST_DECAY = "catalyst_decay"
    PUMP_WEAR = "pump_wear"
    SENSOR_BIAS = "sensor_bias"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault from its onset on.

    Parameters
    ----------
    kind
        `fouling` raises the thermal resistance of the heat exchanger: its salt valve opens.
        `catalyst_decay` lowers the activity: less yield, less heat, the coolant valve closes.
        `pump_wear` lowers the pump's head: less discharge pressure, the flow valve opens.
        `sensor_bias` shifts one sensor; if it is in a control loop, the loop follows the wrong value.
    onset_h
        Time from the start of the run [h].
    severity
        0 is nothing, 1 is when a plant would be stopped: fouling that adds half of the clean exchanger's
        resistance, 40 % of the activity or 30 % of the head lost, a bias of 30 times the sensor's noise.
    growth_h
        Time constant of the approach to full severity, `1 - exp(-t / growth_h)`; 0 is a step [h]. The form is that
        of asymptotic fouling [1]_; wear and decay follow it well enough over one run.
    tag
        The sensor, for a bias.

    References
    ----------
    .. [1] Kern and Seaton (1959), A theoretical analysis of thermal surface fouling, British Chemical Engineering 4.
    """

    kind: FaultKind
    onset_h: float
    severity: float = 0.5
    growth_h: float = 0.0
    tag: str | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.severity <= 1.0:
            raise ValueError(f"a severity lies between 0 and 1, not {self.severity}")
        if self.onset_h < 0.0 or self.growth_h < 0.0:
            raise ValueError("onset and growth of a fault cannot be negative")
        known = {tag.name for tag in TAGS}
        if self.kind is FaultKind.SENSOR_BIAS and self.tag not in known:
            raise ValueError(f"a sensor bias needs one of the tags {', '.join(sorted(known))}")
        if self.kind is not FaultKind.SENSOR_BIAS and self.tag is not None:
            raise ValueError(f"{self.kind} is a fault of a machine, not of the sensor {self.tag}")

    def level(self, time_h: float) -> float:
        """How far the fault has come at a time: 0 before its onset, then up to `severity`."""
        since_h = time_h - self.onset_h
        if since_h < 0.0:
            return 0.0
        return self.severity if self.growth_h == 0.0 else self.severity * -math.expm1(-since_h / self.growth_h)


BIAS_AT_FULL_SEVERITY = 30.0
"""A bias of severity 1, in standard deviations of the sensor's noise."""


@dataclass(frozen=True, slots=True)
class Condition:
    """State of the machines at one moment, and what the sensors add.

    Parameters
    ----------
    fouling_factor
        Thermal resistance of the exchanger over that of the clean one, 1 to 1.5.
    activity
        Catalyst activity over that of fresh catalyst, 0.6 to 1 (Fogler, Elements of Chemical Reaction Engineering,
        chapter on deactivation).
    head_factor
        Pump head over that of a new pump, 0.7 to 1.
    biases
        Offset of each sensor that has one [its unit].
    """

    fouling_factor: float
    activity: float
    head_factor: float
    biases: dict[str, float]


def condition(faults: tuple[Fault, ...], time_h: float) -> Condition:
    """Add up what every fault does at a time."""
    levels = dict.fromkeys(FaultKind, 0.0)
    biases: dict[str, float] = {}
    noise = {tag.name: tag.noise for tag in TAGS}
    for fault in faults:
        level = fault.level(time_h)
        levels[fault.kind] = min(1.0, levels[fault.kind] + level)
        if fault.tag is not None:
            biases[fault.tag] = biases.get(fault.tag, 0.0) + level * BIAS_AT_FULL_SEVERITY * noise[fault.tag]
    return Condition(
        fouling_factor=1.0 + 0.5 * levels[FaultKind.FOULING],
        activity=1.0 - 0.4 * levels[FaultKind.CATALYST_DECAY],
        head_factor=1.0 - 0.3 * levels[FaultKind.PUMP_WEAR],
        biases=biases,
    )
