"""What processes are told through their environment."""

from pathlib import Path

from sqlalchemy.engine import make_url

from futago.launcher import environment
from futago.launcher.home import Home
from futago.launcher.keys import KeyFiles

KEYS = KeyFiles(*(Path(f"/h/keys/{name}") for name in ("a", "a.pub", "i", "i.pub", "s", "f", "t")))
HOME = Home(Path("/h"))


def test_a_process_sees_the_settings_but_not_the_secrets_of_its_user():
    outer = {"PATH": "/bin", "LC_ALL": "C", "TWIN_DEADLINE_S": "1", "AWS_SECRET_ACCESS_KEY": "x", "PYTHONPATH": "/evil"}
    assert environment.inherited(outer) == {"PATH": "/bin", "LC_ALL": "C", "TWIN_DEADLINE_S": "1"}


def test_the_launchers_own_variables_do_not_become_settings_of_every_process():
    assert environment.inherited({"FUTAGO_PORT": "8080", "FUTAGO_HOME": "/h", "FUTAGO_HOST": "::1"}) == {}


def test_the_suite_decides_where_its_parts_are_whatever_the_user_has_set():
    told = environment.common({"FUTAGO_REDIS_URL": "redis://elsewhere"}, HOME, KEYS, "redis://:p@127.0.0.1:1/0")
    assert told["FUTAGO_REDIS_URL"] == "redis://:p@127.0.0.1:1/0"
    assert told["FUTAGO_DATABASE_URL"] == "sqlite:////h/futago.db"
    assert told["FUTAGO_STORE_URL"] == "file:///h/store"
    assert told["FUTAGO_IDENTITY_KEY_FILE"] == "/h/keys/i.pub"


def test_the_database_lies_in_the_home_whatever_that_is_called():
    home = Home(Path("/h/a b?c%20d#é"))
    assert make_url(environment.database_url(home)).database == str(home.database)


def test_a_user_may_choose_how_long_a_drain_takes():
    assert environment.common({"FUTAGO_DRAIN_S": "9"}, HOME, KEYS, "redis://x")["FUTAGO_DRAIN_S"] == "9"


def test_private_keys_are_not_told_to_every_process():
    told = environment.common({}, HOME, KEYS, "redis://x")
    assert "/h/keys/i" not in told.values()
    assert "/h/keys/a" not in told.values()
