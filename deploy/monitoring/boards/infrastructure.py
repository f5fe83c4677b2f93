"""What processes use, and how fast Redis and the database answer."""

from deploy.monitoring.boards.promql import newest, per_second, total, within
from deploy.monitoring.boards.spec import Board, Panel, Query, Row, Unit, Variable, alarm_from

_SERVICE = 'job="futago", service=~"$service"'
_NAME = "{{service}} {{instance}}"


INFRASTRUCTURE = Board(
    "infrastructure",
    "Futago: infrastructure",
    "Processor, memory and files of every process; Redis and SQL as services see them.",
    variables=(Variable("service", 'up{job="futago"}', "service"),),
    rows=(
        Row(
            "Processes",
            (
                Panel(
                    "Cores used",
                    (
                        Query(
                            per_second("process_cpu_seconds_total", "service, instance", _SERVICE),
                            _NAME,
                        ),
                    ),
                ),
                Panel(
                    "Memory",
                    (Query(total("process_resident_memory_bytes", "service, instance", _SERVICE), _NAME),),
                    Unit.BYTES,
                ),
                Panel(
                    "File descriptors, of those allowed",
                    (
                        Query(
                            f"process_open_fds{{{_SERVICE}}} / process_max_fds{{{_SERVICE}}}",
                            _NAME,
                        ),
                    ),
                    Unit.SHARE,
                    steps=alarm_from(0.8),
                    runbooks=("FutagoFilesRunningOut",),
                ),
                Panel(
                    "Running since",
                    (Query(f"time() - process_start_time_seconds{{{_SERVICE}}}", _NAME),),
                    Unit.SECONDS,
                    runbooks=("FutagoRestarting",),
                ),
                Panel(
                    "Requests being answered",
                    (Query(total("futago_http_requests_in_flight", "service, instance", _SERVICE), _NAME),),
                ),
                Panel(
                    "Releases",
                    (
                        Query(
                            total("futago_build_info", "service, version, revision", _SERVICE),
                            "{{service}} {{version}} {{revision}}",
                        ),
                    ),
                    description="Replicas of each; more than one release of a service is an upgrade under way.",
                ),
            ),
        ),
        Row(
            "Redis and SQL",
            (
                Panel(
                    "One Redis command in a hundred takes longer than",
                    (Query(within("futago_redis_command_seconds", "service", _SERVICE), "{{service}}"),),
                    Unit.SECONDS,
                    steps=alarm_from(0.05),
                    runbooks=("FutagoRedisSlow",),
                ),
                Panel(
                    "One SQL statement in a hundred takes longer than",
                    (
                        Query(
                            within("futago_sql_statement_seconds", "service, operation", _SERVICE),
                            "{{service}} {{operation}}",
                        ),
                    ),
                    Unit.SECONDS,
                    steps=alarm_from(0.5),
                    runbooks=("FutagoDatabaseSlow",),
                ),
                Panel(
                    "One caller in a hundred waits longer for a database connection than",
                    (Query(within("futago_sql_pool_wait_seconds", "service", _SERVICE), "{{service}}"),),
                    Unit.SECONDS,
                    steps=alarm_from(0.25),
                    runbooks=("FutagoConnectionsBusy",),
                ),
                Panel(
                    "Failures",
                    (
                        Query(
                            per_second("futago_redis_failures_total", "service", _SERVICE),
                            "Redis, {{service}}",
                        ),
                        Query(
                            per_second("futago_sql_failures_total", "service", _SERVICE),
                            "SQL, {{service}}",
                        ),
                    ),
                    Unit.PER_SECOND,
                    runbooks=("FutagoRedisFailing", "FutagoDatabaseFailing"),
                ),
                Panel(
                    "Database connections in use",
                    (Query(total("futago_sql_connections_in_use", "service, instance", _SERVICE), _NAME),),
                ),
                Panel(
                    "Removed as it need not be kept longer",
                    (
                        Query(
                            f"sum by (what) (increase(futago_retention_removed_total{{{_SERVICE}}}[1h]))",
                            "{{what}}",
                        ),
                    ),
                    description="In the last hour.",
                    runbooks=("FutagoRetentionFailing",),
                ),
            ),
        ),
        Row(
            "Metrics themselves",
            (
                Panel(
                    "Names with series of their own",
                    (
                        Query(
                            newest("futago_series_names", "service, bound", _SERVICE),
                            "{{service}} {{bound}}",
                        ),
                    ),
                    runbooks=("FutagoSeriesBounded",),
                    width=12,
                ),
                Panel(
                    "Samples of a scrape",
                    (Query(f"scrape_samples_scraped{{{_SERVICE}}}", _NAME),),
                    width=12,
                ),
            ),
        ),
    ),
)
