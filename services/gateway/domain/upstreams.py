"""The services behind the door, and how long each may take."""

from collections.abc import Mapping
from dataclasses import dataclass

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
    connect_timeout_s, answer_timeout_s
        Longest waits for a connection, and for the next bytes of an answer [s].
    """

    service: Service
    base_url: str
    audience: str
    connect_timeout_s: float
    answer_timeout_s: float


def upstreams(
    urls: Mapping[Service, str], *, connect_timeout_s: float, answer_timeout_s: float
) -> Mapping[Service, Upstream]:
    """Make the table of services; a service's audience is its name."""
    return {
        service: Upstream(service, url.rstrip("/"), service.value, connect_timeout_s, answer_timeout_s)
        for service, url in urls.items()
    }
