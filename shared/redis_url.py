"""Where Redis is: one server, or the sentinels that know which server it is now.

`redis+sentinel://:password@host1:26379,host2:26379/mymaster/0`, and `rediss+sentinel://` where servers and sentinels
speak TLS. User, password and database are the server's; `?sentinel_username=` and `sentinel_password=` are the
sentinels' own. Any other option, such as `ssl_ca_certs`, is as in `rediss://`.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit

_SCHEMES = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
_SENTINEL_PORT = 26379
_PATH = re.compile(r"/(?P<master>[A-Za-z0-9._-]+)(?:/(?P<database>\d{1,3}))?/?")


@dataclass(frozen=True, slots=True)
class SentinelAddress:
    """What a client needs to find the server that is the master at the moment.

    Parameters
    ----------
    sentinels
        Host and port of each.
    master
        The name under which they watch it.
    server_url
        `redis://` or `rediss://` with what is the same for every server: user, password, database, options. Its host
        is the first sentinel's and means nothing.
    credentials
        User and password of the sentinels themselves, where they have any.
    """

    sentinels: tuple[tuple[str, int], ...]
    master: str
    server_url: str = field(repr=False)
    credentials: dict[str, str] = field(repr=False)


def is_redis_url(url: str) -> bool:
    """Whether a client can be made of it; whoever asks must not show the URL, which may hold a password."""
    try:
        parts = urlsplit(url)
        if parts.scheme in _SCHEMES:
            return sentinel_address(url) is not None
        # Reading the port is what fails where a password holds a character that ends the address.
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in {"redis", "rediss", "unix"} and port != 0 and not parts.fragment


def sentinel_address(url: str) -> SentinelAddress | None:
    """What the URL says of sentinels; `None` where it names a server.

    Raises
    ------
    ValueError
        If it names sentinels, but not as above; the error says nothing of the URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        return None
    path = _PATH.fullmatch(parts.path)
    if path is None or parts.fragment:
        raise ValueError("a Sentinel URL ends in /NAME-OF-THE-MASTER/DATABASE")
    user, at, hosts = parts.netloc.rpartition("@")
    sentinels = tuple(_host_and_port(host) for host in hosts.split(","))
    options = dict(parse_qsl(parts.query))
    own = {name: options.pop(f"sentinel_{name}") for name in ("username", "password") if f"sentinel_{name}" in options}
    first, query = hosts.partition(",")[0], f"?{urlencode(options)}" if options else ""
    server_url = f"{_SCHEMES[parts.scheme]}://{user}{at}{first}/{path['database'] or 0}{query}"
    return SentinelAddress(sentinels, path["master"], server_url, own)


def _host_and_port(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.port == 0 or parts.path or parts.username is not None:
        raise ValueError("a sentinel is written host:port")
    return parts.hostname, parts.port or _SENTINEL_PORT
