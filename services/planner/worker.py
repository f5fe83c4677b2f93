"""The worker that searches for plans. `python -m services.planner.worker [--config FILE]`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from services.planner import library
from services.planner.adapters.plan_metrics import PlanMetrics
from services.planner.adapters.public_holidays import PackagedHolidays
from services.planner.adapters.solve_queue import QUEUE
from services.planner.adapters.sql_plans import add_plan, stop_is_requested, write_found
from services.planner.domain.explain import explain
from services.planner.domain.feasibility import find_conflicts
from services.planner.domain.plan import Plan
from services.planner.domain.plan_desk import SOLVE_JOB, SPARE_TIME_S, new_plan
from services.planner.domain.problem import Problem
from services.planner.schemas.plan import ConflictBody, PlannedAssignmentBody, points_of_bound, subtotals_by_rule
from services.planner.schemas.plans import FoundAtBody, FoundBody, PlanRequest
from services.planner.schemas.solve import SolverBody
from services.planner.settings import PlannerWorkerSettings
from shared.clock import Clock, SystemClock
from shared.database import DatabaseUnavailable
from shared.errors import JSON
from shared.jobs import JobContext, begin_worker, run_worker
from shared.log import get_logger
from shared.startup import writable_folder

# How often the database is asked whether the search should stop, and told how far it is [s].
ATTENTION_INTERVAL_S: Final = 0.5

log = get_logger(__name__)


def solve_plan(context: JobContext) -> Mapping[str, JSON]:
    """Handle a solve job: search, show better plans on the way, and publish the best."""
    clock = SystemClock()
    library.keep_compiled(Path(str(context.options["cache_dir"])))
    order = PlanRequest.model_validate(context.payload).to_order(PackagedHolidays())
    request = PlanRequest.model_validate(order.request)
    record = new_plan(context.job_id, order.problem, order.assets, order.request, owner=context.owner, clock=clock)
    context.save(lambda connection: add_plan(connection, record))
    watch = _Watch(context, order.problem, request, clock)
    solved = library.solve(
        order.problem,
        options=library.read_options(request.solver),
        termination=library.read_termination(
            request.termination, order.problem, longest_seconds=context.time_limit_s - SPARE_TIME_S
        ),
        start_plan=None if request.start_plan is None else request.start_plan.to_assignments(),
        on_progress=watch.on_progress,
        should_stop=watch.should_stop,
        clock=clock,
    )
    solver = request.solver.model_copy(update={"late_acceptance_size": solved.options.late_acceptance_size})
    watch.history.add(library.found_at(solved))
    found = _found(order.problem, solved, solver, watch.history, stopped_because=solved.stopped_because)
    result: dict[str, JSON] = {
        "plan": context.job_id,
        "score": found.score,
        "score_text": found.score_text,
        "iterations": found.iterations,
        "seconds": found.seconds,
        "bound": found.bound,
        "gap": found.gap,
        "bound_reason": found.bound_reason,
        "stopped_because": found.stopped_because,
    }

    def publish(connection: Connection) -> Mapping[str, JSON]:
        _write(connection, context.job_id, order.problem, solved.plan, found, finished=True, clock=clock)
        return result

    return context.commit(publish)


class _Watch:
    """Between the search and the world: shows better plans, says how far it is, and listens for a stop."""

    def __init__(self, context: JobContext, problem: Problem, request: PlanRequest, clock: Clock) -> None:
        self._context = context
        self._problem = problem
        self._request = request
        self._clock = clock
        self._began_s = self._attended_s = clock.monotonic_s()
        self._shown: library.Progress | None = None
        self.history = library.History()
        self._asked_to_stop = False

    def on_progress(self, progress: library.Progress) -> None:
        self._shown = progress
        self.history.add(library.found_at(progress))
        found = _found(self._problem, progress, self._request.solver, self.history, stopped_because=None)

        def show(connection: Connection) -> None:
            plan_id = self._context.job_id
            _write(connection, plan_id, self._problem, progress.plan, found, finished=False, clock=self._clock)

        self._unless_away(lambda: self._context.save(show))

    def should_stop(self) -> bool:
        now_s = self._clock.monotonic_s()
        if now_s - self._attended_s >= ATTENTION_INTERVAL_S:
            self._attended_s = now_s
            self._unless_away(self._listen)
            fraction = min(1.0, (now_s - self._began_s) / self._request.termination.seconds)
            if self._shown is not None:
                self._context.progress(fraction, str(self._shown.score), **_facts(self._shown))
        return self._asked_to_stop

    def _listen(self) -> None:
        self._asked_to_stop = stop_is_requested(self._context.engine, self._context.job_id)

    def _unless_away(self, action: Callable[[], None]) -> None:
        try:
            action()
        except DatabaseUnavailable:
            # The search goes on: the next plan, or the final one, will be written.
            log.warning("plan_unwritten", plan=self._context.job_id)


def _facts(shown: library.Progress) -> dict[str, JSON]:
    """Return what the progress of the job says of the search."""
    return {
        "score": dict(shown.score.as_numbers()),
        "bound": points_of_bound(shown.optimality),
        "gap": shown.optimality.gap,
        "iterations": shown.steps,
        "seconds": round(shown.seconds, 3),
        "moves_per_second": round(shown.steps / shown.seconds) if shown.seconds > 0 else 0,
    }


def _found(
    problem: Problem,
    shown: library.Progress | library.SolvedPlan,
    solver: SolverBody,
    history: library.History,
    *,
    stopped_because: str | None,
) -> FoundBody:
    explanation = explain(problem, shown.plan)
    return FoundBody(
        score=explanation.score.as_numbers(),
        score_text=str(explanation.score),
        score_by_rule=subtotals_by_rule(explanation),
        solver=solver,
        iterations=shown.steps,
        seconds=round(shown.seconds, 3),
        bound=points_of_bound(shown.optimality),
        gap=shown.optimality.gap,
        bound_reason=shown.optimality.reason,
        conflicts=[ConflictBody.of(entry) for entry in find_conflicts(problem)],
        stopped_because=stopped_because,
        history=[FoundAtBody(seconds=entry.seconds, cost=entry.cost, bound=entry.bound) for entry in history.entries],
    )


def _write(
    connection: Connection,
    plan_id: str,
    problem: Problem,
    plan: Plan,
    found: FoundBody,
    *,
    finished: bool,
    clock: Clock,
) -> None:
    write_found(
        connection,
        plan_id,
        found=found.model_dump(mode="json"),
        assignments=[entry.model_dump(mode="json") for entry in PlannedAssignmentBody.all_of(problem, plan)],
        finished=finished,
        at=clock.now(),
    )


def main() -> None:
    """Work on searches until told to stop."""
    settings = begin_worker(PlannerWorkerSettings, lambda settings: [writable_folder(settings.cache_dir, "the cache")])
    compiled = settings.cache_dir / "planner-search"
    # Every search runs in a process of its own, which finds the compiled code here.
    log.info("search_compiled", kept=library.warm_up(compiled))
    run_worker(
        settings,
        queue_name=QUEUE,
        handlers={SOLVE_JOB: "services.planner.worker:solve_plan"},
        options={"cache_dir": str(compiled)},
        collectors=lambda engine: [PlanMetrics(engine)],
    )


if __name__ == "__main__":
    main()
