"""What a person reads when the suite does not start."""

from pathlib import Path

import pytest

from futago import cli
from futago.launcher.errors import LaunchError, PortTaken, ProcessFailed, StepFailed


def test_a_taken_port_is_named_with_the_variable_and_a_free_one():
    assert str(PortTaken("127.0.0.1", 8080, 8082)) == (
        "Port 8080 on 127.0.0.1 is taken by another program. Stop it, or choose another port: FUTAGO_PORT=8082 make run"
    )


def test_a_failed_process_shows_the_end_of_its_log():
    message = str(ProcessFailed("twin", "it ended 3 times, exit code 1", Path("logs/twin.log"), "  boom"))
    assert message == "twin does not start: it ended 3 times, exit code 1. Its log, logs/twin.log, ends with:\n  boom"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ProcessFailed("twin", "it says why itself", Path("twin.log"), "", ended_with=78), 78),
        (StepFailed("Creating the first user", Path("bootstrap.log"), "", ended_with=78), 78),
        (ProcessFailed("twin", "it ended 3 times", Path("twin.log"), "", ended_with=1), 1),
        (StepFailed("Migrating the database", Path("migrate.log"), "", ended_with=-9), 1),
        (PortTaken("127.0.0.1", 8080, 8082), 1),
    ],
)
def test_a_supervisor_is_told_when_starting_again_will_not_help(
    error: LaunchError, code: int, monkeypatch: pytest.MonkeyPatch
):
    def fails() -> None:
        raise error

    monkeypatch.setattr(cli, "app", fails)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == code
