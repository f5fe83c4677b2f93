"""Stacks of fully connected layers, and how wide they are where nobody chose it."""

from itertools import pairwise

import numpy as np
from torch import nn

# Of the 10 to 30 % that are usual, the upper end: sensors of one row say little of each other.
_LATENT_SHARE = 0.3
# A layer that is narrower cannot bend a line into a curve worth having; one that is wider costs minutes, not accuracy.
_LEAST_HIDDEN, _MOST_HIDDEN = 16, 256
# Inputs from which a third and a fourth layer are used: the widths between input and bottleneck then shrink by less
# than five a layer.
_THREE_LAYERS_FROM, _FOUR_LAYERS_FROM = 32, 256


def auto_latent(sensors: int) -> int:
    """Width of the bottleneck of single rows: 30 % of the sensors, at least 1."""
    return max(1, round(_LATENT_SHARE * sensors))


def auto_hidden_layers(inputs: int) -> int:
    """Layers on each side of a bottleneck: 2 to 4, by the number of readings that come in."""
    return 2 + (inputs >= _THREE_LAYERS_FROM) + (inputs >= _FOUR_LAYERS_FROM)


def hidden_widths(inputs: int, latent: int, layers: int) -> list[int]:
    """Widths of the layers between input and bottleneck, which shrink by a constant ratio."""
    first = min(max(_LEAST_HIDDEN, 2 * inputs), _MOST_HIDDEN)
    widths: list[int] = np.geomspace(first, latent, layers + 1)[:-1].round().astype(int).tolist()
    return widths


def stack(widths: list[int]) -> nn.Sequential:
    """Linear layers with a ReLU between each two; the last one stays linear."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
