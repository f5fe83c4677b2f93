"""The shapes of the answers a program reads field by field; plain dictionaries at run time."""

from typing import Any, TypedDict


class Interval(TypedDict):
    """Where the true value lies with the given probability, in the unit of the prediction."""

    lower: float
    upper: float
    level: float


class Prediction(TypedDict):
    """One prediction of the twin; the server may send more fields than are named here."""

    model: str
    version: str
    prediction: float
    unit: str
    prediction_interval: Interval
    applicability: dict[str, Any]
    status: str
    inference_time_ms: float
    timestamp: str
    user: str
    request_id: str


class BatchItem(TypedDict, total=False):
    """One input's part of a batch: a prediction, or the error that input met."""

    index: int
    input: dict[str, Any]
    status: str
    prediction: float
    prediction_interval: Interval
    error: str


class Batch(TypedDict):
    """Predictions in the order of the inputs."""

    user: str
    total: int
    successful: int
    results: list[BatchItem]


class DetectorScore(TypedDict):
    """One score and label per row.

    A score is `None`, and its label 0, where the rows the detector looks back on were not given. `contributions`
    holds an entry for each anomalous row: its score, a severity from 0 to 1, and each sensor's part of the score.
    """

    detector: str
    version: str
    asset: str | None
    scores: list[float | None]
    labels: list[int]
    threshold: float
    episodes: list[dict[str, Any]]
    contributions: list[dict[str, Any]]


class Upload(TypedDict):
    """A file that was read and kept: how many readings are missing, and the times of its first and last row."""

    upload_id: str
    rows: int
    columns: list[str]
    missing: int
    period: list[str] | None
    image_shape: list[int] | None


class HealthTrend(TypedDict):
    """Points of health a day, negative where it becomes worse, with the interval of this confidence."""

    per_day: float
    lower: float
    upper: float
    confidence: float
    significant: bool


class ConditionDue(TypedDict):
    """The day health reaches the limit if its trend goes on; `latest` is `None` beyond the horizon."""

    date: str
    earliest: str
    latest: str | None


class AssetHealth(TypedDict):
    """The health of an asset; `None` where nothing was scored since its last inspection."""

    asset: str
    health: float | None
    trend: HealthTrend | None
    condition_due: ConditionDue | None
    limit: float
    since: str | None
    age_s: float | None
    detectors: list[dict[str, Any]]
    basis: dict[str, Any]
