"""What the planner's worker tells Prometheus of the newest plan."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Engine, select

from services.planner.adapters.tables import plans
from shared.database import DatabaseUnavailable, read


class PlanMetrics(Collector):
    """Score, bound and gap of the plan asked for last, read when Prometheus asks.

    The search itself runs in a process that comes and goes; the table has what it last found. There are two series of
    the score, however the levels of a problem are called: the last level, and all before it together. Nothing is told
    before the first plan, or while the database is away.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return what can be shown: to know that, the table need not be read."""
        return _score(), _bound(), _gap()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        found = self._newest()
        if found is None:
            return
        points = list(found["score"].values())
        score = _score()
        score.add_metric(("last",), float(points[-1]))
        score.add_metric(("earlier",), float(sum(points[:-1])))
        yield score
        if found["bound"] is not None:
            bound = _bound()
            bound.add_metric((), float(found["bound"]))
            yield bound
        if found["gap"] is not None:
            gap = _gap()
            gap.add_metric((), float(found["gap"]))
            yield gap

    def _newest(self) -> Mapping[str, Any] | None:
        query = select(plans.c.found).order_by(plans.c.created_at_ms.desc(), plans.c.id.desc()).limit(1)
        try:
            with read(self._engine) as connection:
                found: Mapping[str, Any] | None = connection.execute(query).scalar()
        except DatabaseUnavailable:
            return None
        return found


def _score() -> GaugeMetricFamily:
    return GaugeMetricFamily("futago_planner_plan_score", "Points of the newest plan", labels=("level",))


def _bound() -> GaugeMetricFamily:
    return GaugeMetricFamily("futago_planner_plan_bound", "Cost of the last level that no plan goes below", labels=())


def _gap() -> GaugeMetricFamily:
    text = "Part of the newest plan's cost that a better one could save at most"
    return GaugeMetricFamily("futago_planner_plan_gap", text, labels=())
