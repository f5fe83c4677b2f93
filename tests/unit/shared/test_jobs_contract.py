"""The wire form of a job: what is written can be read, and what is wrong is named."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.fields import PayloadInvalid, parse
from shared.contracts.job import Job, JobState

# Whole milliseconds, from 2000 to 2100.
moments = st.integers(946_684_800_000, 4_102_444_800_000).map(lambda ms: datetime.fromtimestamp(ms / 1000, UTC))
documents = st.none() | st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text(), max_size=3)
jobs = st.builds(
    Job,
    id=st.uuids().map(lambda number: number.hex),
    kind=st.just("anomaly.train"),
    state=st.sampled_from(JobState),
    progress=documents,
    created_at=moments,
    started_at=st.none() | moments,
    finished_at=st.none() | moments,
    attempt=st.integers(0, 3),
    result=documents,
    error=documents,
    owner=st.none(),
)
FIELDS = ["id", "kind", "state", "progress", "created_at", "started_at", "finished_at", "attempt", "result", "error"]
WIRE = {
    "id": "0" * 32,
    "kind": "anomaly.train",
    "state": "queued",
    "progress": None,
    "created_at": "2026-04-01T00:00:00Z",
    "started_at": None,
    "finished_at": None,
    "attempt": 0,
    "result": None,
    "error": None,
}


@given(job=jobs)
def test_a_job_that_was_written_reads_the_same(job: Job) -> None:
    assert Job.from_json(parse(json.dumps(job.to_json()))) == job


def test_the_owner_of_a_job_is_not_told() -> None:
    assert list(Job.from_json(WIRE).to_json()) == FIELDS


def test_a_reader_passes_over_what_a_newer_writer_adds() -> None:
    assert Job.from_json({**WIRE, "colour": "blue"}) == Job.from_json(WIRE)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", ""),
        ("id", 7),
        ("state", "asleep"),
        ("state", None),
        ("attempt", True),
        ("attempt", 1.5),
        ("progress", []),
        ("created_at", "2026-04-01T00:00:00"),
        ("created_at", "yesterday"),
        ("created_at", None),
    ],
)
def test_a_wrong_field_is_named(field: str, value: object) -> None:
    with pytest.raises(PayloadInvalid, match=field):
        Job.from_json({**WIRE, field: value})


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"', b"\xff", "[" * 100_000])
def test_what_is_not_a_json_object_is_refused(text: str | bytes) -> None:
    with pytest.raises(PayloadInvalid):
        parse(text)


@pytest.mark.parametrize(
    ("state", "final"),
    [("queued", False), ("running", False), ("succeeded", True), ("failed", True), ("cancelled", True)],
)
def test_only_an_ended_job_is_final(state: str, final: bool) -> None:
    assert JobState(state).final is final
