import os
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
from prometheus_client import CollectorRegistry

from services.planner.settings import PlannerWorkerSettings
from services.twin.settings import TwinSettings
from shared.exposition import exposition
from shared.folder_space import FolderSpace, Space, space_of


def shown(folders: dict[str, Path], ask: Callable[[Path], Space] = space_of) -> dict[str, str]:
    registry = CollectorRegistry()
    FolderSpace(registry, folders, ask=ask)
    return values(registry)


def values(registry: CollectorRegistry) -> dict[str, str]:
    lines = [line for line in exposition(registry).decode().splitlines() if not line.startswith("#")]
    return dict(line.rsplit(" ", 1) for line in lines)


def test_room_is_what_the_file_system_says(tmp_path: Path):
    found = os.statvfs(tmp_path)
    space = space_of(tmp_path)
    assert space.size_bytes == found.f_blocks * found.f_frsize > 0
    # What only root may use counts as used.
    assert 0 < space.free_bytes <= found.f_bfree * found.f_frsize


def test_a_folder_that_is_not_made_yet_has_the_room_around_it(tmp_path: Path):
    assert space_of(tmp_path / "store" / "bundles").size_bytes == space_of(tmp_path).size_bytes


def test_each_folder_is_shown_by_what_it_is_for(tmp_path: Path):
    def ask(folder: Path) -> Space:
        return Space(5, 20) if folder == tmp_path else Space(7, 30)

    assert shown({"logs": tmp_path, "store": tmp_path / "store"}, ask) == {
        'futago_folder_free_bytes{folder="logs"}': "5.0",
        'futago_folder_free_bytes{folder="store"}': "7.0",
        'futago_folder_size_bytes{folder="logs"}': "20.0",
        'futago_folder_size_bytes{folder="store"}': "30.0",
    }


def test_a_folder_that_cannot_be_asked_leaves_the_others_as_they_are(tmp_path: Path):
    def ask(folder: Path) -> Space:
        if folder.name == "away":
            raise PermissionError
        return Space(1, 2)

    assert set(shown({"store": tmp_path / "away", "logs": tmp_path}, ask)) == {
        'futago_folder_free_bytes{folder="logs"}',
        'futago_folder_size_bytes{folder="logs"}',
    }


def test_a_file_system_that_hangs_is_waited_for_once_and_shown_again_when_it_is_back(tmp_path: Path):
    back, asked = Event(), []

    def ask(folder: Path) -> Space:
        asked.append(folder)
        back.wait()
        return Space(1, 2)

    registry = CollectorRegistry()
    space = FolderSpace(registry, {"store": tmp_path}, ask=ask)
    assert values(registry) == {}
    assert values(registry) == {}
    assert len(asked) == 1
    back.set()
    space._asking["store"].join()
    assert values(registry)['futago_folder_free_bytes{folder="store"}'] == "1.0"


def test_a_file_system_that_hangs_hides_no_other(tmp_path: Path):
    back = Event()

    def ask(folder: Path) -> Space:
        if folder.name == "away":
            back.wait()
        return Space(1, 2)

    registry = CollectorRegistry()
    FolderSpace(registry, {"store": tmp_path / "away", "logs": tmp_path}, ask=ask)
    for _ in range(2):
        assert values(registry).keys() == {
            'futago_folder_free_bytes{folder="logs"}',
            'futago_folder_size_bytes{folder="logs"}',
        }
    back.set()


@pytest.mark.parametrize(
    ("database", "store", "folders"),
    [
        ("sqlite:////data/futago.db", "file:///data/store", {"cache", "database", "store"}),
        ("postgresql+psycopg://futago@sql/futago", "s3://plant/futago", {"cache"}),
        ("sqlite://", "memory://x", {"cache"}),
    ],
)
def test_a_service_tells_of_the_folders_that_are_its_own_disk(
    tmp_path: Path, database: str, store: str, folders: set[str]
):
    settings = TwinSettings(
        port=0,
        redis_url="redis://127.0.0.1:1",
        database_url=database,
        store_url=store,
        cache_dir=tmp_path / "cache",
        trust_dir=tmp_path,
        identity_key_file=tmp_path / "key.pem",
    )
    assert set(settings.folders()) == folders
    assert settings.folders()["cache"] == tmp_path / "cache"
    assert settings.folders().get("database") in {None, Path("/data")}
    assert settings.folders().get("store") in {None, Path("/data/store")}


def test_logs_are_among_them_where_they_are_written(tmp_path: Path):
    settings = PlannerWorkerSettings(
        redis_url="redis://127.0.0.1:1", database_url="sqlite:///one.db", cache_dir=tmp_path, log_dir=tmp_path / "logs"
    )
    assert settings.folders() == {"logs": tmp_path / "logs", "database": Path(), "cache": tmp_path}
