"""What a person reads when the suite does not start."""

from pathlib import Path

from futago.launcher.errors import PortTaken, ProcessFailed


def test_a_taken_port_is_named_with_the_variable_and_a_free_one():
    assert str(PortTaken("127.0.0.1", 8080, 8082)) == (
        "Port 8080 on 127.0.0.1 is taken by another program. Stop it, or choose another port: FUTAGO_PORT=8082 make run"
    )


def test_a_failed_process_shows_the_end_of_its_log():
    message = str(ProcessFailed("twin", "it ended 3 times, exit code 1", Path("logs/twin.log"), "  boom"))
    assert message == "twin does not start: it ended 3 times, exit code 1. Its log, logs/twin.log, ends with:\n  boom"
