"""What becomes a job, and that its blocks cannot be told from one long call."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from services.anomaly.adapters.detector_bundle import served_detector
from services.anomaly.adapters.onnx_detector import OnnxResidualModel
from services.anomaly.domain.catalogue import Ready
from services.anomaly.domain.csv_table import TableLimits
from services.anomaly.domain.score_jobs import ScoreDoor, ScoreWish, score_in_blocks
from services.anomaly.domain.scoring import CallLimits, TakesLong, TooManyRows
from services.anomaly.domain.training_plan import plan_training
from services.anomaly.domain.training_requests import KeptTable, Table
from services.anomaly.domain.workbench import Workbench
from services.anomaly.training.pipeline import Hooks, TrainingSet, train
from shared.contracts.job import Job, JobState

COLUMNS = ("flow", "pressure")


def detector_of(rows: np.ndarray) -> Ready:
    plan = plan_training("mahalanobis", {}, None, rows=len(rows))
    trained = train(TrainingSet(rows, COLUMNS, {}), plan, Hooks(OnnxResidualModel, lambda _: None, lambda: False))
    served = served_detector(trained)
    return Ready(served, served.threshold)


class Desk:
    """A scoring desk that never scores at once."""

    def __init__(self) -> None:
        self.asked = 0

    async def score(self, name: str, given: object, *, asset: str | None) -> object:
        self.asked += 1
        raise TakesLong(name)


class Parts:
    """The other things a door needs: detectors, tables and a queue."""

    def __init__(self) -> None:
        self.kept: list[Table] = []
        self.submitted: list[dict[str, Any]] = []

    def entry(self, name: str) -> object:
        return SimpleNamespace(columns=[SimpleNamespace(name=column) for column in COLUMNS])

    def keep(self, table: Table) -> KeptTable:
        self.kept.append(table)
        return KeptTable(f"d{len(self.kept)}", table.columns, len(table.rows))

    def submit(self, payload: dict[str, Any], *, owner: str, idempotency_key: str | None) -> Job:
        self.submitted.append(payload)
        moment = datetime(2026, 4, 1, tzinfo=UTC)
        return Job("j1", "anomaly.score", JobState.QUEUED, None, moment, None, None, 0, None, None, owner)


def door(desk: Desk, parts: Parts, *, call_rows: int = 10) -> ScoreDoor:
    anything = cast("Any", parts)
    return ScoreDoor(
        cast("Any", desk),
        anything,
        anything,
        anything,
        Workbench(ThreadPoolExecutor(1), places=4),
        call_limits=CallLimits(call_rows, 1000),
        job_limits=TableLimits(100, 10, 1000),
    )


def wish(rows: int, **fields: Any) -> ScoreWish:
    given: dict[str, Any] = {"times": None, "context": [], "upload_id": None, "context_times": None} | fields
    return ScoreWish(columns=["pressure", "flow"], rows=[[1.0, None]] * rows, **given)


async def score(wanted: ScoreWish, desk: Desk, parts: Parts) -> object:
    return await door(desk, parts).score("pump", wanted, asset="acme.pump", owner="ada", idempotency_key=None)


async def test_detector_that_searches_for_every_score_gets_a_job():
    desk, parts = Desk(), Parts()
    job = await score(wish(3, context=[[2.0, 2.0]]), desk, parts)
    assert isinstance(job, Job)
    assert desk.asked == 1
    assert [len(table.rows) for table in parts.kept] == [3, 1]
    assert np.isnan(parts.kept[0].rows[0, 1])
    assert parts.submitted == [
        {"detector": "pump", "table": "d1", "context": "d2", "columns": ["flow", "pressure"], "asset": "acme.pump"}
    ]


async def test_more_rows_than_a_call_takes_are_not_tried_at_once():
    desk, parts = Desk(), Parts()
    assert isinstance(await score(wish(11), desk, parts), Job)
    assert desk.asked == 0


async def test_more_rows_than_a_job_takes_are_refused_before_anything_is_kept():
    parts = Parts()
    with pytest.raises(TooManyRows):
        await score(wish(101), Desk(), parts)
    assert (parts.kept, parts.submitted) == ([], [])


@pytest.mark.parametrize("context_rows", [0, 5, 300])
def test_blocks_give_the_scores_of_one_long_call(context_rows: int):
    rng = np.random.default_rng(1)
    ready = detector_of(rng.normal(size=(500, 2)))
    rows = rng.normal(size=(9000, 2))
    rows[rng.integers(0, 9000, 40), 0] = np.nan
    context = rng.normal(size=(context_rows, 2))
    told: list[int] = []
    found = score_in_blocks(ready, Table(COLUMNS, rows, None), Table(COLUMNS, context, None), told.append)
    whole = ready.detector.detect(rows, ready.threshold.value, context)
    np.testing.assert_array_equal(found.scores, whole.scores)
    np.testing.assert_array_equal(found.contributions, whole.contributions)
    np.testing.assert_array_equal(found.reasons, whole.reasons)
    assert told == [4096, 8192, 9000]


def test_no_rows_are_no_scores():
    ready = detector_of(np.random.default_rng(1).normal(size=(500, 2)))
    assert len(score_in_blocks(ready, Table(COLUMNS, np.empty((0, 2)), None), None, lambda _: None).scores) == 0
