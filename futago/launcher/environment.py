"""What a process of the suite finds in its environment: all of it is decided here."""

from collections.abc import Mapping
from urllib.parse import quote

from futago.launcher.home import Home
from futago.launcher.keys import KeyFiles

# What programs need to find files, write text in the user's language and tell the time.
_SYSTEM = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
     "OMP_NUM_THREADS", "LD_LIBRARY_PATH"}
)  # fmt: skip
# A user may set any setting of any process: `TWIN_BATCH_LIMIT_ROWS=500 make run`.
_SETTINGS = ("FUTAGO_", "GATEWAY_", "TWIN_", "ANOMALY_", "PLANNER_", "OTEL_", "LC_")
# These speak to the launcher; as settings of a process they would mean something else.
_LAUNCHER = frozenset({"FUTAGO_HOME", "FUTAGO_HOST", "FUTAGO_PORT", "FUTAGO_TLS"})
# An embedded suite has no balancer that has to hear of its end first.
_DRAIN_S = "0.2"


def inherited(outer: Mapping[str, str]) -> dict[str, str]:
    """The part of the user's environment that processes get to see."""
    return {
        name: value
        for name, value in outer.items()
        if name in _SYSTEM or (name.startswith(_SETTINGS) and name not in _LAUNCHER)
    }


def database_url(home: Home) -> str:
    """The SQLite file of a home, as SQLAlchemy names it."""
    # A `?` or `%` in the path would otherwise mean something, and the database lie in another folder.
    return f"sqlite:///{quote(str(home.database))}"


def common(outer: Mapping[str, str], home: Home, keys: KeyFiles, redis_url: str) -> dict[str, str]:
    """What every process of this suite gets, over what the user has set."""
    return {
        "FUTAGO_DRAIN_S": _DRAIN_S,
        **inherited(outer),
        "FUTAGO_REDIS_URL": redis_url,
        "FUTAGO_DATABASE_URL": database_url(home),
        "FUTAGO_STORE_URL": f"file://{home.store}",
        "FUTAGO_CACHE_DIR": str(home.cache),
        "FUTAGO_IDENTITY_KEY_FILE": str(keys.identity_public),
        "FUTAGO_TRUST_DIR": str(home.trust),
        "PYTHONUNBUFFERED": "1",
    }
