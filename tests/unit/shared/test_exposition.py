from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, enable_created_metrics

from shared.exposition import exposition


def test_a_counter_and_a_histogram_show_their_values_and_not_when_they_were_made():
    # As the library has it, whatever was shown before.
    enable_created_metrics()
    registry = CollectorRegistry()
    Counter("calls", "Calls", registry=registry).inc(2)
    Histogram("call_seconds", "Time", buckets=(1.0,), registry=registry).observe(0.5)
    Gauge("jobs_created", "A name that only looks like it", registry=registry).set(3)
    lines = [line for line in exposition(registry).decode().splitlines() if not line.startswith("#")]
    assert lines == [
        "calls_total 2.0",
        'call_seconds_bucket{le="1.0"} 1.0',
        'call_seconds_bucket{le="+Inf"} 1.0',
        "call_seconds_count 1.0",
        "call_seconds_sum 0.5",
        "jobs_created 3.0",
    ]
