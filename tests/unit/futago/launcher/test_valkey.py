"""The embedded server's configuration."""

import stat
from pathlib import Path

import pytest

from futago.launcher import valkey
from futago.launcher.errors import ServerMissing
from futago.launcher.valkey import Valkey


def test_the_password_stands_in_a_private_file_and_never_on_the_command_line(tmp_path: Path):
    server = Valkey(tmp_path, 6400)
    command = server.command()
    configuration = Path(command[1])
    assert not any(server.password in part for part in command)
    assert f"requirepass {server.password}\n" in configuration.read_text()
    assert stat.S_IMODE(configuration.stat().st_mode) == 0o600


def test_nothing_is_evicted_and_everything_is_logged_on_the_loopback_address_alone(tmp_path: Path):
    lines = Path(Valkey(tmp_path, 6400).command()[1]).read_text().splitlines()
    assert {"bind 127.0.0.1", "port 6400", "appendonly yes", "maxmemory-policy noeviction"} <= set(lines)


def test_a_folder_with_spaces_and_quotes_is_one_word_of_the_configuration(tmp_path: Path):
    folder = tmp_path / 'my "plant" one'
    folder.mkdir()
    text = Path(Valkey(folder, 6400).command()[1]).read_text()
    assert f'dir "{tmp_path}/my \\"plant\\" one"\n' in text


def test_each_run_has_its_own_password(tmp_path: Path):
    assert Valkey(tmp_path, 1).password != Valkey(tmp_path, 1).password


def test_a_password_does_not_show_when_the_server_is_printed(tmp_path: Path):
    server = Valkey(tmp_path, 1)
    assert server.password not in repr(server)


def test_a_machine_without_a_server_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(valkey, "_bundled_binary", lambda: None)
    monkeypatch.setattr(valkey.shutil, "which", lambda _name: None)
    with pytest.raises(ServerMissing, match="Install Valkey or Redis"):
        valkey.server_binary()


def test_without_the_wheel_a_server_on_the_path_will_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(valkey, "_bundled_binary", lambda: None)
    monkeypatch.setattr(valkey.shutil, "which", lambda name: f"/usr/bin/{name}" if name == "redis-server" else None)
    assert valkey.server_binary() == Path("/usr/bin/redis-server")
