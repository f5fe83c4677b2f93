"""What surrounds the predictor, made simple: a model that doubles, a pool that runs at once, a notebook."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from services.twin.domain.applicability import ApplicabilityCheck, learn_region
from services.twin.domain.caching import NoCache, PredictionCache
from services.twin.domain.fail_safe import Cause, FailSafe, FailSafePolicy, Surrogate
from services.twin.domain.features import InputReader
from services.twin.domain.intervals import Calibration, IntervalMethod, Outputs
from services.twin.domain.own_answers import OwnAnswers
from services.twin.domain.prediction import Prediction
from services.twin.domain.predictor import Predictor
from services.twin.domain.rescue import Rescue
from services.twin.domain.serving import Answer, Choice, Requester
from services.twin.domain.shadows import Shadows
from services.twin.domain.stuck import StuckSensors
from services.twin.domain.values import FeatureSpec
from shared.errors import AppError, Kind

T = TypeVar("T")
KATO = Requester("kato", "acme.r101")
BAD = {"quality": "bad"}


class ModelBroke(AppError):
    """What the runtime says when a graph fails."""

    kind, code = Kind.UNAVAILABLE, "test.model_broke"


@dataclass
class DoublingModel:
    """Predicts twice its first input; the second one changes nothing. `failing` makes it fail or say nothing finite."""

    row_us: float = 10.0
    version: str = "1"
    fail_safe: FailSafe = field(default_factory=FailSafe)
    fallback: Surrogate | None = None
    failing: AppError | float | None = None
    factor: float = 2.0
    name: str = "double"
    digest: str = "d"
    unit: str | None = None
    computed: int = 0
    reader: InputReader = field(
        default_factory=lambda: InputReader([FeatureSpec("x", None, (0.0, 10.0)), FeatureSpec("y")])
    )
    calibration: Calibration = field(
        default_factory=lambda: Calibration(IntervalMethod.SPLIT, np.linspace(0.0, 1.0, 19))
    )
    applicability: ApplicabilityCheck = field(default_factory=lambda: ApplicabilityCheck(["x", "y"], REGION))

    def compute(self, rows: np.ndarray) -> Outputs:
        self.computed += 1
        if isinstance(self.failing, AppError):
            raise self.failing
        return Outputs(self.factor * rows[:, 0] if self.failing is None else np.full(len(rows), self.failing))


REGION = learn_region(np.stack([np.linspace(0, 10, 50), np.linspace(-5, 5, 50) ** 2], axis=1))


class Halving:
    """A surrogate that predicts half of what it knows."""

    def predict(self, values: Sequence[float | None], level: float) -> tuple[float, float, float]:
        known = sum(value for value in values if value is not None) / 2
        return known, known - 9.0, known + 9.0


class Shelf:
    """Versions of one model; the first is active."""

    def __init__(self, *versions: DoublingModel) -> None:
        self.versions = versions

    async def get(self, _name: str | None) -> DoublingModel:
        return self.versions[0]

    async def get_version(self, name: str, version: str) -> DoublingModel:
        return next(model for model in self.versions if (model.name, model.version) == (name, version))


class CountingPool:
    def __init__(self) -> None:
        self.owners: list[str] = []

    async def run(self, call: Callable[[], T], *, owner: str) -> T:
        self.owners.append(owner)
        return call()


class FixedChoice:
    def __init__(self, choice: Choice | None = None) -> None:
        self.choice = choice

    def choose(self, _model: str, *, sticky_key: str | None, request_id: str) -> Choice | None:
        return self.choice


class Uncorrected:
    """A twin that receives no observations."""

    def of(self, model: str, version: str) -> None:
        """None."""


class Notebook:
    """Meter and watch of predictions and shadows in one."""

    def __init__(self) -> None:
        self.lines: list[tuple[Any, ...]] = []
        self.watched: list[Prediction] = []

    def predicted(self, model: str, version: str, *, rows: int, refused: int, duration_s: float) -> None:
        assert duration_s >= 0
        self.lines.append(("predicted", model, version, rows, refused))

    def refused(self, model: str, version: str) -> None:
        self.lines.append(("refused", model, version))

    def failed_safe(self, model: str, version: str, *, policy: FailSafePolicy, cause: Cause) -> None:
        self.lines.append(("failed_safe", model, policy.value, cause.value))

    def stuck(self, model: str, *, features: int) -> None:
        self.lines.append(("stuck", model, features))

    def seen(self, answer: Answer[Prediction], inputs: Mapping[str, Any], requester: Requester) -> None:
        assert requester == KATO
        self.watched.append(answer.content)

    def compared(self, answered: Prediction, shadow: Prediction, requester: Requester) -> None:
        assert requester == KATO
        self.lines.append(("compared", answered.prediction, shadow.version, shadow.prediction))

    def failed(self, model: str, version: str) -> None:
        self.lines.append(("shadow_failed", model, version))


@dataclass
class Stage:
    """A predictor and everything around it, at hand for a test."""

    predictor: Predictor
    models: Shelf
    shadows: Shadows
    pool: CountingPool
    notebook: Notebook

    async def predict(self, x: Any, *, level: float = 0.9, y: Any = 1.0) -> Prediction:
        answer = await self.predictor.predict(None, {"x": x, "y": y}, level=level, requester=KATO)
        return answer.content


def stage(
    clock: Any,
    *versions: DoublingModel,
    pool: Any = None,
    cache: PredictionCache | None = None,
    corrections: Any = None,
    choice: Choice | None = None,
    stuck_after: int = 0,
) -> Stage:
    pool, notebook = pool or CountingPool(), Notebook()
    models = Shelf(*versions or (DoublingModel(),))
    answers = OwnAnswers(pool=pool, cache=cache or NoCache(), corrections=corrections or Uncorrected())
    shadows = Shadows(models=models, answers=answers, watch=notebook)
    predictor = Predictor(
        models=models,
        answers=answers,
        variants=FixedChoice(choice),
        shadows=shadows,
        rescue=Rescue(notebook, clock),
        stuck_sensors=StuckSensors(stuck_after),
        meter=notebook,
        watches=[notebook],
        clock=clock,
        batch_limit_rows=3,
    )
    return Stage(predictor, models, shadows, pool, notebook)
