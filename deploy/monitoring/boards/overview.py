"""Is everything all right? Objectives, traffic, and the health of every part."""

from deploy.monitoring.boards.promql import PROBES, newest, per_second, within
from deploy.monitoring.boards.spec import Board, Panel, Query, Row, Step, Unit, alarm_from, good_from, stat

_PREDICT = 'service="gateway", route="/api/v1/twin/predict"'
_NO_ERRORS = "a suite without faults has none"
_BURNS = (Step(1.0, "yellow"), Step(6.0, "orange"), Step(14.4, "red"))

OVERVIEW = Board(
    "overview",
    "Futago: overview",
    "Service level objectives, and the health of every part.",
    rows=(
        Row(
            "Objectives, over 30 days",
            (
                stat(
                    "Requests without a server error",
                    "1 - futago:gateway_errors:ratio_rate30d",
                    unit=Unit.SHARE,
                    below="red",
                    steps=good_from(0.9999),
                    decimals=4,
                    description="Objective: 99.99 %. Counted at the gateway, without probes.",
                    runbooks=("FutagoAvailabilityBurningFast", "FutagoAvailabilityBurningSlow"),
                ),
                stat(
                    "Error budget left",
                    "1 - futago:gateway_errors:ratio_rate30d / 0.0001",
                    unit=Unit.SHARE,
                    below="red",
                    steps=(Step(0.0, "orange"), Step(0.25, "green")),
                    decimals=1,
                ),
                stat(
                    "Predictions within 100 ms",
                    "1 - futago:gateway_slow_predictions:ratio_rate30d",
                    unit=Unit.SHARE,
                    below="red",
                    steps=good_from(0.99),
                    decimals=3,
                    description="Objective: 99 %. Single predictions, as the gateway saw them.",
                    runbooks=("FutagoLatencyBurningFast", "FutagoLatencyBurningSlow"),
                ),
                stat(
                    "Latency budget left",
                    "1 - futago:gateway_slow_predictions:ratio_rate30d / 0.01",
                    unit=Unit.SHARE,
                    below="red",
                    steps=(Step(0.0, "orange"), Step(0.25, "green")),
                    decimals=1,
                ),
                Panel(
                    "Burn rate of the error budget",
                    (
                        Query("futago:gateway_errors:ratio_rate1h / 0.0001", "last hour"),
                        Query("futago:gateway_errors:ratio_rate6h / 0.0001", "last 6 hours"),
                        Query("futago:gateway_errors:ratio_rate1d / 0.0001", "last day"),
                    ),
                    steps=_BURNS,
                    description="1 uses up the budget of 30 days in 30 days; alerts fire at 6 and 14.4.",
                    runbooks=("FutagoAvailabilityBurningFast",),
                ),
            ),
        ),
        Row(
            "Now",
            (
                Panel(
                    "Replicas that answer",
                    (Query('sum by (service) (up{job="futago"})', "{{service}}"),),
                    below="red",
                    steps=good_from(1.0),
                    runbooks=("FutagoServiceDown", "FutagoReplicaDown"),
                ),
                Panel(
                    "Firing alerts",
                    (
                        Query(
                            'count by (alertname, severity) (ALERTS{alertstate="firing", alertname=~"Futago.+"})',
                            "{{alertname}} ({{severity}})",
                            empty_because="nothing is wrong",
                        ),
                    ),
                ),
                Panel(
                    "Requests",
                    (
                        Query(
                            per_second("futago_http_requests_total", "service", PROBES),
                            "{{service}}",
                        ),
                    ),
                    Unit.REQUESTS_PER_SECOND,
                ),
                Panel(
                    "Server errors",
                    (
                        Query(
                            per_second("futago_http_requests_total", "service", f'{PROBES}, status=~"5.."'),
                            "{{service}}",
                            empty_because=_NO_ERRORS,
                        ),
                    ),
                    Unit.REQUESTS_PER_SECOND,
                    runbooks=("FutagoServerErrors",),
                ),
                Panel(
                    "Time of a prediction, at the gateway",
                    tuple(
                        Query(
                            within("futago_http_request_duration_seconds", "", _PREDICT, share=share),
                            legend,
                        )
                        for share, legend in ((0.5, "median"), (0.99, "99 %"))
                    ),
                    Unit.SECONDS,
                    steps=alarm_from(0.1),
                    runbooks=("FutagoLatencyBurningFast",),
                ),
                Panel(
                    "Dependencies of the services: one call in a hundred is slower than",
                    (
                        Query("futago:redis_command_seconds:p99_rate5m", "Redis, {{service}}"),
                        Query("futago:sql_statement_seconds:p99_rate5m", "SQL, {{service}}"),
                    ),
                    Unit.SECONDS,
                    runbooks=("FutagoRedisSlow", "FutagoDatabaseSlow"),
                ),
            ),
        ),
        Row(
            "The plant",
            (
                Panel(
                    "Predictions",
                    (
                        Query(
                            per_second("futago_twin_predictions_total", "model", 'outcome="predicted"'),
                            "{{model}}",
                        ),
                    ),
                    Unit.PER_SECOND,
                ),
                Panel(
                    "Rows above their detector's threshold",
                    (Query("futago:anomalous_rows:ratio_rate10m", "{{detector}}"),),
                    Unit.SHARE,
                    highest=1.0,
                ),
                Panel(
                    "Waiting jobs",
                    (Query(newest("futago_jobs_waiting", "queue"), "{{queue}}"),),
                    steps=alarm_from(20.0),
                    runbooks=("FutagoJobsWaiting", "FutagoWorkerStuck"),
                ),
            ),
        ),
    ),
)
