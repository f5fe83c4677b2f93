"""Real processes under the supervisor: small scripts that say what happens to them in files."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from futago.launcher import child
from futago.launcher.backoff import Backoff
from futago.launcher.errors import ProcessFailed, StepFailed
from futago.launcher.spawn import Spawner
from futago.launcher.spec import ProcessSpec, StopStage
from futago.launcher.supervised import Phase, Status
from futago.launcher.supervisor import Supervisor
from tests.integration.launcher.waiting import gone, running, until

# Says that it is ready, then works until it is asked to stop and notes that it was.
PATIENT = """
import pathlib, signal, sys, time
name, folder = sys.argv[1], pathlib.Path(sys.argv[2])
def end(*_):
    with (folder / "ended").open("a") as file:
        file.write(name + " ")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
(folder / (name + ".ready")).touch()
while True:
    time.sleep(60)
"""
STUBBORN = PATIENT.replace("signal.signal(signal.SIGTERM, end)", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
BROKEN = "import sys; print('no such table'); sys.exit(3)"
REFUSING = "import sys; print('the port is wrong'); sys.exit(78)"
QUICK = Backoff(first_s=0.01, longest_s=0.04)


@pytest.fixture
def spawner(tmp_path: Path) -> Spawner:
    return Spawner(tmp_path, tmp_path)


@pytest.fixture
def seen() -> list[Status]:
    return []


@pytest.fixture
async def supervisor(spawner: Spawner, seen: list[Status]) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(spawner, QUICK, seen.append)
    yield supervisor
    supervisor.kill()
    await supervisor.stop()


@pytest.fixture
def spec(tmp_path: Path) -> Callable[..., ProcessSpec]:
    def make(
        name: str, script: str = PATIENT, stage: StopStage = StopStage.SERVICE, *, grace_s: float = 10.0
    ) -> ProcessSpec:
        async def ready() -> bool:
            return (tmp_path / f"{name}.ready").exists()

        command = (sys.executable, "-c", script, name, str(tmp_path))
        return ProcessSpec(name, command, {"PATH": os.defpath}, stage, ready, grace_s=grace_s)

    return make


async def first_status(supervisor: Supervisor, holds: Callable[[Status], bool]) -> Status:
    """The status of the first process once it is what a test waits for."""
    await until(lambda: holds(supervisor.statuses()[0]))
    return supervisor.statuses()[0]


async def test_a_killed_process_comes_back_under_another_id(supervisor: Supervisor, spec: Callable[..., ProcessSpec]):
    supervisor.start([spec("twin")])
    await supervisor.wait_ready(20.0)
    first = supervisor.statuses()[0]
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    second = await first_status(supervisor, lambda status: status.phase is Phase.READY and status.pid != first.pid)
    assert (second.restarts, second.failures, second.exit_code) == (1, 1, -9)


async def test_a_process_that_never_comes_up_is_reported_with_the_end_of_its_log(
    supervisor: Supervisor, spec: Callable[..., ProcessSpec], seen: list[Status]
):
    supervisor.start([spec("twin", BROKEN)])
    with pytest.raises(ProcessFailed, match=r"(?s)twin does not start: it ended 3 times, exit code 3.*no such table"):
        await supervisor.wait_ready(20.0)
    waits = [status.restart_in_s for status in seen if status.phase is Phase.WAITING]
    assert waits[:3] == [0.01, 0.02, 0.04]


async def test_a_process_that_says_it_cannot_start_is_believed_at_once(
    supervisor: Supervisor, spec: Callable[..., ProcessSpec]
):
    supervisor.start([spec("twin", REFUSING)])
    with pytest.raises(ProcessFailed, match=r"(?s)it says why itself.*the port is wrong"):
        await supervisor.wait_ready(20.0)


async def test_a_process_that_stays_silent_is_named_when_time_is_up(
    supervisor: Supervisor, spec: Callable[..., ProcessSpec]
):
    supervisor.start([spec("twin", "import time; time.sleep(60)")])
    with pytest.raises(ProcessFailed, match=r"twin does not start: it is not ready after 0\.3 s"):
        await supervisor.wait_ready(0.3)


async def test_processes_are_stopped_door_first_and_storage_last(
    supervisor: Supervisor, spec: Callable[..., ProcessSpec], tmp_path: Path
):
    stages = {
        "valkey": StopStage.STORAGE,
        "worker": StopStage.WORKER,
        "gateway": StopStage.DOOR,
        "twin": StopStage.SERVICE,
    }
    supervisor.start([spec(name, stage=stage) for name, stage in stages.items()])
    await supervisor.wait_ready(20.0)
    await supervisor.stop()
    assert (tmp_path / "ended").read_text().split() == ["gateway", "twin", "worker", "valkey"]
    assert {status.phase for status in supervisor.statuses()} == {Phase.STOPPED}


async def test_a_process_that_ignores_the_request_is_killed_after_its_grace(
    supervisor: Supervisor, spec: Callable[..., ProcessSpec]
):
    supervisor.start([spec("twin", STUBBORN, grace_s=0.1)])
    await supervisor.wait_ready(20.0)
    pid = supervisor.statuses()[0].pid
    await asyncio.wait_for(supervisor.stop(), 10.0)
    assert pid is not None
    assert not running(pid)


async def test_a_stop_does_not_wait_out_the_time_before_a_restart(spawner: Spawner, spec: Callable[..., ProcessSpec]):
    supervisor = Supervisor(spawner, Backoff(first_s=600.0, longest_s=600.0), lambda _status: None)
    supervisor.start([spec("twin", BROKEN)])
    await first_status(supervisor, lambda status: status.phase is Phase.WAITING)
    await asyncio.wait_for(supervisor.stop(), 10.0)
    assert supervisor.statuses()[0].phase is Phase.STOPPED


async def test_what_a_process_started_does_not_outlive_it(
    supervisor: Supervisor, spec: Callable[..., ProcessSpec], tmp_path: Path
):
    parent = (
        "import pathlib, subprocess, sys, time\n"
        "helper = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "(pathlib.Path(sys.argv[2]) / 'helper.pid').write_text(str(helper.pid))\n"
        "(pathlib.Path(sys.argv[2]) / 'twin.ready').touch()\n"
        "time.sleep(60)"
    )
    supervisor.start([spec("twin", parent)])
    await supervisor.wait_ready(20.0)
    helper, pid = int((tmp_path / "helper.pid").read_text()), supervisor.statuses()[0].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await first_status(supervisor, lambda status: status.restarts == 1)
    await gone([helper])


async def test_a_killed_supervisor_leaves_nothing_running(tmp_path: Path):
    script = tmp_path / "suite.py"
    script.write_text(SUITE)
    suite = await asyncio.create_subprocess_exec(
        sys.executable, script, tmp_path, env={"PYTHONPATH": str(Path.cwd()), "PATH": os.defpath},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert suite.stdout is not None
    pids = [int(word) for word in (await asyncio.wait_for(suite.stdout.readline(), 30.0)).split()]
    assert len(pids) == 3
    assert all(running(pid) for pid in pids)
    suite.kill()
    await suite.wait()
    await gone(pids)


SUITE = f"""
import asyncio, os, pathlib, sys
from futago.launcher.backoff import Backoff
from futago.launcher.spawn import Spawner
from futago.launcher.spec import ProcessSpec, StopStage
from futago.launcher.supervisor import Supervisor

