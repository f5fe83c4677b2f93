"""The few shapes that most expressions have; the interval is Grafana's, which knows how often is scraped."""

PROBES = 'route!~"/healthz|/readyz|/metrics"'


def per_second(metric: str, by: str, only: str = "") -> str:
    """How fast a counter grows."""
    return f"sum by ({by}) (rate({metric}{_braced(only)}[$__rate_interval]))"


def within(metric: str, by: str, only: str = "", *, share: float = 0.99) -> str:
    """What this share of a histogram's observations is within."""
    return f"histogram_quantile({share:g}, {per_second(metric + '_bucket', by + ', le' if by else 'le', only)})"


def newest(metric: str, by: str, only: str = "") -> str:
    """A gauge that all replicas show alike."""
    return f"max by ({by}) ({metric}{_braced(only)})"


def total(metric: str, by: str, only: str = "") -> str:
    """A gauge that every replica has a part of."""
    return f"sum by ({by}) ({metric}{_braced(only)})"


def _braced(only: str) -> str:
    return f"{{{only}}}" if only else ""
