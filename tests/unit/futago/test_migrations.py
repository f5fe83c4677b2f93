"""Which histories of tables there are."""

from pathlib import Path

from futago.migrations import CHECKOUT, histories


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
