"""What processes use and how long it will do, and how fast Redis and the database answer."""

from deploy.monitoring.boards.promql import newest, per_second, total, within
from deploy.monitoring.boards.spec import Board, Panel, Query, Row, Step, Unit, Variable, alarm_from, good_from

_SERVICE = 'job="futago", service=~"$service"'
_NAME = "{{service}} {{instance}}"


INFRASTRUCTURE = Board(
    "infrastructure",
    "Futago: infrastructure",
    "Processor, memory, disks and certificates of every process; Redis and SQL as services see them.",
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
                    "File descriptors, share of the limit",
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
                    "Removed after their retention time",
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
            "Disks and certificates",
            (
                Panel(
                    "Free space on disks",
                    (
                        Query(
                            f"min by (service, folder) (futago_folder_free_bytes{{{_SERVICE}}}"
                            f" / (futago_folder_size_bytes{{{_SERVICE}}} > 0))",
                            "{{service}} {{folder}}",
                        ),
                    ),
                    Unit.SHARE,
                    below="red",
                    steps=good_from(0.1),
                    highest=1.0,
                    runbooks=("FutagoDiskLow",),
                ),
                Panel(
                    "Free space on disks, in bytes",
                    (
                        Query(
                            f"min by (service, folder) (futago_folder_free_bytes{{{_SERVICE}}})",
                            "{{service}} {{folder}}",
                        ),
                    ),
                    Unit.BYTES,
                    description="Of the replica with the least.",
                    runbooks=("FutagoDiskFilling",),
                ),
                Panel(
                    "TLS certificates end in",
                    (
                        Query(
                            "min by (service) (futago_tls_certificate_not_after_timestamp_seconds"
                            f"{{{_SERVICE}}}) - time()",
                            "{{service}}",
                            empty_because="no process of the suite speaks TLS itself",
                        ),
                    ),
                    Unit.SECONDS,
                    below="red",
                    steps=(Step(7 * 86_400.0, "orange"), Step(21 * 86_400.0, "green")),
                    description="If a proxy in front terminates TLS, monitor its certificate with your own probe.",
                    runbooks=("FutagoCertificateEnding", "FutagoCertificateAlmostOver"),
                ),
            ),
        ),
        Row(
            "Metrics themselves",
            (
                Panel(
                    "Names with their own series",
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
