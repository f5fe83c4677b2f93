"""How a process starts, or refuses to and says everything that is wrong."""

import argparse
import stat
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

from shared.settings import ProcessSettings, SettingsFault

SettingsT = TypeVar("SettingsT", bound=ProcessSettings)
# EX_CONFIG of sysexits.h: a supervisor can tell "cannot start here" from a crash.
EXIT_CANNOT_START = 78

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


def load_or_exit(settings_class: type[SettingsT]) -> SettingsT:
    """Read `--config` and the environment; a fault ends the process with every reason on stderr."""
    parser = argparse.ArgumentParser(description=f"The {settings_class.service} process of Futago.")
    parser.add_argument("--config", type=Path, help="settings as a JSON or TOML file; the environment wins")
    try:
        return settings_class.load(parser.parse_args().config)
    except SettingsFault as error:
        refuse_to_start(settings_class.service, error.reasons)


def refuse_to_start(service: str, reasons: Sequence[str]) -> NoReturn:
    """Say on stderr why the process cannot start, and exit with 78."""
    lines = [f"{service} cannot start:", *(f"  - {reason}" for reason in reasons)]
    sys.stderr.write("\n".join(lines) + "\n")
    raise SystemExit(EXIT_CANNOT_START)


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
