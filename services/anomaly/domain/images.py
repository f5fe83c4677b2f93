"""Images as rows of numbers: what a detector of images takes, and the way back to where something lies."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.scaling import Scaling
from shared.errors import JSON, AppError, Fault, Kind

# A number of an image is a column of its detector, and a bundle states so many.
MOST_VALUES = 4096
# Two convolutions halve a side twice, and have to leave something to look at.
LEAST_SIDE = 8
# More colours than cameras have.
MOST_CHANNELS = 16
# As for readings of sensors.
_LARGEST = 1e30
# A camera whose channel never moved has no spread to measure by.
_LEAST_SPREAD = 1e-6


class ImagesRefused(AppError):
    """These are no images that a detector takes."""

    kind, code = Kind.INVALID, "anomaly.images_refused"


class ImageShape(NamedTuple):
    """Height, width and channels; a grey image has one."""

    height: int
    width: int
    channels: int

    @property
    def values(self) -> int:
        """Numbers in an image."""
        return self.height * self.width * self.channels

    def columns(self) -> tuple[str, ...]:
        """Name of each number of a row, by row and column of the pixel and, where there are several, by channel.

        Examples
        --------
        >>> ImageShape(8, 8, 1).columns()[9], ImageShape(8, 8, 3).columns()[-1]
        ('r1c1', 'r7c7k2')
        """
        return tuple(
            f"r{row}c{column}" + (f"k{channel}" if self.channels > 1 else "")
            for row in range(self.height)
            for column in range(self.width)
            for channel in range(self.channels)
        )

    def to_json(self) -> list[JSON]:
        """The shape as cards state it."""
        return [self.height, self.width, self.channels]

    @classmethod
    def of_json(cls, value: JSON) -> "ImageShape":
        """The shape that a card states.

        Raises
        ------
        ImagesRefused
            If it is no shape of images.
        """
        sizes = value if isinstance(value, list) else []
        whole = [size for size in sizes if isinstance(size, int) and not isinstance(size, bool)]
        if len(whole) != 3 or len(sizes) != 3:
            raise ImagesRefused("an image has a height, a width and channels")
        shape = cls(*whole)
        shape.check()
        return shape

    def check(self) -> None:
        """Refuse what is too small or too large.

        Raises
        ------
        ImagesRefused
            With the limits.
        """
        faults = []
        if min(self.height, self.width) < LEAST_SIDE:
            faults.append(Fault("/images", f"a side has at least {LEAST_SIDE} pixels", {"low": LEAST_SIDE}))
        if not 1 <= self.channels <= MOST_CHANNELS:
            faults.append(Fault("/images", f"there are 1 to {MOST_CHANNELS} channels", {"high": MOST_CHANNELS}))
        if self.values > MOST_VALUES:
            detail = f"height times width times channels is {self.values}; at most {MOST_VALUES}: scale the images down"
            faults.append(Fault("/images", detail, {"high": MOST_VALUES}))
        if faults:
            size = " x ".join(map(str, self))
            raise ImagesRefused(f"images of {size} numbers cannot be used", faults=faults)


def are_images(rows: ArrayLike) -> bool:
    """Whether these have the dimensions of images, not of rows."""
    try:
        return np.ndim(rows) in {3, 4}
    except ValueError:
        # Lists of uneven lengths have no dimensions; as rows, they are refused with the reason.
        return False


def read_images(images: ArrayLike) -> tuple[Floats, ImageShape]:
    """Images `(n, h, w)` or `(n, h, w, c)` as rows of `(n, h * w * c)` numbers, and their shape.

    Raises
    ------
    ImagesRefused
        If they are no such array of finite numbers, or too small or too large.

    Examples
    --------
    >>> rows, shape = read_images(np.zeros((5, 8, 9), dtype=np.uint8))
    >>> rows.shape, shape
    ((5, 72), ImageShape(height=8, width=9, channels=1))
    """
    try:
        array = np.asarray(images)
        if array.dtype.kind not in "biuf":
            raise ImagesRefused(f"an array of {array.dtype} holds no images")
    except (TypeError, ValueError) as error:
        raise ImagesRefused(f"the images are no array of numbers: {error}") from error
    if array.ndim not in {3, 4}:
        raise ImagesRefused(f"images have the dimensions (n, h, w) or (n, h, w, c), not the shape {array.shape}")
    shape = ImageShape(array.shape[1], array.shape[2], array.shape[3] if array.ndim == 4 else 1)
    shape.check()
    rows = np.ascontiguousarray(array.reshape(len(array), shape.values), dtype=np.float64)
    # A comparison with NaN is false.
    bad = np.flatnonzero(~(np.abs(rows) <= _LARGEST).all(axis=1))
    if len(bad):
        faults = [Fault(f"/images/{image}", "a number is missing or is none") for image in bad[:20].tolist()]
        raise ImagesRefused(f"{len(bad)} images hold values that cannot be used", faults=faults)
    return rows, shape


def as_images(values: Floats, shape: ImageShape, *, grey_channel: bool) -> Floats:
    """`(n, h * w * c)` numbers laid out as `(n, h, w, c)`, or as `(n, h, w)` where grey images came without channel."""
    laid_out = values.reshape(len(values), *shape)
    return laid_out if grey_channel or shape.channels > 1 else laid_out[..., 0]


def image_scaling(rows: Floats, shape: ImageShape) -> Scaling:
    """Mean and spread of each channel over all pixels of `(n, h * w * c)` rows.

    A pixel in a corner that never changes has no spread of its own that would mean anything.
    """
    channels = rows.reshape(-1, shape.channels)
    spread = np.maximum(channels.std(axis=0), np.maximum(_LEAST_SPREAD * np.abs(channels).max(axis=0), 1e-30))
    pixels = shape.height * shape.width
    return Scaling(np.tile(channels.mean(axis=0), pixels), np.tile(spread, pixels), ())
