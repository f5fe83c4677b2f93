"""`futago publish`, `models`, `activate`, `rollback`, `withdraw` and `trust`, without a suite."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from futago import cli
from futago.commands import models, trust
from shared.onnx.signing import SigningKey

CARD = {
    "name": "yield",
    "version": "2",
    "state": "active",
    "model": {"type": "RandomForestRegressor"},
    "metrics": {"rmse": 0.512345},
    "target": {"name": "yield", "unit": "%"},
}


class FakeClient:
    """Notes what it was asked for."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __enter__(self) -> "FakeClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.calls.append(("close",))

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            self.calls.append((name, *arguments))
            return {"models": [CARD, {"name": "bare", "version": "1"}], "withdraw": None}.get(name, CARD)

        return call


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    client = FakeClient()
    for module in (models, trust):
        monkeypatch.setattr(module, "connect", lambda *_: client)
    return client


def futago(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, arguments, env={"FUTAGO_HOME": "/nowhere", "FUTAGO_URL": None})


@pytest.mark.parametrize(
    ("arguments", "call", "said"),
    [
        (("publish", "bundle"), ("publish", Path("bundle")), "yield 2: active."),
        (("activate", "yield", "2"), ("activate", "yield", "2"), "yield 2: active."),
        (("rollback", "yield"), ("rollback", "yield"), "yield 2: active."),
        (("withdraw", "yield", "1"), ("withdraw", "yield", "1"), "Withdrawn: yield 1."),
    ],
)
def test_a_command_makes_one_call_and_says_what_became_of_it(
    client: FakeClient, arguments: tuple[str, ...], call: tuple[Any, ...], said: str
):
    result = futago(*arguments)
    assert (result.exit_code, result.output) == (0, f"{said}\n")
    assert client.calls == [call, ("close",)]


def test_a_bundle_can_be_activated_as_it_is_published(client: FakeClient):
    assert futago("publish", "bundle", "--activate").exit_code == 0
    assert client.calls[:2] == [("publish", Path("bundle")), ("activate", "yield", "2")]


def test_models_are_a_table_and_one_that_says_little_has_its_line(client: FakeClient):
    lines = futago("models").output.splitlines()
    assert [line.split() for line in lines] == [
        ["MODEL", "VERSION", "TYPE", "RMSE", "TARGET"],
        ["yield", "2", "RandomForestRegressor", "0.5123", "yield", "[%]"],
        ["bare", "1"],
    ]


@pytest.mark.parametrize("arguments", [("models",), ("rollback", "yield"), ("activate", "yield", "2")])
def test_a_program_gets_json(client: FakeClient, arguments: tuple[str, ...]):
    found = json.loads(futago(*arguments, "--json").output)
    assert (found[0] if arguments == ("models",) else found) == CARD


def test_a_home_trusts_lists_and_forgets_a_key(tmp_path: Path):
    key = SigningKey.load_or_create(tmp_path / "signing.pem")
    public = tmp_path / "public.pem"
    public.write_bytes(key.public_pem())
    home = ("--home", str(tmp_path / "home"))
    assert futago("trust", "add", str(public), *home).output == f"Trusted: {key.key_id}.\n"
    assert futago("trust", "list", *home).output == f"{key.key_id}\n"
    (listed,) = json.loads(futago("trust", "list", "--json", *home).output)
    assert listed == {"key_id": key.key_id, "public_key": key.public_pem().decode()}
    assert futago("trust", "remove", key.key_id, *home).output == f"Trusted no longer: {key.key_id}.\n"
    assert futago("trust", "list", *home).output == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("trust", "remove", "ab"), "no key 'ab'"), (("trust", "add", __file__), "is no public key in PEM")],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    arguments: tuple[str, ...],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setattr("sys.argv", ["futago", *arguments, "--home", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert words in said
    assert said.count("\n") == 1


def test_with_an_address_keys_are_those_of_the_suite(client: FakeClient, tmp_path: Path):
    public = tmp_path / "public.pem"
    public.write_text("PEM")
    CARD_WITH_KEY = {**CARD, "key_id": "ab"}
    client.trust = lambda pem: client.calls.append(("trust", pem)) or CARD_WITH_KEY
    assert futago("trust", "add", str(public), "--url", "http://suite").output == "Trusted: ab.\n"
    assert futago("trust", "remove", "ab", "--url", "http://suite").exit_code == 0
    assert [call for call in client.calls if call != ("close",)] == [("trust", "PEM"), ("distrust", "ab")]
