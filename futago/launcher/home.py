"""The folder a suite lives in: what is where, and who may use it now."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from futago.launcher.errors import AlreadyRuns, HomeUnusable


@dataclass(frozen=True, slots=True)
class Home:
    """Paths below `FUTAGO_HOME`; `root` is absolute."""

    root: Path

    @property
    def credentials(self) -> Path:
        """How the user gets in: url, user name, password, API key."""
        return self.root / "credentials.json"

    @property
    def keys(self) -> Path:
        """Private keys and their public halves."""
        return self.root / "keys"

    @property
    def tls(self) -> Path:
        """The certificate of this machine, and the authority it comes from."""
        return self.root / "tls"

    @property
    def trust(self) -> Path:
        """Public keys whose bundles are accepted."""
        return self.root / "trust"

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.root / "futago.db"

    @property
    def store(self) -> Path:
        """Bundles and uploads by digest."""
        return self.root / "store"

    @property
    def cache(self) -> Path:
        """What can be fetched or made again."""
        return self.root / "cache"

    @property
    def valkey(self) -> Path:
        """Configuration and append-only file of the embedded server."""
        return self.root / "valkey"

    @property
    def logs(self) -> Path:
        """One log a process."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """What is true only while the suite runs."""
        return self.root / "run"

    @property
    def state(self) -> Path:
        """What the supervisor last said about its processes."""
        return self.run / "state.json"

    @property
    def demo_marker(self) -> Path:
        """Present once the demo models have been published."""
        return self.root / "demo.json"

    @property
    def _lock(self) -> Path:
        return self.run / "lock"

    def make_folders(self) -> None:
        """Make what is missing; keys, database and logs are nobody else's business.

        Raises
        ------
        HomeUnusable
            If a folder cannot be made.
        """
        try:
            for folder in (self.root, self.keys, self.valkey, self.logs, self.run, self.store, self.cache, self.trust):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise _unusable(self.root, error) from error

    @contextmanager
    def locked(self, url: str) -> Iterator[None]:
        """Hold the home for one supervisor; the kernel lets go of it when the process dies, however it dies.

        Raises
        ------
        AlreadyRuns
            If another supervisor holds it.
        HomeUnusable
            If nothing can be written there.
        """
        try:
            lock = self._lock.open("a+", encoding="utf-8")
        except OSError as error:
            raise _unusable(self.root, error) from error
        with lock as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = self.holder()
                raise AlreadyRuns(self.root, holder.pid if holder else None, holder.url if holder else None) from None
            file.truncate(0)
            file.write(json.dumps({"pid": os.getpid(), "url": url}))
            file.flush()
            try:
                yield
            finally:
                file.truncate(0)

    def holder(self) -> "Holder | None":
        """The supervisor that holds this home now, if any."""
        try:
            with self._lock.open("r+", encoding="utf-8") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return Holder.parse(file.read())
        except FileNotFoundError:
            return None
        return None


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a home; both unknown in the instant before it has written its name."""

    pid: int | None
    url: str | None

    @classmethod
    def parse(cls, text: str) -> "Holder":
        """Read what the holder wrote."""
        try:
            content = json.loads(text)
        except ValueError:
            return cls(None, None)
        return cls(content.get("pid"), content.get("url"))


def _unusable(root: Path, error: OSError) -> HomeUnusable:
    return HomeUnusable(f"{root} cannot be used: {error.strerror}. FUTAGO_HOME sets another folder.")


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
