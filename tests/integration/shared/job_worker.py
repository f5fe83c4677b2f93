"""A worker process of the tests: `python job_worker.py DATABASE_URL REDIS_URL DRAIN_S`."""

import sys
from typing import ClassVar

from shared.jobs import run_worker
from shared.log import configure_logging
from shared.settings import ServiceSettings

KINDS = ("add", "sleep", "publish", "die", "refuse", "crash", "need", "look")


class WorkerSettings(ServiceSettings):
    service: ClassVar[str] = "test"


if __name__ == "__main__":
    configure_logging(service="test-worker", level="info", folder=None)
    run_worker(
        WorkerSettings(
            port=0,
            database_url=sys.argv[1],
            redis_url=sys.argv[2],
            drain_s=float(sys.argv[3]),
            enable_monitoring=False,
        ),
        queue_name="test",
        handlers={f"test.{kind}": f"job_handlers:{kind}" for kind in KINDS},
        options={"store_url": "file:///nowhere"},
    )
