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

Every metric of every process, as `/metrics` shows it. This page is written by `make contract` from the code, and a
test compares it: dashboards and rules can rely on its names. How many series there may be, and what is hidden unless
it is asked for, stands below the tables; how to read traces and logs beside them, in
[Logs and traces](../how-to/logs-and-traces.md).

A counter's name ends in `_total`; a histogram has `_bucket`, `_sum` and `_count`. Times are in seconds, sizes in
bytes. The processes are: `gateway`, `twin`, `anomaly`, `planner`, and the workers `anomaly-worker` and
`planner-worker`.
"""
_TAIL = """
## How many series

Labels that name routes, methods, statuses, reasons, limits, upstreams, states, queues and kinds of jobs have as many
values as the program does, whatever a caller sends. Labels that name models, detectors and assets are bounded by
`series_limit` (1,000 unless set, of each, in each process): what comes beyond it is counted under `other`, as
`futago_series_other_total` tells. A model, version or detector that was withdrawn or deleted loses its series at the
next scrape (of a detector deleted through another replica, within half a minute); a name that nothing was heard of
for a day loses them too.

A twin that answered 2,000 assets with 300 models shows some 10,000 series in 0.8 MB, with the gauges of 1,000 assets
among them; most are the buckets of `futago_twin_inference_seconds`.

## Disks and certificates

`futago_folder_…` tells of the file system that each folder is on: `logs`, `cache`, `store` and `database` (SQLite)
where a process has them on a disk of its own machine, `state` for a twin on its own. Folders on one disk have the same
values. In a container it is the disk of its volume; of a Kubernetes `emptyDir`, the node's, whatever its size limit. A
folder that does not answer within 50 ms, as one on a network may, has no value until it does.

`futago_tls_certificate_not_after_timestamp_seconds` is there for a process that speaks TLS itself: the end of the first
certificate in its chain that ends, as it is served, so a renewed one counts once it is in use. Of a chain that OpenSSL
serves although it is not well formed, the end is not known: then there is no value, and the log says
`certificate_end_unknown`.

## Values of assets

The gauges `futago_twin_asset_…` and `futago_anomaly_asset_…` are shown only where `asset_metrics` is set for the
service, and within the same bound. Each replica shows the values that it computed itself, so with several replicas
one asset may have several; the history is written by all of them together and has one.

With `history_interval_s` the twin and the anomaly service keep one point of each asset an interval in the database,
for `history_retention_days`. Dashboards read it as JSON through the gateway, for instance with Grafana's Infinity
data source (the points are under `points`):

```
GET /api/v1/twin/timeseries?metric=prediction&model=yield&asset=acme.osaka.r101&since=2026-04-01T00:00:00Z&points=500
GET /api/v1/anomaly/timeseries?metric=severity&detector=pump&asset=acme.osaka.p7
GET /api/v1/anomaly/timeseries?metric=health&asset=acme.osaka.p7
```

The twin knows `prediction`, `lower` and `upper`, the anomaly service `score`, `severity` and `health`. `until` is now
unless given, `since` six hours before it; `points` is the most that come back, each then the mean of its part of the
time. The caller needs the permission `read` and the asset within its reach. The history loses points by design: the
newest value of an interval stands for it, and while the database is away nothing is kept
(`futago_history_points_lost_total`).

What it costs (`python -m benchmarks asset_values`, processor time): noting a prediction 0.9 µs, writing a point 4.5 µs
(SQLite), showing the three gauges of one asset 11 µs at each scrape. A prediction over HTTP took 156 µs without values
of assets, as much with gauges, and 164 µs with gauges and a history written every 2 s. What it fills is the database:
1,000 assets of a twin, each kept once a minute, make 4.3 million rows a day, and six times as many at an interval of
10 s. Choose interval and retention for the dashboard that is to be drawn; a time-series database is the place for more.
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
