"""The gateway refuses to start where it could not do its work, and says everything that is wrong."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from services.gateway.app import create_app
from services.gateway.settings import GatewaySettings
from shared.startup import CannotStart


def test_everything_that_is_wrong_is_said_at_once(settings: GatewaySettings, tmp_path: Path):
    settings.access_key_file.chmod(0o644)
    wrong = settings.model_copy(
        update={
            "identity_private_key_file": tmp_path / "identity.pub.pem",
            "database_url": SecretStr(f"sqlite:///{tmp_path}/empty.db"),
        }
    )
    (tmp_path / "identity.pub.pem").chmod(0o600)
    with pytest.raises(CannotStart) as refused:
        create_app(wrong)
    access, identity, database = refused.value.reasons
    assert "open to every user" in access
    assert "is of no use" in identity
    assert "futago migrate" in database


def test_a_missing_key_is_named(settings: GatewaySettings, tmp_path: Path):
    with pytest.raises(CannotStart, match="cannot be read"):
        create_app(settings.model_copy(update={"access_key_file": tmp_path / "none.pem"}))
