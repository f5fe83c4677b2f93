"""Keys, passwords and addresses of a deployment."""

import os
import re
import shutil
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from sqlalchemy.engine import make_url
from typer.testing import CliRunner

from futago.cli import app
from futago.deployment.kubernetes import commands
from futago.deployment.secrets_folder import (
    NO_WEBHOOK,
    Addresses,
    SecretsFolder,
    SecretsUnusable,
    make_first_password,
    make_secrets,
)
from services.gateway.domain.passwords import MIN_LENGTH
from shared.onnx.signing import SigningKey, TrustStore

NOW = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> SecretsFolder:
    folder = SecretsFolder(tmp_path / "secrets")
    make_secrets(folder, Addresses(names=("plant.example",)), owner=None, now=NOW)
    return folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def contents(folder: SecretsFolder) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path, _ in folder.files()}


def test_nobody_else_of_the_machine_gets_in(folder: SecretsFolder):
    assert mode(folder.root) == 0o700


def test_private_keys_and_addresses_with_passwords_are_their_owners_alone(folder: SecretsFolder):
    keys = folder.keys
    private = (keys.access, keys.identity, keys.audit, keys.signing, keys.second_factor)
    for path in (*private, folder.tls.key, folder.authority_key, folder.url("database_url"), folder.url("redis_url")):
        assert mode(path) == 0o400, path


@pytest.mark.parametrize("name", ["postgres", "redis", "redis.conf", "grafana"])
def test_users_of_other_images_can_read_the_password_they_are_given(folder: SecretsFolder, name: str):
    assert mode(folder.password(name)) == 0o444
    assert len(folder.password(name).read_text()) >= 48


def test_no_container_but_the_gateways_is_given_its_keys(folder: SecretsFolder):
    for name in ("identity", "trust", "tls", "passwords", "alerting"):
        held = b"".join(path.read_bytes() for path in (folder.root / name).iterdir() if path != folder.tls.key)
        assert b"PRIVATE" not in held


def test_the_public_halves_belong_to_the_private_ones(folder: SecretsFolder):
    keys = folder.keys
    for private_path, public_path in ((keys.access, keys.access_public), (keys.identity, keys.identity_public)):
        private = load_pem_private_key(private_path.read_bytes(), None)
        assert private.public_key() == load_pem_public_key(public_path.read_bytes())


def test_what_the_worker_signs_is_trusted(folder: SecretsFolder):
    assert TrustStore(folder.trust).key_ids() == (SigningKey.load_or_create(folder.keys.signing).key_id,)


def test_the_addresses_hold_the_passwords_of_the_servers(folder: SecretsFolder):
    database = make_url(folder.url("database_url").read_text())
    assert (database.host, database.password) == ("postgres", folder.password("postgres").read_text())
    redis = folder.password("redis").read_text()
    assert folder.url("redis_url").read_text() == f"redis://:{redis}@redis:6379/0"
    assert folder.password("redis.conf").read_text() == f"requirepass {redis}\n"


def test_a_second_time_changes_nothing(folder: SecretsFolder):
    before = contents(folder)
    make_secrets(folder, Addresses(names=("plant.example",), redis_url="redis://other"), owner=None, now=NOW)
    assert contents(folder) == before


@pytest.mark.parametrize("lost", ["gateway/audit.pem", "passwords/grafana", "urls/redis_url", "trust", "tls/key.pem"])
def test_what_is_missing_is_made_again_and_all_else_stays(folder: SecretsFolder, lost: str):
    path = folder.root / lost
    for each in sorted(path.glob("*")) or [path]:
        each.unlink()
    before = contents(folder)
    make_secrets(folder, Addresses(names=("plant.example",)), owner=None, now=NOW)
    after = contents(folder)
    # A new key of the door comes with a new certificate.
    kept = {each for each in before if lost != "tls/key.pem" or each != folder.tls.certificate}
    assert {each: after[each] for each in kept} == {each: before[each] for each in kept}
    assert path.exists()


