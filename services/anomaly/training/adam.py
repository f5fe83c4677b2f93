"""Adam: steps whose size follows from the mean and the mean square of the gradients so far.

Kingma & Ba (2015), Adam: A Method for Stochastic Optimization, arXiv:1412.6980. It takes the same steps, to the last
digit, as torch's own, the first of which loads torch's compiler: one to three seconds and 70 MB for every training.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

_EPSILON = 1e-8


class Adam:
    """Moves parameters against their gradients.

    Parameters
    ----------
    parameters
        Those without a gradient stay where they are.
    learning_rate
        Size of the first step.
    betas
        Decay of the two means with every step [1].
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], learning_rate: float, betas: tuple[float, float] = (0.9, 0.999)
    ) -> None:
        self._parameters = tuple(parameters)
        self._learning_rate = learning_rate
        self._betas = betas
        self._means = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._squares = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._steps = 0

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Take one step."""
        self._steps += 1
        of_mean, of_square = self._betas
        size = self._learning_rate / (1.0 - of_mean**self._steps)
        correction = (1.0 - of_square**self._steps) ** 0.5
        for parameter, mean, square in zip(self._parameters, self._means, self._squares, strict=True):
            gradient = parameter.grad
            if gradient is not None:
                mean.lerp_(gradient, 1.0 - of_mean)
                square.mul_(of_square).addcmul_(gradient, gradient, value=1.0 - of_square)
                parameter.addcdiv_(mean, (square.sqrt() / correction).add_(_EPSILON), value=-size)


def descend(loss: Tensor, optimiser: Adam) -> float:
    """Take one step down a loss; returns it."""
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return loss.item()
