"""The settings every process has, read once from the environment or a file.

First wins: `<SERVICE>_X` in the environment, `FUTAGO_X` in the environment (settings all processes share), the file's
`[service]` section, the file's top level. The file is JSON or TOML and takes the keys of the original specification's
production configuration: `model_path`, `log_dir`, `api_port`, `max_requests_per_hour`, `enable_monitoring`, `database`.
"""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

COMMON_PREFIX = "FUTAGO_"
# Settings that belong to one process and so are never shared by all.
_OWN_FIELDS = frozenset({"host", "port"})
# Top-level keys of a configuration file that only some services have.
_SERVICE_KEYS = frozenset({"api_port", "max_requests_per_hour", "model_path"})


class SettingsFault(Exception):
    """The settings cannot be used; `reasons` lists everything wrong, one sentence each."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


class Database(BaseModel):
    """PostgreSQL by its parts, where that is handier than `database_url`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    port: int = Field(5432, gt=0, lt=65536)
    name: str
    user: str = "futago"
    password: SecretStr = SecretStr("")

    def url(self) -> str:
        """The SQLAlchemy URL of these parts."""
        password = self.password.get_secret_value()
        credentials = quote(self.user, safe="") + (f":{quote(password, safe='')}" if password else "")
        return f"postgresql+psycopg://{credentials}@{self.host}:{self.port}/{quote(self.name, safe='')}"


class BehindGateway(BaseModel):
    """What a service needs to know whom the gateway vouches for."""

    identity_key_file: Path = Field(description="public key (PEM) that verifies the gateway's identity token")


class KeepsBundles(BaseModel):
    """What a process needs to publish or load bundles."""

    store_url: str = Field(description="where bundles and uploads lie, an fsspec URL such as file:///var/lib/futago")
    cache_dir: Path = Field(description="local folder for what can be fetched or made again")
    trust_dir: Path = Field(description="folder of public keys (PEM, Ed25519) whose bundles are accepted")


class ProcessSettings(BaseSettings):
    """What a process that answers HTTP needs to know; it adds its own fields and sets `service`.

    A value given to the constructor is used as it is; `load` is what reads the environment.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    service: ClassVar[str]

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(ge=0, lt=65536, description="port to listen on; for a worker, the port of its metrics")
    log_dir: Path | None = Field(None, description="folder of the rotating log file; none logs to the console alone")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    body_limit_bytes: int = Field(32 * 1024**2, gt=0, description="largest request body that is not an upload")
    upload_limit_bytes: int = Field(1024**3, gt=0, description="largest uploaded file")
    deadline_s: float = Field(30.0, gt=0, description="a request that has no answer by then gets a 504")
    drain_s: float = Field(5.0, ge=0, description="how long to report 'not ready' before a shutdown begins")
    enable_monitoring: bool = Field(default=True, description="serve /metrics")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 (the base class names these)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only the constructor's arguments, so that a test never depends on its environment."""
        return (init_settings,)

    @classmethod
    def load(cls, config: Path | None, told: Mapping[str, object] | None = None) -> Self:
        """Read the settings of this process.

        Parameters
        ----------
        told
            What the command line says; it wins over the environment.

        Raises
        ------
        SettingsFault
            If the file cannot be read, or any value is missing, unknown or out of range.
        """
        common = EnvSettingsSource(cls, env_prefix=COMMON_PREFIX)()
        own = EnvSettingsSource(cls, env_prefix=f"{cls.service.upper()}_")()
        values = (_from_file(cls, config) if config else {}) | {k: v for k, v in common.items() if k not in _OWN_FIELDS}
        try:
            return cls(**(values | own | dict(told or {})))
        except ValidationError as error:
            raise SettingsFault([_reason(cls, fault) for fault in error.errors()]) from error


class ServiceSettings(ProcessSettings):
    """What every process of the suite needs besides: the database and the Redis that they share."""

    redis_url: SecretStr = Field(description="jobs, events, limits: redis://:password@host:port/0")
    database_url: SecretStr = Field(description="sqlite:////path.db or postgresql+psycopg://user:password@host/name")

    @model_validator(mode="before")
    @classmethod
    def _database_by_parts(cls, values: dict[str, Any]) -> dict[str, Any]:
        parts = values.pop("database", None)
        if parts is not None:
            values.setdefault("database_url", Database.model_validate(parts).url())
        return values


def _from_file(settings: type[ProcessSettings], path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise SettingsFault([f"the configuration file {path} cannot be read: {error}"]) from error
    if not isinstance(document, dict):
        raise SettingsFault([f"the configuration file {path} must hold one object"])
    sections = {key for key, value in document.items() if isinstance(value, dict)} - {"database"}
    common = {key: value for key, value in document.items() if key not in sections}
    known = _common_fields() | _SERVICE_KEYS | {"database"}
    if unknown := sorted(common.keys() - known):
        raise SettingsFault([f"{path}: unknown key {key!r}" for key in unknown])
    usable = settings.model_fields.keys() | _aliases(settings) | {"database"}
    own: dict[str, Any] = document.get(settings.service, {})
    return {key: value for key, value in common.items() if key in usable} | own


def _common_fields() -> set[str]:
    """Settings that several processes share under one name."""
    models: tuple[type[BaseModel], ...] = (ServiceSettings, BehindGateway, KeepsBundles)
    return {name for model in models for name in model.model_fields} - _OWN_FIELDS


def _aliases(settings: type[ProcessSettings]) -> set[str]:
    return {field.alias for field in settings.model_fields.values() if field.alias}


def _reason(settings: type[ProcessSettings], fault: Any) -> str:
    name = ".".join(str(part) for part in fault["loc"])
    prefix = COMMON_PREFIX if name in _common_fields() else f"{settings.service.upper()}_"
    return f"{name} ({prefix}{name.upper()} in the environment): {fault['msg']}"
