"""Which kind of detector suits rows over time, where the caller leaves that to a rule, and why."""

from collections.abc import Collection
from dataclasses import dataclass

from services.anomaly.domain.options.kinds import DetectorKind

# From twice as many rows as sensors on, distances in every direction of the sensors found as many faults as those from
# the principal plane, and from three times as many on clearly more (TEP, 52 sensors, 30 to 500 rows).
_ROWS_PER_SENSOR = 2


@dataclass(frozen=True, slots=True)
class Choice:
    """A kind, and what the card says of why."""

    kind: DetectorKind
    reason: str


def choose_kind(rows: int, sensors: int | None, options: Collection[str]) -> Choice:
    """Choose by the number of training rows and sensors.

    Parameters
    ----------
    sensors
        `None` where that is not known yet.
    options
        Names of the options that somebody set; one that only a kind has decides for it.

    Examples
    --------
    >>> choose_kind(400, 8, []).kind, choose_kind(60, 52, []).kind
    (<DetectorKind.MAHALANOBIS: 'mahalanobis'>, <DetectorKind.PCA: 'pca'>)
    """
    if sensors is not None and rows < _ROWS_PER_SENSOR * sensors and "eigenvalue_floor" not in options:
        return Choice(
            DetectorKind.PCA,
            f"Principal components: {rows} training rows of {sensors} sensors are too few to know how each sensor "
            "moves with every other. With twice as many rows as sensors, `auto` chooses `mahalanobis`.",
        )
    if sensors == 1:
        return Choice(
            DetectorKind.MAHALANOBIS,
            "Squared distance of the sensor's causal means of several lengths from normal: one sensor leaves nothing "
            "to correlate, and a network would need many more rows.",
        )
    return Choice(
        DetectorKind.MAHALANOBIS,
        "Mahalanobis distance of causal means of several lengths: on rows of several sensors over time no network here "
        "does clearly better, it trains in milliseconds, and it explains every score exactly.",
    )
