"""Which request paths are worth looking at.

A path that two parts of a chain could read differently is how one of them is walked around: a proxy that checks
`/a/%2e%2e/b` and a service that opens `/b`. The door therefore reads only paths that have one meaning.
"""

import re
from urllib.parse import unquote_to_bytes

from services.gateway.domain.errors import PathUnknown

MAX_PATH_BYTES = 2048
# RFC 3986, section 3.3: the characters of a path segment, percent-encoded octets included.
_PATH = re.compile(rb"(?:/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*)+")
# Octets that start a new segment, end a string in C, or break a line, however they arrive.
_AMBIGUOUS = re.compile(rb"[\x00-\x1f\x7f/\\]")


def split_path(raw_path: bytes) -> tuple[str, ...]:
    """Split a path as it came over the wire into decoded segments.

    Raises
    ------
    PathUnknown
        If the path is too long, holds an empty or a dot segment, an encoded slash, a control character or bytes
        that are not UTF-8: nothing the suite serves has such a path.

    Examples
    --------
    >>> split_path(b"/api/v1/twin/models/caf%C3%A9")
    ('api', 'v1', 'twin', 'models', 'café')
    """
    if len(raw_path) > MAX_PATH_BYTES or _PATH.fullmatch(raw_path) is None:
        raise PathUnknown
    if raw_path == b"/":
        return ()
    return tuple(_decode(segment) for segment in raw_path[1:].split(b"/"))


def _decode(segment: bytes) -> str:
    octets = unquote_to_bytes(segment) if b"%" in segment else segment
    if octets in {b"", b".", b".."} or _AMBIGUOUS.search(octets):
        raise PathUnknown
    # A second layer of encoding means that somebody downstream may decode twice.
    if b"%" in segment and re.search(rb"%[0-9A-Fa-f]{2}", octets):
        raise PathUnknown
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise PathUnknown from None
