"""The services behind the door."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from services.gateway.domain.access import Service


@dataclass(frozen=True, slots=True)
class Upstream:
    """One service.

    Parameters
    ----------
    base_url
        Scheme, host and port, without a path: paths are forwarded as they came.
    audience
        Whom the internal identity token is for.
    connect_timeout_s
        Longest wait for a connection [s].
    """

    service: Service
    base_url: str
    audience: str
    connect_timeout_s: float


@dataclass(frozen=True, slots=True)
class Handover:
    """What the gateway says about a request.

    Parameters
    ----------
    identity
        Signed token that tells the service who calls.
    body_limit_bytes
        Largest body that is passed on.
    answer_timeout_s
        Longest wait for the next bytes of the answer [s].
    still_counts
        Whether the caller's credential does, asked while an answer without a known end goes on.
    """

    identity: str
    request_id: str
    body_limit_bytes: int
    answer_timeout_s: float
    still_counts: Callable[[], bool] = field(compare=False)


def upstreams(urls: Mapping[Service, str], *, connect_timeout_s: float) -> Mapping[Service, Upstream]:
    """Make the table of services; a service's audience is its name."""
    return {
        service: Upstream(service, url.rstrip("/"), service.value, connect_timeout_s) for service, url in urls.items()
    }
