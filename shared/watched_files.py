"""Something made of files that are replaced while the process runs, such as keys."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from shared.clock import Clock
from shared.log import get_logger

# How long a replaced file may go unnoticed [s].
LOOK_INTERVAL_S = 1.0

T = TypeVar("T")
# What changes about a file that is replaced, also one of a mounted secret, which is a link to a link.
_Mark = tuple[int, int, int]

log = get_logger(__name__)


class WatchedFiles(Generic[T]):
    """The newest value that some files gave.

    A file that is gone or makes no sense changes nothing: the last good value goes on, and somebody is told.

    Parameters
    ----------
    make
        Makes the value of the files' contents, in their order; a `ValueError` says that they make none.
    on_fault
        Called each time the files were looked at in vain.

    Raises
    ------
    OSError, ValueError
        If there is no first value.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        make: Callable[[Sequence[bytes]], T],
        clock: Clock,
        on_fault: Callable[[], None] = lambda: None,
    ) -> None:
        self._paths = tuple(paths)
        self._make = make
        self._clock = clock
        self._on_fault = on_fault
        self._looked_s = clock.monotonic_s()
        self._seen = self._marks()
        self._value = self._read()
        self._faulty = False

    def current(self) -> T:
        """The value, made anew if a file was replaced; the files are looked at once a second at most."""
        now_s = self._clock.monotonic_s()
        if now_s - self._looked_s >= LOOK_INTERVAL_S:
            self._looked_s = now_s
            self._look()
        return self._value

    def _look(self) -> None:
        try:
            marks = self._marks()
            if marks != self._seen:
                self._value = self._read()
                # Marked as it was before it was read: what is replaced in between is read again.
                self._seen = marks
                log.info("files_read_again", files=[path.name for path in self._paths])
        except (OSError, ValueError) as error:
            self._on_fault()
            if not self._faulty:
                names = [path.name for path in self._paths]
                log.error("files_unusable", files=names, reason=type(error).__name__)  # noqa: TRY400 (of use to nobody)
            self._faulty = True
        else:
            self._faulty = False

    def _marks(self) -> list[_Mark]:
        stats = [path.stat() for path in self._paths]
        return [(stat.st_mtime_ns, stat.st_ino, stat.st_size) for stat in stats]

    def _read(self) -> T:
        return self._make([path.read_bytes() for path in self._paths])
