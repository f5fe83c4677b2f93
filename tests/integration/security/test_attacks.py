"""A short attack on a suite of real processes, from all sides at once; `make security` runs the long ones."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from shared.principal import Role
from tests.security.raw_fuzzer import Report, fuzz
from tests.security.running_suite import RunningSuite, running_suite
from tests.security.schemathesis_suite import ANONYMOUS, Finished, attack

REQUESTS, SEED = 2_000, 20_260_401
# Nobody gets no answer that leads to another request: what follows from one is tried by those who do.
PHASES = {ANONYMOUS: "fuzzing", Role.ADMIN.value: "fuzzing,stateful"}


@dataclass(frozen=True)
class Attacked:
    """A suite under attack, and what each attack will have found."""

    suite: RunningSuite
    spoiled: Future[Report]
    by_caller: dict[str, Future[Finished]]


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Attacked]:
    cache = request.config.cache
    assert cache is not None
    folder = tmp_path_factory.mktemp("attacked")
    with (
        running_suite(folder, compiled=cache.mkdir("planner-search"), demo_models=False) as suite,
        ThreadPoolExecutor(1 + len(PHASES)) as attackers,
    ):
        # Who sends spoiled requests mostly waits for answers that do not come: time for the others.
        spoiled = attackers.submit(lambda: asyncio.run(fuzz(suite, count=REQUESTS, seed=SEED)))
        by_caller = {
            caller: attackers.submit(attack, suite, caller, max_examples=1, seed=SEED, phases=phases)
            for caller, phases in PHASES.items()
        }
        yield Attacked(suite, spoiled, by_caller)


@pytest.mark.parametrize("caller", PHASES)
def test_every_answer_is_one_that_the_contract_names(attacked: Attacked, caller: str):
    done = attacked.by_caller[caller].result()
    assert done.returncode == 0, done.text


def test_spoiled_requests_are_refused_and_nothing_breaks(attacked: Attacked):
    report = attacked.spoiled.result()
    assert report.findings == [], report.text()
    assert report.sent == REQUESTS
    # They got through to where they are judged: not all of them stopped at the same door.
    assert {200, 400, 401, 404, 405, 422} <= report.statuses.keys()


def test_no_log_tells_of_a_bug_after_all_attacks(attacked: Attacked):
    for one in (attacked.spoiled, *attacked.by_caller.values()):
        one.result()
    assert attacked.suite.logged_faults() == []
