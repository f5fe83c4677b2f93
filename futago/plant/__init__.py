"""A small process plant with known faults, for demonstrations and tests: numpy and nothing else."""

from futago.plant.faults import Fault, FaultKind
from futago.plant.recording import Recording
from futago.plant.simulator import Plant, Setpoints
from futago.plant.tags import TAGS, Tag
from futago.plant.yields import YieldData, yield_dataset, yield_pct

__all__ = [
    "TAGS",
    "Fault",
    "FaultKind",
    "Plant",
    "Recording",
    "Setpoints",
    "Tag",
    "YieldData",
    "yield_dataset",
    "yield_pct",
]
