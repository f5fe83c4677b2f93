"""The search of AnoGAN: by gradient, for the latent numbers whose window is nearest to the one that was measured.

Schlegl et al. (2017), Unsupervised Anomaly Detection with Generative Adversarial Networks to Guide Marker Discovery,
arXiv:1703.05921; with Adam (Kingma & Ba 2015). The gradient is written out instead of asked of torch, and the steps are
a scripted loop: they are exported as one `Loop` of ONNX, and serving needs no torch. Everything is in double precision:
hundreds of steps over a function with kinks part ways in single precision. The search starts at the middle of the
prior, so the same window always gives the same score.
"""

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Search:
    """Settings of a search.

    Parameters
    ----------
    steps, rate
        Of Adam.
    feature_weight
        Share of the critic's features in what is lowered, `lambda` in the paper [1].
    """

    steps: int
    rate: float
    feature_weight: float


# Weights and biases of the three layers of a generator and the two of a critic's features, as a script knows a tuple.
_Weights: TypeAlias = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]


def search(generator: nn.Sequential, features: nn.Sequential, windows: Tensor, settings: Search) -> Tensor:
    """Find the latents whose windows come nearest to `(b, n)` flattened ones.

    Each window's own search lowers `(1 - lambda) * mean|x - G(z)| + lambda * mean|f(x) - f(G(z))|`; no other window of
    the batch has a part in it.

    Parameters
    ----------
    generator, features
        Three and two linear layers, each but the generator's last one followed by leaky ReLU of one slope.

    Returns
    -------
    Tensor
        `(b, k)` latents, in the precision of the layers.
    """
    linear = [layer for layer in (*generator, *features) if isinstance(layer, nn.Linear)]
    weights = tuple(value.double() for layer in linear for value in (layer.weight, layer.bias))
    (slope,) = {layer.negative_slope for layer in (*generator, *features) if isinstance(layer, nn.LeakyReLU)}
    # Divided here, because the exporter would divide in single precision.
    share = settings.feature_weight
    shares = ((1.0 - share) / linear[2].out_features, share / linear[4].out_features)
    found = _scripted()(windows.double(), weights, slope, shares, (settings.steps, settings.rate))
    # The exporter does not see how wide the result of a loop is.
    return found.reshape(-1, linear[0].in_features).to(linear[0].weight.dtype)


@functools.cache
def _scripted() -> Callable[..., Tensor]:
    with warnings.catch_warnings():
        # The exporter that writes an ONNX Loop reads scripts.
        warnings.filterwarnings("ignore", message="`torch.jit.script` is deprecated")
        return torch.jit.script(_descend)


def _descend(
    windows: Tensor, weights: _Weights, slope: float, shares: tuple[float, float], adam: tuple[int, float]
) -> Tensor:
    # On the way up each layer's slopes are kept; on the way down the gradient of a mean of absolute values is their
    # signs, sent through the same layers. The decays are those of torch.optim.Adam unless told.
    window_share, feature_share = shares
    steps, rate = adam
    g1, g1_bias, g2, g2_bias, g3, g3_bias, f1, f1_bias, f2, f2_bias = weights
    above = torch.ones((1,), dtype=windows.dtype, device=windows.device)
    below = above * slope
    target = windows @ f1.t() + f1_bias
    target = (target * torch.where(target > 0, above, below)) @ f2.t() + f2_bias
    target = target * torch.where(target > 0, above, below)
    latent = torch.zeros((windows.shape[0], g1.shape[1]), dtype=windows.dtype, device=windows.device)
    mean, square = torch.zeros_like(latent), torch.zeros_like(latent)
    mean_left, square_left = torch.ones_like(above), torch.ones_like(above)
    for _ in range(steps):
        sum1 = latent @ g1.t() + g1_bias
        slope1 = torch.where(sum1 > 0, above, below)
        sum2 = (sum1 * slope1) @ g2.t() + g2_bias
        slope2 = torch.where(sum2 > 0, above, below)
        written = (sum2 * slope2) @ g3.t() + g3_bias
        sum3 = written @ f1.t() + f1_bias
        slope3 = torch.where(sum3 > 0, above, below)
        sum4 = (sum3 * slope3) @ f2.t() + f2_bias
        slope4 = torch.where(sum4 > 0, above, below)
        by_features = torch.sign(sum4 * slope4 - target) * feature_share
        through = (((by_features * slope4) @ f2) * slope3) @ f1
        by_window = torch.sign(written - windows) * window_share
        gradient = ((((by_window + through) @ g3) * slope2) @ g2 * slope1) @ g1
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient * gradient
        mean_left, square_left = mean_left * 0.9, square_left * 0.999
        size = torch.sqrt(square / (1.0 - square_left)) + 1e-8
        latent = latent - rate * (mean / (1.0 - mean_left)) / size
    return latent
