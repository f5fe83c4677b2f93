"""Every metric of every process, as the code declares it, without a server."""

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from services.anomaly.settings import AnomalyWorkerSettings
from services.planner.adapters.plan_metrics import PlanMetrics
from services.planner.settings import PlannerWorkerSettings
from shared.database import open_engine
from shared.http.server import BoundedServer
from shared.jobs.run import worker_metrics
from shared.settings import ServiceSettings
from tests.contract.served import SERVICES, application

COMMITTED = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"
# Settings that show what is hidden otherwise.
_ALL_SHOWN: dict[str, dict[str, object]] = {
    "twin": {"asset_metrics": True, "history_interval_s": 10.0},
    "anomaly": {"asset_metrics": True, "history_interval_s": 10.0},
    "gateway": {"notify_urls": ("json://127.0.0.1:1",)},
    "planner": {},
}
_OF_THE_LIBRARY = ("process_", "python_")
_HEAD = """# Metrics

All metrics of all processes, as served at `/metrics`. `make contract` writes this page from the code, and a test
compares it with the running processes. Below the tables: the number of series, and optional metrics. See also [Logs
and traces](../how-to/logs-and-traces.md).

A counter's name ends in `_total`; a histogram has `_bucket`, `_sum` and `_count`. Times are in seconds, sizes in
bytes. The processes are: `gateway`, `twin`, `anomaly`, `planner`, and the workers `anomaly-worker` and
`planner-worker`.
"""
_TAIL = """
## Number of series

Labels for routes, methods, statuses, reasons, limits, upstreams, states, queues and kinds of jobs have a fixed set of
values, whatever a caller sends. Labels for models, detectors and assets are limited by `series_limit` (default 1,000
of each, in each process): further names are counted under `other`, and `futago_series_other_total` counts these
values. The series of a withdrawn or deleted model, version or detector disappear at the next scrape (of a detector
deleted through another replica, within half a minute), those of a name without values for a day too.

A twin that answered 2,000 assets with 300 models shows some 10,000 series in 0.8 MB, with the gauges of 1,000 assets
among them; most are the buckets of `futago_twin_inference_seconds`.

## Disks and certificates

`futago_folder_…` is the file system of each folder: `logs`, `cache`, `store` and `database` (SQLite), if they are on
a local disk, and `state` for a stand-alone twin. Folders on the same disk have the same values. In a container it is
the disk of the volume; for a Kubernetes `emptyDir`, that of the node, whatever its size limit. A folder that does not
answer within 50 ms, such as one on a network, has no value.

`futago_tls_certificate_not_after_timestamp_seconds` exists for a process that speaks TLS itself: the earliest end in
the served certificate chain. If the end of a malformed chain cannot be read, there is no value, and the log has
`certificate_end_unknown`.

## Values of assets

The gauges `futago_twin_asset_…` and `futago_anomaly_asset_…` exist only if `asset_metrics` is set for the
service, and within the same limit. Each replica shows the values that it computed, so an asset may have several series;
the history has one for all replicas.

With `history_interval_s`, the twin and the anomaly service store one point per asset and interval in the database,
for `history_retention_days`. Dashboards read it as JSON through the gateway, for example with Grafana's Infinity
data source (the points are under `points`):

```
GET /api/v1/twin/timeseries?metric=prediction&model=yield&asset=acme.osaka.r101&since=2026-04-01T00:00:00Z&points=500
GET /api/v1/anomaly/timeseries?metric=severity&detector=pump&asset=acme.osaka.p7
GET /api/v1/anomaly/timeseries?metric=health&asset=acme.osaka.p7
```

The twin has `prediction`, `lower` and `upper`, the anomaly service `score`, `severity` and `health`. By default
`until` is now, and `since` six hours before it; `points` is the largest number of points, each then the mean of an
equal part of the time. The caller needs the permission `read` and access to the asset. The history is not complete:
it stores only the newest value of an interval, and nothing while the database is unavailable
(`futago_history_points_lost_total`).

CPU time (`python -m benchmarks asset_values`): 0.9 µs to note a prediction, 4.5 µs to write a point (SQLite), 11 µs
at each scrape for the three gauges of an asset. A prediction over HTTP took 156 µs without values of assets, the same
with gauges, and 164 µs with gauges and a history written every 2 s. The database grows: 1,000 assets of a twin,
stored once a minute, are 4.3 million rows per day. Choose interval and retention for your dashboards; for more use a
time-series database.
"""


