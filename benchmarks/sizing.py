"""What a fleet needs, from rates and from what single calls were measured to cost: cores, memory, Redis, SQL.

The costs are those that `python -m benchmarks.fleet_load` measures on a running suite, which also compares this model
with a minute of mixed load. The model is a sum: every call costs what it costs alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Call:
    """What one call of a kind costs.

    Parameters
    ----------
    cpu_s
        Processor time of each process [s].
    sql_rows, sql_bytes
        What the database grows by.
    """

    cpu_s: Mapping[str, float]
    sql_rows: float = 0.0
    sql_bytes: float = 0.0


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured.

    Parameters
    ----------
    calls
        By kind of call.
    idle_cores
        Cores that a process uses while nobody asks.
    memory_bytes
        Resident memory of a replica.
    redis_bytes_per_stream
        What Redis keeps for one asset that streams.
    """

    calls: Mapping[str, Call]
    idle_cores: Mapping[str, float]
    memory_bytes: Mapping[str, float]
    redis_bytes_per_stream: float


@dataclass(frozen=True, slots=True)
class Fleet:
    """Who asks how often.

    Parameters
    ----------
    calls_hz
        Calls of each kind by one asset a second.
    busy
        The share of a core that a replica may be busy on average; the rest is for peaks and for a replica that is
        away.
    """

    plants: int
    assets_per_plant: int
    calls_hz: Mapping[str, float]
    busy: float = 0.5

    @property
    def assets(self) -> int:
        """All of them."""
        return self.plants * self.assets_per_plant


@dataclass(frozen=True, slots=True)
class Need:
    """What the fleet needs.

    Parameters
    ----------
    cores
        On average, by process.
    replicas
        Of one core each, so that none is busier than asked for; two at least of what has replicas.
    """

    calls_hz: float
    cores: Mapping[str, float]
    replicas: Mapping[str, int]
    memory_bytes: float
    redis_bytes: float
    sql_rows_a_day: float
    sql_bytes_a_day: float


# One Redis and one database serve all replicas; their cores are stated, and not divided.
SHARED = frozenset({"valkey"})


def cores(calls_hz: Mapping[str, float], costs: Costs) -> dict[str, float]:
    """Cores that each process uses under these calls a second."""
    return {
        process: idle + sum(rate_hz * costs.calls[kind].cpu_s.get(process, 0.0) for kind, rate_hz in calls_hz.items())
        for process, idle in costs.idle_cores.items()
    }


def need(fleet: Fleet, costs: Costs) -> Need:
    """Add everything up.

    Examples
    --------
    >>> one = Costs({"predict": Call({"twin": 0.001}, 2.0, 400.0)}, {"twin": 0.0}, {"twin": 2e8}, 5000.0)
    >>> found = need(Fleet(10, 100, {"predict": 1.0}), one)
    >>> found.cores["twin"], found.replicas["twin"], found.sql_rows_a_day
    (1.0, 2, 172800000.0)
    """
    calls_hz = {kind: fleet.assets * rate_hz for kind, rate_hz in fleet.calls_hz.items()}
    used = cores(calls_hz, costs)
    replicas = {process: max(2, _ceil(share / fleet.busy)) for process, share in used.items() if process not in SHARED}
    return Need(
        calls_hz=sum(calls_hz.values()),
        cores=used,
        replicas=replicas,
        memory_bytes=sum(count * costs.memory_bytes.get(process, 0.0) for process, count in replicas.items()),
        redis_bytes=fleet.assets * costs.redis_bytes_per_stream,
        sql_rows_a_day=_DAY_S * sum(rate_hz * costs.calls[kind].sql_rows for kind, rate_hz in calls_hz.items()),
        sql_bytes_a_day=_DAY_S * sum(rate_hz * costs.calls[kind].sql_bytes for kind, rate_hz in calls_hz.items()),
    )


def as_text(fleet: Fleet, found: Need) -> str:
    """A table for people."""
    lines = [f"  {fleet.plants} plants of {fleet.assets_per_plant} assets, {found.calls_hz:.0f} calls a second"]
    lines += [
        f"    {process:16s} {share:6.2f} cores"
        + (f", {found.replicas[process]} replicas of one core" if process in found.replicas else "")
        for process, share in found.cores.items()
    ]
    lines += [
        f"    memory of replicas {found.memory_bytes / 1e9:.1f} GB, Redis {found.redis_bytes / 1e6:.0f} MB",
        f"    SQL {found.sql_rows_a_day / 1e6:.1f} million rows and {found.sql_bytes_a_day / 1e9:.1f} GB a day",
    ]
    return "\n".join(lines)


def _ceil(value: float) -> int:
    return int(-(-value // 1))
