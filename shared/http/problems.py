"""Errors as RFC 9457 problem documents; the one place where a failure becomes an HTTP status."""

import errno
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import Response

from shared.errors import JSON, AppError, Fault, Kind
from shared.http.request_id import current_request_id
from shared.log import get_logger

log = get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
_MAX_FAULTS = 100
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
# Somebody has to make room, or others have to end their uploads.
_ROOM_AGAIN_S = 60.0
# On these paths an error is read from the member `error`, by clients of the Open Inference Protocol.
_INFERENCE_PATHS = "/v2"

# Also where no other layer adds them: an error may repeat what the caller sent, and is of that moment alone.
_SAFE_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

STATUS: Mapping[Kind, int] = {
    Kind.INVALID: 422,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.MISSING: 404,
    Kind.CONFLICT: 409,
    Kind.TOO_LARGE: 413,
    Kind.UNSUPPORTED: 415,
    Kind.RATE_LIMITED: 429,
    Kind.UNAVAILABLE: 503,
    Kind.DEADLINE: 504,
}
_TITLES: Mapping[int, str] = {
    400: "Malformed request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "Request timeout",
    409: "Conflict",
    413: "Too large",
    414: "Address too long",
    415: "Unsupported media type",
    422: "Invalid input",
    429: "Too many requests",
    431: "Header too large",
    500: "Internal error",
    502: "Bad gateway",
    503: "Temporarily unavailable",
    504: "Deadline exceeded",
}


class NotJson(AppError):
    """The body says it is JSON and holds what JSON cannot."""

    kind, code = Kind.INVALID, "request.not_json"

    def __init__(self, detail: str) -> None:
        super().__init__("the body is not valid JSON", faults=[Fault("", detail)])


class StorageFull(AppError):
    """A disk of this process has no room for what a request brings or asks for."""

    kind, code = Kind.UNAVAILABLE, "request.storage_full"

    def __init__(self) -> None:
        super().__init__("there is no room left on a disk of the service", retry_after_s=_ROOM_AGAIN_S)


class ProblemFault(BaseModel):
    """One fault of the input; further members are facts such as the valid range."""

    model_config = ConfigDict(extra="allow")

    pointer: str
    detail: str


class Problem(BaseModel):
    """What every error answer looks like (RFC 9457); further members are facts of the error."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    code: str
    errors: list[ProblemFault] | None = None


def problem(
    *,
    status: int,
    code: str,
    detail: str,
    instance: str,
    faults: Sequence[Fault] = (),
    facts: Mapping[str, JSON] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Build the answer; at most 100 faults are listed, and the count of the others is said."""
    body: dict[str, Any] = {
        **(facts or {}),
        "type": f"urn:futago:problem:{code}",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "instance": instance,
        "request_id": current_request_id(),
        "code": code,
    }
    if faults:
        body["errors"] = [{**f.facts, "pointer": f.pointer, "detail": f.detail} for f in faults[:_MAX_FAULTS]]
    if len(faults) > _MAX_FAULTS:
        body["errors_left_out"] = len(faults) - _MAX_FAULTS
    if instance == _INFERENCE_PATHS or instance.startswith(f"{_INFERENCE_PATHS}/"):
        body["error"] = "; ".join([detail, *(fault.detail for fault in faults[:_MAX_FAULTS])])
    # ASCII, so that a stray surrogate echoed from the input cannot break the answer.
    content = json.dumps(body, allow_nan=False, default=str)
    return Response(content, status, _SAFE_HEADERS | dict(headers or {}), MEDIA_TYPE)


def problem_of(error: AppError, instance: str) -> Response:
    """The answer for a named error."""
    headers = {}
    if error.retry_after_s is not None:
        # Rounded up: whoever comes back when told to is let in.
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if error.kind is Kind.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    return problem(
        status=STATUS[error.kind],
        code=error.code,
        detail=error.message,
        instance=instance,
        faults=error.faults,
        facts=error.facts,
        headers=headers,
    )


def internal_problem(instance: str) -> Response:
    """The answer for a bug: nothing but the request's id, under which the log holds the rest."""
    return problem(
        status=500,
        code="internal",
        detail="Something went wrong on our side; the log holds the details under this request_id.",
        instance=instance,
    )


def pointer_of(location: Sequence[str | int]) -> str:
    """A JSON pointer (RFC 6901) from pydantic's location.

    Examples
    --------
    >>> pointer_of(("body", "inputs", 3, "a/b"))
    '/inputs/3/a~1b'
    >>> pointer_of(("query", "limit"))
    '?limit'
    """
    where, *rest = location or ("body",)
    if where != "body":
        return f"?{rest[0]}" if where == "query" and rest else "".join(f"{part} " for part in location).strip()
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in rest)


def problem_response(description: str) -> dict[str, Any]:
    """How the contract shows an error answer."""
    return {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def responses(*errors: type[AppError]) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route: each status it can answer with, and the codes that lead there."""
    documented: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        status = STATUS[error.kind]
        codes = [*documented.get(status, {}).get("x-codes", []), error.code]
        described = problem_response(f"{_TITLES[status]}: {', '.join(f'`{code}`' for code in codes)}")
        documented[status] = described | {"x-codes": codes}
    return documented


def install_problem_handlers(app: FastAPI) -> None:
    """Turn named errors, validation faults and the framework's own errors into problem documents."""

    async def on_app_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, AppError)  # noqa: S101 (registered for AppError only)
        return problem_of(error, request.url.path)

    async def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 (registered for this error only)
        found = error.errors()
        if any(fault["type"] == "json_invalid" for fault in found[:_MAX_FAULTS]):
            return problem_of(NotJson("it cannot be parsed"), request.url.path)
        # A body can hold millions of faults: those that are not listed are not put into words either.
        listed = [Fault(pointer_of(fault["loc"]), fault["msg"]) for fault in found[:_MAX_FAULTS]]
        return problem(
            status=422,
            code="request.invalid",
            detail="The request does not fit the contract; every fault is listed.",
            instance=request.url.path,
            faults=listed,
            facts={"errors_left_out": len(found) - len(listed)} if len(found) > _MAX_FAULTS else None,
        )

    async def on_http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 (registered for HTTPException only)
        if _says_no_room(error.__cause__):
            return storage_full(request, error)
        # FastAPI answers 400 where a body cannot be parsed at all; to a caller that is one more malformed request.
        status = 422 if error.status_code == 400 else error.status_code
        title = "invalid" if status == 422 else _TITLES.get(status, "error")
        return problem(
            status=status,
            code=f"request.{title.lower().replace(' ', '_')}",
            detail=str(error.detail),
            instance=request.url.path,
            headers=error.headers,
        )

    async def on_os_error(request: Request, error: Exception) -> Response:
        if not _says_no_room(error):
            raise error
        return storage_full(request, error)

    def storage_full(request: Request, error: Exception) -> Response:
        log.error("storage_full", path=request.url.path, error=str(error.__cause__ or error))
        return problem_of(StorageFull(), request.url.path)

    async def on_bug(request: Request, _error: Exception) -> Response:
        return internal_problem(request.url.path)

    app.add_exception_handler(Exception, on_bug)
    app.add_exception_handler(OSError, on_os_error)
    app.add_exception_handler(AppError, on_app_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http_error)


def _says_no_room(error: BaseException | None) -> bool:
    return isinstance(error, OSError) and error.errno in _NO_ROOM
