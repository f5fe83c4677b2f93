"""Which headers cross the door, in which direction.

References
----------
.. [1] RFC 9110, section 7.6.1: connection-specific fields must not be forwarded
.. [2] RFC 9112, section 6.3 and 11.2: message length, and request smuggling
"""

from collections.abc import Callable, Iterable
from functools import lru_cache

from shared.errors import AppError, Kind

Headers = list[tuple[bytes, bytes]]

_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# Credentials stay at the door: a service is told who calls, not how they proved it. What claims to speak for a proxy
# or for the gateway itself is the gateway's to say. Length and host are set anew for the next hop.
_NOT_INWARD = _HOP_BY_HOP | {
    b"authorization",
    b"content-length",
    b"cookie",
    b"expect",
    b"forwarded",
    b"host",
    b"x-api-key",
    b"x-real-ip",
    b"x-request-id",
}
_NOT_INWARD_PREFIXES = (b"x-futago-", b"x-forwarded-", b"x-original-", b"x-rewrite-")
# The server in front writes its own date; which software answers inside is nobody's business outside.
_NOT_OUTWARD = _HOP_BY_HOP | {b"date", b"server", b"set-cookie", b"x-powered-by"}
_NOT_OUTWARD_PREFIXES = (b"x-futago-",)
_MAX_LENGTH_DIGITS = 15
# A name may be as long as a head: this many hold a few megabytes at the worst.
_MOST_NAMES = 256


class AmbiguousFraming(AppError):
    """The length of the body can be read in two ways: the next hop might see another request in it."""

    kind = Kind.INVALID
    code = "gateway.ambiguous_framing"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)


def body_length(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """Length of a request's body in bytes; `None` if it comes in chunks.

    Raises
    ------
    AmbiguousFraming
        If the headers leave more than one reading.
    """
    lengths = [value for name, value in headers if name == b"content-length"]
    codings = [value.strip(b" \t").lower() for name, value in headers if name == b"transfer-encoding"]
    if len(lengths) > 1 or len(codings) > 1:
        raise AmbiguousFraming("the length of the body is given more than once")
    if codings:
        if lengths:
            raise AmbiguousFraming("the body has a length and comes in chunks")
        if codings[0] != b"chunked":
            raise AmbiguousFraming("the only transfer coding is chunked")
        return None
    if not lengths:
        return 0
    if not lengths[0].isdigit() or len(lengths[0]) > _MAX_LENGTH_DIGITS:
        raise AmbiguousFraming("the length of the body is not a number")
    return int(lengths[0])


def inward(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Headers of a request that a service gets to see."""
    return _without(headers, _kept_inward)


def outward(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Headers of a service's answer that the caller gets to see."""
    return _without(headers, _kept_outward)


def _without(headers: Iterable[tuple[bytes, bytes]], kept_as: Callable[[bytes], bytes | None]) -> Headers:
    kept, named_by_connection = [], set()
    for raw_name, value in headers:
        name = kept_as(raw_name)
        if name is not None:
            kept.append((name, value))
        elif raw_name.lower() == b"connection":
            named_by_connection |= {option.strip().lower() for option in value.split(b",")}
    return [pair for pair in kept if pair[0] not in named_by_connection] if named_by_connection else kept


# The same few names come with every request.
@lru_cache(maxsize=_MOST_NAMES)
def _kept_inward(name: bytes) -> bytes | None:
    return _unless(name, _NOT_INWARD, _NOT_INWARD_PREFIXES)


@lru_cache(maxsize=_MOST_NAMES)
def _kept_outward(name: bytes) -> bytes | None:
    return _unless(name, _NOT_OUTWARD, _NOT_OUTWARD_PREFIXES)


def _unless(raw_name: bytes, names: frozenset[bytes], prefixes: tuple[bytes, ...]) -> bytes | None:
    name = raw_name.lower()
    # Some servers read `_` as `-`, so that a name that looks harmless here could become another one there.
    plain = name.replace(b"_", b"-")
    return None if plain in names or plain.startswith(prefixes) else name
