"""The threshold rules by name, and their reading from plain values."""

import sys
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TypeAlias

from services.anomaly.domain.adaptive import Adapted, read_adaptation
from services.anomaly.domain.extreme_threshold import PeaksOverThreshold
from services.anomaly.domain.labelled_thresholds import BestF1, LabelledRule, RecallFloor, Roc
from services.anomaly.domain.thresholds import (
    FalsePositiveRate,
    Margin,
    Percentile,
    RuleRefused,
    Sigma,
    Value,
)
from shared.errors import JSON, Fault

UnlabelledRule: TypeAlias = Margin | Percentile | Sigma | FalsePositiveRate | PeaksOverThreshold | Value | Adapted
Rule: TypeAlias = UnlabelledRule | LabelledRule
_Plain: TypeAlias = Margin | Percentile | Sigma | FalsePositiveRate | PeaksOverThreshold | Value | LabelledRule

_RULES: Mapping[str, type[_Plain]] = {
    rule.method: rule
    for rule in (Margin, Percentile, Sigma, FalsePositiveRate, PeaksOverThreshold, Value, Roc, BestF1, RecallFloor)
}


def read_rule(document: Mapping[str, JSON]) -> Rule:
    """Make a rule from `{"method": name, setting: number, …}`; with `"adaptive"` beside them, streams move its limit.

    Raises
    ------
    RuleRefused
        If the method is unknown (the message lists those there are), or a setting is unknown, missing or out of range;
        pointers go into the document.

    Examples
    --------
    >>> read_rule({"method": "percentile", "q": 99})
    Percentile(q=99.0)
    """
    rest, adaptation = read_adaptation(document)
    rule = _plain_rule(rest)
    if adaptation is None:
        return rule
    if isinstance(rule, LabelledRule):
        fault = Fault("/adaptive", "a limit chosen on labelled rows stays where it is; leave this out")
        raise RuleRefused(f"the threshold method {rule.method!r} does not adapt", faults=[fault])
    return Adapted(rule, adaptation)


def _plain_rule(document: Mapping[str, JSON]) -> _Plain:
    method = document.get("method")
    if not isinstance(method, str) or method not in _RULES:
        fault = Fault("/method", f"one of {', '.join(_RULES)}", {"available": list(_RULES)})
        raise RuleRefused(f"there is no threshold method {method!r}", faults=[fault])
    rule = _RULES[method]
    known = {field.name for field in fields(rule)}
    settings = {name: value for name, value in document.items() if name != "method" and value is not None}
    faults = [
        Fault(f"/{name}", "a finite number" if name in known else f"{method} has no such setting")
        for name, value in settings.items()
        if name not in known or not _is_number(value)
    ]
    if rule is Value and "value" not in settings:
        faults.append(Fault("/value", "the limit is missing"))
    if faults:
        raise RuleRefused(f"the threshold method {method!r} cannot be set like this", faults=faults)
    return rule(**{name: float(value) for name, value in settings.items() if isinstance(value, int | float)})


def read_unlabelled_rule(document: Mapping[str, JSON]) -> UnlabelledRule:
    """Make a rule that a training can use: it has no labelled rows.

    Raises
    ------
    RuleRefused
        As `read_rule`, and if the method works on labels; pointers go into a wish that has the rule as `threshold`.
    """
    try:
        rule = read_rule(document)
    except RuleRefused as refusal:
        faults = [replace(fault, pointer=f"/threshold{fault.pointer}") for fault in refusal.faults]
        raise RuleRefused(refusal.message, faults=faults) from refusal
    if isinstance(rule, LabelledRule):
        fault = Fault("/threshold/method", "set it later, with labelled rows; a training has none")
        raise RuleRefused(f"the threshold method {rule.method!r} needs labels", faults=[fault])
    return rule


def _is_number(value: JSON) -> bool:
    # Compared, not converted: a whole number can be too large to become a float.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
