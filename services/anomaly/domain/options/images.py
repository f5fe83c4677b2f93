"""Settings of the detector of images."""

from dataclasses import dataclass, field
from typing import ClassVar

from services.anomaly.domain.options.declare import whole
from services.anomaly.domain.options.kinds import DetectorKind, HeadKind
from services.anomaly.domain.options.network import RowNetworkOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageAutoencoderOptions(RowNetworkOptions):
    """Convolutional autoencoder of images.

    Parameters
    ----------
    head
        The raw error unless told: images are no time series, and a mean over several would blur what one of them shows.
    filters, layers
        Filters of the first convolution, doubled by each further one, and convolutions on each side.
    latent
        Width of the bottleneck.
    """

    kind: ClassVar[DetectorKind] = DetectorKind.CONV_AUTOENCODER
    head: HeadKind = field(default=HeadKind.ERROR, metadata={"choices": HeadKind})
    filters: int = whole(16, 1, 256)
    layers: int = whole(2, 1, 3)
    latent: int = whole(32, 1, 1024)