@dataclass(frozen=True, order=True)
class Shown:
    """One metric."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


async def shown_metrics() -> dict[Shown, set[str]]:
    """Each metric, and the processes that have it."""
    found: dict[Shown, set[str]] = defaultdict(set)
    for service in SERVICES:
        with tempfile.TemporaryDirectory() as folder:
            app = application(service, Path(folder), **_ALL_SHOWN[service])
            BoundedServer(app, _settings(Path(folder)))
            # What goes on beside the requests makes its metrics when it starts.
            async with app.api.router.lifespan_context(app.api):
                for metric in declared(app.metrics.registry):
                    found[metric].add(service)
    for metric in _of_worker("anomaly"):
        found[metric].add("anomaly-worker")
    for metric in _of_worker("planner"):
        found[metric].add("planner-worker")
    return found


def declared(registry: CollectorRegistry) -> Iterator[Shown]:
    """What a registry was told, samples or not."""
    for collector in list(registry._collector_to_names):
        described = collector.describe() if hasattr(collector, "describe") else ()
        for family in described or collector.collect():
            labels = getattr(collector, "_labelnames", None)
            if labels is None:
                labels = getattr(family, "_labelnames", ())
            name = f"{family.name}_total" if family.type == "counter" else family.name
            yield Shown(name, family.type, tuple(labels), family.documentation)


def text_of(found: dict[Shown, set[str]]) -> str:
    """The page."""
    groups: dict[str, list[str]] = defaultdict(list)
    for metric in sorted(found):
        if metric.name.startswith(_OF_THE_LIBRARY):
            continue
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
        line = f"| `{metric.name}` | {metric.kind} | {labels} | {', '.join(sorted(found[metric]))} | {metric.help} |"
        groups[_group(metric.name)].append(line)
    parts = [_HEAD]
    for title in ("Gateway", "Twin", "Anomaly", "Planner", "Jobs and workers", "Every process"):
        table = "\n".join(["| name | type | labels | processes | meaning |", "|---|---|---|---|---|", *groups[title]])
        parts.append(f"\n## {title}\n\n{table}\n")
    parts.append(
        "\nBeside these there are the Python client's own `process_…` (memory, processor time, open files, start) and"
        " `python_…` (garbage collection, version).\n"
    )
    return "".join([*parts, _TAIL])


def _group(name: str) -> str:
    for prefix in ("gateway", "twin", "anomaly", "planner"):
        if name.startswith(f"futago_{prefix}_"):
            return prefix.capitalize()
    return "Jobs and workers" if name.startswith(("futago_job", "futago_worker")) else "Every process"


def _of_worker(service: str) -> Iterator[Shown]:
    with tempfile.TemporaryDirectory() as folder:
        common: dict[str, Any] = {"redis_url": "redis://127.0.0.1:1", "database_url": f"sqlite:///{folder}/none.db"}
        settings: ServiceSettings
        if service == "anomaly":
            place = {"store_url": Path(folder).as_uri(), "cache_dir": folder, "trust_dir": folder}
            settings = AnomalyWorkerSettings(**common, **place, signing_key_file=Path(folder))
        else:
            settings = PlannerWorkerSettings(**common, cache_dir=Path(folder))
        engine = open_engine(common["database_url"])
        registry = CollectorRegistry()
        worker_metrics(settings, registry, engine, collectors=[PlanMetrics(engine)] if service == "planner" else [])
        yield from declared(registry)
        engine.dispose()


def _settings(folder: Path) -> Any:
    return PlannerWorkerSettings(
        redis_url="redis://127.0.0.1:1", database_url=f"sqlite:///{folder}/none.db", cache_dir=folder
    )
