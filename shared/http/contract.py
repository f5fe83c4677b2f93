"""What every route answers besides its own: the layers around it refuse too, and the contract says so."""

from collections.abc import Mapping
from typing import Any

from shared.http.problems import problem_response

Operation = dict[str, Any]

_EVERYWHERE = {
    400: "Malformed request: no HTTP that has one meaning, such as `request.malformed`",
    408: "Too slow: `request.too_slow`",
    414: "Address too long: `request.url_too_long`",
    422: "Invalid input: `request.invalid`, `request.not_json`, `request.address_unusable`",
    431: "Head too large: `request.head_too_large`",
    503: "Temporarily unavailable: see `Retry-After`",
    504: "Deadline exceeded: `request.deadline_exceeded`",
}
_WITH_BODY = {413: "Too large: `request.body_too_large`"}
_WITH_NAMES = {404: "Not found"}
_BEHIND_GATEWAY = {401: "Not authenticated", 403: "Not allowed"}
_RETRY_AFTER = {
    "description": "Seconds to wait before the request is sent again; left out where waiting would not help",
    "schema": {"type": "integer", "minimum": 1},
}
_JOB = {"$ref": "#/components/schemas/JobResponse"}
_LOCATION = {"description": "Address of the job", "required": True, "schema": {"type": "string"}}


def complete(path: str, operation: Operation, *, guarded: bool) -> None:
    """Add to an operation what the layers around it answer; what it says itself stays.

    Parameters
    ----------
    guarded
        Whether somebody who is not vouched for is turned away.
    """
    answers = dict(_EVERYWHERE)
    if "requestBody" in operation:
        answers |= _WITH_BODY
    if "{" in path:
        answers |= _WITH_NAMES
    if guarded:
        answers |= _BEHIND_GATEWAY
    document(operation, answers)
    responses = operation["responses"]
    responses["503"]["headers"] = {"Retry-After": _RETRY_AFTER}
    if responses.get("202", {}).get("content", {}).get("application/json", {}).get("schema") == _JOB:
        responses["202"]["headers"] = {"Location": _LOCATION}


def document(operation: Operation, answers: Mapping[int, str]) -> None:
    """Name further answers of an operation; those that it has already stay as they are."""
    responses = operation.setdefault("responses", {})
    # The framework's own word for a 422 is of another form than ours, and says nothing.
    if responses.get("422", {}).get("description") == "Validation Error":
        del responses["422"]
    for status, description in answers.items():
        responses.setdefault(str(status), problem_response(description))
