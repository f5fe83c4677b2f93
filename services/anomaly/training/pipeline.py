"""From rows to a finished detector, for every kind: divide, scale, fit, calibrate, set the limit.

torch is imported when a network is trained and not before: statistical detectors train without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from services.anomaly.domain.arrays import Floats, Times
from services.anomaly.domain.calibration import calibrate
from services.anomaly.domain.detection import ResidualModel
from services.anomaly.domain.drift_tally import fit_reference
from services.anomaly.domain.false_alarms import rows_per_day, with_false_alarms
from services.anomaly.domain.images import image_scaling
from services.anomaly.domain.isolation_forest import Forest, ForestModel
from services.anomaly.domain.options.reading import options_json
from services.anomaly.domain.options.statistical import IsolationForestOptions, MahalanobisOptions, PcaOptions
from services.anomaly.domain.preparation import Preparation
from services.anomaly.domain.preparation_copies import rescaled
from services.anomaly.domain.preparation_fit import prepare_training, untouched
from services.anomaly.domain.preparation_off import OffRule
from services.anomaly.domain.residual_graph import ExportedNetwork
from services.anomaly.domain.runs import Runs
from services.anomaly.domain.scaling import Scaling, ScalingModel, fit_scaling
from services.anomaly.domain.trained import Trained, describe_columns
from services.anomaly.domain.training_plan import TrainingPlan
from services.anomaly.training.beat import Progress, ignore
from services.anomaly.training.full_report import full_report
from shared.errors import JSON

if TYPE_CHECKING:
    from services.anomaly.training.fit import Epoch


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Normal rows in time order.

    Parameters
    ----------
    rows
        `(n, c)` in the units of the sensors; NaN where a reading is missing.
    columns
        Name of each sensor.
    units
        Unit by name, where somebody said.
    period
        Time of the first and the last row, where known.
    times
        `(n,)`, increasing [µs since 1970 in UTC], where known.
    off
        When the machine is off, where somebody said.
    """

    rows: Floats
    columns: tuple[str, ...]
    units: Mapping[str, str]
    period: tuple[datetime, datetime] | None = None
    times: Times | None = None
    off: OffRule | None = None


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a training asks of its surroundings.

    Parameters
    ----------
    serve
        Makes the serving model of an exported network.
    on_epoch
        Told after every epoch.
    should_stop
        Asked before every epoch, and about once a second within one.
    on_progress
        Told about once a second within an epoch.
    """

    serve: Callable[[ExportedNetwork], ResidualModel]
    on_epoch: Callable[[Epoch], None]
    should_stop: Callable[[], bool]
    on_progress: Callable[[Progress], None] = ignore


def train(data: TrainingSet, plan: TrainingPlan, hooks: Hooks) -> Trained:
    """Train a detector.

    Raises
    ------
    TooFewRows, TooFewUsableRows
        If the rows do not suffice for the limit that was asked for.
    NetworkTooLarge, TrainingDiverged, TrainingCancelled, ParityFailed
        If a network's training did not come to a usable end.
    """
    if plan.image_shape is None:
        prepared = prepare_training(data.rows, data.times, data.columns, data.off, plan)
    else:
        prepared = untouched(data.rows, data.columns, plan)
    plan, runs = prepared.plan, prepared.runs
    scaling = _scaling(runs.rows[: plan.blocks.fit_end], plan, prepared.preparation)
    fitted = _fit(runs, plan, scaling, hooks)
    calibrated = calibrate(fitted.model, runs, plan.blocks, plan.options)
    daily = None if data.period is None else rows_per_day(data.period, len(data.rows))
    threshold = with_false_alarms(plan.rule.settle(calibrated.held_out), calibrated.held_out, rows_of_a_day=daily)
    return Trained(
        kind=plan.options.kind,
        reason=plan.reason,
        preparation=prepared.preparation,
        findings=prepared.findings,
        columns=describe_columns(prepared.measured, data.columns, data.units, scaling),
        window_rows=plan.window_rows,
        scaling=scaling,
        network=fitted.network,
        forest=fitted.forest,
        image_shape=plan.image_shape,
        head=calibrated.scorer.head,
        held_out=calibrated.held_out,
        threshold=threshold,
        options=options_json(plan.options),
        blocks=plan.blocks,
        period=data.period,
        report=fitted.report,
        full_report=full_report(
            runs,
            data.columns,
            plan.options.kind,
            blocks=plan.blocks,
            calibrated=calibrated,
            limit=threshold.value,
            training=fitted.report,
        ),
        reference=fit_reference(prepared.measured),
    )


def _scaling(rows: Floats, plan: TrainingPlan, preparation: Preparation) -> Scaling:
    if plan.image_shape is not None:
        return image_scaling(rows, plan.image_shape)
    return rescaled(fit_scaling(rows), preparation.copies)


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A model, what its bundle keeps of it, and how it came about."""

    model: ResidualModel
    network: ExportedNetwork | None = None
    forest: Forest | None = None
    report: Mapping[str, JSON] = field(default_factory=dict)


def _fit(runs: Runs, plan: TrainingPlan, scaling: Scaling, hooks: Hooks) -> _Fitted:
    if isinstance(plan.options, MahalanobisOptions | PcaOptions):
        return _Fitted(ScalingModel(scaling))
    if isinstance(plan.options, IsolationForestOptions):
        from services.anomaly.training.isolation_forest import fit_forest  # noqa: PLC0415 - scikit-learn

        forest = fit_forest(runs.part(0, plan.blocks.fit_end), scaling, plan.options)
        return _Fitted(ForestModel(forest, scaling, smoothing_rows=plan.options.smoothing_rows), forest=forest)
    from services.anomaly.training.network_detector import fit_network_detector  # noqa: PLC0415 - torch, see above

    fitted = fit_network_detector(
        runs,
        plan.blocks,
        scaling,
        plan.options,
        image_shape=plan.image_shape,
        serve=hooks.serve,
        on_epoch=hooks.on_epoch,
        should_stop=hooks.should_stop,
        on_progress=hooks.on_progress,
    )
    return _Fitted(fitted.model, network=fitted.network, report=fitted.report)
