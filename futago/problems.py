"""Turns an HTTP answer that is not a success into the error a program can catch."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from futago.errors import (
    AuthenticationError,
    Conflict,
    FutagoError,
    InputFault,
    InvalidInput,
    NotAllowed,
    NotFound,
    RateLimited,
    SecondFactorRequired,
    TooLarge,
    Unavailable,
    UnexpectedAnswer,
)
from futago.wire import JsonObject, decode_object

_PLAIN: Mapping[int, type[FutagoError]] = {
    401: AuthenticationError,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
}
_NEEDS_CODE = "auth.second_factor_required"
_TRY_LATER: Mapping[int, type[RateLimited] | type[Unavailable]] = {
    429: RateLimited,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def error_of(response: httpx.Response, *, now: datetime) -> FutagoError:
    """Read an `application/problem+json` answer (RFC 9457), or make do with the status of any other.

    Parameters
    ----------
    now
        Aware time, to read a `Retry-After` that names a date.
    """
    problem = _problem(response)
    status = response.status_code
    message = (
        _text(problem, "detail") or _text(problem, "title") or f"the server answered {status} {response.reason_phrase}"
    )
    code = _text(problem, "code")
    request_id = _text(problem, "request_id") or response.headers.get("X-Request-ID", "")
    if later := _TRY_LATER.get(status):
        wait_s = retry_after_s(response, now=now)
        return later(message, retry_after_s=wait_s, status=status, code=code, request_id=request_id)
    if code == _NEEDS_CODE:
        return SecondFactorRequired(message, status=status, code=code, request_id=request_id)
    if plain := _PLAIN.get(status):
        return plain(message, status=status, code=code, request_id=request_id)
    if 400 <= status < 500:
        return InvalidInput(message, faults=_faults(problem), status=status, code=code, request_id=request_id)
    return UnexpectedAnswer(message, status=status, code=code, request_id=request_id)


def retry_after_s(response: httpx.Response, *, now: datetime) -> float | None:
    """Seconds the server asks to wait (RFC 9110 section 10.2.3), `None` if it does not say or says nonsense."""
    value = response.headers.get("Retry-After")
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())


def _problem(response: httpx.Response) -> JsonObject:
    if "json" not in response.headers.get("Content-Type", ""):
        return {}
    try:
        return decode_object(response.content)
    except UnexpectedAnswer:
        return {}


def _text(problem: JsonObject, field: str) -> str:
    value = problem.get(field, "")
    return value if isinstance(value, str) else ""


def _faults(problem: JsonObject) -> list[InputFault]:
    listed = problem.get("errors")
    if not isinstance(listed, list):
        return []
    return [
        InputFault(
            pointer=_text(fault, "pointer"),
            detail=_text(fault, "detail"),
            facts={name: value for name, value in fault.items() if name not in {"pointer", "detail"}},
        )
        for fault in listed
        if isinstance(fault, dict)
    ]
