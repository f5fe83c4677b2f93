import json
import traceback
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import Field

from shared.settings import BehindGateway, KeepsBundles, ServiceSettings, SettingsFault

REQUIRED = {
    "redis_url": "redis://localhost",
    "store_url": "file:///store",
    "cache_dir": "/cache",
    "identity_key_file": "/keys/identity.pem",
    "trust_dir": "/trust",
}


class DemoSettings(BehindGateway, KeepsBundles, ServiceSettings):
    service: ClassVar[str] = "demo"

    port: int = Field(9000, alias="api_port")
    batch_limit_rows: int = Field(100, gt=0)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch):
    import os  # noqa: PLC0415 (only to empty the environment of this test)

    for name in [name for name in os.environ if name.startswith(("FUTAGO_", "DEMO_"))]:
        monkeypatch.delenv(name)


def written(path: Path, document: dict[str, Any]) -> Path:
    path.write_text(json.dumps(document))
    return path


def test_the_original_production_configuration_is_understood(tmp_path: Path):
    config = written(
        tmp_path / "production.json",
        REQUIRED
        | {
            "model_path": "/app/models/production_v1.0",
            "log_dir": "/var/log/digital_twin",
            "api_port": 5000,
            "max_requests_per_hour": 1000,
            "enable_monitoring": True,
            "database": {"host": "localhost", "port": 5432, "name": "digital_twin_db"},
        },
    )
    settings = DemoSettings.load(config)
    assert settings.port == 5000
    assert settings.log_dir == Path("/var/log/digital_twin")
    assert settings.enable_monitoring
    assert settings.database_url.get_secret_value() == "postgresql+psycopg://futago@localhost:5432/digital_twin_db"


def test_a_toml_file_works_and_a_section_wins_over_the_top_level(tmp_path: Path):
    path = tmp_path / "futago.toml"
    lines = [f'{key} = "{value}"' for key, value in (REQUIRED | {"database_url": "sqlite://"}).items()]
    path.write_text("\n".join([*lines, 'log_level = "info"', "[demo]", 'log_level = "debug"', "batch_limit_rows = 7",
                               "[twin]", "unknown_here = 1"]))  # fmt: skip
    settings = DemoSettings.load(path)
    assert (settings.log_level, settings.batch_limit_rows) == ("debug", 7)


def test_the_environment_wins_and_the_services_own_name_wins_over_the_common_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = written(tmp_path / "c.json", REQUIRED | {"database_url": "sqlite://", "log_level": "error"})
    monkeypatch.setenv("FUTAGO_LOG_LEVEL", "warning")
    assert DemoSettings.load(config).log_level == "warning"
    monkeypatch.setenv("DEMO_LOG_LEVEL", "debug")
    assert DemoSettings.load(config).log_level == "debug"


def test_the_common_environment_never_sets_a_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FUTAGO_PORT", "8080")
    config = written(tmp_path / "c.json", REQUIRED | {"database_url": "sqlite://"})
    assert DemoSettings.load(config).port == 9000


def test_a_password_with_any_character_survives_the_database_url(tmp_path: Path):
    database = {"host": "db", "name": "n/a", "user": "us:er", "password": "p@ss:/?#"}
    settings = DemoSettings.load(written(tmp_path / "c.json", REQUIRED | {"database": database}))
    assert settings.database_url.get_secret_value() == "postgresql+psycopg://us%3Aer:p%40ss%3A%2F%3F%23@db:5432/n%2Fa"


