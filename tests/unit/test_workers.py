"""Tests that share costly fixtures are run by one worker."""

from types import SimpleNamespace

from xdist.remote import Producer

from tests.conftest import pytest_xdist_make_scheduler

FILES = (
    ("tests/unit/test_a.py::test_1", "tests/unit/test_a.py::TestMore::test_2[x::y]", "tests/unit/test_a.py::test_3"),
    ("tests/unit/test_b.py::test_1", "tests/unit/test_b.py::test_2", "tests/unit/test_b.py::test_3"),
    ("tests/e2e/test_a.py::test_1", "tests/e2e/test_b.py::test_2", "tests/e2e/test_c.py::test_3"),
)


class Worker:
    """Says at once that it has done what it was told to."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.shutting_down = False
        self.told: list[int] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.told += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def test_no_file_and_no_started_suite_is_split_over_workers():
    option = SimpleNamespace(tx=["2*popen"], loadscopereorder=False)
    config = SimpleNamespace(option=option, getvalue=lambda name: getattr(option, name))
    scheduler = pytest_xdist_make_scheduler(config, Producer("", enabled=False))
    collected = [nodeid for file in FILES for nodeid in file]
    workers = [Worker("one"), Worker("two")]
    for worker in workers:
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, collected)
    scheduler.schedule()
    for worker in workers:
        # It grows meanwhile: a worker that is nearly done is told more.
        for index in worker.told:
            scheduler.mark_test_complete(worker, index)
    ran = [{collected[index] for index in worker.told} for worker in workers]
    assert set.union(*ran) == set(collected)
    assert all(not set(file) & tests or set(file) <= tests for file in FILES for tests in ran)
