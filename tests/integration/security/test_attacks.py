"""A short attack on a suite of real processes; `make security` runs the long ones."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.security.raw_fuzzer import fuzz
from tests.security.running_suite import RunningSuite, running_suite
from tests.security.schemathesis_suite import attack

REQUESTS, SEED = 2_000, 20_260_401


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[RunningSuite]:
    cache = request.config.cache
    assert cache is not None
    folder = tmp_path_factory.mktemp("attacked")
    with running_suite(folder, compiled=cache.mkdir("planner-search"), demo_models=False) as suite:
        yield suite


def test_spoiled_requests_are_refused_and_nothing_breaks(suite: RunningSuite):
    report = asyncio.run(fuzz(suite, count=REQUESTS, seed=SEED))
    assert report.findings == [], report.text()
    assert report.sent == REQUESTS
    # They got through to where they are judged: not all of them stopped at the same door.
    assert {200, 400, 401, 404, 405, 422} <= report.statuses.keys()


@pytest.mark.parametrize("caller", ["anonymous", "admin"])
def test_every_answer_is_one_that_the_contract_names(suite: RunningSuite, caller: str):
    done = attack(suite, caller, max_examples=1, seed=SEED, phases="fuzzing,stateful")
    assert done.returncode == 0, done.stdout + done.stderr
    assert suite.logged_faults() == []
