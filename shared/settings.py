"""The settings every process has, read once from the environment or a file.

First wins: `<SERVICE>_X` in the environment, `FUTAGO_X` in the environment (settings all processes share), the file's
`[service]` section (a worker's is `[service-worker]`), the file's top level. A secret may lie in a file of its own, as
container platforms hand secrets out: `FUTAGO_DATABASE_URL_FILE=/run/secrets/database_url` stands for the value. The
configuration file is JSON or TOML and takes the keys of the original specification's production configuration:
`model_path`, `log_dir`, `api_port`, `max_requests_per_hour`, `enable_monitoring`, `database`.
"""

import json
import os
import tomllib
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, ClassVar, Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from shared.redis_url import is_redis_url
from shared.tracing import TraceSettings

COMMON_PREFIX = "FUTAGO_"
# Settings that belong to one process and so are never shared by all.
_OWN_FIELDS = frozenset({"host", "port", "redirect_port", "tls_cert_file", "tls_key_file"})
# Top-level keys of a configuration file that only some services have.
_SERVICE_KEYS = frozenset({"api_port", "max_requests_per_hour", "model_path"})
_SECTIONS = frozenset({"gateway", "twin", "anomaly", "anomaly-worker", "planner", "planner-worker"})
# Of these there may be a file: one value, or one a line.
_SECRETS = (SecretStr, SecretStr | None, tuple[SecretStr, ...])
_ENCODED = "in a password, write @ : / ? # % as %40 %3A %2F %3F %23 %25"


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

    def bundle_folders(self) -> dict[str, Path]:
        """Folders that bundles are written to, by what they are for."""
        store = _path(self.store_url, "file")
        return {"cache": self.cache_dir} | ({} if store is None else {"store": store})


