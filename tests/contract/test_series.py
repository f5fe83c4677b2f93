"""How many series a fleet makes, and that nobody can make more by naming things."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from services.anomaly.adapters.score_metrics import ScoreMetrics
from services.twin.adapters.asset_predictions import AssetPredictions
from services.twin.adapters.prediction_metrics import LABELS, PredictionMetrics
from services.twin.domain.applicability import Applicability, State
from services.twin.domain.fail_safe import Cause, FailSafePolicy
from services.twin.domain.prediction import Prediction
from services.twin.domain.serving import Answer, Requester
from shared.contracts.alert import Alert, Severity
from shared.http.metrics import ServiceMetrics
from tests.contract.served import SERVICES, application

AT = datetime(2027, 1, 1, tzinfo=UTC)
HOSTILE = ['a"b', "a\nb 1", 'x{y="z"} 1', "# HELP futago_up", "\\", "泵", "a" * 255, ""]
ASSETS = [f"acme.plant{i % 20}.asset{i}" for i in range(2_000)]
MODELS = [f"model{i}" for i in range(300)]
LIMIT = 1_000


Sample = tuple[str, dict[str, str], float]


def samples(metrics: ServiceMetrics, prefix: str = "futago_") -> list[Sample]:
    """Every series that is shown; when a counter was made is not."""
    return [
        (sample.name, sample.labels, sample.value)
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name.startswith(prefix) and not sample.name.endswith("_created")
    ]


def value(shown: Iterable[Sample], name: str, **labels: str) -> float:
    return sum(each[2] for each in shown if each[0] == name and labels.items() <= each[1].items())


def answer(model: str, version: str = "1") -> Answer[Prediction]:
    found = Prediction(model, version, 5.0, "%", 4.0, 6.0, 0.9, Applicability(State.EDGE))
    return Answer(found, 0.001, AT)


def predict(meter: PredictionMetrics, assets: AssetPredictions, models: Iterable[str], asset: str) -> None:
    for model in models:
        meter.predicted(model, "1", rows=1, refused=0, duration_s=0.0001)
        meter.failed_safe(model, "1", policy=FailSafePolicy.HOLD, cause=Cause.QUALITY_BAD)
        meter.seen(answer(model), {}, Requester("ada", asset))
        assets.seen(answer(model), {}, Requester("ada", asset))


@pytest.fixture
def metrics() -> ServiceMetrics:
    return ServiceMetrics("twin", series_limit=LIMIT)


def twin(metrics: ServiceMetrics) -> tuple[PredictionMetrics, AssetPredictions]:
    assets = AssetPredictions(metrics.bounds)
    metrics.registry.register(assets.values)
    return PredictionMetrics(metrics.registry, metrics.bounds), assets


def test_a_fleet_of_300_models_and_2000_assets_stays_within_its_bounds(metrics: ServiceMetrics):
    meter, assets = twin(metrics)
    for number, asset in enumerate(ASSETS):
        predict(meter, assets, [MODELS[number % 300]], asset)
    shown = samples(metrics)
    assert len([each for each in shown if each[0] == "futago_twin_asset_prediction"]) == LIMIT
    assert value(shown, "futago_series_other_total", bound="asset_predictions") == 1_000
    # Of each version: 16 buckets, sum and count; predictions, refusals, three places, a substitute.
    assert len(shown) < 300 * 25 + 3 * LIMIT + 100
    before = len(shown)
    predict(meter, assets, (f"made-up-{i}" for i in range(3_000)), "acme.new")
    shown = samples(metrics)
    names = {each[1]["model"] for each in shown if each[0] == "futago_twin_predictions_total"}
    assert len(names) == LIMIT + 1
    assert "other" in names
    assert value(shown, "futago_twin_predictions_total", model="other", outcome="predicted") == 2_300
    assert len(shown) < before + (LIMIT - 300 + 1) * 25 + LIMIT


def test_detectors_and_assets_of_alerts_are_bounded_too(metrics: ServiceMetrics):
    scores = ScoreMetrics(metrics.registry, metrics.bounds, lambda: 0)
    for name in [f"detector{i}" for i in range(LIMIT + 100)]:
        scores.scored(name, rows=1, anomalous=0, duration_s=0.001)
        scores.streamed(name, rows=1, repeated=0, lag_s=1.0)
    for asset in ASSETS:
        scores.raised([Alert("1", "anomaly", "k", Severity.WARNING, asset, "d", "m", AT, "key")])
    shown = samples(metrics, "futago_anomaly_")
    assert len({each[1]["detector"] for each in shown if "detector" in each[1]}) == LIMIT + 1
    assert len({each[1]["asset"] for each in shown if each[0] == "futago_anomaly_alerts_total"}) == LIMIT + 1
    assert value(shown, "futago_anomaly_alerts_total", asset="other", severity="warning") == 1_000


def test_hostile_names_stay_values_of_their_label(metrics: ServiceMetrics):
    meter, assets = twin(metrics)
    predict(meter, assets, HOSTILE, 'acme"} 1\nfutago_up 1')
    read = [
        sample for family in text_string_to_metric_families(metrics.exposition().decode()) for sample in family.samples
    ]
    assert {each.labels["model"] for each in read if each.name == "futago_twin_asset_prediction"} == set(HOSTILE)
    assert "futago_up" not in {each.name for each in read}


def test_what_is_withdrawn_or_silent_for_a_day_loses_its_series():
    now = [0.0]
    metrics = ServiceMetrics("twin")
    metrics.registry = CollectorRegistry()
    metrics.bounds = type(metrics.bounds)(metrics.registry, 10, now_s=lambda: now[0])
    meter, assets = twin(metrics)
    served = {"a", "b"}
    metrics.bounds.bound("models", LABELS).gone_when(lambda values: values[0] not in served)
    predict(meter, assets, ["a", "b"], "acme.r1")
    served.discard("b")
    assert {each[1]["model"] for each in samples(metrics, "futago_twin_predictions")} == {"a"}
    now[0] = 25 * 3600.0
    assert samples(metrics, "futago_twin_predictions") == []
    assert samples(metrics, "futago_twin_asset") == []
    # One that comes back counts from zero, in a series that is shown.
    meter.predicted("a", "1", rows=1, refused=0, duration_s=0.0001)
    assert value(samples(metrics), "futago_twin_predictions_total", model="a", outcome="predicted") == 1


@pytest.mark.parametrize("service", SERVICES)
async def test_no_path_that_a_caller_makes_up_is_a_series(service: str, tmp_path: Path):
    app = application(service, tmp_path)
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://plant") as client:
        for path in ("/healthz", "/nowhere/0", "/api/v1/twin/models/0"):
            await client.get(path)
        before = len(samples(app.metrics, "futago_http"))
        for number in range(100):
            await client.get(f"/nowhere/{number}?asset=a{number}")
            await client.get(f"/api/v1/twin/models/{number}")
            await client.request(f"VERB{number}", "/nowhere/1")
    # Beside those before: unknown methods, as one.
    assert len(samples(app.metrics, "futago_http")) <= before + 4 * 20
