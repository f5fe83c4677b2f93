"""RQ as the messenger: it carries ids of jobs, in order, to whichever worker is free.

What a job is and where it stands is in the database. A message that is lost is sent again by a sweeper; one that comes
twice finds its job taken. RQ's own worker is not used: it exits when Redis is away at the end of a job, and hands the
job of a dead worker on after minutes at best.
"""

from collections.abc import Set as AbstractSet
from typing import Protocol

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.exceptions import DequeueTimeout, NoSuchJobError
from rq.job import Job as Message
from rq.serializers import JSONSerializer

from shared.contracts.job import QueueUnavailable


class Delivery(Protocol):
    """Carries job ids to workers, at least once as long as somebody sweeps."""

    def send(self, job_id: str, kind: str) -> None:
        """Put a job at the end of the queue.

        Raises
        ------
        QueueUnavailable
            If the queue does not answer; the id may or may not have got through.
        """
        ...

    def take(self, wait_s: int) -> str | None:
        """The next job id; `None` if none comes in time.

        Raises
        ------
        QueueUnavailable
            If the queue does not answer.
        """
        ...

    def waiting(self) -> AbstractSet[str]:
        """The job ids in the queue.

        Raises
        ------
        QueueUnavailable
            If the queue does not answer.
        """
        ...


class RqDelivery:
    """`Delivery` over an RQ queue with JSON messages.

    Parameters
    ----------
    redis
        A client with hard timeouts.
    taking
        A client made by `waiting_client`, where `take` is called: a worker that looks after a running job must not
        wait for a server that hangs as long as one that waits for work.
    """

    def __init__(self, redis: Redis, queue: str, *, taking: Redis | None = None) -> None:
        self._redis = redis
        self._taking = redis if taking is None else taking
        self._queue = Queue(queue, connection=redis, serializer=JSONSerializer)

    def send(self, job_id: str, kind: str) -> None:
        try:
            # Never called by RQ: the name tells `rq info` what waits here.
            self._queue.enqueue_call(kind, args=(job_id,), job_id=job_id)
        except RedisError as error:
            raise QueueUnavailable from error

    def take(self, wait_s: int) -> str | None:
        try:
            _, popped = Queue.lpop([self._queue.key], wait_s, connection=self._taking)
            job_id: str = popped.decode()
            Message.fetch(job_id, self._redis, serializer=JSONSerializer).delete(remove_from_queue=False)
        except DequeueTimeout:
            return None
        except NoSuchJobError:
            # The same job was sent twice: the first copy took the message with it.
            return job_id
        except RedisError as error:
            raise QueueUnavailable from error
        return job_id

    def waiting(self) -> AbstractSet[str]:
        try:
            return frozenset(self._queue.get_job_ids())
        except RedisError as error:
            raise QueueUnavailable from error