def test_a_certificate_near_its_end_is_renewed_by_the_same_authority(folder: SecretsFolder):
    before = contents(folder)
    addresses = Addresses(names=("plant.example",))
    make_secrets(folder, addresses, owner=None, now=datetime(2027, 4, 20, tzinfo=UTC))
    after = contents(folder)
    assert after[folder.tls.certificate] != before[folder.tls.certificate]
    assert after[folder.tls.authority] == before[folder.tls.authority]
    assert mode(folder.tls.key) == 0o400


def test_a_certificate_of_somebody_else_is_theirs_to_renew(folder: SecretsFolder):
    folder.authority_key.unlink()
    before = contents(folder)
    make_secrets(folder, Addresses(names=("other.example",)), owner=None, now=datetime(2030, 1, 1, tzinfo=UTC))
    assert contents(folder) == before


def test_servers_of_ones_own_are_named_instead(tmp_path: Path):
    folder = SecretsFolder(tmp_path / "secrets")
    own = Addresses(database_url="postgresql+psycopg://f:x@db/f", redis_url="rediss://r", webhook_url="https://w/")
    make_secrets(folder, own, owner=None, now=NOW)
    assert folder.url("database_url").read_text() == own.database_url
    assert folder.url("redis_url").read_text() == own.redis_url
    assert folder.webhook.read_text() == own.webhook_url


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(SecretsUnusable, match="file"):
        make_secrets(SecretsFolder(tmp_path / "file" / "secrets"), Addresses(), owner=None, now=NOW)


def test_everything_is_given_to_the_user_of_the_containers_where_that_is_allowed(tmp_path: Path):
    folder = SecretsFolder(tmp_path / "secrets")
    if os.geteuid() == 0:
        make_secrets(folder, Addresses(), owner=10001, now=NOW)
        assert {path.stat().st_uid for path, _ in folder.files()} == {10001}
        assert {path.stat().st_uid for path in folder.root.iterdir()} == {10001}
    else:
        with pytest.raises(SecretsUnusable):
            make_secrets(folder, Addresses(), owner=10001, now=NOW)


def test_the_commands_for_a_cluster_name_files_that_are_there(folder: SecretsFolder):
    make_first_password(folder)
    lines = commands(folder, "plant a")
    names = [re.search(r"secret (?:generic|tls) (\S+)", line) for line in lines]
    chart = Path(__file__).parents[4] / "deploy" / "helm" / "futago" / "values.yaml"
    values = yaml.safe_load(chart.read_text(encoding="utf-8"))
    wanted = {name for name in values["secrets"].values() if name}
    wanted |= {values["firstAdmin"]["secret"], values["ingress"]["tlsSecret"]}
    assert {name[1] for name in names if name} == wanted
    for line in lines:
        assert "--namespace 'plant a'" in line
        for part in line.split():
            if "=" in part:
                assert Path(part.rpartition("=")[2]).is_file(), part


def test_the_first_password_is_made_once_and_is_long_enough_for_the_gateway(folder: SecretsFolder):
    assert not folder.first_password.exists()
    make_first_password(folder)
    made = folder.first_password.read_text()
    assert len(made) >= MIN_LENGTH
    assert mode(folder.first_password) == 0o600
    make_first_password(folder)
    assert folder.first_password.read_text() == made


def test_a_first_password_that_cannot_be_written_is_told(folder: SecretsFolder):
    shutil.rmtree(folder.credentials)
    with pytest.raises(SecretsUnusable, match="No such file"):
        make_first_password(folder)


def test_the_command_says_what_is_left_to_do_and_shows_no_secret(tmp_path: Path):
    place = tmp_path / "secrets"
    said = CliRunner().invoke(app, ["secrets", str(place)])
    assert said.exit_code == 0
    assert "go nowhere yet" in said.output
    assert (place / "alerting" / "webhook_url").read_text() == NO_WEBHOOK
    assert (place / "passwords" / "redis").read_text() not in said.output
    printed = CliRunner().invoke(app, ["secrets", str(place), "--kubernetes"])
    assert printed.output.count("kubectl create secret") == 7
    assert (place / "credentials" / "password").read_text() not in printed.output
