"""From rows to a finished detector, for every kind: divide, scale, fit, calibrate, set the limit.

torch is imported when a network is trained and not before: statistical detectors train without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.calibration import calibrate
from services.anomaly.domain.detection import ResidualModel
from services.anomaly.domain.options.reading import options_json
from services.anomaly.domain.options.statistical import MahalanobisOptions, PcaOptions
from services.anomaly.domain.residual_graph import ExportedNetwork
from services.anomaly.domain.scaling import Scaling, ScalingModel, fit_scaling
from services.anomaly.domain.trained import Trained, describe_columns
from services.anomaly.domain.training_plan import TrainingPlan
from shared.errors import JSON

if TYPE_CHECKING:
    from services.anomaly.training.fit import Epoch


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Normal rows in time order.

    Parameters
    ----------
    rows
        `(n, c)` in the units of the sensors; every value finite.
    columns
        Name of each sensor.
    units
        Unit by name, where somebody said.
    period
        Time of the first and the last row, where known.
    """

    rows: Floats
    columns: tuple[str, ...]
    units: Mapping[str, str]
    period: tuple[datetime, datetime] | None = None


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
        Asked before every epoch.
    """

    serve: Callable[[ExportedNetwork], ResidualModel]
    on_epoch: Callable[[Epoch], None]
    should_stop: Callable[[], bool]


def train(data: TrainingSet, plan: TrainingPlan, hooks: Hooks) -> Trained:
    """Train a detector.

    Raises
    ------
    TooFewRows
        If the rows do not suffice for the limit that was asked for.
    TrainingDiverged, TrainingCancelled, ParityFailed
        If a network's training did not come to a usable end.
    """
    scaling = fit_scaling(data.rows[: plan.blocks.fit_end])
    network, model, report = _fit(data.rows, plan, scaling, hooks)
    calibrated = calibrate(model, data.rows, plan.blocks, plan.options)
    return Trained(
        kind=plan.options.kind,
        reason=plan.reason,
        columns=describe_columns(data.rows, data.columns, data.units, scaling),
        window_rows=plan.window_rows,
        scaling=scaling,
        network=network,
        head=calibrated.scorer.head,
        held_out=calibrated.held_out,
        threshold=plan.rule.settle(calibrated.held_out),
        options=options_json(plan.options),
        blocks=plan.blocks,
        period=data.period,
        report=report,
    )


def _fit(
    rows: Floats, plan: TrainingPlan, scaling: Scaling, hooks: Hooks
) -> tuple[ExportedNetwork | None, ResidualModel, dict[str, JSON]]:
    if isinstance(plan.options, MahalanobisOptions | PcaOptions):
        return None, ScalingModel(scaling), {}
    from services.anomaly.training.network_detector import fit_network_detector  # noqa: PLC0415 - torch, see above

    fitted = fit_network_detector(
        rows,
        plan.blocks,
        scaling,
        plan.options,
        serve=hooks.serve,
        on_epoch=hooks.on_epoch,
        should_stop=hooks.should_stop,
    )
    return fitted.network, fitted.model, fitted.report
