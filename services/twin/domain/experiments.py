"""Experiments: several versions of a model share its requests, or answer beside it unseen, until one is promoted."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from services.twin.domain.serving import Choice
from shared.errors import AppError, Kind

# Every arm is a model in memory, a line of metrics, and one more computation for each observation.
MOST_ARMS = 8
# Bits of a hash that a double holds with half a step to spare, so that a share of them never becomes 0 or 1.
_HASH_BITS = 52


class Sticky(StrEnum):
    """What decides which variant answers."""

    KEY = "key"
    """The request's own key, or its asset: the same one is always answered by the same variant."""
    REQUEST = "request"
    """Chance, anew for each request."""


class ExperimentInvalid(AppError):
    """The experiment contradicts itself."""

    kind, code = Kind.INVALID, "twin.experiment_invalid"


class ExperimentMissing(AppError):
    """No experiment runs on the model."""

    kind, code = Kind.MISSING, "twin.experiment_missing"

    def __init__(self, model: str) -> None:
        super().__init__(f"no experiment runs on {model!r}", model=model)


class VariantMissing(AppError):
    """The experiment has no variant of this name."""

    kind, code = Kind.MISSING, "twin.variant_missing"

    def __init__(self, model: str, variant: str) -> None:
        super().__init__(f"the experiment on {model!r} has no variant {variant!r}", model=model, variant=variant)


class ExperimentRunning(AppError):
    """What is asked would change what an experiment compares."""

    kind, code = Kind.CONFLICT, "twin.experiment_running"

    def __init__(self, model: str) -> None:
        super().__init__(f"an experiment runs on {model!r}; promote one of its variants or end it first", model=model)


class VersionInExperiment(AppError):
    """The version takes part in an experiment and so cannot be withdrawn."""

    kind, code = Kind.CONFLICT, "twin.version_in_experiment"

    def __init__(self, model: str, version: str) -> None:
        super().__init__(
            f"version {version!r} of {model!r} takes part in an experiment; end it first", model=model, version=version
        )


@dataclass(frozen=True, slots=True)
class Arm:
    """A version in an experiment.

    Parameters
    ----------
    weight
        Its share of the requests, in proportion to the others; `None` for a shadow, whose answers are compared and
        never returned.
    """

    name: str
    version: str
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What an experiment is made of; the first variant is what the others are measured against.

    Raises
    ------
    ExperimentInvalid
        If two arms share a name or a version, a weight is not a positive number, or there is nothing to compare.
    """

    variants: tuple[Arm, ...]
    shadows: tuple[Arm, ...] = ()
    sticky: Sticky = Sticky.KEY

    def __post_init__(self) -> None:
        if not self.variants:
            raise ExperimentInvalid("an experiment needs a variant that answers")
        if not 2 <= len(self.arms) <= MOST_ARMS:
            raise ExperimentInvalid(f"an experiment has 2 to {MOST_ARMS} variants and shadows, not {len(self.arms)}")
        for what, values in (
            ("name", [arm.name for arm in self.arms]),
            ("version", [arm.version for arm in self.arms]),
        ):
            if len(set(values)) < len(values):
                raise ExperimentInvalid(f"two variants or shadows have the same {what}")
        weights = [arm.weight for arm in self.variants]
        if not all(weight is not None and math.isfinite(weight) and weight > 0 for weight in weights):
            raise ExperimentInvalid("every weight must be a number above zero")

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Variants and shadows."""
        return self.variants + self.shadows

    @property
    def versions(self) -> Mapping[str, str]:
        """Version of each arm, by its name."""
        return {arm.name: arm.version for arm in self.arms}

    @property
    def shares(self) -> Mapping[str, float]:
        """The part of the requests that each variant answers, by its name; together 1."""
        weights = {arm.name: arm.weight for arm in self.variants if arm.weight is not None}
        # The sum of the weights themselves may be more than a number holds.
        largest = max(weights.values())
        total = sum(weight / largest for weight in weights.values())
        return {name: weight / largest / total for name, weight in weights.items()}

    def compares_the_same_as(self, other: "Plan") -> bool:
        """Whether only weights or stickiness differ, so that what was counted so far still holds."""
        own, others = ({arm.name for arm in plan.variants} for plan in (self, other))
        return self.versions == other.versions and own == others


@dataclass(frozen=True, slots=True)
class _Candidate:
    hasher: "hashlib.blake2b"
    share: float
    choice: Choice


@dataclass(frozen=True, slots=True)
class Experiment:
    """A plan that runs on a model.

    Which variant answers is decided by weighted rendezvous hashing [1]_ of the key and the variants' names: every
    replica decides alike without asking, and a change of weights moves no key between variants whose weights kept
    their proportion, and no more keys than the shares have changed.

    References
    ----------
    .. [1] Schindelhauer, Schomaker (2005), Weighted Distributed Hash Tables, SPAA '05
    """

    model: str
    experiment_id: str
    plan: Plan
    started_at: datetime
    started_by: str
    _candidates: tuple[_Candidate, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        shadows = tuple(arm.version for arm in self.plan.shadows)
        shares = self.plan.shares
        candidates = tuple(
            _Candidate(_hasher(self.model, arm.name), shares[arm.name], Choice(arm.name, arm.version, shadows))
            for arm in self.plan.variants
            # A weight that is nothing beside another one leaves a share of 0.
            if shares[arm.name] > 0.0
        )
        object.__setattr__(self, "_candidates", candidates)

    def choose(self, *, sticky_key: str | None, request_id: str) -> Choice:
        """Which variant answers; a request without a key is left to chance."""
        key = request_id if sticky_key is None or self.plan.sticky is Sticky.REQUEST else sticky_key
        encoded = key.encode()
        nearest = max(self._candidates, key=lambda candidate: _log_uniform(candidate.hasher, encoded) / candidate.share)
        return nearest.choice

    def arm_of(self, version: str) -> Arm | None:
        """The variant or shadow that a version is in."""
        return next((arm for arm in self.plan.arms if arm.version == version), None)

    def variant(self, name: str) -> Arm | None:
        """The variant of this name."""
        return next((arm for arm in self.plan.variants if arm.name == name), None)


def _hasher(model: str, variant: str) -> "hashlib.blake2b":
    # By model, so that an asset is not in the same half of every experiment; names are at most 64 ASCII characters.
    return hashlib.blake2b(f"{model}/{variant}/".encode(), digest_size=8)


def _log_uniform(hasher: "hashlib.blake2b", key: bytes) -> float:
    """Logarithm of a number in (0, 1) that looks as if drawn at random for this variant and key."""
    hashed = hasher.copy()
    hashed.update(key)
    bits = int.from_bytes(hashed.digest(), "big") >> (64 - _HASH_BITS)
    return math.log((bits + 0.5) / 2.0**_HASH_BITS)
