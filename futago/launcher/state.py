"""What the supervisor says about its processes, in a file that `futago status` reads from another shell."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from futago.launcher.supervised import Phase, Status


@dataclass(frozen=True, slots=True)
class State:
    """The suite at one moment.

    Parameters
    ----------
    supervisor_pid
        Process id of `futago up`.
    """

    supervisor_pid: int
    url: str
    processes: tuple[Status, ...]

    def write(self, path: Path) -> None:
        """Replace the file: a reader sees the old state or the new one."""
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")
        temporary.replace(path)

    @classmethod
    def read(cls, path: Path) -> "State":
        """Read what a supervisor wrote.

        Raises
        ------
        FileNotFoundError
            If none has written anything yet.
        """
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls(content["supervisor_pid"], content["url"], tuple(_status(item) for item in content["processes"]))


def _status(item: dict[str, Any]) -> Status:
    return Status(**(item | {"phase": Phase(item["phase"])}))
