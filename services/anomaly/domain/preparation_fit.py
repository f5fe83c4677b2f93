"""From training rows as they came to rows that a model can be fitted on, and what was found on the way."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from services.anomaly.domain.arrays import Floats, Times
from services.anomaly.domain.blocks import Blocks, TooFewRows
from services.anomaly.domain.calibration import smoothing_rows
from services.anomaly.domain.options.network import WindowNetworkOptions
from services.anomaly.domain.options.preparation import PreparedOptions, SeasonRule
from services.anomaly.domain.preparation import Preparation, Prepared
from services.anomaly.domain.preparation_copies import find_copies, set_apart
from services.anomaly.domain.preparation_gaps import Cadence, Patience, find_cadence
from services.anomaly.domain.preparation_off import OffRule
from services.anomaly.domain.preparation_season import Season, find_season
from services.anomaly.domain.preparation_trend import Trend, find_trends
from services.anomaly.domain.runs import Runs
from services.anomaly.domain.training_plan import TrainingPlan
from services.anomaly.domain.usability import Reason
from services.anomaly.domain.window_rule import caps_of, choose_window
from shared.errors import JSON, AppError, Kind

_LEFT_OUT = (Reason.MISSING, Reason.MACHINE_OFF)


class TooFewUsableRows(AppError):
    """Of the training rows too many are missing, off, or cut into stretches too short to learn from."""

    kind, code = Kind.INVALID, "anomaly.too_few_usable_rows"

    def __init__(self, message: str, screened: Prepared) -> None:
        missing, off = (_count(screened, reason) for reason in _LEFT_OUT)
        super().__init__(message, missing=missing, machine_off=off, breaks=max(int(screened.starts.sum()) - 1, 0))


@dataclass(frozen=True, slots=True)
class PreparedTraining:
    """What a training goes on with.

    Parameters
    ----------
    measured
        `(n, c)` usable rows in the units of the sensors; held readings included.
    runs
        The same rows as the model sees them.
    plan
        For these rows.
    findings
        What the card says of the preparation.
    """

    preparation: Preparation
    measured: Floats
    runs: Runs
    plan: TrainingPlan
    findings: Mapping[str, JSON]


def prepare_training(
    rows: Floats, times: Times | None, columns: tuple[str, ...], off: OffRule | None, plan: TrainingPlan
) -> PreparedTraining:
    """Fit the preparation and apply it.

    What is measured on values (pattern of the clock, copies, window) is measured before the limit block, so that the
    limit is set on rows that had no say in any of it.

    Parameters
    ----------
    rows
        `(n, c)`, NaN where missing.
    times
        `(n,)` increasing [µs], or none.

    Raises
    ------
    TooFewRows, TooFewUsableRows
        If too few rows are left.
    """
    patience = _patience(plan.options, len(columns))
    cadence = None if times is None else find_cadence(times, patience)
    preparation = Preparation(columns, patience, cadence, off)
    screened = preparation.screen(rows, times)
    usable = screened.reasons == Reason.USABLE
    if not usable.any():
        silent = [name for name, share in _missing(rows, columns).items() if share == 1.0]
        why = f": there is no reading of {', '.join(silent)}" if silent else ""
        raise TooFewUsableRows(f"no training row can be used{why}", screened)
    measured = screened.rows if usable.all() else screened.rows[usable]
    starts = np.flatnonzero(screened.starts[usable])
    plan = plan if usable.all() else plan.with_rows(len(measured))
    known_times = None if times is None else times[usable]
    season, trends = _clock(measured, known_times, cadence, plan)
    calm = measured if season is None or known_times is None else measured - season.at(known_times)
    copies = find_copies(calm[: plan.blocks.fit_end])
    runs = Runs(set_apart(calm, copies), starts[starts > 0])
    plan, window_reason = _with_window(plan, runs)
    _check_lengths(runs, plan, screened)
    findings: dict[str, JSON] = {
        "max_gap_rows": patience.gap_rows,
        "max_missing_sensors": patience.sensors,
        "missing": _missing(rows, columns),
        "left_out_rows": _left_out(screened),
        "breaks": len(runs.starts),
        "cadence": None if times is None or cadence is None else _cadence(times, cadence),
        "off": None if off is None else off.to_json(),
        "season": None if season is None else _season(season, columns),
        "trend": [_trend(trend, columns) for trend in trends],
        "duplicates": [[columns[copy.original], columns[copy.copy]] for copy in copies],
        "window_reason": window_reason,
    }
    return PreparedTraining(replace(preparation, season=season, copies=copies), measured, runs, plan, findings)


def untouched(rows: Floats, columns: tuple[str, ...], plan: TrainingPlan) -> PreparedTraining:
    """What a training of images goes on with: nothing is missing in them, and no clock rules them."""
    preparation = Preparation(columns, Patience(gap_rows=0, sensors=len(columns)))
    return PreparedTraining(preparation, rows, Runs.unbroken(rows), plan, {})


def _patience(options: PreparedOptions, sensors: int) -> Patience:
    return Patience(options.max_gap_rows, max(int(options.max_missing_share * sensors), 1))


def _clock(
    measured: Floats, times: Times | None, cadence: Cadence | None, plan: TrainingPlan
) -> tuple[Season | None, tuple[Trend, ...]]:
    if times is None or cadence is None:
        return None, ()
    earlier, when = measured[: plan.blocks.limit_start], times[: plan.blocks.limit_start]
    wanted = plan.options.season is SeasonRule.AUTO
    season = find_season(earlier, when, cadence) if wanted else None
    calm = earlier if season is None else earlier - season.at(when)
    return season, find_trends(calm, when, plan.blocks.limit_start * 2 // 3)


def _with_window(plan: TrainingPlan, runs: Runs) -> tuple[TrainingPlan, str | None]:
    if plan.usual_window_rows is None or not isinstance(plan.options, WindowNetworkOptions):
        return plan, None
    window_rows, reason = choose_window(
        runs.part(0, plan.blocks.fit_end),
        usual_rows=plan.usual_window_rows,
        caps=caps_of(plan.options, rows=len(runs), smoothing_rows=smoothing_rows(plan.options, len(runs))),
    )
    try:
        return plan.with_window(window_rows), reason
    except TooFewRows:
        # A limit that promises a rate needs more rows the longer the window; with the present one they suffice.
        return plan.with_window(
            plan.window_rows
        ), f"{plan.window_rows} rows: too few rows to set the limit for {reason}"


def _check_lengths(runs: Runs, plan: TrainingPlan, screened: Prepared) -> None:
    """Refuse rows that breaks have cut too short for a window, a mean or a limit."""
    if not len(runs.starts):
        return
    blocks, smoothing = plan.blocks, smoothing_rows(plan.options, plan.blocks.rows)
    reach = plan.window_rows + smoothing - 1
    blocks_of = {
        "fit": (_windows(runs, blocks, plan.window_rows), 1),
        "fit and stop": (len(runs.part(0, blocks.limit_start).whole_windows(reach)), smoothing),
        "limit": (len(runs.part(blocks.limit_start, blocks.rows).whole_windows(reach)), smoothing),
    }
    for name, (scored, needed) in blocks_of.items():
        if scored < needed:
            raise TooFewUsableRows(
                f"the {name} block has {scored} rows with {reach - 1} consecutive usable rows before them and needs "
                f"{needed}: too much is missing, or the times are too irregular; rows at one fixed step do best",
                screened,
            )


def _windows(runs: Runs, blocks: Blocks, window_rows: int) -> int:
    """Windows of the scarcer of the two blocks that a network is trained with."""
    fit = len(runs.part(0, blocks.fit_end).whole_windows(window_rows))
    if blocks.fit_end == blocks.limit_start:
        return fit
    reach_back = max(blocks.fit_end - window_rows + 1, 0)
    return min(fit, len(runs.part(reach_back, blocks.limit_start).whole_windows(window_rows)))


def _missing(rows: Floats, columns: tuple[str, ...]) -> dict[str, JSON]:
    shares = np.isnan(rows).mean(axis=0)
    return {columns[i]: float(shares[i]) for i in np.flatnonzero(shares)}


def _left_out(screened: Prepared) -> dict[str, JSON]:
    return {reason.word: _count(screened, reason) for reason in _LEFT_OUT}


def _count(screened: Prepared, reason: Reason) -> int:
    return int((screened.reasons == reason).sum())


def _cadence(times: Times, cadence: Cadence) -> dict[str, JSON]:
    steps = np.diff(times)
    uneven = (np.abs(steps - cadence.step_us) > cadence.step_us / 2) & (steps <= cadence.gap_us)
    return {
        "step_s": cadence.step_us / 1e6,
        "gap_s": cadence.gap_us / 1e6,
        "gaps": int((steps > cadence.gap_us).sum()),
        "uneven_share": float(uneven.mean()),
    }


def _season(season: Season, columns: tuple[str, ...]) -> dict[str, JSON]:
    return {
        "every": season.name,
        "explains": {columns[i]: round(float(season.gains[i]), 3) for i in np.flatnonzero(season.gains)},
    }


def _trend(trend: Trend, columns: tuple[str, ...]) -> dict[str, JSON]:
    return {"column": columns[trend.sensor], "change": trend.change, "explains": round(trend.gain, 3)}
