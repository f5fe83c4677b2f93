"""The id that follows a request through every process and log line."""

import os
import re
from contextvars import ContextVar

HEADER = b"x-request-id"
_SAFE = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_current: ContextVar[str] = ContextVar("request_id", default="-")


def accept_or_make(offered: bytes | None) -> str:
    """The caller's id if it is short and safe to log, otherwise a new one."""
    return offered.decode() if offered and _SAFE.fullmatch(offered) else os.urandom(16).hex()


def set_request_id(request_id: str) -> None:
    """Make it the id of the request this task works on."""
    _current.set(request_id)


def current_request_id() -> str:
    """The id of the request this task works on; `-` outside a request."""
    return _current.get()
