import re

from tests.contract.shown_metrics import COMMITTED, shown_metrics, text_of

# https://prometheus.io/docs/practices/naming/: a base unit, in the plural.
UNIT_LESS = re.compile(r"_(ms|us|minutes|hours|kb|mb|kilobytes|megabytes|percent)(_|$)")
ALLOWED_LABELS = {
    "service", "version", "revision", "method", "route", "status", "reason", "upstream", "limit", "outcome", "provider",
    "model", "variant", "detector", "asset", "severity", "queue", "kind", "state", "policy", "cause", "tier", "what",
    "code", "level", "operation", "bound", "destination", "folder",
}  # fmt: skip


async def test_the_page_of_metrics_is_what_the_processes_show():
    shown = await shown_metrics()
    page = COMMITTED.read_text(encoding="utf-8")
    assert text_of(shown) == page, "the metrics changed: run `make contract` and look at it"
    own = [metric for metric in shown if metric.name.startswith("futago_")]
    assert len(own) > 60
    assert {process for metric in own for process in shown[metric]} == {
        "anomaly", "anomaly-worker", "gateway", "planner", "planner-worker", "twin",
    }  # fmt: skip
    for metric in own:
        assert metric.help, metric
        assert metric.help[0].isupper() or metric.help[0].isdigit(), metric
        assert not UNIT_LESS.search(metric.name), metric
        assert (metric.kind == "counter") == metric.name.endswith("_total"), metric
        assert set(metric.labels) <= ALLOWED_LABELS, metric
    names = [metric.name for metric in own]
    assert len(names) == len(set(names)), "one name means one thing in every process"