folder = pathlib.Path(sys.argv[1])
script = {PATIENT!r}

def spec(name):
    async def ready():
        return (folder / (name + ".ready")).exists()
    command = (sys.executable, "-c", script, name, str(folder))
    return ProcessSpec(name, command, {{"PATH": os.defpath}}, StopStage.SERVICE, ready)

async def main():
    supervisor = Supervisor(Spawner(folder, folder), Backoff(), lambda status: None)
    supervisor.start([spec(name) for name in ("twin", "planner", "valkey")])
    await supervisor.wait_ready(30.0)
    print(*(status.pid for status in supervisor.statuses()), flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_a_child_whose_parent_died_before_it_could_ask_does_not_start(tmp_path: Path):
    orphan = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", child.__file__, "1", sys.executable, "-c", f"open({str(tmp_path / 'ran')!r}, 'w')",
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _out, error = await orphan.communicate()
    assert orphan.returncode == 1
    assert b"is gone" in error
    assert not (tmp_path / "ran").exists()


async def test_a_failed_step_tells_what_and_why(spawner: Spawner):
    with pytest.raises(StepFailed, match=r"(?s)Migrating the database failed.*no such table"):
        await spawner.run("migrate", "Migrating the database", (sys.executable, "-c", BROKEN), {})


async def test_a_step_that_is_given_up_is_killed(spawner: Spawner, tmp_path: Path):
    script = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    step = asyncio.create_task(spawner.run("migrate", "Migrating", (sys.executable, "-c", script), {}))
    await until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step
    assert not running(int((tmp_path / "pid").read_text()))


def test_a_log_that_has_grown_too_long_is_cut_and_kept_once(spawner: Spawner, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("futago.launcher.spawn.LOG_LIMIT_BYTES", 10)
    log = spawner.log_path("twin")
    with log.open("ab") as writer:
        writer.write(b"a long first part\n")
        writer.flush()
        spawner.trim_logs()
        writer.write(b"next\n")
    assert log.read_bytes() == b"next\n"
    assert log.with_suffix(".log.1").read_bytes() == b"a long first part\n"


def test_logs_are_cut_even_where_there_is_no_room_to_keep_the_old_part(
    spawner: Spawner, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("futago.launcher.spawn.LOG_LIMIT_BYTES", 10)
    for name in ("twin", "planner"):
        spawner.log_path(name).write_bytes(b"a long first part\n")
        spawner.log_path(name).with_suffix(".log.1").mkdir()
    spawner.trim_logs()
    assert [spawner.log_path(name).read_bytes() for name in ("twin", "planner")] == [b"", b""]
