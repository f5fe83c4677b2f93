"""Which histories of tables there are."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from futago.cli import app
from futago.migrations import CHECKOUT, histories

NO_ADDRESS = {"FUTAGO_DATABASE_URL": None, "FUTAGO_DATABASE_URL_FILE": None}


def test_jobs_come_first_and_then_every_service_that_has_scripts(tmp_path: Path):
    for service in ("twin", "gateway"):
        (tmp_path / "services" / service / "adapters" / "migrations").mkdir(parents=True)
    (tmp_path / "services" / "planner").mkdir()
    assert list(histories(tmp_path)) == [
        ("jobs", tmp_path / "shared" / "migrations"),
        ("gateway", tmp_path / "services" / "gateway" / "adapters" / "migrations"),
        ("twin", tmp_path / "services" / "twin" / "adapters" / "migrations"),
    ]


def test_the_checkout_is_the_folder_above_the_package():
    assert (CHECKOUT / "futago" / "migrations.py").is_file()
    assert (CHECKOUT / "shared" / "migrations").is_dir()


def test_the_address_of_the_database_may_lie_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    address, asked = tmp_path / "database_url", []
    address.write_text("sqlite:////a.db\n")
    monkeypatch.setattr("futago.migrations.migrate_all", lambda url: asked.append(url) or ["jobs"])
    done = CliRunner().invoke(app, ["migrate", "--database-url-file", str(address)], env=NO_ADDRESS)
    assert (done.exit_code, asked) == (0, ["sqlite:////a.db"])


@pytest.mark.parametrize("arguments", [[], ["--database-url", "sqlite:///a.db", "--database-url-file", __file__]])
def test_the_address_of_the_database_is_given_once(arguments: list[str]):
    refused = CliRunner().invoke(app, ["migrate", *arguments], env=NO_ADDRESS)
    assert refused.exit_code == 2
    assert "one of them" in refused.output
