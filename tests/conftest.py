"""What every suite may use: a clock that stands still until told, fresh signing keys, real data where it is at hand."""

import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import hypothesis
import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# Libraries that share a step among all cores do so by spinning: beside other processes that takes many times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Where no process has set up its log, an error would be drawn with the values of every frame: seconds for each.
structlog.get_config()["processors"][-1].exception_formatter = structlog.dev.plain_traceback
# How long an example took says how busy the machine is, not whether the code is right.
hypothesis.settings.register_profile("futago", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("futago")

# Set where nothing may be left out: a skipped test is then a failed one.
REQUIRE_ALL = os.environ.get("FUTAGO_TEST_REQUIRE_ALL") == "1"
DATA = Path(os.environ.get("FUTAGO_DATA", Path(__file__).parents[2] / "shared" / "data"))
# Seconds of work each suite may take; two workers share it, which makes less than 15 minutes of waiting.
BUDGET_S = {"e2e": 240, "integration": 840, "contract": 90, "unit": 360}
_ORDER = {suite: place for place, suite in enumerate(BUDGET_S)}
# More than the whole suite holds there at any time, with room for what others write meanwhile.
ROOM_MIB = 512


def pytest_configure(config: pytest.Config) -> None:
    """Say once that the disk is full: without room tests fail by the hundred, each in its own way."""
    folder = tempfile.gettempdir()
    free_mib = shutil.disk_usage(folder).free // 2**20
    if free_mib < ROOM_MIB and not hasattr(config, "workerinput"):
        raise pytest.UsageError(f"{folder} has {free_mib} MiB free; the tests need {ROOM_MIB}: make room or set TMPDIR")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that both workers end at about the same time."""
    items.sort(key=lambda item: _ORDER.get(_suite(item.nodeid), 0))


class _OneWorkerAFile(LoadScopeScheduling):
    """A file goes to one worker, and all that shares a started suite to the same one.

    Said here and not by `xdist_group`: xdist 3.8 loses that mark under pytest 9.2 without a word (its issue 1386), and
    every fixture of a file, the started suite too, is then made by each worker.
    """

    def _split_scope(self, nodeid: str) -> str:
        return _shared(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _OneWorkerAFile:
    return _OneWorkerAFile(config, log)


def _suite(nodeid: str) -> str:
    return nodeid.split("/")[1]


def _shared(nodeid: str) -> str:
    """What a test shares its costly fixtures with: its file, or all that need a started suite."""
    suite = _suite(nodeid)
    return suite if suite == "e2e" else nodeid.partition("::")[0]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if REQUIRE_ALL and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was left out, and nothing may be: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    spent_s: dict[str, float] = defaultdict(float)
    workers: dict[str, set[str]] = defaultdict(set)
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        if isinstance(report, pytest.TestReport):
            spent_s[_suite(report.nodeid)] += report.duration
            workers[_shared(report.nodeid)].add(getattr(report, "worker_id", ""))
    for suite, budget_s in BUDGET_S.items():
        if suite in spent_s:
            verdict = "" if spent_s[suite] <= budget_s else "  OVER ITS BUDGET"
            terminalreporter.write_line(f"{suite:12s} {spent_s[suite]:6.0f} s of {budget_s} s{verdict}")
    # Also where a worker died and another went on with its file.
    if split := [name for name, those in workers.items() if len(those) > 1]:
        terminalreporter.write_line(f"SPLIT OVER WORKERS, each of which made all fixtures: {', '.join(sorted(split))}")


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of public data: `FUTAGO_DATA`, or `shared/data` beside the checkout."""
    if not DATA.is_dir():
        pytest.skip("left out: no folder of public data; FUTAGO_DATA names one")
    return DATA


@dataclass
class SteppingClock:
    """A clock that only a test moves."""

    now_s: float = 1_800_000_000.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.now_s, UTC)

    def monotonic_s(self) -> float:
        return self.now_s

    def step(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


@dataclass(frozen=True)
class KeyPair:
    """A P-256 key pair in PEM, as token signers and verifiers read it."""

    private: bytes
    public: bytes


@pytest.fixture(scope="session")
def make_key_pair() -> Callable[[], KeyPair]:
    def make() -> KeyPair:
        key = ec.generate_private_key(ec.SECP256R1())
        return KeyPair(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        )

    return make


@pytest.fixture(scope="session")
def key_pair(make_key_pair: Callable[[], KeyPair]) -> KeyPair:
    return make_key_pair()
