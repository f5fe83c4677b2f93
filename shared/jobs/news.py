"""Tells whoever watches that a job has moved; the row stays the truth, and news that get lost hurt nobody."""

from collections.abc import Callable
from typing import TypeAlias

from redis import Redis
from redis.exceptions import RedisError

from shared.contracts.job import Job
from shared.events import JOBS, PAYLOAD, event_text
from shared.log import get_logger

# Progress is worth little once it is old; each job tells of itself twice a second at most.
NEWS_LENGTH = 2_000
# A longer word leaves the result out: it stands in the job itself.
_LONGEST_CHARS = 16_384

Tell: TypeAlias = Callable[[Job], None]

log = get_logger(__name__)


def tell_nobody(job: Job) -> None:
    """For a process whose jobs nobody watches."""


class JobNews:
    """Appends jobs to the stream that gateways read.

    Parameters
    ----------
    redis
        A blocking client with short timeouts: the work itself must not wait for its news.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def tell(self, job: Job) -> None:
        """Tell that the job has moved, as far as Redis is there."""
        document = job.to_json()
        text = event_text({"owner": job.owner, "job": document})
        if len(text) > _LONGEST_CHARS:
            text = event_text({"owner": job.owner, "job": document | {"result": None, "progress": None}})
        try:
            self._redis.xadd(JOBS, {PAYLOAD: text}, maxlen=NEWS_LENGTH, approximate=True)
        except RedisError as error:
            log.warning("job_news_lost", job=job.id, error=type(error).__name__)
