"""Convolutional autoencoder of images: squeeze a picture through a narrow layer and look where it comes out different.

Masci et al. (2011), Stacked Convolutional Auto-Encoders for Hierarchical Feature Extraction, ICANN; as a detector of
defects Bergmann et al. (2019), Improving Unsupervised Defect Segmentation by Applying Structural Similarity to
Autoencoders, VISAPP. Convolutions of stride 2 take the place of pooling. The output is linear: standardised pixels are
not confined to (0, 1).
"""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from services.anomaly.training.networks.contract import Reconstruction

_KERNEL = 3


class ImageAutoencoder(Reconstruction):
    """Convolutions that halve the sides and double the filters, a bottleneck, and the same back.

    Parameters
    ----------
    height, width, channels
        Of an image; a window is one row of as many numbers.
    filters, layers
        Filters of the first convolution, and convolutions on each side.
    latent
        Width of the bottleneck.
    """

    def __init__(self, height: int, width: int, channels: int, *, filters: int, layers: int, latent: int) -> None:
        super().__init__()
        self.size = (height, width)
        self.channels = channels
        depths = [channels, *(filters * 2**layer for layer in range(layers))]
        sides = [self.size]
        for _ in range(layers):
            sides.append(((sides[-1][0] + 1) // 2, (sides[-1][1] + 1) // 2))
        # The sides that each step back to full size has to reach: halving rounded up, so doubling may overshoot.
        self.sides = sides[:-1][::-1]
        self.inner = (depths[-1], *sides[-1])
        inner_values = depths[-1] * sides[-1][0] * sides[-1][1]
        down: list[nn.Module] = []
        for before, after in pairwise(depths):
            down += [nn.Conv2d(before, after, _KERNEL, stride=2, padding=1), nn.ReLU()]
        self.down = nn.Sequential(*down)
        self.to_latent = nn.Linear(inner_values, latent)
        self.from_latent = nn.Linear(latent, inner_values)
        backwards = depths[::-1]
        self.up = nn.ModuleList(nn.Conv2d(before, after, _KERNEL, padding=1) for before, after in pairwise(backwards))

    def latent(self, windows: Tensor) -> Tensor:
        """`(b, latent)` of `(b, 1, h * w * c)`."""
        pictures = windows[:, -1].reshape(-1, *self.size, self.channels).permute(0, 3, 1, 2)
        return self.to_latent(self.down(pictures).flatten(1))

    def decode(self, latent: Tensor) -> Tensor:
        """`(b, h * w * c)` of `(b, latent)`."""
        pictures = functional.relu(self.from_latent(latent)).reshape(-1, *self.inner)
        for step, (convolution, (height, width)) in enumerate(zip(self.up, self.sides, strict=True)):
            # Doubled and smoothed instead of convolved backwards, which leaves a chequered pattern.
            pictures = convolution(functional.interpolate(pictures, scale_factor=2.0)[:, :, :height, :width])
            if step + 1 < len(self.up):
                pictures = functional.relu(pictures)
        return pictures.permute(0, 2, 3, 1).flatten(1)

    def residuals_at(self, windows: Tensor, latent: Tensor) -> Tensor:
        return windows[:, -1] - self.decode(latent)

    def forward(self, windows: Tensor) -> Tensor:
        """Write `(b, 1, h * w * c)` standardised images again."""
        return self.decode(self.latent(windows)).unsqueeze(1)
