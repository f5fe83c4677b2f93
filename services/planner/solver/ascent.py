"""Finding good prices for the dual: ascent along its slope, with a step of its own for every price.

References
----------
.. [1] Kingma & Ba (2015), Adam: A Method for Stochastic Optimization, arXiv:1412.6980
"""

from typing import NamedTuple

import numpy as np

from services.planner.solver.compiled import entry_point
from services.planner.solver.dual import FloatArray, Prices, Relaxation, Workspace, dual_value

# The step shrinks to this part of itself over a round.
LAST_STEP = 1e-3
MEAN_DECAY, SQUARE_DECAY = 0.9, 0.99


class Climb(NamedTuple):
    """An ascent under way, every price in one row; every array is written in place."""

    price: FloatArray  # (prices,)
    slope: FloatArray  # (prices,)
    mean: FloatArray  # (prices,) of the slope
    square: FloatArray  # (prices,) of the slope
    rate: FloatArray  # (prices,) first step; 0 for a price that stays
    lowest: FloatArray  # (prices,)
    highest: FloatArray  # (prices,)
    best_price: FloatArray  # (prices,)
    best_value: FloatArray  # (1,)


def views(row: FloatArray, relaxation: Relaxation, windows: int, months: int) -> Prices:
    """Return a row of prices by what they are for; both share their memory."""
    capacities, days = relaxation.capacity_limit.shape
    shapes = [
        (capacities, days),
        (len(relaxation.season_limit),),
        (len(relaxation.spacing_type), windows),
        (len(relaxation.length), months),
    ]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    parts = [row[end - int(np.prod(shape)) : end].reshape(shape) for shape, end in zip(shapes, ends, strict=True)]
    return Prices(*parts)


class Dual(NamedTuple):
    """The dual, its prices and their slope being views of those of the climb."""

    relaxation: Relaxation
    prices: Prices
    slope: Prices
    work: Workspace


@entry_point
def ascend(dual: Dual, climb: Climb, span: tuple[int, int, int]) -> None:
    """Take the steps `span[0]` to `span[1] - 1` of a round of `span[2]`."""
    first, end, total = span
    for step in range(first, end):
        value = dual_value(dual.relaxation, dual.prices, dual.slope, dual.work)
        if value > climb.best_value[0]:
            climb.best_value[0] = value
            for index in range(climb.price.shape[0]):
                climb.best_price[index] = climb.price[index]
        size = LAST_STEP ** (step / total)
        mean_part = 1.0 - MEAN_DECAY ** (step + 1)
        square_part = 1.0 - SQUARE_DECAY ** (step + 1)
        for index in range(climb.price.shape[0]):
            slope_here = climb.slope[index]
            climb.mean[index] += (1.0 - MEAN_DECAY) * (slope_here - climb.mean[index])
            climb.square[index] += (1.0 - SQUARE_DECAY) * (slope_here * slope_here - climb.square[index])
            change = climb.mean[index] / mean_part / (np.sqrt(climb.square[index] / square_part) + 1e-3)
            price = climb.price[index] + climb.rate[index] * size * change
            climb.price[index] = min(max(price, climb.lowest[index]), climb.highest[index])
