"""What a user of the suite imports: the client and its errors."""

from futago.client import Client
from futago.errors import (
    AuthenticationError,
    Conflict,
    ConnectionFailed,
    FutagoError,
    InvalidInput,
    JobFailed,
    NotAllowed,
    NotFound,
    RateLimited,
    TooLarge,
    Unavailable,
    UnexpectedAnswer,
    WaitTimeout,
)
from futago.job import Job

__all__ = [
    "AuthenticationError",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "FutagoError",
    "InvalidInput",
    "Job",
    "JobFailed",
    "NotAllowed",
    "NotFound",
    "RateLimited",
    "TooLarge",
    "Unavailable",
    "UnexpectedAnswer",
    "WaitTimeout",
]
