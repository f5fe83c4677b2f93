"""Settings of the variational autoencoder."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from services.anomaly.domain.options.declare import number, whole, whole_or_auto
from services.anomaly.domain.options.kinds import DetectorKind
from services.anomaly.domain.options.network import WindowNetworkOptions
from services.anomaly.domain.options.preparation import SeasonRule


class LikelihoodKind(StrEnum):
    """What the decoder says of a reading."""

    GAUSSIAN = "gaussian"
    BERNOULLI = "bernoulli"


class VaeScore(StrEnum):
    """The raw score of a variational autoencoder, which `head: error` uses."""

    ELBO = "elbo"
    PROBABILITY = "probability"


@dataclass(frozen=True, slots=True, kw_only=True)
class VaeOptions(WindowNetworkOptions):
    """Variational autoencoder of single rows or of flattened windows.

    Parameters
    ----------
    latent
        Hidden causes; by default 30 % of the sensors of a row, or 10 % of the readings of a longer window.
    hidden_layers
        Layers on each side; by default 2, from 32 readings in a window 3, from 256 on 4.
    beta
        Weight of the divergence from the prior; above 1 the hidden causes are fewer and more independent.
    likelihood
        `gaussian` with a learned spread for each sensor, or `bernoulli` for readings between 0 and 1. With the latter
        what the clock repeats is kept: without it the readings would leave that range.
    score
        With `head: error`: the negative evidence bound, or the reconstruction probability over fixed draws.
    """

    kind: ClassVar[DetectorKind] = DetectorKind.VAE
    window_rows: int = whole(1, 1, 1000)
    latent: int | None = whole_or_auto(1, 4096)
    hidden_layers: int | None = whole_or_auto(1, 4)
    beta: float = number(1.0, 0.0, 1000.0)
    likelihood: LikelihoodKind = field(default=LikelihoodKind.GAUSSIAN, metadata={"choices": LikelihoodKind})
    score: VaeScore = field(default=VaeScore.ELBO, metadata={"choices": VaeScore})

    def __post_init__(self) -> None:
        if self.likelihood is LikelihoodKind.BERNOULLI:
            object.__setattr__(self, "season", SeasonRule.KEEP)
