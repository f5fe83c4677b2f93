"""How much room is left in the folders that a process writes to, asked of the file system at each look."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from time import monotonic

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

# A disk answers in microseconds. A folder on a network may not answer at all, and metrics are shown by the thread that
# answers requests [s].
_PATIENCE_S = 0.05


@dataclass(frozen=True, slots=True)
class Space:
    """Room of the file system that a folder is on."""

    free_bytes: int
    size_bytes: int


def space_of(folder: Path) -> Space:
    """What a process without special rights has left there; of a folder yet to be made, what there is around it.

    Raises
    ------
    OSError
        If the file system does not tell.
    """
    there = next(place for place in (folder, *folder.parents) if place.exists())
    found = os.statvfs(there)
    return Space(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)


class FolderSpace(Collector):
    """Room in each folder, under a name from a short list rather than its path.

    Parameters
    ----------
    folders
        By what is kept in them, such as `logs`.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        folders: Mapping[str, Path],
        *,
        ask: Callable[[Path], Space] = space_of,
    ) -> None:
        self._folders, self._ask = dict(folders), ask
        self._asking: dict[str, Thread] = {}
        registry.register(self)

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return self._families()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        free, size = self._families()
        for name, space in self._found().items():
            free.add_metric((name,), space.free_bytes)
            size.add_metric((name,), space.size_bytes)
        yield free
        yield size

    def _found(self) -> dict[str, Space]:
        """What was told in time; nothing of a folder at which an earlier look still waits."""
        found: dict[str, Space] = {}
        # Each of its own, as a server that is away must not hide a disk that fills; and not waited for when the process
        # ends, as a call to such a server cannot be broken off.
        looks = {
            name: Thread(target=self._look, args=(name, found), name=f"folder-space-{name}", daemon=True)
            for name in self._folders
            if name not in self._asking or not self._asking[name].is_alive()
        }
        self._asking |= looks
        for look in looks.values():
            look.start()
        end_s = monotonic() + _PATIENCE_S
        for look in looks.values():
            look.join(max(0.0, end_s - monotonic()))
        return dict(found)

    def _look(self, name: str, found: dict[str, Space]) -> None:
        with suppress(OSError):
            found[name] = self._ask(self._folders[name])

    @staticmethod
    def _families() -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
        return (
            GaugeMetricFamily(
                "futago_folder_free_bytes", "Free space on the file system of a folder", labels=("folder",)
            ),
            GaugeMetricFamily("futago_folder_size_bytes", "Size of the file system of a folder", labels=("folder",)),
        )