def test_everything_wrong_is_said_at_once_and_no_secret_is(tmp_path: Path):
    config = written(
        tmp_path / "c.json",
        {"database_url": "sqlite://", "redis_url": ["hunter2"], "demo": {"batch_limit_rows": 0, "colour": "red"}},
    )
    with pytest.raises(SettingsFault) as caught:
        DemoSettings.load(config)
    text = "\n".join(caught.value.reasons)
    for named in ("FUTAGO_STORE_URL", "FUTAGO_REDIS_URL", "DEMO_BATCH_LIMIT_ROWS", "colour: there is no such setting"):
        assert named in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("c.json", "{", "cannot be read"),
        ("c.json", "[]", "one object"),
        ("c.toml", "= 1", "cannot be read"),
        ("c.json", '{"databse_url": "x"}', "unknown key 'databse_url'"),
        ("c.json", '{"port": 1}', "unknown key 'port'"),
        ("c.toml", "[plannr]", "unknown section 'plannr'"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, name: str, content: str, said: str):
    (tmp_path / name).write_text(content)
    with pytest.raises(SettingsFault, match=said):
        DemoSettings.load(tmp_path / name)


def test_a_missing_file_is_named():
    with pytest.raises(SettingsFault, match=r"/nowhere\.json"):
        DemoSettings.load(Path("/nowhere.json"))


def test_a_secret_is_not_shown_by_repr():
    settings = DemoSettings(**REQUIRED, database_url="postgresql+psycopg://u:hunter2@db/n")
    assert "hunter2" not in repr(settings)


def test_a_secret_may_lie_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    secret = tmp_path / "database_url"
    secret.write_text("postgresql+psycopg://futago:s3cr3t@db/futago\n")
    monkeypatch.setenv("FUTAGO_DATABASE_URL_FILE", str(secret))
    for name, value in REQUIRED.items():
        monkeypatch.setenv(f"FUTAGO_{name.upper()}", value)
    settings = DemoSettings.load(None)
    assert settings.database_url.get_secret_value() == "postgresql+psycopg://futago:s3cr3t@db/futago"


def test_a_secret_is_given_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("FUTAGO_DATABASE_URL_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(SettingsFault, match=r"FUTAGO_DATABASE_URL_FILE: .*nowhere cannot be read"):
        DemoSettings.load(None)
    monkeypatch.setenv("FUTAGO_DATABASE_URL", "sqlite:////s3cr3t.db")
    with pytest.raises(SettingsFault, match="both set") as fault:
        DemoSettings.load(None)
    assert "s3cr3t" not in str(fault.value)


def test_a_value_is_not_shown_in_a_traceback_either(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FUTAGO_REDIS_URL", "redis://:s3cr3t@127.0.0.1")
    with pytest.raises(SettingsFault, match="Field required") as fault:
        DemoSettings.load(None)
    assert "s3cr3t" not in "".join(traceback.format_exception(fault.value))


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("FUTAGO_REDIS_URL", "redis://:s3cr3t/s3cr3t@127.0.0.1:6379/0"),
        ("FUTAGO_REDIS_URL", "redis://:s3cr3t#s3cr3t@127.0.0.1:6379/0"),
        ("FUTAGO_REDIS_URL", "http://:s3cr3t@127.0.0.1:6379/0"),
        ("FUTAGO_REDIS_URL", "redis://:s3cr3t@127.0.0.1:99999/0"),
        ("FUTAGO_DATABASE_URL", "s3cr3t"),
        ("FUTAGO_DATABASE_URL", "mysql://futago:s3cr3t@127.0.0.1/futago"),
        ("FUTAGO_DATABASE_URL", "postgresql+psycopg://futago:s3cr3t@127.0.0.1:s3cr3t/futago"),
        ("FUTAGO_DATABASE_URL", "postgresql+psycopg://futago:s3cr3t/s3cr3t@127.0.0.1/futago"),
    ],
)
def test_a_url_that_cannot_be_used_is_not_shown(monkeypatch: pytest.MonkeyPatch, name: str, url: str):
    good = {"FUTAGO_REDIS_URL": "redis://127.0.0.1:1", "FUTAGO_DATABASE_URL": "sqlite:////a.db", "DEMO_PORT": "1"}
    for variable, value in (good | {name: url}).items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsFault, match=name) as fault:
        DemoSettings.load(None)
    assert "s3cr3t" not in str(fault.value)
