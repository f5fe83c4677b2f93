"""The table of routes: what a caller needs for each, and which service answers.

What the table does not name is refused, whoever asks. A service checks the permission of its own routes again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from services.gateway.domain.errors import NotAllowed
from shared.principal import Permission, Principal


class Service(StrEnum):
    """Who answers; the gateway's own routes are `GATEWAY`."""

    GATEWAY = "gateway"
    TWIN = "twin"
    ANOMALY = "anomaly"
    PLANNER = "planner"


class Entry(StrEnum):
    """Ways past the door that are not a permission."""

    OPEN = "open"
    SIGNED_IN = "signed_in"


Needs = Permission | Entry
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked all the time by whoever keeps the process running, from one address: never limited."""
# What starts work of minutes: trainings, plans, uploads of models and data.
_HEAVY = frozenset({Permission.PUBLISH, Permission.TRAIN, Permission.PLAN})
# What a caller with a verification in hand may go on doing while Redis is away: watching and predicting, not
# changing anything.
_WITHOUT_REDIS = frozenset({Permission.READ, Permission.PREDICT, Permission.SCORE})


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the table.

    Parameters
    ----------
    pattern
        Path with `{name}` for a segment that varies; also the route's name in metrics and the audit trail.
    needs
        The permission asked for, or the entry that stands for none.
    upload
        The body is a file, which may be larger and take longer than others.
    """

    method: str
    pattern: str
    needs: Needs
    service: Service = Service.GATEWAY
    upload: bool = False

    @property
    def without_redis(self) -> bool:
        """Whether a caller verified before keeps this route while Redis is away."""
        return self.service is not Service.GATEWAY and self.needs in _WITHOUT_REDIS

    @property
    def is_heavy(self) -> bool:
        """Whether a request may start work that goes on for minutes; counted on a limit of its own."""
        return self.method == "POST" and self.service is not Service.GATEWAY and self.needs in _HEAVY


@dataclass(slots=True)
class _Node:
    fixed: dict[str, "_Node"] = field(default_factory=dict)
    any: "_Node | None" = None
    routes: dict[str, Route] = field(default_factory=dict)


class AccessTable:
    """Finds the route of a request; built once, then only read."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._root = _Node()
        for route in self.routes:
            node = self._root
            for segment in filter(None, route.pattern.split("/")):
                if segment.startswith("{") and segment.endswith("}"):
                    node.any = node.any or _Node()
                    node = node.any
                else:
                    node = node.fixed.setdefault(segment, _Node())
            if route.method in node.routes:
                raise ValueError(f"{route.method} {route.pattern} stands twice in the table")
            node.routes[route.method] = route

    def find(self, segments: tuple[str, ...]) -> Mapping[str, Route]:
        """Routes of a path by method, empty if nothing is served there; a fixed segment wins over a varying one."""
        return _walk(self._root, segments, 0)


def _walk(node: _Node, segments: tuple[str, ...], depth: int) -> Mapping[str, Route]:
    if depth == len(segments):
        return node.routes
    if (child := node.fixed.get(segments[depth])) is not None and (found := _walk(child, segments, depth + 1)):
        return found
    return _walk(node.any, segments, depth + 1) if node.any is not None else {}


def methods_of(routes: Mapping[str, Route]) -> tuple[str, ...]:
    """What a path takes, as `Allow` names it (RFC 9110, section 10.2.1): `HEAD` wherever there is `GET`."""
    return tuple(sorted({*routes, "HEAD"} if "GET" in routes else routes))


def authorise(route: Route, caller: Principal) -> None:
    """Let the caller pass, or say which permission is missing.

    Raises
    ------
    NotAllowed
        If the caller lacks the permission that the route needs.
    """
    if isinstance(route.needs, Permission) and not caller.may(route.needs):
        raise NotAllowed(route.needs.value)
