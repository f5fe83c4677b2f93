"""What a model answers when it cannot: refuse, repeat its last good prediction, or ask its linear surrogate."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, Self

from shared.errors import JSON, AppError, Kind

# Also the longest that a card may ask for.
DEFAULT_DEADLINE_S = 1.0
DEFAULT_HOLD_LIMIT_S = 300.0


class FailSafeInvalid(AppError):
    """What somebody wrote about failing makes no sense."""

    kind, code = Kind.INVALID, "twin.fail_safe_invalid"


class FailSafePolicy(StrEnum):
    """Taken when the model fails, misses its deadline, or its input is Bad."""

    REJECT = "reject"
    """No prediction; the caller hears why."""
    HOLD = "hold"
    """The last good prediction of this version and asset, with its age."""
    FALLBACK = "fallback"
    """The linear surrogate of the bundle, which does without the Bad values."""


class Cause(StrEnum):
    """Why a model's own answer is not there."""

    QUALITY_BAD = "quality_bad"
    FAILED = "failed"
    DEADLINE = "deadline"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class FailSafe:
    """How one model fails.

    Parameters
    ----------
    deadline_s
        Longest a prediction may take, waiting included [s].
    hold_limit_s
        Greatest age at which the last good prediction may still be repeated [s].

    Raises
    ------
    ValueError
        If a time is not finite and above zero, or the deadline is beyond the default one.
    """

    policy: FailSafePolicy = FailSafePolicy.REJECT
    deadline_s: float = DEFAULT_DEADLINE_S
    hold_limit_s: float = DEFAULT_HOLD_LIMIT_S

    def __post_init__(self) -> None:
        for name, value_s in (("deadline_s", self.deadline_s), ("hold_limit_s", self.hold_limit_s)):
            if not (math.isfinite(value_s) and value_s > 0):
                raise ValueError(f"{name} must be finite and above zero, not {value_s!r}")
        if self.deadline_s > DEFAULT_DEADLINE_S:
            raise ValueError(f"deadline_s must be {DEFAULT_DEADLINE_S:g} or less, not {self.deadline_s!r}")

    @classmethod
    def of(cls, document: str | Mapping[str, JSON]) -> Self:
        """Read a policy alone, or a mapping with `policy`, `deadline_s` and `hold_limit_s`; the rest has its default.

        Raises
        ------
        FailSafeInvalid
            If a member is unknown, of another type or out of its range.

        Examples
        --------
        >>> FailSafe.of("hold").hold_limit_s
        300.0
        """
        members = {"policy": document} if isinstance(document, str) else document
        if unknown := sorted(set(members) - {"policy", "deadline_s", "hold_limit_s"}):
            raise FailSafeInvalid(f"the fail-safe has no member {unknown[0]!r}", unknown=unknown)
        policy = members.get("policy", FailSafePolicy.REJECT.value)
        if not isinstance(policy, str) or policy not in set(FailSafePolicy):
            raise FailSafeInvalid(f"the policy is one of {', '.join(FailSafePolicy)}, not {policy!r}")
        times_s = (members.get("deadline_s", DEFAULT_DEADLINE_S), members.get("hold_limit_s", DEFAULT_HOLD_LIMIT_S))
        numbers_s = [float(t) for t in times_s if isinstance(t, int | float) and not isinstance(t, bool)]
        if len(numbers_s) < len(times_s):
            raise FailSafeInvalid("deadline_s and hold_limit_s must be numbers")
        try:
            return cls(FailSafePolicy(policy), *numbers_s)
        except ValueError as error:
            raise FailSafeInvalid(str(error)) from error

    def to_json(self) -> dict[str, JSON]:
        """As the card keeps it; `of` reads the same again."""
        return {"policy": self.policy.value, "deadline_s": self.deadline_s, "hold_limit_s": self.hold_limit_s}


class Surrogate(Protocol):
    """A small model of the same target that predicts from any part of the features."""

    def predict(self, values: Sequence[float | None], level: float) -> tuple[float, float, float]:
        """Prediction, lower and upper end [unit of the target].

        Parameters
        ----------
        values
            In the order of the features; `None` for one that cannot be used, which is left out and not guessed.

        Raises
        ------
        LevelInvalid, TooFewResiduals
            If its calibration gives no interval of this level.
        """
        ...
