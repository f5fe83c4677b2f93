"""What a training will do, known before it starts: a request that cannot succeed is refused at the door."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.anomaly.domain.auto_kind import choose_kind
from services.anomaly.domain.blocks import Blocks, TooFewRows, divide, rows_for
from services.anomaly.domain.calibration import default_rule, smoothing_rows
from services.anomaly.domain.images import ImageShape
from services.anomaly.domain.options.kinds import AUTO
from services.anomaly.domain.options.network import NetworkOptions, WindowNetworkOptions
from services.anomaly.domain.options.reading import (
    IMAGE_AUTO_REASON,
    Options,
    OptionsRefused,
    parse_image_options,
    parse_options,
)
from services.anomaly.domain.threshold_rules import UnlabelledRule, read_unlabelled_rule
from services.anomaly.domain.window_rule import caps_of
from shared.errors import JSON, Fault

# Fewer rows say next to nothing of how far normal goes.
LEAST_TRAINING_ROWS = 30
# With fewer windows to learn from, a network knows them by heart and nothing else.
LEAST_FIT_WINDOWS = 16


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
    usual_window_rows
        The kind's usual window where it is left to the rows; until these are seen, that or what their number allows.
    image_shape
        Where a row is an image.
    """

    options: Options
    reason: str | None
    rule: UnlabelledRule
    window_rows: int
    blocks: Blocks
    usual_window_rows: int | None = None
    image_shape: ImageShape | None = None

    def with_rows(self, rows: int) -> "TrainingPlan":
        """The plan for fewer rows, where some cannot be used.

        Raises
        ------
        TooFewRows
            If those do not suffice.
        """
        return replace(self, blocks=_divided(self.options, self.rule, rows))

    def with_window(self, window_rows: int) -> "TrainingPlan":
        """The plan with a window that the rows have asked for."""
        options = _with_window(self.options, window_rows)
        blocks = _divided(options, self.rule, self.blocks.rows)
        return replace(self, options=options, window_rows=window_rows, blocks=blocks, usual_window_rows=None)


def plan_training(
    kind: str,
    options: Mapping[str, JSON],
    threshold: Mapping[str, JSON] | None,
    *,
    rows: int,
    sensors: int | None = None,
    image_shape: tuple[int, int, int] | None = None,
) -> TrainingPlan:
    """Check a wish for a detector against the number of its training rows, which may each be an image.

    Parameters
    ----------
    sensors
        Columns of the rows, where they are known; the kind `auto` goes by them.

    Raises
    ------
    KindUnknown, OptionsRefused, RuleRefused
        If there is no such detector or no such limit.
    TooFewRows
        If the rows do not suffice; with the number that would.
    """
    if image_shape is not None:
        return _plan_images(kind, options, threshold, rows, ImageShape(*image_shape))
    choice = choose_kind(rows, sensors, options) if kind == AUTO else None
    chosen = parse_options(kind if choice is None else choice.kind, options)
    rule = default_rule(chosen) if threshold is None else read_unlabelled_rule(threshold)
    usual_window_rows = None
    if isinstance(chosen, WindowNetworkOptions) and _leaves_window(chosen, options.get("window_rows")):
        usual_window_rows = chosen.window_rows
        caps = caps_of(chosen, rows=rows, smoothing_rows=smoothing_rows(chosen, rows))
        chosen = replace(chosen, window_rows=min(usual_window_rows, *(cap.rows for cap in caps)))
    return TrainingPlan(
        chosen,
        None if choice is None else choice.reason,
        rule,
        chosen.window_rows,
        _divided(chosen, rule, rows),
        usual_window_rows,
    )


def _leaves_window(chosen: WindowNetworkOptions, window_rows: JSON) -> bool:
    """Whether the window is left to the rows.

    Raises
    ------
    OptionsRefused
        If it is given beside what only bounds one that is left open.
    """
    bounds = [name for name in ("fault_rows", "max_delay_rows") if getattr(chosen, name) is not None]
    if bounds and window_rows not in (None, AUTO):
        faults = [Fault(f"/options/{name}", "leave it out, or leave out window_rows") for name in bounds]
        raise OptionsRefused("a window that is given needs no bounds", faults=faults)
    return window_rows == AUTO or bool(bounds)


def _plan_images(
    kind: str,
    options: Mapping[str, JSON],
    threshold: Mapping[str, JSON] | None,
    rows: int,
    shape: ImageShape,
) -> TrainingPlan:
    shape.check()
    chosen = parse_image_options(kind, options)
    rule = default_rule(chosen) if threshold is None else read_unlabelled_rule(threshold)
    reason = IMAGE_AUTO_REASON if kind == AUTO else None
    blocks = _divided(chosen, rule, rows)
    return TrainingPlan(chosen, reason, rule, chosen.window_rows, blocks, image_shape=shape)


def _divided(options: Options, rule: UnlabelledRule, rows: int) -> Blocks:
    try:
        return _blocks(options, rule, rows)
    except TooFewRows as refusal:
        raise TooFewRows(refusal.what, rows=rows, rows_needed=_enough(options, rule, refusal.rows_needed)) from None


def _enough(options: Options, rule: UnlabelledRule, rows: int) -> int:
    """Rows, from these on, that do: with more of them a head may look further back, which takes still more."""
    while True:
        try:
            _blocks(options, rule, rows)
        except TooFewRows as refusal:
            rows = refusal.rows_needed
        else:
            return rows


def _blocks(options: Options, rule: UnlabelledRule, rows: int) -> Blocks:
    if rows < LEAST_TRAINING_ROWS:
        raise TooFewRows("a detector", rows=rows, rows_needed=LEAST_TRAINING_ROWS)
    smoothing = smoothing_rows(options, rows)
    warmup_rows = options.window_rows + smoothing - 2
    blocks = divide(
        rows,
        warmup_rows=warmup_rows,
        least_scored_rows=smoothing,
        stops_early=isinstance(options, NetworkOptions),
    )
    if isinstance(options, NetworkOptions) and blocks.fit_end - options.window_rows + 1 < LEAST_FIT_WINDOWS:
        raise TooFewRows("training a network", rows=rows, rows_needed=rows + 1)
    spacing_rows = warmup_rows + 1
    if max(blocks.held_out_rows // spacing_rows, 1) < rule.independent_needed:
        held_out = rule.independent_needed * spacing_rows
        needed = rows_for(held_out_rows=held_out, warmup_rows=warmup_rows)
        raise TooFewRows(f"the threshold method {rule.method!r}", rows=rows, rows_needed=needed)
    return blocks


def _with_window(options: Options, window_rows: int) -> Options:
    if not isinstance(options, WindowNetworkOptions):
        return options
    # Its bounds have done their part, and a retraining keeps the window as it is.
    return replace(options, window_rows=window_rows, fault_rows=None, max_delay_rows=None)
