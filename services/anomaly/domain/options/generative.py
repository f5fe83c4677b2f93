"""Settings of the generative adversarial networks."""

from dataclasses import dataclass
from typing import ClassVar

from services.anomaly.domain.options.declare import number, whole, whole_or_auto
from services.anomaly.domain.options.kinds import DetectorKind
from services.anomaly.domain.options.network import WindowNetworkOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class GanOptions(WindowNetworkOptions):
    """What the adversarial networks share; a step is one of the generator, after five of the critic.

    Parameters
    ----------
    hidden_units
        Width of the narrowest hidden layer of each network; the other one is twice as wide.
    latent
        Random numbers that a window is written from; by default 10 % of the numbers in a window, at most 16.
    """

    window_rows: int = whole(30, 1, 1000)
    hidden_units: int = whole(64, 1, 1024)
    latent: int | None = whole_or_auto(1, 1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class FAnoGanOptions(GanOptions):
    """f-AnoGAN: a GAN, then an encoder.

    Parameters
    ----------
    epochs, patience_epochs
        Of each of the two.
    feature_weight
        What the critic's features count beside the window, `kappa` in the paper.
    """

    kind: ClassVar[DetectorKind] = DetectorKind.FANOGAN
    feature_weight: float = number(1.0, 0.0, 1000.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class EgbadOptions(GanOptions):
    """EGBAD: a bidirectional GAN.

    Parameters
    ----------
    window_weight
        Share of the window in the raw error, `alpha` in the paper; the rest is the critic's features.
    """

    kind: ClassVar[DetectorKind] = DetectorKind.EGBAD
    window_weight: float = number(0.9, 0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnoGanOptions(GanOptions):
    """AnoGAN: a GAN that is searched for every window.

    Parameters
    ----------
    search_steps, search_rate
        Steps of Adam for each window, and their size.
    feature_weight
        Share of the critic's features in what the search lowers, `lambda` in the paper.
    """

    kind: ClassVar[DetectorKind] = DetectorKind.ANOGAN
    search_steps: int = whole(500, 1, 10_000)
    search_rate: float = number(0.01, 1e-6, 10.0)
    feature_weight: float = number(0.1, 0.0, 1.0)
