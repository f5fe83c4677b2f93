"""The newest prediction of each asset, for gauges and for the history."""

from collections.abc import Mapping, Sequence

from services.twin.domain.prediction import Prediction
from services.twin.domain.serving import Answer, Requester
from shared.asset_values import AssetValues
from shared.errors import JSON
from shared.history import Point
from shared.series import SeriesBounds

METRICS = ("prediction", "lower", "upper")
_GAUGES = {
    "futago_twin_asset_prediction": "Newest prediction of an asset, in the unit of the model's target",
    "futago_twin_asset_prediction_lower": "Lower end of the interval of an asset's newest prediction",
    "futago_twin_asset_prediction_upper": "Upper end of the interval of an asset's newest prediction",
}


class AssetPredictions:
    """Implements `serving.PredictionWatch`."""

    def __init__(self, bounds: SeriesBounds) -> None:
        self.values = AssetValues(_GAUGES, "model", bounds.bound("asset_predictions", ("model", "asset")))

    def seen(
        self,
        answer: Answer[Prediction],
        inputs: Mapping[str, JSON],  # noqa: ARG002 (of the protocol)
        requester: Requester,
    ) -> None:
        """Note a prediction about an asset."""
        if requester.asset is not None:
            found = answer.content
            ends = (found.prediction, found.lower, found.upper)
            self.values.put(found.model, requester.asset, answer.answered_at.timestamp(), ends)

    def points(self) -> Sequence[Point]:
        """What is new since this was last asked for."""
        return [
            Point(metric, newest.subject, newest.asset, newest.at_s, value)
            for newest in self.values.take_changed()
            for metric, value in zip(METRICS, newest.values, strict=True)
        ]
