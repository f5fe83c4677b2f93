"""What can go wrong when talking to the suite, one class for each thing a program can do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from futago.job import Job


@dataclass(frozen=True, slots=True)
class InputFault:
    """One thing wrong with a request, as the server listed it.

    Parameters
    ----------
    pointer
        JSON pointer (RFC 6901) into the body that was sent.
    detail
        A sentence for a person.
    facts
        What else the server said about it, such as the feature's valid range.
    """

    pointer: str
    detail: str
    facts: Mapping[str, Any] = field(default_factory=dict)


class FutagoError(Exception):
    """Base of every error of the client.

    Attributes
    ----------
    status
        HTTP status of the answer, `None` if there was none.
    code
        Stable name of the error, such as `twin.model_missing`; empty if the server gave none.
    request_id
        What to quote when asking an administrator: the same id stands in the server's logs.
    """

    def __init__(self, message: str, *, status: int | None = None, code: str = "", request_id: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.request_id = request_id

    def __str__(self) -> str:
        return f"{self.message} (request {self.request_id})" if self.request_id else self.message


class ConnectionFailed(FutagoError):
    """The server could not be reached, or did not answer in time."""


class UnexpectedAnswer(FutagoError):
    """The server answered with something that is not part of the API."""


class AuthenticationError(FutagoError):
    """The user name, password, API key or token was not accepted."""


class SecondFactorRequired(AuthenticationError):
    """The password was right, and this user's logins also need a code."""


class NotAllowed(FutagoError):
    """The caller is known but may not do this."""


class NotFound(FutagoError):
    """No such model, detector, plan, job or alert."""


class Conflict(FutagoError):
    """The request contradicts what is already there."""


class TooLarge(FutagoError):
    """The body, or the number of inputs in it, is over the limit."""


class InvalidInput(FutagoError):
    """The request was understood and refused; `faults` lists every reason.

    Attributes
    ----------
    faults
        What is wrong where; may be empty when the message says it all.
    """

    def __init__(
        self,
        message: str,
        *,
        faults: Sequence[InputFault] = (),
        status: int | None = None,
        code: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(message, status=status, code=code, request_id=request_id)
        self.faults = tuple(faults)

    def __str__(self) -> str:
        lines = [super().__str__(), *(f"  {fault.pointer or '/'}: {fault.detail}" for fault in self.faults)]
        return "\n".join(lines)


class _TryLater(FutagoError):
    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        status: int | None = None,
        code: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(message, status=status, code=code, request_id=request_id)
        self.retry_after_s = retry_after_s


class RateLimited(_TryLater):
    """Too many requests; `retry_after_s` says when the next one is welcome, if the server said."""


class Unavailable(_TryLater):
    """The suite, or the part of it that was asked, cannot serve now; `retry_after_s` says when to come back."""


class JobFailed(FutagoError):
    """A job that was waited for ended without a result: it failed, or someone cancelled it.

    Attributes
    ----------
    job
        The job as it ended.
    """

    def __init__(self, job: Job) -> None:
        reason = f": {job.error_message}" if job.error_message else ""
        super().__init__(f"job {job.id} ({job.kind}) {job.state}{reason}")
        self.job = job


class WaitTimeout(FutagoError):
    """The job had not ended when the caller's patience did; it goes on, and can be waited for again.

    Attributes
    ----------
    job
        The job as it was last seen.
    """

    def __init__(self, job: Job, timeout_s: float) -> None:
        super().__init__(f"job {job.id} ({job.kind}) is still {job.state} after {timeout_s:g} s")
        self.job = job
