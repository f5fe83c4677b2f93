"""Who comes in, what is passed on, and is the record whole?"""

from deploy.monitoring.boards.promql import PROBES, newest, per_second, total, within
from deploy.monitoring.boards.spec import Board, Panel, Query, Row, Step, Unit, Variable, alarm_from, good_from, stat

_SHOWN = f'service="gateway", route=~"$route", {PROBES}'

GATEWAY = Board(
    "gateway",
    "Futago: gateway",
    "Requests by route, the services behind, limits and refusals, and the audit trail.",
    variables=(Variable("route", 'futago_http_requests_total{service="gateway"}', "route"),),
    rows=(
        Row(
            "Requests",
            (
                Panel(
                    "By route, the ten busiest",
                    (
                        Query(
                            f"topk(10, {per_second('futago_http_requests_total', 'method, route', _SHOWN)})",
                            "{{method}} {{route}}",
                        ),
                    ),
                    Unit.REQUESTS_PER_SECOND,
                ),
                Panel(
                    "By status",
                    (
                        Query(
                            per_second("futago_http_requests_total", "status", _SHOWN),
                            "{{status}}",
                        ),
                    ),
                    Unit.REQUESTS_PER_SECOND,
                    runbooks=("FutagoAvailabilityBurningFast", "FutagoAvailabilityBurningSlow"),
                ),
                Panel(
                    "Slowest routes: one request in a hundred takes longer than",
                    (
                        Query(
                            f"topk(10, {within('futago_http_request_duration_seconds', 'route', _SHOWN)})",
                            "{{route}}",
                        ),
                    ),
                    Unit.SECONDS,
                ),
            ),
        ),
        Row(
            "Services behind",
            (
                Panel(
                    "Breakers",
                    (Query(newest("futago_gateway_breaker_state", "upstream"), "{{upstream}}"),),
                    steps=(Step(1.0, "orange"), Step(2.0, "red")),
                    highest=2.0,
                    description="0 closed, 1 half open, 2 open.",
                    runbooks=("FutagoBreakerOpen",),
                ),
                Panel(
                    "Requests that the services did not answer",
                    (
                        Query(
                            per_second("futago_gateway_upstream_failures_total", "upstream, reason"),
                            "{{upstream}}: {{reason}}",
                            empty_because="every request was answered",
                        ),
                    ),
                    Unit.PER_SECOND,
                    runbooks=("FutagoUpstreamFailing",),
                ),
                Panel(
                    "Requests being answered",
                    (Query(total("futago_http_requests_in_flight", "instance", 'service="gateway"'), "{{instance}}"),),
                ),
            ),
        ),
        Row(
            "Callers",
            (
                Panel(
                    "Refused, by reason",
                    (
                        Query(
                            per_second("futago_gateway_refused_total", "reason"),
                            "{{reason}}",
                            empty_because="nobody was refused",
                        ),
                    ),
                    Unit.PER_SECOND,
                    runbooks=("FutagoCredentialsRefused", "FutagoLoginsRefused"),
                ),
                Panel(
                    "Limits",
                    (
                        Query(
                            per_second("futago_gateway_limit_decisions_total", "limit, outcome"),
                            "{{limit}}: {{outcome}}",
                        ),
                    ),
                    Unit.PER_SECOND,
                    runbooks=("FutagoCallersLimited",),
                ),
                Panel(
                    "Connections refused",
                    (
                        Query(
                            per_second("futago_http_refused_total", "reason", 'service="gateway"'),
                            "{{reason}}",
                        ),
                    ),
                    Unit.PER_SECOND,
                    runbooks=("FutagoConnectionsRefused",),
                ),
                stat(
                    "API keys that expire soon",
                    "max(futago_gateway_api_keys_expiring)",
                    steps=(Step(1.0, "orange"),),
                    runbooks=("FutagoApiKeysExpiring",),
                ),
                stat(
                    "Age of the newest list of revocations",
                    "max(futago_gateway_floors_age_seconds)",
                    unit=Unit.SECONDS,
                    steps=alarm_from(1.5),
                    decimals=1,
                    runbooks=("FutagoRevocationsUnknown",),
                ),
                stat(
                    "Accepted without Redis",
                    "sum(rate(futago_gateway_without_redis_total[5m]))",
                    unit=Unit.PER_SECOND,
                    steps=alarm_from(0.001),
                    runbooks=("FutagoGatewayWithoutRedis",),
                ),
                stat("Open event streams", "sum(futago_gateway_event_streams)"),
            ),
        ),
        Row(
            "Audit trail and notifications",
            (
                stat(
                    "Audit trail intact",
                    "min(futago_gateway_audit_intact)",
                    below="red",
                    steps=good_from(1.0),
                    description="1 is intact.",
                    runbooks=("FutagoAuditTampered",),
                ),
                stat(
                    "Accesses not recorded, last day",
                    "sum(increase(futago_gateway_audit_dropped_total[1d]))",
                    steps=alarm_from(1.0),
                    runbooks=("FutagoAuditGap",),
                ),
                Panel(
                    "Entries that wait for export",
                    (
                        Query(
                            newest("futago_gateway_audit_export_lag", "destination"),
                            "{{destination}}",
                            empty_because="no export is configured",
                        ),
                    ),
                    steps=alarm_from(5000.0),
                    runbooks=("FutagoAuditExportBehind",),
                ),
                Panel(
                    "Notifications",
                    (
                        Query(
                            "sum by (outcome) (increase(futago_gateway_notifications_total[$__rate_interval]))",
                            "{{outcome}}",
                            empty_because="no address is configured",
                        ),
                    ),
                    runbooks=("FutagoNotificationsFailing",),
                ),
            ),
        ),
    ),
)
