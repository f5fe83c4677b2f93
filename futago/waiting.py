"""Following a job to its end."""

from collections.abc import Callable

from futago.errors import ConnectionFailed, JobFailed, Unavailable, WaitTimeout
from futago.job import Job
from shared.clock import Clock

FIRST_LOOK_S = 0.1
LONGEST_LOOK_S = 2.0
LONGEST_OUTAGE_S = 60.0


def wait_for_result(
    job: Job,
    look: Callable[[], Job],
    *,
    timeout_s: float,
    on_progress: Callable[[Job], None] | None,
    clock: Clock,
    sleep: Callable[[float], None],
) -> Job:
    """Look at a job again and again, less and less often, until it has ended well.

    Parameters
    ----------
    look
        Asks the suite for the job as it is now.

    Raises
    ------
    JobFailed
        If it failed or was cancelled.
    WaitTimeout
        If it is not done in time.
    ConnectionFailed, Unavailable
        If the suite has not answered for a minute.
    """
    give_up_at_s = clock.monotonic_s() + timeout_s
    pause_s = FIRST_LOOK_S
    while not job.ended:
        if clock.monotonic_s() >= give_up_at_s:
            raise WaitTimeout(job, timeout_s)
        sleep(pause_s)
        pause_s = min(pause_s * 1.5, LONGEST_LOOK_S)
        newer = _look_patiently(look, give_up_at_s, clock, sleep)
        if on_progress is not None and newer != job:
            on_progress(newer)
        job = newer
    if job.state != "succeeded":
        raise JobFailed(job)
    return job


def _look_patiently(look: Callable[[], Job], give_up_at_s: float, clock: Clock, sleep: Callable[[float], None]) -> Job:
    # A job outlives a restart of the gateway, and so does waiting for it.
    outage_ends_s = min(give_up_at_s, clock.monotonic_s() + LONGEST_OUTAGE_S)
    while True:
        try:
            return look()
        except (ConnectionFailed, Unavailable):
            if clock.monotonic_s() >= outage_ends_s:
                raise
            sleep(LONGEST_LOOK_S)
