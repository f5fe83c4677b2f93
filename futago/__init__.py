"""What a user of the suite imports: the client and its errors, and the engines for use in process.

The engines are loaded when they are first named: a client on a small machine has neither numpy nor ONNX Runtime.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
    SecondFactorRequired,
    TooLarge,
    Unavailable,
    UnexpectedAnswer,
    WaitTimeout,
)
from futago.job import Job

if TYPE_CHECKING:
    from services.anomaly.library import Detector
    from services.twin.library import Twin, package
    from services.twin.library import train as train_twin

_ENGINES = {
    "Detector": ("anomaly", "Detector"),
    "Twin": ("twin", "Twin"),
    "package": ("twin", "package"),
    "train_twin": ("twin", "train"),
}

__all__ = [
    "AuthenticationError",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "Detector",
    "FutagoError",
    "InvalidInput",
    "Job",
    "JobFailed",
    "NotAllowed",
    "NotFound",
    "RateLimited",
    "SecondFactorRequired",
    "TooLarge",
    "Twin",
    "Unavailable",
    "UnexpectedAnswer",
    "WaitTimeout",
    "package",
    "train_twin",
]


def __getattr__(name: str) -> Any:
    """Load an engine's facade when it is first asked for."""
    if name not in _ENGINES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    service, attribute = _ENGINES[name]
    return getattr(import_module(f"services.{service}.library"), attribute)
