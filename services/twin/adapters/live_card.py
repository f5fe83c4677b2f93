"""What a bundle's card says about life after packaging: live settings, and the figures to expect."""

from collections.abc import Mapping

from services.twin.domain.live_settings import REFERENCE_LEVEL, LiveSettings, LiveSettingsInvalid
from services.twin.domain.observed import Expectation
from shared.errors import JSON
from shared.onnx.errors import BundleMalformed


def read_live(card: Mapping[str, JSON]) -> LiveSettings:
    """The card's `live` member; without one nothing corrects.

    Raises
    ------
    BundleMalformed
        If it makes no sense.
    """
    live = card.get("live")
    if live is None:
        return LiveSettings()
    if not isinstance(live, Mapping):
        raise BundleMalformed("manifest.card.live must be an object")
    try:
        return LiveSettings.of(live)
    except LiveSettingsInvalid as error:
        faults = "; ".join(f"{fault.pointer} {fault.detail}" for fault in error.faults)
        raise BundleMalformed(f"manifest.card.live: {faults}") from error


def read_expectation(card: Mapping[str, JSON]) -> Expectation:
    """The figures on rows that the model never saw, as far as the card has them."""
    metrics, interval = _object(card.get("metrics")), _object(card.get("interval"))
    evaluation = interval.get("evaluation")
    reports = [_object(report) for report in evaluation] if isinstance(evaluation, list) else []
    coverage = next(
        (
            _number(report.get("coverage"))
            for report in reports
            if report.get("method") == interval.get("method") and report.get("level") == REFERENCE_LEVEL
        ),
        None,
    )
    return Expectation(_number(metrics.get("rmse")), _number(metrics.get("mae")), coverage)


def _object(value: JSON) -> Mapping[str, JSON]:
    return value if isinstance(value, Mapping) else {}


def _number(value: JSON) -> float | None:
    return None if isinstance(value, bool) or not isinstance(value, int | float) else float(value)
