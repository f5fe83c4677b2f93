"""Are assets watched, and what is seen?"""

from deploy.monitoring.boards.promql import newest, per_second, within
from deploy.monitoring.boards.spec import Board, Panel, Query, Row, Unit, Variable, alarm_from, good_from, stat

_DETECTOR = 'detector=~"$detector"'
_ASSET = 'asset=~"$asset"'
_NO_ASSETS = "values of single assets are shown where it is asked for"
_NO_HEALTH = "health is shown with them, and judged after enough rows"

ANOMALY = Board(
    "anomaly",
    "Futago: anomalies and fleet",
    "Rows scored, streams of assets, and what detectors found.",
    variables=(
        Variable("detector", "futago_anomaly_rows_scored_total", "detector"),
        Variable("asset", "futago_anomaly_asset_severity", "asset", _NO_ASSETS),
    ),
    rows=(
        Row(
            "Scores",
            (
                Panel(
                    "Rows scored",
                    (
                        Query(
                            per_second("futago_anomaly_rows_scored_total", "detector", _DETECTOR),
                            "{{detector}}",
                        ),
                    ),
                    Unit.PER_SECOND,
                ),
                Panel(
                    "Of these, above the threshold",
                    (Query(f"futago:anomalous_rows:ratio_rate10m{{{_DETECTOR}}}", "{{detector}}"),),
                    Unit.SHARE,
                    highest=1.0,
                    runbooks=("FutagoDetectorNoisy",),
                ),
                Panel(
                    "Time to score: one call in a hundred takes longer than",
                    (
                        Query(
                            within("futago_anomaly_score_duration_seconds", "detector", _DETECTOR),
                            "{{detector}}",
                        ),
                    ),
                    Unit.SECONDS,
                ),
            ),
        ),
        Row(
            "Fleet",
            (
                Panel(
                    "Alerts raised, an hour",
                    (
                        Query(
                            "sum by (severity) (increase(futago_anomaly_alerts_total[1h]))",
                            "{{severity}}",
                            empty_because="nothing was found",
                        ),
                    ),
                    runbooks=("FutagoAnomalyCritical",),
                ),
                Panel(
                    "Severity, the ten highest",
                    (
                        Query(
                            f"topk(10, {newest('futago_anomaly_asset_severity', 'asset, detector', _ASSET)})",
                            "{{asset}}: {{detector}}",
                            empty_because=_NO_ASSETS,
                        ),
                    ),
                    steps=alarm_from(0.5),
                    highest=1.0,
                    description="Of the newest row; 0.5 is the detector's limit.",
                    runbooks=("FutagoAnomalyCritical",),
                ),
                Panel(
                    "Health, the ten lowest",
                    (
                        Query(
                            f"bottomk(10, {newest('futago_anomaly_asset_health', 'asset', _ASSET)})",
                            "{{asset}}",
                            empty_because=_NO_HEALTH,
                        ),
                    ),
                    below="red",
                    steps=good_from(50.0),
                    highest=100.0,
                    description="From 0 to 100; 50 is the detectors' limit.",
                ),
            ),
        ),
        Row(
            "Streams",
            (
                Panel(
                    "Rows received",
                    (
                        Query(
                            per_second("futago_anomaly_stream_rows_total", "detector", _DETECTOR),
                            "{{detector}}",
                        ),
                        Query(
                            per_second("futago_anomaly_stream_repeated_rows_total", "detector", _DETECTOR),
                            "{{detector}}, again",
                        ),
                    ),
                    Unit.PER_SECOND,
                ),
                Panel(
                    "Age of the newest row when it was scored",
                    (Query(newest("futago_anomaly_stream_lag_seconds", "detector", _DETECTOR), "{{detector}}"),),
                    Unit.SECONDS,
                    steps=alarm_from(60.0),
                    runbooks=("FutagoStreamLag",),
                ),
                Panel(
                    "Calls refused",
                    (
                        Query(
                            per_second("futago_anomaly_stream_refused_total", "code"),
                            "{{code}}",
                            empty_because="no call was refused",
                        ),
                    ),
                    Unit.PER_SECOND,
                    runbooks=("FutagoStreamsRefused",),
                ),
            ),
        ),
        Row(
            "Inside",
            (
                stat("Detectors in memory", "max(futago_anomaly_detectors_loaded)"),
                stat(
                    "Alerts lost, last day",
                    "sum(increase(futago_anomaly_alerts_lost_total[1d]))",
                    steps=alarm_from(1.0),
                    runbooks=("FutagoAnomalyAlertsLost",),
                ),
                stat(
                    "Rows missing from health",
                    "sum(futago_anomaly_health_rows_lost)",
                    steps=alarm_from(1.0),
                    runbooks=("FutagoHealthUnrecorded",),
                ),
                Panel(
                    "Assets with more alarms than promised",
                    (
                        Query(
                            newest("futago_anomaly_live_more_alarms", "detector", _DETECTOR),
                            "{{detector}}",
                            empty_because="live counts are judged once there are enough of them",
                        ),
                    ),
                    runbooks=("FutagoDetectorNoisy",),
                ),
            ),
        ),
    ),
)
