"""Jobs: work longer than a request, delivered by RQ over Redis, kept in SQL, done once in effect."""

from shared.contracts.job import CursorInvalid, IdempotencyConflict, Job, JobMissing, JobState, QueueUnavailable
from shared.jobs.attempts import AttemptLost
from shared.jobs.context import JobContext
from shared.jobs.delivery import RqDelivery
from shared.jobs.queue import JobQueue
from shared.jobs.run import begin_worker, run_worker
from shared.jobs.store import JobPage, JobStore
from shared.jobs.tables import HISTORY, SCRIPTS, migrate_jobs

__all__ = [
    "HISTORY",
    "SCRIPTS",
    "AttemptLost",
    "CursorInvalid",
    "IdempotencyConflict",
    "Job",
    "JobContext",
    "JobMissing",
    "JobPage",
    "JobQueue",
    "JobState",
    "JobStore",
    "QueueUnavailable",
    "RqDelivery",
    "begin_worker",
    "migrate_jobs",
    "run_worker",
]
