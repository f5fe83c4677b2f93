"""A model's card as a person reads it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_MOST_FEATURES = 40


def card_text(card: Mapping[str, Any]) -> str:
    """The card in lines; what a card does not have is left out."""
    return "\n".join([*_head(card), *_features(card), *_quality(card), *_selection(card), *_warnings(card)])


def _head(card: Mapping[str, Any]) -> Iterator[str]:
    model, training = card.get("model", {}), card.get("training", {})
    yield f"{card['name']} {card['version']}: {model.get('type', '')} ({model.get('library', '')})"
    yield f"  packaged   {card['training_date']}, {training.get('rows', '?')} rows, data sha256 {_short(training)}"
    yield f"  digest     {card.get('digest', '')}, {card.get('size_bytes', 0):,} bytes"
    yield f"  predicts   {_named(card['target'])}"


def _features(card: Mapping[str, Any]) -> Iterator[str]:
    features: Sequence[Mapping[str, Any]] = card["features"]
    width = max(len(_named(feature)) for feature in features)
    for number, feature in enumerate(features[:_MOST_FEATURES]):
        parts = []
        if training := feature.get("training"):
            parts.append(f"trained on {training['minimum']:g} to {training['maximum']:g}")
        if accepted := feature.get("valid_range"):
            parts.append(f"accepts {accepted[0]:g} to {accepted[1]:g}")
        yield f"  {'from' if number == 0 else '':10s} {_named(feature):{width}s}  {', '.join(parts)}".rstrip()
    if len(features) > _MOST_FEATURES:
        yield f"  {'':10s} and {len(features) - _MOST_FEATURES} more"


def _quality(card: Mapping[str, Any]) -> Iterator[str]:
    unit = f" {card['target']['unit']}" if card["target"].get("unit") else ""
    if metrics := card.get("metrics"):
        fit = "" if metrics.get("r2") is None else f", R² {metrics['r2']:.4f}"
        yield (
            f"  errors     RMSE {metrics['rmse']:.4g}{unit}, MAE {metrics['mae']:.4g}{unit}{fit} on "
            f"{metrics.get('rows', '?')} unseen rows ({metrics.get('source', '')})"
        )
    if interval := card.get("interval"):
        yield f"  interval   {interval['method']}, {interval.get('calibration', {}).get('rows', '?')} calibration rows"
        for entry in interval.get("evaluation", ()):
            if entry["level"] != interval["level"]:
                continue
            kept = "*" if entry["method"] == interval["method"] else " "
            yield (
                f"  {'':9s}{kept} {entry['method']} at {entry['level']:.0%}: holds {entry['coverage']:.1%}, width "
                f"{entry['width']:.4g}{unit}, Winkler {entry['winkler']:.4g}{unit}"
            )
    if exactness := card.get("exactness"):
        yield f"  exactness  {exactness['rows']:,} rows compared with the estimator"
    if fail_safe := card.get("fail_safe"):
        yield f"  fail-safe  {fail_safe['policy']}, deadline {fail_safe['deadline_s']:g} s"


def _selection(card: Mapping[str, Any]) -> Iterator[str]:
    if selection := card.get("selection"):
        yield f"  chosen     {selection['chosen']}, split {selection['split']}: {selection['statement']}"
        for entry in selection.get("candidates", ()):
            yield f"  {'':10s} {entry['name']}: CV RMSE {entry['cv_rmse']:.4g} ± {entry['cv_rmse_std']:.2g}"


def _warnings(card: Mapping[str, Any]) -> Iterator[str]:
    found = [*card.get("warnings", ()), *card.get("selection", {}).get("warnings", ())]
    yield from (f"  WARNING    {warning}" for warning in found)


def _named(column: Mapping[str, Any]) -> str:
    return f"{column['name']} [{column['unit']}]" if column.get("unit") else str(column["name"])


def _short(training: Mapping[str, Any]) -> str:
    return str(training.get("data_sha256", ""))[:12]
