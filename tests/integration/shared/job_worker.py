"""A worker process of the tests: `python job_worker.py DATABASE_URL REDIS_URL DRAIN_S`."""

import sys

from prometheus_client import CollectorRegistry

from shared.jobs import run_worker
from shared.log import configure_logging

KINDS = ("add", "sleep", "publish", "die", "refuse", "crash", "need", "look")

if __name__ == "__main__":
    configure_logging(service="test-worker", level="info", folder=None)
    run_worker(
        queue_name="test",
        handlers={f"test.{kind}": f"job_handlers:{kind}" for kind in KINDS},
        database_url=sys.argv[1],
        redis_url=sys.argv[2],
        options={"store_url": "file:///nowhere"},
        registry=CollectorRegistry(),
        metrics_address=None,
        log_service="test-worker",
        log_level="info",
        log_dir=None,
        drain_s=float(sys.argv[3]),
    )
