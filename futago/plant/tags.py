"""The plant's sensors: what each one measures, how noisy it is and in what steps it reports."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tag:
    """One measured column.

    Parameters
    ----------
    noise
        Standard deviation of the sensor's white noise [unit].
    resolution
        Step of the converter behind the sensor: every reading is a multiple of it [unit].
    """

    name: str
    unit: str
    noise: float
    resolution: float


# Noise and resolution are those of common instruments: Pt100 with a 0.1 K transmitter, 0.1 % pressure and Coriolis
# transmitters, valve positioners read back to 0.1 %, an online analyser good for about 0.3 percentage points.
TAGS: tuple[Tag, ...] = (
    Tag("flow", "kg/h", 0.15, 0.1),
    Tag("flow_valve", "%", 0.05, 0.1),
    Tag("discharge_pressure", "bar", 0.01, 0.01),
    Tag("motor_power", "W", 0.8, 0.1),
    Tag("feed_temp", "°C", 0.05, 0.1),
    Tag("preheat_temp", "°C", 0.1, 0.1),
    Tag("salt_valve", "%", 0.05, 0.1),
    Tag("salt_return_temp", "°C", 0.1, 0.1),
    Tag("temp", "°C", 0.1, 0.1),
    Tag("coolant_valve", "%", 0.05, 0.1),
    Tag("pressure", "bar", 0.005, 0.01),
    Tag("outlet_valve", "%", 0.05, 0.1),
    Tag("yield", "%", 0.3, 0.1),
)