class ProcessSettings(BaseSettings):
    """What a process that answers HTTP needs to know; it adds its own fields and sets `service`.

    A value given to the constructor is used as it is; `load` is what reads the environment.
    """

    # Not even in a traceback: what is wrong with a value may be told, the value may be a secret.
    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    service: ClassVar[str]
    section: ClassVar[str] = ""
    """Its section of a configuration file, if that is not named as the service is."""

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(ge=0, lt=65536, description="port to listen on; for a worker, the port of its metrics")
    log_dir: Path | None = Field(None, description="folder of the rotating log file; none: only the console")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    body_limit_bytes: int = Field(32 * 1024**2, gt=0, description="largest request body that is not an upload")
    upload_limit_bytes: int = Field(1024**3, gt=0, description="largest uploaded file")
    deadline_s: float = Field(30.0, gt=0, description="a request that has no answer by then gets a 504")
    drain_s: float = Field(5.0, ge=0, description="how long to report 'not ready' before a shutdown begins")
    enable_monitoring: bool = Field(default=True, description="serve /metrics")
    tls_cert_file: Path | None = Field(None, description="certificate chain (PEM) of this process; with it, TLS")
    tls_key_file: Path | None = Field(None, description="private key (PEM) of the certificate")
    redirect_port: int | None = Field(
        None, ge=0, lt=65536, description="plain HTTP on this port is redirected to HTTPS; none by default"
    )
    hsts_max_age_s: int = Field(365 * 24 * 3600, ge=0, description="max-age of HSTS, sent only over TLS; 0 sends none")
    hsts_include_subdomains: bool = Field(
        default=True, description="HSTS covers all subdomains too (includeSubDomains)"
    )
    head_timeout_s: float = Field(10.0, gt=0, description="longest time to receive the head of a request")
    keep_alive_s: float = Field(75.0, gt=0, description="longest time between two requests on one connection")
    stall_timeout_s: float = Field(
        20.0,
        gt=0,
        description="time that sending a body, or reading an answer, may take beyond its time at the slowest rate",
    )
    slowest_bytes_per_s: float = Field(500.0, gt=0, description="a client slower than this is disconnected")
    max_connections: int = Field(4000, gt=0, description="open connections at one time")
    connections_per_address: int = Field(4000, gt=0, description="open connections from one address, or one IPv6 /64")
    series_limit: int = Field(
        1_000,
        gt=0,
        description="largest number of models, of detectors and of assets with their own series in the metrics",
    )
    revision: str = Field("unknown", max_length=64, description="the commit this was built from, shown as a metric")
    traces_endpoint: str | None = Field(
        None,
        pattern="^https?://",
        description="full URL to which traces are sent, such as http://collector:4318/v1/traces; none: no tracing",
    )
    traces_sample_ratio: float | None = Field(
        None,
        ge=0,
        le=1,
        description="share of the traces that begin here which is sampled; by default, OTEL_TRACES_SAMPLER decides",
    )

    @property
    def addresses_of_many(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Networks whose addresses each stand for many clients, such as a proxy's."""
        return ()

    def folders(self) -> dict[str, Path]:
        """Folders that the process writes to, by what they are for."""
        return {} if self.log_dir is None else {"logs": self.log_dir}

    @property
    def traces(self) -> TraceSettings | None:
        """Where traces go; `None` where nobody wants any."""
        return None if self.traces_endpoint is None else TraceSettings(self.traces_endpoint, self.traces_sample_ratio)

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
        common = _from_environment(cls, COMMON_PREFIX)
        own = _from_environment(cls, f"{cls.service.upper()}_")
        common = _standard_traces() | common
        values = (_from_file(cls, config) if config else {}) | {k: v for k, v in common.items() if k not in _OWN_FIELDS}
        try:
            return cls(**(values | own | dict(told or {})))
        except ValidationError as error:
            raise SettingsFault([_reason(cls, fault) for fault in error.errors()]) from error


class ServiceSettings(ProcessSettings):
    """What every process of the suite needs besides: the database and the Redis that they share."""

    redis_url: SecretStr = Field(description="jobs, events, limits: redis://:password@host:port/0, or sentinels")
    database_url: SecretStr = Field(description="sqlite:////path.db or postgresql+psycopg://user:password@host/name")

    def folders(self) -> dict[str, Path]:
        """With that of a database which is a file."""
        found = super().folders()
        database = _path(self.database_url.get_secret_value(), "sqlite")
        if database is not None:
            found["database"] = database.parent
        return found

    @field_validator("redis_url")
    @classmethod
    def _redis_url(cls, url: SecretStr) -> SecretStr:
        # Checked here, where the value is not shown: the client's own errors quote what they take for the port.
        if not is_redis_url(url.get_secret_value()):
            raise ValueError(
                "write redis://:password@host:6379/0, rediss://… or "
                f"redis+sentinel://:password@host:26379,…/mymaster/0; {_ENCODED}"
            )
        return url

    @field_validator("database_url")
    @classmethod
    def _database_url(cls, url: SecretStr) -> SecretStr:
        if not _is_url(url, {"sqlite", "sqlite+pysqlite", "postgresql+psycopg"}):
            raise ValueError(
                f"write sqlite:////path.db or postgresql+psycopg://user:password@host:5432/name; {_ENCODED}"
            )
        return url

    @model_validator(mode="before")
    @classmethod
    def _database_by_parts(cls, values: dict[str, Any]) -> dict[str, Any]:
        parts = values.pop("database", None)
        if parts is not None:
            values.setdefault("database_url", Database.model_validate(parts).url())
        return values


def _from_environment(settings: type[ProcessSettings], prefix: str) -> dict[str, Any]:
    """Values by name; of secrets also those that lie in a file which the environment names."""
    values: dict[str, Any] = EnvSettingsSource(settings, env_prefix=prefix)()
    for name, field in settings.model_fields.items():
        variable = f"{prefix}{name.upper()}_FILE"
        told = variable in os.environ and f"{name}_file" not in settings.model_fields
        if not told or field.annotation not in _SECRETS:
            continue
        if name in values:
            raise SettingsFault([f"{prefix}{name.upper()} and {variable} are both set: give one of them"])
        path = Path(os.environ[variable])
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise SettingsFault([f"{variable}: {path} cannot be read ({reason})"]) from None
        values[name] = text.split() if field.annotation == tuple[SecretStr, ...] else text.strip()
    return values


def _standard_traces() -> dict[str, Any]:
    """What OpenTelemetry's own variables say, for whoever sets them for every program of a machine."""
    whole, base = (os.environ.get(f"OTEL_EXPORTER_OTLP_{name}ENDPOINT") for name in ("TRACES_", ""))
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or not (whole or base):
        return {}
    return {"traces_endpoint": whole or f"{str(base).rstrip('/')}/v1/traces"}


def _path(url: str, kind: str) -> Path | None:
    """The path on this machine that a URL of this kind stands for; of SQLite, a relative one has one slash less."""
    parts = urlsplit(url)
    path = parts.path.removeprefix("/") if kind == "sqlite" else parts.path
    named = parts.scheme.partition("+")[0] == kind and path not in {"", ":memory:"}
    return Path(path) if named else None


def _is_url(url: SecretStr, schemes: set[str]) -> bool:
    try:
        parts = urlsplit(url.get_secret_value())
        # Reading the port is what fails where a password holds a character that ends the address.
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in schemes and port != 0 and not parts.fragment


def _from_file(settings: type[ProcessSettings], path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise SettingsFault([f"the configuration file {path} cannot be read: {error}"]) from error
    if not isinstance(document, dict):
        raise SettingsFault([f"the configuration file {path} must hold one object"])
    section = settings.section or settings.service
    sections = {key for key, value in document.items() if isinstance(value, dict)} - {"database"}
    common = {key: value for key, value in document.items() if key not in sections}
    known = _common_fields() | _SERVICE_KEYS | {"database"}
    wrong = [f"{path}: unknown section {name!r}" for name in sorted(sections - _SECTIONS - {section})]
    wrong += [f"{path}: unknown key {key!r}" for key in sorted(common.keys() - known)]
    if wrong:
        raise SettingsFault(wrong)
    usable = settings.model_fields.keys() | _aliases(settings) | {"database"}
    own: dict[str, Any] = document.get(section, {})
    return {key: value for key, value in common.items() if key in usable} | own


def _common_fields() -> set[str]:
    """Settings that several processes share under one name."""
    models: tuple[type[BaseModel], ...] = (ServiceSettings, BehindGateway, KeepsBundles)
    return {name for model in models for name in model.model_fields} - _OWN_FIELDS


def _aliases(settings: type[ProcessSettings]) -> set[str]:
    return {field.alias for field in settings.model_fields.values() if field.alias}


def _reason(settings: type[ProcessSettings], fault: Any) -> str:
    name = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{name}: there is no such setting"
    prefix = COMMON_PREFIX if name in _common_fields() else f"{settings.service.upper()}_"
    return f"{name} ({prefix}{name.upper()} in the environment): {fault['msg']}"
