"""A detector's card as a person reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.onnx.manifest import Manifest

_MOST_SENSORS = 40


def detector_card_text(manifest: Manifest) -> str:
    """The card of a detector's bundle in lines; what a card does not have is left out."""
    card = manifest.card
    lines = [f"{manifest.name} {manifest.version}: {card['kind']}"]
    for head, text in (*_making(card), *_limit(card), *_sensors(manifest)):
        lines.append(f"  {head:10s} {text}".rstrip())
    return "\n".join(lines)


def _making(card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if card.get("reason"):
        yield "because", card["reason"]
    period = f", {card['period'][0]} to {card['period'][1]}" if card.get("period") else ""
    yield "learned", f"from {card['blocks']['rows']:,} rows{period}"
    windows, means = card["window_rows"], card["smoothing_rows"]
    yield "looks at", f"the last {card['warmup_rows'] + 1} rows: windows of {windows}, means of up to {means}"
    training = card.get("training") or {}
    if "best_epoch" in training:
        yield (
            "network",
            f"{training['parameters']:,} weights, kept those of epoch {training['best_epoch']} of {training['epochs']}",
        )
        yield (
            "exactness",
            "the served network differs from the trained one by at most "
            f"{training['parity']['largest_difference']:.2g} standard deviations",
        )


def _limit(card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    threshold = card["threshold"]
    rule, evidence = dict(threshold["rule"]), threshold["evidence"]
    method = rule.pop("method")
    settings = ", ".join(f"{name} {value:g}" for name, value in rule.items() if value is not None)
    measured = f", from {evidence['held_out_rows']:,} rows held out" if "held_out_rows" in evidence else ""
    yield "limit", f"{threshold['value']:.4g}, by {method}{f' ({settings})' if settings else ''}{measured}"
    for unit, words in (("false_alarms_per_day", "a day"), ("false_alarms_per_1000_rows", "in 1000 normal rows")):
        if expected := evidence.get(unit):
            yield (
                "expect",
                f"{expected['expected']:.3g} false alarms {words} ({expected['lower']:.3g} to "
                f"{expected['upper']:.3g} with {expected['confidence']:.0%} confidence)",
            )
            return


def _sensors(manifest: Manifest) -> Iterator[tuple[str, str]]:
    card: Mapping[str, Any] = manifest.card
    sensors, still = manifest.features, card.get("constant_columns") or ()
    names = [f"{sensor.name} [{sensor.unit}]" if sensor.unit else sensor.name for sensor in sensors[:_MOST_SENSORS]]
    width = max(map(len, names))
    for number, (name, sensor) in enumerate(zip(names, sensors, strict=False)):
        spread = "" if sensor.training is None else f"{sensor.training.minimum:g} to {sensor.training.maximum:g}"
        moved = ", did not move" if sensor.name in still else ""
        yield "sensors" if number == 0 else "", f"{name:{width}s}  {spread}{moved}"
    if len(sensors) > _MOST_SENSORS:
        yield "", f"and {len(sensors) - _MOST_SENSORS} more"
