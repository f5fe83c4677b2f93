"""What a training will do, known before it starts: a request that cannot succeed is refused at the door."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.anomaly.domain.blocks import Blocks, TooFewRows, divide, rows_for
from services.anomaly.domain.calibration import default_rule, smoothing_rows
from services.anomaly.domain.options.kinds import AUTO
from services.anomaly.domain.options.network import NetworkOptions
from services.anomaly.domain.options.reading import AUTO_REASON, Options, parse_options
from services.anomaly.domain.threshold_rules import UnlabelledRule, read_unlabelled_rule
from shared.errors import JSON


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """A checked wish for a detector.

    Parameters
    ----------
    options
        Of the kind, which they carry.
    reason
        Why this kind, where the caller left the choice.
    rule
        How the limit will be set.
    blocks
        How the rows are divided.
    """

    options: Options
    reason: str | None
    rule: UnlabelledRule
    window_rows: int
    blocks: Blocks


def plan_training(
    kind: str, options: Mapping[str, JSON], threshold: Mapping[str, JSON] | None, *, rows: int
) -> TrainingPlan:
    """Check a wish for a detector against the number of its training rows.

    Raises
    ------
    KindUnknown, OptionsRefused, RuleRefused
        If there is no such detector or no such limit.
    TooFewRows
        If the rows do not suffice; with the number that would.
    """
    chosen = parse_options(kind, options)
    rule = default_rule(chosen) if threshold is None else read_unlabelled_rule(threshold)
    window_rows = chosen.window_rows
    smoothing = smoothing_rows(chosen)
    warmup_rows = window_rows + smoothing - 2
    blocks = divide(
        rows,
        warmup_rows=warmup_rows,
        least_scored_rows=smoothing,
        stops_early=isinstance(chosen, NetworkOptions),
    )
    spacing_rows = warmup_rows + 1
    if max(blocks.held_out_rows // spacing_rows, 1) < rule.independent_needed:
        held_out = rule.independent_needed * spacing_rows
        needed = rows_for(held_out_rows=held_out, warmup_rows=warmup_rows)
        raise TooFewRows(f"the threshold method {rule.method!r}", rows=rows, rows_needed=needed)
    return TrainingPlan(chosen, AUTO_REASON if kind == AUTO else None, rule, window_rows, blocks)
