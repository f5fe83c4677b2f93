"""Experiments in the database, with what all replicas together counted of their arms."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, case, delete, insert, select, update

from services.twin.adapters.generation import begin_change
from services.twin.adapters.tables import experiment_arms, experiments
from services.twin.adapters.version_rows import activate_version, check_model, find_version
from services.twin.domain.experiment_report import Counts
from services.twin.domain.experiments import Arm, Experiment, ExperimentMissing, Plan, Sticky, VariantMissing
from services.twin.domain.registry import ModelVersion
from shared.database import read, write

# By the experiment and the name of the arm.
ArmKey = tuple[str, str]
_SUMMED = ("predictions", "cache_hits", "fail_safes", "refused", "failed", "compared", "difference_sum")


class SqlExperiments:
    """The tables of experiments; every method blocks, so call it in a thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self) -> dict[str, Experiment]:
        """The experiments that run, by model."""
        with read(self._engine) as connection:
            heads = connection.execute(select(experiments)).all()
            arms: dict[str, list[Row[Any]]] = {}
            for arm in connection.execute(select(experiment_arms).order_by(experiment_arms.c.place)):
                arms.setdefault(arm.experiment_id, []).append(arm)
        return {head.model: _experiment(head, arms[head.experiment_id]) for head in heads}

    def find(self, model: str) -> tuple[Experiment, dict[str, Counts]]:
        """The experiment on a model, and what was counted of each arm.

        Raises
        ------
        ModelMissing, ExperimentMissing
            If there is none.
        """
        with read(self._engine) as connection:
            experiment = _require(connection, model)
            return experiment, _counts(connection, experiment)

    def start(self, experiment: Experiment) -> Experiment:
        """Begin an experiment in place of the one that runs; one that compares the same goes on under its id.

        Raises
        ------
        ModelMissing, VersionMissing
            If there is no such version.
        """
        with write(self._engine) as connection:
            begin_change(connection)
            for arm in experiment.plan.arms:
                find_version(connection, experiment.model, arm.version)
            former = find_experiment(connection, experiment.model)
            if former is not None and former.plan.compares_the_same_as(experiment.plan):
                experiment = replace(former, plan=experiment.plan)
                _update(connection, experiment)
            else:
                end_experiment(connection, experiment.model)
                _insert(connection, experiment)
            return experiment

    def end(self, model: str) -> None:
        """End the experiment on a model; raises as `find`."""
        with write(self._engine) as connection:
            begin_change(connection)
            _require(connection, model)
            end_experiment(connection, model)

    def promote(self, model: str, variant: str) -> ModelVersion:
        """End the experiment and make the version of one of its arms the active one.

        Raises
        ------
        ModelMissing, ExperimentMissing, VariantMissing
            If there is none.
        """
        with write(self._engine) as connection:
            begin_change(connection)
            version = _require(connection, model).plan.versions.get(variant)
            if version is None:
                raise VariantMissing(model, variant)
            end_experiment(connection, model)
            return activate_version(connection, model, version)

    def add(self, counted: Mapping[ArmKey, Counts]) -> None:
        """Add what one replica counted; what belongs to an experiment that has ended is dropped."""
        with write(self._engine) as connection:
            # In one order, so that two replicas never wait for each other's rows.
            for (experiment_id, name), counts in sorted(counted.items()):
                columns = experiment_arms.c
                largest = case(
                    (columns.difference_max < counts.difference_max, counts.difference_max),
                    else_=columns.difference_max,
                )
                sums = {column: columns[column] + getattr(counts, column) for column in _SUMMED}
                connection.execute(
                    update(experiment_arms)
                    .where(columns.experiment_id == experiment_id, columns.name == name)
                    .values(sums | {"difference_max": largest})
                )


def find_experiment(connection: Connection, model: str) -> Experiment | None:
    """The experiment on a model, within a transaction that somebody else began."""
    head = connection.execute(select(experiments).where(experiments.c.model == model)).one_or_none()
    if head is None:
        return None
    return _experiment(head, _arms(connection, head.experiment_id))


def end_experiment(connection: Connection, model: str) -> None:
    """Forget the experiment on a model, if there is one, within a transaction that somebody else began."""
    running = select(experiments.c.experiment_id).where(experiments.c.model == model)
    connection.execute(delete(experiment_arms).where(experiment_arms.c.experiment_id.in_(running)))
    connection.execute(delete(experiments).where(experiments.c.model == model))


def _require(connection: Connection, model: str) -> Experiment:
    check_model(connection, model)
    experiment = find_experiment(connection, model)
    if experiment is None:
        raise ExperimentMissing(model)
    return experiment


def _arms(connection: Connection, experiment_id: str) -> list[Row[Any]]:
    query = select(experiment_arms).where(experiment_arms.c.experiment_id == experiment_id)
    return list(connection.execute(query.order_by(experiment_arms.c.place)).all())


def _counts(connection: Connection, experiment: Experiment) -> dict[str, Counts]:
    columns = (*_SUMMED, "difference_max")
    return {
        row.name: Counts(**{column: getattr(row, column) for column in columns})
        for row in _arms(connection, experiment.experiment_id)
    }


def _update(connection: Connection, experiment: Experiment) -> None:
    # Not removed and made again: what another replica adds in this moment must not be lost.
    head, arm_rows = experiments.c, experiment_arms.c
    sticky = {"sticky": experiment.plan.sticky.value}
    connection.execute(update(experiments).where(head.model == experiment.model).values(sticky))
    for place, arm in enumerate(experiment.plan.arms):
        is_arm = (arm_rows.experiment_id == experiment.experiment_id) & (arm_rows.name == arm.name)
        connection.execute(update(experiment_arms).where(is_arm).values(place=place, weight=arm.weight))


def _insert(connection: Connection, experiment: Experiment) -> None:
    connection.execute(
        insert(experiments).values(
            model=experiment.model,
            experiment_id=experiment.experiment_id,
            sticky=experiment.plan.sticky.value,
            started_at_ms=int(experiment.started_at.timestamp() * 1000),
            started_by=experiment.started_by,
        )
    )
    arms = [
        {"experiment_id": experiment.experiment_id, "place": place, **_arm_columns(arm)}
        for place, arm in enumerate(experiment.plan.arms)
    ]
    connection.execute(insert(experiment_arms), arms)


def _arm_columns(arm: Arm) -> dict[str, str | float | None]:
    return {"name": arm.name, "version": arm.version, "weight": arm.weight}


def _experiment(head: Row[Any], rows: list[Row[Any]]) -> Experiment:
    arms = [Arm(row.name, row.version, row.weight) for row in rows]
    return Experiment(
        model=head.model,
        experiment_id=head.experiment_id,
        plan=Plan(
            variants=tuple(arm for arm in arms if arm.weight is not None),
            shadows=tuple(arm for arm in arms if arm.weight is None),
            sticky=Sticky(head.sticky),
        ),
        started_at=datetime.fromtimestamp(head.started_at_ms / 1000, UTC),
        started_by=head.started_by,
    )
