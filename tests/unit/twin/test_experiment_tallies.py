"""Tallies of an experiment: what is counted for which arm, and what becomes of it while the database is away."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from services.twin.adapters.arm_meter import ArmMeter
from services.twin.adapters.experiment_tallies import ExperimentTallies
from services.twin.adapters.prediction_metrics import PredictionMetrics
from services.twin.domain.applicability import Applicability, State
from services.twin.domain.experiment_report import Counts
from services.twin.domain.experiments import Arm, Experiment, Plan
from services.twin.domain.fail_safe import Cause, FailSafePolicy
from services.twin.domain.prediction import Prediction, Status
from services.twin.domain.serving import Answer, Requester
from shared.database import DatabaseUnavailable
from shared.series import SeriesBounds

NOW = datetime(2026, 4, 1, tzinfo=UTC)
KATO = Requester("kato", "acme.r101")
PLAN = Plan((Arm("A", "1", 0.5), Arm("B", "2", 0.5)), (Arm("S", "3"),))
ANSWERED = Prediction("yield", "1", 80.0, "%", 79.0, 81.0, 0.9, Applicability(State.IN), variant="A")


class Board:
    experiment: Experiment | None = Experiment("yield", "one", PLAN, NOW, "kato")

    def experiment_on(self, model: str) -> Experiment | None:
        return self.experiment if model == "yield" else None


class Ledger:
    """The table of arms, in memory, that can be away, or fail once in a way that nobody thought of."""

    def __init__(self) -> None:
        self.away = self.broken = False
        self.added: list[dict[tuple[str, str], Counts]] = []

    def add(self, counted: Mapping[tuple[str, str], Counts]) -> None:
        if self.away:
            raise DatabaseUnavailable
        if self.broken:
            self.broken = False
            raise ZeroDivisionError
        self.added.append(dict(counted))


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def tallies(board: Board, ledger: Any) -> ExperimentTallies:
    return ExperimentTallies(board, ledger, CollectorRegistry())


def see(tallies: ExperimentTallies, **changes: Any) -> None:
    tallies.seen(Answer(replace(ANSWERED, **changes), 0.0, NOW), {}, KATO)


async def test_answers_are_counted_for_their_variant_by_where_they_came_from(
    tallies: ExperimentTallies, ledger: Ledger
):
    see(tallies)
    see(tallies, from_cache=True)
    see(tallies, status=Status.HOLD)
    see(tallies, version="2", variant="B", status=Status.FALLBACK)
    see(tallies, variant=None)
    see(tallies, model="power")
    await tallies.flush()
    await tallies.flush()
    assert ledger.added == [
        {
            ("one", "A"): Counts(predictions=3, cache_hits=1, fail_safes=1),
            ("one", "B"): Counts(predictions=1, fail_safes=1),
        }
    ]


async def test_shadows_are_counted_by_their_difference(tallies: ExperimentTallies, ledger: Ledger):
    for value in (80.5, 79.0, 80.25):
        tallies.compared(ANSWERED, replace(ANSWERED, version="3", prediction=value), KATO)
    tallies.failed("yield", "3")
    await tallies.flush()
    assert ledger.added == [{("one", "S"): Counts(compared=3, difference_sum=1.75, difference_max=1.0, failed=1)}]


async def test_refusals_and_failures_are_counted_apart_and_reach_the_metrics(
    tallies: ExperimentTallies, ledger: Ledger
):
    registry = CollectorRegistry()
    meter = ArmMeter(PredictionMetrics(registry, SeriesBounds(registry, 1_000)), tallies)
    meter.refused("yield", "1")
    meter.predicted("yield", "1", rows=3, refused=2, duration_s=0.001)
    meter.failed_safe("yield", "2", policy=FailSafePolicy.HOLD, cause=Cause.DEADLINE)
    meter.failed_safe("yield", "2", policy=FailSafePolicy.HOLD, cause=Cause.QUALITY_BAD)
    meter.stuck("yield", features=1)
    await tallies.flush()
    assert ledger.added == [{("one", "A"): Counts(refused=3), ("one", "B"): Counts(failed=1)}]
    labels = {"model": "yield", "version": "1", "outcome": "refused"}
    assert registry.get_sample_value("futago_twin_predictions_total", labels) == 3


async def test_counts_are_kept_while_the_database_is_away(tallies: ExperimentTallies, ledger: Ledger):
    ledger.away = True
    for _ in range(2):
        see(tallies)
        await tallies.try_to_flush()
    tallies.compared(ANSWERED, replace(ANSWERED, version="3", prediction=82.0), KATO)
    with pytest.raises(DatabaseUnavailable):
        await tallies.flush()
    tallies.compared(ANSWERED, replace(ANSWERED, version="3", prediction=81.0), KATO)
    ledger.away = False
    await tallies.flush()
    assert ledger.added == [
        {("one", "A"): Counts(predictions=2), ("one", "S"): Counts(compared=2, difference_sum=3.0, difference_max=2.0)}
    ]


async def test_after_the_end_of_an_experiment_nothing_is_counted(
    tallies: ExperimentTallies, board: Board, ledger: Ledger
):
    board.experiment = None
    see(tallies)
    tallies.failed("yield", "3")
    await tallies.flush()
    assert ledger.added == []


async def test_a_held_answer_is_counted_for_the_variant_that_gave_it_whatever_version_it_came_from(
    tallies: ExperimentTallies, ledger: Ledger
):
    see(tallies, version="1", variant="B", status=Status.HOLD)
    await tallies.flush()
    assert ledger.added == [{("one", "B"): Counts(predictions=1, fail_safes=1)}]


async def test_a_bug_while_adding_does_not_end_the_adding(tallies: ExperimentTallies, ledger: Ledger):
    stop = asyncio.Event()
    adding = asyncio.create_task(tallies.follow(0.001, stop))
    ledger.broken = True
    see(tallies)
    while ledger.broken:
        await asyncio.sleep(0)
    see(tallies)
    while not ledger.added:
        await asyncio.sleep(0)
    stop.set()
    await adding
    assert ledger.added == [{("one", "A"): Counts(predictions=1)}]
