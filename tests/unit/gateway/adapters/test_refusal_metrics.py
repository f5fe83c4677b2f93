from prometheus_client import CollectorRegistry

from services.gateway.adapters.refusal_metrics import RefusalMetrics
from services.gateway.domain.errors import PathUnknown, TokenRejected, TooManyRequests
from services.gateway.domain.key_errors import ApiKeyExpired


def test_refusals_of_credentials_and_limits_are_counted_by_reason_and_faults_of_requests_are_not():
    registry = CollectorRegistry()
    metrics = RefusalMetrics(registry)
    for error in (TokenRejected(), TokenRejected(), ApiKeyExpired(), TooManyRequests(1.0), PathUnknown()):
        metrics.count(error)
    family = next(iter(registry.collect()))
    counted = {each.labels["reason"]: each.value for each in family.samples if each.name.endswith("_total")}
    assert counted == {
        "gateway.token_rejected": 2,
        "gateway.api_key_expired": 1,
        "gateway.too_many_requests": 1,
    }
