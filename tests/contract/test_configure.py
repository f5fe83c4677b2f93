"""What the page about settings promises: its file serves every process, its tables say what the settings say."""

import os
import re
from pathlib import Path

import pytest

from services.anomaly.settings import AnomalySettings, AnomalyWorkerSettings
from services.gateway.settings import GatewaySettings
from services.planner.settings import PlannerSettings, PlannerWorkerSettings
from services.twin.settings import TwinSettings
from shared.settings import ServiceSettings

HOW_TO = Path(__file__).parents[2] / "docs/how-to"
PAGE = (HOW_TO / "configure.md").read_text(encoding="utf-8")
PROCESSES: tuple[type[ServiceSettings], ...] = (
    GatewaySettings, TwinSettings, AnomalySettings, AnomalyWorkerSettings, PlannerSettings, PlannerWorkerSettings,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch):
    for name in os.environ:
        if name.startswith(("FUTAGO_", "GATEWAY_", "TWIN_", "ANOMALY_", "PLANNER_", "OTEL_")):
            monkeypatch.delenv(name)


def example(page: str) -> str:
    return "\n".join(re.findall(r"```toml\n(.*?)```", page, re.DOTALL))


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.__name__)
def test_one_file_serves_every_process(process: type[ServiceSettings], tmp_path: Path):
    file = tmp_path / "futago.toml"
    file.write_text(example(PAGE) + example((HOW_TO / "single-sign-on.md").read_text(encoding="utf-8")))
    settings = process.load(file)
    assert settings.database_url.get_secret_value() == "postgresql+psycopg://futago:secret@db.plant:5432/futago"
    if isinstance(settings, GatewaySettings):
        assert [provider.name for provider in settings.identity_providers] == ["plant"]
    if isinstance(settings, TwinSettings):
        assert settings.batch_limit_rows == 500


def defaults() -> list[tuple[str, float]]:
    """Settings whose defaults are numbers in the tables, one by one."""
    found = []
    for names, values in re.findall(r"^\| (`.*?`) \| (\d[\d ,]*) \|", PAGE, re.MULTILINE):
        named = re.findall(r"`(?:GATEWAY_|TWIN_|ANOMALY_|PLANNER_)?(\w+)`", names)
        found += zip(map(str.lower, named), [float(value.replace(" ", "")) for value in values.split(",")], strict=True)
    return found


def test_a_setting_that_a_table_names_exists_and_has_that_default():
    assert len(defaults()) > 30
    for name, default in defaults():
        known = {process.model_fields[name].default for process in PROCESSES if name in process.model_fields}
        assert known == {default}, name


def test_each_process_listens_where_the_page_says():
    ports = {process.model_fields["port"].default for process in PROCESSES}
    assert ports == {int(port) for port in re.findall(r"\b(8\d{3})\b", PAGE)}
