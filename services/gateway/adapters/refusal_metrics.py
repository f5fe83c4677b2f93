"""Why requests with or without credentials were not let through, for dashboards and alarms."""

from prometheus_client import CollectorRegistry, Counter

from shared.errors import AppError, Kind

# Of the credentials themselves, of the caller's rights, and of limits; anything else is a fault of the request.
_TOLD = frozenset({Kind.UNAUTHENTICATED, Kind.FORBIDDEN, Kind.RATE_LIMITED})


class RefusalMetrics:
    """Counts by the code of the refusal, of which there are as many as this program has."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._refused = Counter(
            "futago_gateway_refused",
            "Requests refused for their token, key, rights or limit, by reason",
            ("reason",),
            registry=registry,
        )

    def count(self, error: AppError) -> None:
        """Count one."""
        if error.kind in _TOLD:
            self._refused.labels(error.code).inc()
