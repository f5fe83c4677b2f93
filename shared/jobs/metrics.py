"""What a worker tells Prometheus."""

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared.contracts.job import JobState

# From a quick search to the longest training [s].
_BUCKETS_S = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 4 * 3600.0)


class WorkerMetrics:
    """Metrics of one worker process.

    Parameters
    ----------
    beat
        Hears of each turn of the loop.
    """

    def __init__(self, registry: CollectorRegistry, beat: Callable[[], None] = lambda: None) -> None:
        self._beat = beat
        self._attempts = Counter(
            "futago_job_attempts",
            "Ended attempts, by the resulting state of the job",
            ("kind", "state"),
            registry=registry,
        )
        self._duration_s = Histogram(
            "futago_job_duration_seconds", "Duration of one attempt", ("kind",), buckets=_BUCKETS_S, registry=registry
        )
        self._waiting = Gauge("futago_jobs_waiting", "Jobs queued", ("queue",), registry=registry)
        self._jobs = Gauge(
            "futago_jobs",
            "Jobs in the database, by state",
            ("queue", "state"),
            registry=registry,
        )
        self._oldest_s = Gauge(
            "futago_jobs_oldest_waiting_seconds",
            "Age of the job that has waited longest; 0 if none waits",
            ("queue",),
            registry=registry,
        )
        self._alive = Gauge(
            "futago_worker_alive_timestamp_seconds",
            "Time of the worker's last pass through its loop",
            registry=registry,
        )

    def attempt_ended(self, kind: str, state: JobState, duration_s: float) -> None:
        """Count one attempt."""
        self._attempts.labels(kind, state.value).inc()
        self._duration_s.labels(kind).observe(duration_s)

    def waiting(self, queue: str, depths: Mapping[str, int]) -> None:
        """Set the depth of the worker's queue."""
        self._waiting.labels(queue).set(depths.get(queue, 0))

    def stands(self, queue: str, states: Mapping[JobState, int], oldest_waiting_s: float) -> None:
        """Show how the worker's queue stands."""
        for state, count in states.items():
            self._jobs.labels(queue, state.value).set(count)
        self._oldest_s.labels(queue).set(oldest_waiting_s)

    def alive(self) -> None:
        """Note that the loop goes round."""
        self._alive.set_to_current_time()
        self._beat()
