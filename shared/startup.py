"""Checks that must pass before a process takes work; it refuses to start and says everything that is wrong."""

import stat
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

# A check returns the reason why the process cannot start, or None.
Check = Callable[[], str | None]


class CannotStart(Exception):
    """The process cannot do its work here; `reasons` holds one sentence for each fault."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)


def run_checks(checks: Sequence[Check]) -> None:
    """Run every check, even after one has failed, so that an operator mends all faults at once.

    Raises
    ------
    CannotStart
        With the reason of each check that failed.
    """
    reasons = [reason for check in checks if (reason := check())]
    if reasons:
        raise CannotStart(reasons)


def readable_file(path: Path, purpose: str) -> Check:
    """The file exists and can be read."""

    def check() -> str | None:
        try:
            path.open("rb").close()
        except OSError as error:
            return f"{purpose}: {path} cannot be read ({error.strerror})"
        return None

    return check


def secret_file(path: Path, purpose: str) -> Check:
    """The file can be read, and by nobody but its owner and group."""

    def check() -> str | None:
        if reason := readable_file(path, purpose)():
            return reason
        if path.stat().st_mode & stat.S_IRWXO:
            return f"{purpose}: {path} is open to every user of this machine; run chmod 600 on it"
        return None

    return check


def writable_folder(path: Path, purpose: str) -> Check:
    """The folder exists or can be made, and a file can be written in it."""

    def check() -> str | None:
        try:
            path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path):
                return None
        except OSError as error:
            return f"{purpose}: cannot write in {path} ({error.strerror})"

    return check
