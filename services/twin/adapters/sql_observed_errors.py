"""How the versions of an experiment did on what was measured since it began."""

from collections.abc import Mapping, Sequence

import numpy as np
from sqlalchemy import Engine, select

from services.twin.adapters.tables import observations
from services.twin.domain.experiment_report import ObservedErrors
from services.twin.domain.experiments import Experiment
from shared.database import read

# The newest ones: what an experiment has not shown by then it will hardly show, and a report must not take seconds.
OBSERVATION_LIMIT = 10_000


class SqlObservedErrors:
    """Reads the table of observations; every method blocks, so call it in a thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def since_start(self, experiment: Experiment) -> Mapping[str, ObservedErrors]:
        """The observations of each arm's version, by version; one without any is left out."""
        versions = sorted(set(experiment.plan.versions.values()))
        table = observations.c
        query = (
            select(
                table.version,
                table.group_id,
                table.asset,
                table.observed_at_ms,
                table.actual - table.prediction,
                table.covered,
                table.upper - table.lower,
            )
            .where(
                table.model == experiment.model,
                table.version.in_(versions),
                table.received_at_ms >= int(experiment.started_at.timestamp() * 1000),
            )
            .order_by(table.id.desc())
            .limit(OBSERVATION_LIMIT * len(versions))
        )
        with read(self._engine) as connection:
            rows = connection.execute(query).all()
        return _by_version([tuple(row) for row in rows])


def _by_version(rows: Sequence[tuple[str, int, str, int, float, bool, float]]) -> Mapping[str, ObservedErrors]:
    # Column by column: a loop over the rows would keep the interpreter from the requests of this process.
    if not rows:
        return {}
    version, groups, asset, observed_at_ms, errors, covered, widths = (
        np.array(column) for column in zip(*rows, strict=True)
    )
    _, assets = np.unique(asset, return_inverse=True)
    by_time = np.lexsort((groups, observed_at_ms))
    found = {}
    for name in np.unique(version):
        own = by_time[version[by_time] == name]
        found[str(name)] = ObservedErrors(groups[own], assets[own], errors[own], covered[own], widths[own])
    return found
