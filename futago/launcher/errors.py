"""Why the suite cannot start or go on, each with a sentence for the person at the terminal."""

from pathlib import Path

EXIT_CANNOT_START = 78
"""EX_CONFIG of sysexits.h, with which a process of the suite says that trying again will not help."""


class LaunchError(Exception):
    """Base of what the launcher tells its user instead of a traceback; the message is the whole story.

    Attributes
    ----------
    exit_code
        What the command ends with.
    """

    exit_code = 1


class AlreadyRuns(LaunchError):
    """Another `futago up` holds this home."""

    def __init__(self, home: Path, pid: int | None, url: str | None) -> None:
        where = f" at {url}" if url else ""
        who = f" (process {pid})" if pid else ""
        super().__init__(f"Futago already runs from {home}{where}{who}. `futago down` stops it.")


class NotRunning(LaunchError):
    """No `futago up` holds this home."""

    def __init__(self, home: Path) -> None:
        super().__init__(f"Futago does not run from {home}.")


class HomeUnusable(LaunchError):
    """The home cannot be made or written."""


class PortTaken(LaunchError):
    """Another program listens where the gateway should."""

    def __init__(self, host: str, port: int, suggestion: int | None) -> None:
        other = suggestion or port + 1
        super().__init__(
            f"Port {port} on {host} is taken by another program. Stop it, or choose another port: "
            f"FUTAGO_PORT={other} make run"
        )


class PortUnusable(LaunchError):
    """The gateway could not listen there even if nobody else did."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(f"Port {port} on {host} cannot be used: {reason}. FUTAGO_PORT sets another one.")


class ServerMissing(LaunchError):
    """There is no Redis-compatible server to run."""


class StepFailed(LaunchError):
    """Something that runs once before the suite is ready did not succeed."""

    def __init__(self, what: str, log: Path, last_lines: str, *, ended_with: int | None = None) -> None:
        super().__init__(_with_log(f"{what} failed.", log, last_lines))
        self.exit_code = _passed_on(ended_with)


class ProcessFailed(LaunchError):
    """A process of the suite does not come up."""

    def __init__(self, name: str, reason: str, log: Path, last_lines: str, *, ended_with: int | None = None) -> None:
        super().__init__(_with_log(f"{name} does not start: {reason}.", log, last_lines))
        self.exit_code = _passed_on(ended_with)


def _passed_on(ended_with: int | None) -> int:
    # Whoever supervises the suite is not to try again in vain either.
    return EXIT_CANNOT_START if ended_with == EXIT_CANNOT_START else LaunchError.exit_code


def _with_log(sentence: str, log: Path, last_lines: str) -> str:
    return f"{sentence} Its log, {log}, ends with:\n{last_lines or '  (nothing)'}"
