"""How a search goes, on the wire of its event stream."""

from collections.abc import Mapping
from typing import Self

from pydantic import Field

from services.planner.domain.plan_desk import PlanView
from services.planner.schemas.base import Body
from services.planner.schemas.plan import Points, ScoreBody
from services.planner.schemas.plans import FoundBody
from shared.contracts.job import JobState
from shared.errors import JSON


class ProgressBody(Body):
    """A search at one moment; what it has not found yet is null."""

    plan: str
    state: JobState
    finished: bool
    score: ScoreBody | None = None
    bound: Points | None = Field(None, description="cost of the last level that no plan goes below")
    gap: float | None = Field(None, description="part of the cost that a better plan could save at most")
    iterations: int = Field(0, description="moves tried")
    moves_per_second: int = 0
    seconds: float = Field(0.0, description="time of the search [s]")
    stopped_because: str | None = None

    @classmethod
    def of_view(cls, view: PlanView) -> Self:
        """Write down where a search is: its last word while it goes on, its result afterwards."""
        summary = view.plan.summary
        known: Mapping[str, JSON] = {}
        if summary.found is not None:
            found = FoundBody.model_validate(summary.found)
            known = {
                **found.model_dump(include={"score", "bound", "gap", "iterations", "seconds", "stopped_because"}),
                "moves_per_second": round(found.iterations / found.seconds) if found.seconds > 0 else 0,
            }
        if not summary.finished and view.progress is not None and "moves_per_second" in view.progress:
            told = view.progress
            known = {**known, **{name: told[name] for name in cls.model_fields if name in told}}
        return cls.model_validate({**known, "plan": summary.id, "state": view.state, "finished": summary.finished})
