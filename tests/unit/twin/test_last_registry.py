"""What a twin remembers of the registry for a start without its database."""

from pathlib import Path

import pytest

from services.twin.adapters.last_registry import LastRegistry
from services.twin.adapters.sql_registry import StoredModel

MODELS = {"yield": StoredModel("2", {"1": "a" * 64, "2": "b" * 64}), "power": StoredModel("1", {"1": "c" * 64})}


def test_what_was_written_is_read_again(tmp_path: Path):
    last = LastRegistry(tmp_path)
    assert last.read() is None
    last.write(MODELS)
    assert LastRegistry(tmp_path).read() == MODELS
    last.write({})
    assert last.read() == {}
    assert [path.name for path in tmp_path.iterdir()] == ["registry.json"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"7", b'{"yield": 1}', b'{"yield": {"active": "1"}}', b"\xff", b"[" * 100_000]
)
def test_a_file_that_makes_no_sense_is_as_good_as_none(tmp_path: Path, content: bytes):
    (tmp_path / "registry.json").write_bytes(content)
    assert not LastRegistry(tmp_path).read()


def test_a_model_without_its_active_version_is_left_out(tmp_path: Path):
    (tmp_path / "registry.json").write_text('{"yield": {"active": "2", "archive_digests": {"1": "a"}}}')
    assert LastRegistry(tmp_path).read() == {}


def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(tmp_path: Path):
    LastRegistry(tmp_path / "missing").write(MODELS)
    assert LastRegistry(tmp_path / "missing").read() is None
