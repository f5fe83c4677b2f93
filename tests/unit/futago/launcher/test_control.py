"""Status and end of a suite, seen from another shell."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from futago.launcher import control
from futago.launcher.errors import NotRunning
from futago.launcher.home import Home
from futago.launcher.state import State
from futago.launcher.supervised import Phase, Status

STATE = State(
    41,
    "http://127.0.0.1:8080",
    (
        Status("gateway", Phase.READY, pid=42, port=8080, since_s=1000.0, was_ready=True),
        Status("twin", Phase.WAITING, port=8101, restarts=2, failures=2, exit_code=-9, restart_in_s=1.0),
    ),
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.make_folders()
    return home


def test_the_table_has_one_aligned_line_for_each_process():
    assert control.table(STATE, now_s=1000.0 + 3723.0).splitlines() == [
        "http://127.0.0.1:8080  (futago up is process 41)",
        "process  pid  port  state       restarts  up",
        "gateway  42   8080  ready       0         1 h 02 min",
        "twin     -    8101  restarting  2         -",
    ]


def test_the_state_survives_the_way_through_its_file(home: Home):
    STATE.write(home.state)
    assert State.read(home.state) == STATE


def test_the_state_of_a_running_suite_is_what_its_supervisor_wrote(home: Home):
    state = replace(STATE, supervisor_pid=os.getpid())
    state.write(home.state)
    with home.locked(state.url):
        assert control.running_state(home) == state


def test_the_state_of_a_killed_supervisor_is_not_taken_for_that_of_the_next(home: Home):
    STATE.write(home.state)
    with home.locked(STATE.url), pytest.raises(NotRunning):
        control.running_state(home)


def test_a_state_file_left_by_a_killed_supervisor_is_not_believed(home: Home):
    STATE.write(home.state)
    with pytest.raises(NotRunning):
        control.running_state(home)


def test_a_suite_that_has_not_written_its_state_yet_does_not_run(home: Home):
    with home.locked(STATE.url), pytest.raises(NotRunning):
        control.running_state(home)


def test_nothing_is_signalled_when_nothing_runs(home: Home):
    with pytest.raises(NotRunning, match="does not run"):
        control.stop(home, timeout_s=1.0)
