"""What a decoder's output says of a reading: how much the reading costs under it, and how far it is off."""

import math
from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.scaling import Scaling
from shared.errors import AppError, Kind

# Spread below which a sensor is not believed to be known [standard deviations]. A sensor that the decoder writes
# exactly, such as a constant one, would otherwise drive its variance to 0: the likelihood then has no bound, training
# follows that one sensor, and its least later movement is an alarm.
LEAST_SPREAD = 0.1
# Variance that training starts from, above the least. From the variance of the sensors themselves, 1, it is cheaper at
# first to leave the hidden causes alone than to use them, and many trainings never come back from there (posterior
# collapse: Lucas et al. 2019, arXiv:1911.02469).
_FIRST_VARIANCE = 0.1


class LikelihoodRefused(AppError):
    """The readings cannot come from the distribution that was asked for."""

    kind, code = Kind.INVALID, "anomaly.likelihood_refused"


class Likelihood(nn.Module, ABC):
    """A distribution of readings, `(…, w, c)`, given as many outputs."""

    def prepare(self, rows: Floats, scaling: Scaling) -> None:
        """Look at all `(n, c)` training rows [units of the sensors] and how they will be standardised."""

    @abstractmethod
    def cost(self, readings: Tensor, outputs: Tensor) -> Tensor:
        """Negative logarithm of the likelihood of each standardised reading above its least possible value [nats]."""

    @abstractmethod
    def residuals(self, readings: Tensor, outputs: Tensor) -> Tensor:
        """How far each standardised reading is from its expectation [standard deviations]."""


class Gaussian(Likelihood):
    """Normal around the output, with a learned spread for each sensor.

    The spread is a weight of its own and no output of the decoder: the best one is then the spread of the errors [1],
    and an odd window cannot excuse itself by claiming to be uncertain.

    References
    ----------
    .. [1] Rybkin et al. (2021), Simple and Effective VAE Training with Calibrated Decoders, arXiv:2006.13202

    Parameters
    ----------
    sensors
        Columns of a window.
    """

    def __init__(self, sensors: int) -> None:
        super().__init__()
        self.raw_variance = nn.Parameter(torch.full((sensors,), math.log(math.expm1(_FIRST_VARIANCE))))

    @property
    def variance(self) -> Tensor:
        """`(c,)`, at least the square of the least spread [1]."""
        return LEAST_SPREAD**2 + functional.softplus(self.raw_variance)

    def cost(self, readings: Tensor, outputs: Tensor) -> Tensor:
        beyond_least = functional.softplus(self.raw_variance)
        return 0.5 * ((readings - outputs) ** 2 / self.variance + torch.log1p(beyond_least / LEAST_SPREAD**2))

    def residuals(self, readings: Tensor, outputs: Tensor) -> Tensor:
        # Not divided by the learned spread: a Mahalanobis head measures the spread of each sensor's residuals itself.
        return readings - outputs


class Bernoulli(Likelihood):
    """For readings between 0 and 1: switches, valve positions, shares.

    The network still sees standardised readings. The likelihood turns them back, and what lies outside 0 and 1 when it
    scores, where the distribution says nothing, costs half its square in standard deviations.

    Parameters
    ----------
    sensors
        Columns of a window.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, sensors: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(sensors))
        self.register_buffer("scale", torch.ones(sensors))

    def prepare(self, rows: Floats, scaling: Scaling) -> None:
        """Refuse readings outside 0 and 1.

        Raises
        ------
        LikelihoodRefused
            With the columns, counted from 0, that leave the range.
        """
        outside = np.flatnonzero((rows.min(axis=0) < 0.0) | (rows.max(axis=0) > 1.0)).tolist()
        if outside:
            raise LikelihoodRefused(
                f"the likelihood 'bernoulli' takes readings from 0 to 1; columns {outside} (from 0) leave that range",
                columns=outside,
            )
        self.mean.copy_(torch.from_numpy(scaling.mean))
        self.scale.copy_(torch.from_numpy(scaling.scale))

    def cost(self, readings: Tensor, outputs: Tensor) -> Tensor:
        raw = readings * self.scale + self.mean
        possible = raw.clamp(0.0, 1.0)
        # -x log p - (1 - x) log (1 - p) for p = sigmoid(output), in a form that rounding cannot make negative.
        above_zero = functional.relu(outputs) - possible * outputs
        cross_entropy = above_zero + torch.log1p(torch.exp(-outputs.abs()))
        return cross_entropy + 0.5 * ((raw - possible) / self.scale) ** 2

    def residuals(self, readings: Tensor, outputs: Tensor) -> Tensor:
        return readings - (torch.sigmoid(outputs) - self.mean) / self.scale
