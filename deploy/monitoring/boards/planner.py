"""Is long work done, and how good is the newest plan?"""

from deploy.monitoring.boards.promql import newest, per_second
from deploy.monitoring.boards.spec import Board, Panel, Query, Row, Unit, alarm_from, stat

PLANNER = Board(
    "planner",
    "Futago: jobs and plans",
    "Queues and workers, trainings and searches, and the newest plan.",
    rows=(
        Row(
            "Jobs",
            (
                Panel(
                    "Waiting",
                    (Query(newest("futago_jobs_waiting", "queue"), "{{queue}}"),),
                    steps=alarm_from(20.0),
                    runbooks=("FutagoJobsWaiting",),
                ),
                Panel(
                    "The oldest has waited for",
                    (Query(newest("futago_jobs_oldest_waiting_seconds", "queue"), "{{queue}}"),),
                    Unit.SECONDS,
                    steps=alarm_from(3600.0),
                    runbooks=("FutagoJobsOld",),
                ),
                Panel(
                    "In the database, by state",
                    (Query(newest("futago_jobs", "queue, state"), "{{queue}}: {{state}}"),),
                ),
                Panel(
                    "Attempts that ended, an hour",
                    (Query("sum by (kind, state) (increase(futago_job_attempts_total[1h]))", "{{kind}}: {{state}}"),),
                    runbooks=("FutagoJobsFailing",),
                ),
                Panel(
                    "Half of the attempts take longer than",
                    (
                        Query(
                            "histogram_quantile(0.5, sum by (kind, le) (rate(futago_job_duration_seconds_bucket[1h])))",
                            "{{kind}}",
                        ),
                    ),
                    Unit.SECONDS,
                ),
                Panel(
                    "Attempts that failed",
                    (
                        Query(
                            "futago:job_failures:ratio_rate1h",
                            "{{kind}}",
                            empty_because="no attempt failed",
                        ),
                    ),
                    Unit.SHARE,
                    highest=1.0,
                    runbooks=("FutagoJobsFailing",),
                ),
            ),
        ),
        Row(
            "Workers",
            (
                Panel(
                    "Time since the last pass of the worker's loop",
                    (
                        Query(
                            f"time() - {newest('futago_worker_alive_timestamp_seconds', 'service, instance')}",
                            "{{service}} {{instance}}",
                        ),
                    ),
                    Unit.SECONDS,
                    steps=alarm_from(120.0),
                    runbooks=("FutagoWorkerStuck",),
                    width=12,
                ),
                Panel(
                    "Cores used",
                    (
                        Query(
                            per_second("process_cpu_seconds_total", "service", 'service=~".+-worker"'),
                            "{{service}}",
                        ),
                    ),
                    width=12,
                    description="Of the worker itself; a job runs in a process of its own, which is not in it.",
                ),
            ),
        ),
        Row(
            "The newest plan",
            (
                Panel(
                    "Points",
                    (Query(newest("futago_planner_plan_score", "level"), "{{level}}"),),
                    description="Points of the last level, and of all levels before it together, which should be 0.",
                    width=12,
                ),
                stat(
                    "Gap to the lower bound",
                    "max(futago_planner_plan_gap)",
                    unit=Unit.SHARE,
                    steps=alarm_from(0.2),
                    decimals=1,
                    width=6,
                    runbooks=("FutagoPlanGap",),
                ),
                stat("Lower bound of the cost", "max(futago_planner_plan_bound)", width=6),
            ),
        ),
    ),
)
