"""Values of single assets (gauges and history): what they add to a prediction, to a scrape and to the database.

Processor time of the twin for one prediction about an asset, in turns with and without them; then each part of it by
itself. The history is written every two seconds there, more often than anybody would have it.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import CollectorRegistry

from benchmarks.twin_http import PREDICT, Way, report, take_turns
from benchmarks.twin_site import make_site, row_bodies
from futago.migrations import migrate_all
from services.twin.adapters.asset_predictions import METRICS, AssetPredictions
from services.twin.adapters.tables import history
from services.twin.domain.applicability import Applicability, State
from services.twin.domain.prediction import Prediction
from services.twin.domain.serving import Answer, Requester
from shared.database import open_engine
from shared.exposition import exposition
from shared.history import SqlHistory
from shared.series import SeriesBounds

OFF = "without values of assets"
_ASSETS = 1_000
_CONNECTIONS = 4
_NO_CACHE = {"TWIN_CACHE_TTL_S": "0"}
_GAUGES = _NO_CACHE | {"TWIN_ASSET_METRICS": "true"}
_INTERVAL_S = 2.0
_ROUNDS = 21


def main() -> None:
    """Print what a prediction costs in each way, and what noting, showing and writing one value does."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        site, path, bodies = make_site(Path(name)), f"{PREDICT}?asset=acme.osaka.r101", row_bodies()
        both = _GAUGES | {"TWIN_HISTORY_INTERVAL_S": str(_INTERVAL_S)}
        ways = {
            OFF: Way(path, *stack.enter_context(site.twin(_NO_CACHE)), bodies),
            "gauges": Way(path, *stack.enter_context(site.twin(_GAUGES)), bodies),
            "gauges and history": Way(path, *stack.enter_context(site.twin(both)), bodies),
        }
        report(take_turns(site, ways, _CONNECTIONS), OFF)
    for part, cost_s in parts().items():
        print(f"    {part:40s} {cost_s * 1e6:7.2f} µs")


def parts() -> dict[str, float]:
    """Processor time of each part for one value [s]."""
    registry = CollectorRegistry()
    assets = AssetPredictions(SeriesBounds(registry, _ASSETS))
    registry.register(assets.values)
    found = Prediction("yield", "1", 5.0, "%", 4.0, 6.0, 0.9, Applicability(State.IN))
    answer = Answer(found, 0.001, datetime.now(UTC))
    requesters = [Requester("bench", f"acme.osaka.r{number}") for number in range(_ASSETS)]

    def note() -> None:
        for requester in requesters:
            assets.seen(answer, {}, requester)

    note()
    points = assets.points()
    with tempfile.TemporaryDirectory() as name:
        url = f"sqlite:///{name}/futago.db"
        migrate_all(url)
        engine = open_engine(url)
        kept = SqlHistory(engine, history, interval_s=_INTERVAL_S)
        costs = {
            "noting a prediction": cpu_s(note) / _ASSETS,
            "showing an asset at a scrape": cpu_s(lambda: exposition(registry)) / _ASSETS,
            "writing a point of the history": cpu_s(lambda: kept.add(points)) / (_ASSETS * len(METRICS)),
        }
        engine.dispose()
    return costs


def cpu_s(way: Callable[[], object]) -> float:
    """Median of the processor time of a call [s]."""
    taken = []
    for _ in range(_ROUNDS):
        started_s = time.process_time()
        way()
        taken.append(time.process_time() - started_s)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
