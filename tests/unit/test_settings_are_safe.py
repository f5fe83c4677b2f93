"""No setting of any process opens it, or knows a secret, unless somebody says so."""

import importlib
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from shared.settings import Database, ProcessSettings

ROOT = Path(__file__).parents[2]
SECRET_WORDS = ("password", "secret", "token", "credential", "private_key", "api_key")
ALL_ADDRESSES = {"0.0.0.0", "::", "*"}


def settings_classes() -> list[type[BaseModel]]:
    """Every settings class of the suite, found by walking the files that may hold one."""
    for file in ROOT.glob("services/*/*settings.py"):
        importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    found: set[type[BaseModel]] = {Database}
    waiting: list[type[BaseModel]] = [ProcessSettings]
    while waiting:
        each = waiting.pop()
        found.add(each)
        waiting += each.__subclasses__()
    return sorted(found, key=lambda each: f"{each.__module__}.{each.__name__}")


CLASSES = settings_classes()
FIELDS = [(each, name, field) for each in CLASSES for name, field in each.model_fields.items()]
IDS = [f"{each.__name__}.{name}" for each, name, _ in FIELDS]


def test_the_settings_of_every_process_are_looked_at():
    services = {getattr(each, "service", None) for each in CLASSES}
    assert {"gateway", "twin", "anomaly", "planner"} <= services


def is_secret(name: str, field: FieldInfo) -> bool:
    holds = SecretStr in (field.annotation, *get_args(field.annotation))
    # A file's or a key's whereabouts are none, nor is how long one lasts.
    return holds or (name.endswith(SECRET_WORDS) and field.annotation is str)


@pytest.mark.parametrize(("owner", "name", "field"), FIELDS, ids=IDS)
def test_no_setting_has_an_insecure_default(owner: type[BaseModel], name: str, field: FieldInfo):
    default = field.get_default(call_default_factory=True, validated_data={}) if not field.is_required() else None
    if is_secret(name, field):
        shown = default.get_secret_value() if isinstance(default, SecretStr) else default
        assert shown in (None, "", ()), f"{owner.__name__}.{name} has a secret that everybody knows"
        assert field.annotation is not str, f"{owner.__name__}.{name} would be shown in full"
    if isinstance(default, str):
        assert default not in ALL_ADDRESSES, f"{owner.__name__}.{name} listens everywhere"
    if name == "host" and default is not None:
        assert ip_address(str(default)).is_loopback
    if name.endswith("origins") or name.startswith("trusted"):
        assert default == ()
    for network in default if isinstance(default, tuple) else ():
        if isinstance(network, IPv4Network | IPv6Network):
            assert network.is_loopback, f"{owner.__name__}.{name} trusts more than this machine"


@pytest.mark.parametrize("owner", [each for each in CLASSES if issubclass(each, ProcessSettings)])
def test_what_is_not_known_is_refused_and_a_value_is_not_shown(owner: type[ProcessSettings]):
    assert owner.model_config["extra"] == "forbid"
    assert owner.model_config["frozen"] is True
    assert owner.model_config["hide_input_in_errors"] is True
