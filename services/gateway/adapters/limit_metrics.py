"""What the limits decided, for dashboards: by the limit's name, never by caller."""

from prometheus_client import CollectorRegistry, Counter

from services.gateway.domain.doorman import Allowance


class LimitMetrics:
    """Counts decisions."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._decisions = Counter(
            "futago_gateway_limit_decisions",
            "Requests counted on a limit, and whether it had room",
            ("limit", "outcome"),
            registry=registry,
        )
        # Looking a series up by its labels costs more than counting; there are as many as limits and outcomes.
        self._series: dict[tuple[str, bool], Counter] = {}

    def count(self, allowance: Allowance) -> None:
        """Count one decision."""
        key = allowance.limit.name, allowance.decision.allowed
        series = self._series.get(key)
        if series is None:
            outcome = "allowed" if allowance.decision.allowed else "refused"
            series = self._series[key] = self._decisions.labels(allowance.limit.name, outcome)
        series.inc()
